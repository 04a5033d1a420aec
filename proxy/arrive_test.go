package proxy

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgweir/throttle"
	"pgweir/wire"
)

// arrived is a client whose login has begun, from an address.
func arrived(t *testing.T, p *Proxy, ip string) (c *client, peer net.Conn) {
	t.Helper()
	c, peer = accepted(t, p)
	c.comesFrom(ip)
	c.takesASeat(p)
	p.workers[0].do(c.begin)
	return c, peer
}

// takesASeat is what arrive does ahead of begin.
func (c *client) takesASeat(p *Proxy) {
	c.login.visitor.Guest, c.login.attempt.Ready = c.login, c.login.mayBeJudged
	if p.entrance.Arrive(&c.login.visitor, c.address(), p.since(), false) == throttle.Waits {
		c.login.stage = stageWaiting
	}
}

func (c *client) comesFrom(ip string) {
	c.peer = peerAt(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
}

// said is all that a client is told until it is closed.
func said(t *testing.T, peer net.Conn) string {
	t.Helper()
	peer.SetDeadline(time.Now().Add(patience))
	all, err := io.ReadAll(peer)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("%q, %v", all, err)
	}
	return string(all)
}

func TestALoginIsEndedByItsAgeWhateverItStandsStillIn(t *testing.T) {
	p := serving(t)
	for stage, told := range map[loginStage]bool{
		stageStart: true, stageWaiting: true, stagePassword: true, stageDelay: true, stageDerive: true, stageInquire: true,
		stageHandshake: false, // it would take it for a part of the handshake
	} {
		c, peer := arrived(t, p, "10.0.0.1")
		p.workers[0].do(func() {
			c.login.stage = stage
			c.since -= p.Config().ClientLoginTimeout + time.Second
		})
		if got := strings.Contains(said(t, peer), "canceling authentication due to timeout"); got != told {
			t.Errorf("stage %d: told so: %v", stage, got)
		}
		eventually(t, "nothing of it is left", func() bool { return p.entrance.Counts() == throttle.Counts{} })
	}
}

func TestWhatAClientSendsAheadOfItsLoginIsBounded(t *testing.T) {
	p := serving(t)
	c, peer := arrived(t, p, "10.0.0.1")
	p.workers[0].do(func() {
		c.login.stage = stageDelay
		if n := c.login.received(make([]byte, maxAhead)); n != 0 || c.state != clientOpen {
			t.Errorf("what may wait does not: %d, state %d", n, c.state)
		}
		c.login.received(make([]byte, maxAhead+1))
	})
	if got := said(t, peer); !strings.Contains(got, wire.CodeProtocolViolation) {
		t.Errorf("told %q", got)
	}
}

// TestALoginWhoseAddressIsKnownLaterIsCountedThere: it has been served already, and
// waits for its turn there.
func TestALoginWhoseAddressIsKnownLaterIsCountedThere(t *testing.T) {
	p := serving(t)
	p.entrance.Set(throttle.Limits{Clients: 10, Logins: 10, PerAddr: 1})
	first, peer := arrived(t, p, "192.0.2.1")
	second, _ := arrived(t, p, "10.0.0.1")
	p.workers[0].do(func() {
		second.comesFrom("192.0.2.1")
		if second.login.moved() || second.login.stage != stageWaiting {
			t.Error("it does not wait")
		}
	})
	p.workers[0].do(func() { first.login.fail(errLoginTimeout) })
	said(t, peer)
	eventually(t, "it is served in its turn", func() (served bool) {
		p.workers[0].do(func() { served = second.login.stage == stageStart })
		return served
	})
}

func TestWhoLosesItsSeatIsToldWhy(t *testing.T) {
	p := serving(t)
	c, peer := arrived(t, p, "10.0.0.1")
	c.login.Yield()
	if got := said(t, peer); !strings.Contains(got, wire.CodeTooManyConnections) || !strings.Contains(got, "max_client_conn") {
		t.Errorf("told %q", got)
	}
}
