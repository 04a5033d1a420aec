package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// resolver is a name of which the address changes.
type resolver struct {
	mu     sync.Mutex
	addr   string   // what the name leads to
	dialed []string // as it was asked for
}

const changingName = "changing.example:5432"

func (r *resolver) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	r.mu.Lock()
	r.dialed = append(r.dialed, addr)
	if addr == changingName {
		addr = r.addr
	}
	r.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func (r *resolver) becomes(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr, r.dialed = addr, nil
}

// TestACancelGoesToTheAddressOfItsBackend: the host's name leads elsewhere by now. It is
// encrypted and verified as the backend's connection.
func TestACancelGoesToTheAddressOfItsBackend(t *testing.T) {
	pki := newPKI(t, "changing.example")
	for _, mode := range []TLSMode{TLSDisable, TLSPrefer, TLSVerifyFull} {
		for _, direct := range []bool{false, true} {
			if direct && mode != TLSVerifyFull {
				continue
			}
			t.Run(string(mode), func(t *testing.T) {
				h, first, second := newHost(t), serveTCP(t), serveTCP(t)
				encrypted := &tls.Config{Certificates: []tls.Certificate{pki.pair}, NextProtos: []string{ALPN}}
				first.tls, second.tls = encrypted, encrypted
				name := new(resolver)
				name.becomes(first.addr)
				p := h.dialing(name.dial, "db", "user", first, func(s *Settings) {
					s.Address = Address{Network: "tcp", Addr: changingName, Host: "changing.example", TLS: TLS{Mode: mode, CA: pki.ca, Direct: direct}}
				})
				b := h.lease(p)
				name.becomes(second.addr)
				if settled, err := p.CancelQuery(b, CancelRequest{}); !settled || err != nil {
					t.Error(settled, err)
				}
				if !slices.Equal(name.dialed, []string{first.addr}) {
					t.Errorf("asked for %q", name.dialed)
				}
				first.set(func(s *server) {
					if len(s.cancels) != 1 || s.cancels[0] != b.PID || s.ways[0].tls != (mode != TLSDisable) || s.ways[0].direct != direct {
						t.Errorf("cancels of %v, %+v", s.cancels, s.ways)
					}
				})
				second.set(func(s *server) {
					if len(s.cancels) != 0 {
						t.Errorf("the other server got %v", s.cancels)
					}
				})
				h.giveBack(b)
			})
		}
	}
}

// TestACancelIsNotSentToWhoCannotShowTheCertificate: somebody else has the address now.
func TestACancelIsNotSentToWhoCannotShowTheCertificate(t *testing.T) {
	right, wrong := newPKI(t, "localhost"), newPKI(t, "localhost")
	h, s := newHost(t), serveTCP(t)
	s.tls = &tls.Config{Certificates: []tls.Certificate{right.pair}, NextProtos: []string{ALPN}}
	p := h.pool(s, func(s *Settings) { s.Address.TLS = TLS{Mode: TLSVerifyFull, CA: right.ca} })
	b := h.lease(p)
	s.set(func(s *server) {
		s.tls = &tls.Config{Certificates: []tls.Certificate{wrong.pair}, NextProtos: []string{ALPN}}
	})
	if settled, err := p.CancelQuery(b, CancelRequest{}); !settled || err == nil {
		t.Error(settled, err)
	}
	s.set(func(s *server) {
		s.tls = nil
	})
	if settled, err := p.CancelQuery(b, CancelRequest{}); !settled || err == nil {
		t.Error("without TLS", settled, err)
	}
	s.set(func(s *server) {
		if len(s.cancels) != 0 {
			t.Errorf("cancels of %v", s.cancels)
		}
	})
	h.giveBack(b)
}

func TestACancelThatTheServerDoesNotFinishIsNotSettled(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.holdCancels = make(chan struct{})
	p := h.pool(s, nil)
	b := h.lease(p)
	p.Set(h.settings(s, "user", func(s *Settings) { s.ConnectTimeout = 300 * time.Millisecond }))
	if settled, err := p.CancelQuery(b, CancelRequest{}); settled || err == nil {
		t.Error(settled, err)
	}
	close(s.holdCancels)
	h.end(b, false)
}

// TestCancelsOfAServerWaitForEachOther: of all pools together, so many are passed on at a
// time. Those that wait can be withdrawn, and are dropped when they have waited long.
func TestCancelsOfAServerWaitForEachOther(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.holdCancels = make(chan struct{})
	const size = maxCancels
	pools := []*Pool{
		h.named("a", "user", s, func(s *Settings) { s.Size = size }),
		h.named("b", "user", s, func(s *Settings) { s.Size = size }),
	}
	var backends []*Backend
	for _, p := range pools {
		for range size {
			backends = append(backends, h.lease(p))
		}
	}
	last := backends[len(backends)-1]
	ends := make(chan error, len(backends))
	for _, b := range backends[:len(backends)-1] {
		go func() {
			_, err := b.pool.CancelQuery(b, CancelRequest{})
			ends <- err
		}()
	}
	counts := func() (waiting, active int) {
		for _, p := range pools {
			c := p.Counts()
			waiting, active = waiting+c.CancelsWaiting, active+c.CancelsActive
		}
		return waiting, active
	}
	eventually(t, "the first are passed on, and the others wait", func() bool {
		waiting, active := counts()
		return waiting == 2*size-1-maxCancels && active == maxCancels
	})
	eventually(t, "they have come", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.cancels) == maxCancels
	})

	withdrawn := make(chan struct{})
	go func() {
		_, err := last.pool.CancelQuery(last, CancelRequest{Withdrawn: withdrawn})
		ends <- err
	}()
	eventually(t, "another one waits", func() bool { waiting, _ := counts(); return waiting == 2*size-maxCancels })
	close(withdrawn)
	if err := <-ends; !Withdrawn(err) {
		t.Errorf("withdrawn: %v", err)
	}

	short := pools[1].Settings()
	short.CancelWait = 10 * time.Millisecond
	pools[1].Set(short)
	if settled, err := last.pool.CancelQuery(last, CancelRequest{}); !settled || !errors.Is(err, errCancelWait) {
		t.Errorf("after cancel_wait_timeout: %v, %v", settled, err)
	}

	close(s.holdCancels)
	for range len(backends) - 1 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	if _, err := last.pool.CancelQuery(last, CancelRequest{Wanted: func() bool { return false }}); !Withdrawn(err) {
		t.Errorf("not wanted: %v", err)
	}
	s.set(func(s *server) {
		if len(s.cancels) != 2*size-1 {
			t.Errorf("%d cancels", len(s.cancels))
		}
		if s.mostCancels > maxCancels {
			t.Errorf("%d cancels at once", s.mostCancels)
		}
	})
	if n := len(h.budget.cancels.gates); n != 0 {
		t.Errorf("%d gates are left", n)
	}
	for _, b := range backends {
		h.giveBack(b)
	}
}
