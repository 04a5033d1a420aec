package proxy

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"pgweir/throttle"
	"pgweir/wire"
)

// TestCancelsThatHangHoldUpNoLogin: their seats are given back at their end.
func TestCancelsThatHangHoldUpNoLogin(t *testing.T) {
	p := serving(t)
	p.entrance.Set(throttle.Limits{Clients: 10, Logins: 2})
	target, _ := accepted(t, p) // which stays on its way, so that whatever is for it waits
	target.secret = 7
	target.keyed.Store(true)
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e}, target.pid)
	request = append(request, p.cancelKey(target, target.pid)...)
	const cancels = 5
	for range cancels {
		c, peer := arrived(t, p, "10.0.0.1")
		if _, err := peer.Write(request); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is being carried out", func() (is bool) {
			p.workers[0].do(func() { is = c.login != nil && c.login.stage == stageCancel })
			return is
		})
	}
	if n := p.entrance.Counts(); n.Served+n.Waiting != 0 {
		t.Errorf("the cancels have turns: %+v", n)
	}
	c, peer := arrived(t, p, "10.0.0.1")
	p.workers[0].do(func() {
		if c.login.stage != stageStart {
			t.Errorf("a login is in stage %d", c.login.stage)
		}
	})
	peer.Close()
	eventually(t, "it has gone", func() bool { return p.entrance.Counts() == throttle.Counts{} })
	p.entrance.Set(throttle.Limits{Clients: cancels, Logins: 2})
	full, peer := arrived(t, p, "10.0.0.1")
	if n := p.entrance.Counts(); n.Reserve != 1 {
		t.Errorf("the cancels have no seats: %+v", n)
	}
	p.workers[0].do(full.finish)
	peer.Close()
	p.workers[0].post(target.begin)
	eventually(t, "all have been carried out", func() bool { return p.clients.count.Load() == 1 })
	for range cancels {
		arrived(t, p, "10.0.0.1")
	}
	if n := p.entrance.Counts(); n.Reserve != 0 {
		t.Errorf("not all seats are free again: %+v", n)
	}
	if arrived(t, p, "10.0.0.1"); p.entrance.Counts().Reserve != 1 {
		t.Error("a seat is free that was taken")
	}
}

// heard is a log that can be read.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(b)
}

func (h *heard) count(text string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Count(h.text.String(), text)
}

// TestWhatStrangersCanDoHasFewLinesInTheLog, whatever it is; and of each address the
// first ones are told.
func TestWhatStrangersCanDoHasFewLinesInTheLog(t *testing.T) {
	p := serving(t)
	log := &heard{}
	p.log = slog.New(slog.NewTextHandler(log, nil))
	fails := func(e *wire.Error) func(*login) { return func(l *login) { l.fail(e) } }
	kinds := map[string]func(*login){
		"10.0.0.1": fails(wire.UnsupportedProtocol(2 << 16)),
		"10.0.0.2": fails(wire.Fatalf(wire.CodeInvalidAuthorization, "no user name")),
		"10.0.0.3": fails(wire.Fatalf("3D000", "no such database")),
		"10.0.0.4": func(l *login) { l.direct() },
		"10.0.0.5": func(l *login) { l.handshaken(nil, nil, net.ErrClosed) },
	}
	for ip, do := range kinds {
		for range 100 {
			c, peer := arrived(t, p, ip)
			p.workers[0].do(func() { do(c.login) })
			peer.Close()
			eventually(t, "it has gone", func() bool { return p.entrance.Counts() == throttle.Counts{} })
		}
		if n := log.count("addr=" + ip); n != 20 {
			t.Errorf("%s has %d lines", ip, n)
		}
	}
	if n := p.notes.Total(throttle.Garbled); n != 100*int64(len(kinds)) {
		t.Errorf("%d are counted", n)
	}
	c, _ := arrived(t, p, "10.0.0.1")
	p.workers[0].do(func() {
		c.login.proven = true
		c.login.fail(wire.Fatalf("3D000", "no such database, for who is known"))
	})
	if log.count("for who is known") != 1 {
		t.Error("nothing is said of one who has shown who he is")
	}
}
