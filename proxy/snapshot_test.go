package proxy

import (
	"testing"

	"pgweir/status"
)

// A client that logs in has been lent a backend, and has no session yet.
func TestPinsAreCountedWhileAClientLogsInWithABackend(t *testing.T) {
	w, cp := new(worker), new(clientPool)
	c := &client{pool: cp, login: new(login)}
	c.worker.Store(w)
	s := new(server)
	s.client.Store(c)
	snapshot := &status.Snapshot{Pools: make([]status.Pool, 1)}
	w.countPins([]*server{s}, snapshot, map[*clientPool]int{cp: 0})
	if q := snapshot.Pools[0]; q.OldestQuery != 0 || q.OldestPin != 0 {
		t.Error(q)
	}
}
