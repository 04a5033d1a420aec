package proxy

import "testing"

func TestAProcessIDThatStandsForAClientIsNoProcess(t *testing.T) {
	var r registry
	stays := new(client)
	r.add(stays)
	for range 3000 { // more than there are turns
		c := new(client)
		r.add(c)
		if c.pid <= 1<<22 || c.pid > 1<<31-1 {
			t.Fatalf("%d could be a process", c.pid)
		}
		if r.at(c.pid) != c || r.at(stays.pid) != stays {
			t.Fatalf("%d and %d stand for the wrong clients", c.pid, stays.pid)
		}
		gone := c.pid
		r.remove(c)
		if r.at(gone) != nil {
			t.Fatalf("%d stands for a client that has gone", gone)
		}
	}
}
