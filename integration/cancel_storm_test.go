package integration

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgweir/cluster"
)

// TestACancelStormIsButAFewConnectionsToPostgreSQL counts them in the server's own log.
func TestACancelStormIsButAFewConnectionsToPostgreSQL(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"log_connections": "on"}})
	const (
		sleepers, requests = 20, 500
		perQuery           = 9 // at pauses of 5, 10 ... 640 ms, while nothing comes of it
	)
	w := startWeir(t, weirOptions{Cluster: pg, Top: "log_connections = false\nlog_disconnections = false\nserver_tls_sslmode = \"disable\"",
		Database: fmt.Sprintf("pool_size = %d", sleepers+1)})
	direct, console := connect(t, w.Direct()), connect(t, w.Console())
	received := func() int {
		log, err := os.ReadFile(filepath.Join(pg.Dir, "postgres.log")) // all of it
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), "connection received")
	}
	storm := func(request func(i int) (pid uint32, key []byte)) {
		var all sync.WaitGroup
		for i := range requests {
			all.Go(func() {
				pid, key := request(i)
				if err := sendCancel(w.Addr(), pid, key); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	sleeps := func(clients []*wireClient) {
		for _, c := range clients {
			c.send(simpleQuery("select pg_sleep(60) /* storm */"))
		}
		running(t, w, direct, "select pg_sleep(60)", len(clients))
	}
	canceled := func(clients []*wireClient) {
		for _, c := range clients {
			if code, err := c.answer(); code != "57014" || err != nil {
				t.Errorf("a query that was canceled got %q, %v", code, err)
			}
		}
		for _, c := range clients {
			if code, err := c.roundTrip("select 1"); code != "" || err != nil {
				t.Errorf("the one behind it got %q, %v", code, err)
			}
		}
	}
	bystander := loginWire(t, w)
	bystander.send(simpleQuery("select pg_sleep(3600) /* bystander */"))
	running(t, w, direct, "select pg_sleep(3600)", 1)
	var clients []*wireClient
	for range sleepers {
		clients = append(clients, loginWire(t, w))
	}
	sleeps(clients)

	before := received()
	storm(func(int) (uint32, []byte) {
		key := make([]byte, 8)
		rand.Read(key)
		return binary.BigEndian.Uint32(key[4:]), key[:4]
	})
	storm(func(i int) (uint32, []byte) { return clients[i%sleepers].pid, bystander.key })
	if n := received() - before; n != 0 {
		t.Errorf("keys that are nobody's made %d connections to PostgreSQL", n)
	}

	storm(func(i int) (uint32, []byte) { return clients[i%sleepers].pid, clients[i%sleepers].key })
	canceled(clients)
	all := received() - before
	if all < sleepers || all > perQuery*sleepers {
		t.Errorf("%d requests for %d queries made %d connections to PostgreSQL", requests, sleepers, all)
	}

	// One that takes no notice: PostgreSQL is asked for a while, and then anew by who
	// comes later.
	execSQL(t, w.Direct(), "create table over (a int)")
	c := clients[0]
	c.send(simpleQuery(`do $$ begin
		while not exists (select from over) loop
			begin perform pg_sleep(0.01); exception when query_canceled then null; end;
		end loop; end $$`))
	running(t, w, direct, "do $$", 1)
	before = received()
	start := time.Now()
	storm(func(int) (uint32, []byte) { return c.pid, c.key })
	single := received() - before
	if most := perQuery * (1 + int(time.Since(start)/time.Second)); single < 1 || single > most {
		t.Errorf("%d requests for one query made %d connections to PostgreSQL, want at most %d", requests, single, most)
	}
	t.Logf("%d requests: %d connections for %d queries, %d in %v for one that goes on", requests, all, sleepers, single, time.Since(start))
	execSQL(t, w.Direct(), "insert into over values (1)")
	if code, err := c.answer(); err != nil {
		t.Errorf("%q, %v", code, err)
	}

	running(t, w, direct, "select pg_sleep(3600)", 1)
	eventually(t, "the console shows no cancel any more", func() bool {
		row := poolRow(t, w, console)
		return row["cl_active_cancel_req"] == "0" && row["cl_waiting_cancel_req"] == "0" && row["sv_active_cancel"] == "0" && row["sv_being_canceled"] == "0"
	})
	if err := sendCancel(w.Addr(), bystander.pid, bystander.key); err != nil {
		t.Fatal(err)
	}
	if code, err := bystander.answer(); code != "57014" || err != nil {
		t.Errorf("%q, %v", code, err)
	}
}
