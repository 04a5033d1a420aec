package proxy

import (
	"testing"

	"pgweir/pool"
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
	w.leased = append(w.leased, s)
	w.countPins(snapshot, map[*clientPool]int{cp: 0})
	if q := snapshot.Pools[0]; q.OldestQuery != 0 || q.OldestPin != 0 {
		t.Error(q)
	}
}

func TestAPeakIsNeverBelowWhatThereIsOrWas(t *testing.T) {
	p, cp := new(Proxy), &clientPool{pool: new(pool.Pool)}
	console := new(clientPool)
	for _, c := range []struct {
		clients, backends         int
		peakClients, peakBackends int
		peakSaved                 int
	}{{7, 2, 7, 2, 5}, {3, 3, 7, 3, 5}, {9, 1, 9, 3, 8}, {0, 0, 9, 3, 8}} {
		s := &status.Snapshot{Pools: []status.Pool{{ClientsActive: c.clients, ServersIdle: c.backends}, {ClientsActive: 1}}}
		p.fillSavings(s, []*clientPool{cp, console})
		q, v := &s.Pools[0], &s.Savings.Peak
		if q.ClientsPeak != c.peakClients || q.BackendsPeak != c.peakBackends || q.SavedPeak != c.peakSaved {
			t.Errorf("%+v: the pool's peaks are %d, %d, %d", c, q.ClientsPeak, q.BackendsPeak, q.SavedPeak)
		}
		if v.Clients != c.peakClients || v.Backends != c.peakBackends || v.Saved != c.peakSaved {
			t.Errorf("%+v: all pools' peaks are %+v", c, v)
		}
	}
}
