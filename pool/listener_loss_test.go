package pool

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

func TestAfterALossAllIsListenedToAgainAndAllAreToldOfIt(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	a, b, deaf := hearing(t, l), hearing(t, l), hearing(t, l)
	a.listen("x", "y")
	b.listen("y")
	deaf.listen("z")
	deaf.listen()
	for range 3 {
		queries := len(n.asked())
		n.kill()
		eventually(t, "all is listened to again", func() bool { return slices.Equal(n.listened(), []string{"x", "y"}) })
		if got := len(n.asked()) - queries; got != 1 {
			t.Errorf("%d queries", got)
		}
	}
	a.heard("done", "missed", "missed", "missed")
	b.heard("done", "missed", "missed", "missed")
	n.notify("y", "1")
	a.heard("y 1")
	b.heard("y 1")
	deaf.heard("done", "done")
	if st := l.Status(); st.Losses != 3 || st.Lost == nil || st.Lost.Code != wire.CodeConnectionFailure || st.Failure != nil {
		t.Errorf("%+v", st)
	}
	if _, most := s.counts(); most > 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestWhatIsAskedForDuringALossWaits(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	a, b := hearing(t, l), hearing(t, l)
	a.listen("x")
	hold := make(chan struct{})
	s.set(func(s *server) { s.hold = hold })
	n.kill()
	s.startsAre(2)
	b.begin("x", "y")
	a.begin("x", "z")
	if st := l.Status(); st.PID != 0 || st.Channels != 1 {
		t.Errorf("%+v", st)
	}
	s.set(func(s *server) { s.hold = nil })
	close(hold)
	if e, f := a.finish(), b.finish(); e != nil || f != nil {
		t.Error(e, f)
	}
	n.notify("x", "1")
	n.notify("z", "2")
	a.heard("done", "missed", "done", "x 1", "z 2")
	b.heard("done", "x 1")
}

func TestALossUnderARequestIsMendedOnceAndThenItIsTheRequestsFault(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	a := hearing(t, l)
	a.listen("x")
	kills := 1
	n.set(func(n *bulletin) {
		n.before = func(x *serverSession) {
			if kills > 0 {
				kills--
				x.conn.Close()
			}
		}
	})
	a.listen("x", "y") // at the second try
	n.set(func(n *bulletin) {
		n.before = nil
		n.refuse = func(sql string) *wire.Error {
			if strings.Contains(sql, "poison") {
				return wire.Fatalf("XX000", "out of everything")
			}
			return nil
		}
	})
	b := hearing(t, l)
	b.refused("XX000", "poison")
	eventually(t, "all is listened to again", func() bool {
		st := l.Status()
		return st.Losses == 3 && slices.Equal(n.listenedBy(st.PID), []string{"x", "y"})
	})
	a.heard("done", "missed", "done", "missed", "missed")
	n.notify("y", "1")
	a.heard("y 1")
}

func TestALoginThatFailsIsTheAnswerInTheServersOwnWords(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	own := wire.Fatalf("3D000", "database \"served\" does not exist")
	own.Extra = []wire.ErrorField{{Type: 'R', Value: "InitPostgres"}}
	s.set(func(s *server) { s.refuse = func(*startup) *wire.Error { return own } })
	l := p.Listener()
	a := hearing(t, l)
	a.begin("x")
	if e := a.finish(); string(e.Append(nil)) != string(own.Append(nil)) {
		t.Errorf("%+v", e)
	}
	if c := p.Counts(); c.Failure != nil {
		t.Errorf("taken for a failure of the clients': %v", c.Failure)
	}
	s.set(func(s *server) { s.refuse = nil })
	eventually(t, "the pause is over", func() bool {
		a.begin("x")
		return a.finish() == nil
	})
	n.notify("x", "1")
	a.heard("done", "x 1")
	if st := l.Status(); st.Failure != nil || st.Losses != 0 {
		t.Errorf("%+v", st)
	}
}

func TestDuringThePauseTheReasonComesAtOnceToThoseWhoListen(t *testing.T) {
	h, s, _, p := listenPool(t, func(s *Settings) { s.LoginRetry = time.Hour })
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error { return wire.Fatalf(wire.CodeInvalidPassword, "wrong") }
	})
	l := p.Listener()
	a := hearing(t, l)
	a.refused(wire.CodeInvalidPassword, "x")
	l.mu.Lock()
	l.failure.until += time.Hour
	l.mu.Unlock()
	for range 10 {
		a.refused(wire.CodeInvalidPassword, "x")
	}
	a.listen() // asks for nothing
	if got := len(s.logins()); got != 1 {
		t.Errorf("%d logins", got)
	}
	s.set(func(s *server) { s.refuse = nil })
	p.Set(h.settings(s, "user", nil))
	a.listen("x")
}

func TestWhileTheServerIsAwayLoginsAreTriedAndWhatWasHeardIsHeardAgain(t *testing.T) {
	_, s, n, p := listenPool(t, func(s *Settings) { s.LoginRetry = 20 * time.Millisecond })
	l := p.Listener()
	a, b := hearing(t, l), hearing(t, l)
	a.listen("x")
	s.stop()
	eventually(t, "the loss is seen", func() bool { return l.Status().Failure != nil })
	b.refused(wire.CodeCannotConnect, "y")
	a.refused(wire.CodeCannotConnect, "x", "y")
	b.listen()
	s.listen()
	eventually(t, "x is listened to", func() bool { return slices.Equal(n.listened(), []string{"x"}) })
	a.heard("done", "missed")
	n.notify("x", "1")
	a.heard("x 1")
	b.heard("done")
}

func TestAServerThatLetsNobodyListenIsTriedAgain(t *testing.T) {
	_, s, n, p := listenPool(t, func(s *Settings) { s.LoginRetry = 5 * time.Millisecond })
	standby := wire.Errorf("0A000", "cannot execute LISTEN during recovery")
	l := p.Listener()
	l.linger = time.Millisecond
	a := hearing(t, l)
	n.set(func(n *bulletin) { n.refuse = func(string) *wire.Error { return standby } })
	a.refused("0A000", "x")
	listening(t, p, 0) // nothing is heard
	n.set(func(n *bulletin) { n.refuse = nil })
	a.listen("x")
	// It fails over to one that does not.
	n.set(func(n *bulletin) { n.refuse = func(string) *wire.Error { return standby } })
	n.kill()
	eventually(t, "it is tried some times", func() bool { return len(s.logins()) > 5 })
	if f := l.Status().Failure; f == nil || f.Code != "0A000" {
		t.Error(f)
	}
	a.refused("0A000", "x", "y")
	n.set(func(n *bulletin) { n.refuse = nil })
	eventually(t, "x is listened to", func() bool { return slices.Equal(n.listened(), []string{"x"}) })
	a.heard("done", "missed")
	n.notify("x", "1")
	a.heard("x 1")
	if f := l.Status().Failure; f != nil {
		t.Error(f)
	}
}

func TestABackendThatDoesNotAnswerIsGivenUp(t *testing.T) {
	_, s, n, p := listenPool(t, func(s *Settings) { s.ConnectTimeout = 300 * time.Millisecond })
	n.set(func(n *bulletin) { n.mute = true })
	l := p.Listener()
	a := hearing(t, l)
	a.refused(wire.CodeConnectionFailure, "x")
	n.set(func(n *bulletin) { n.mute = false })
	eventually(t, "one that does is found", func() bool {
		a.begin("x")
		return a.finish() == nil
	})
	if _, most := s.counts(); most > 5 {
		t.Errorf("%d processes at once", most)
	}
}

func TestWhatNobodyHasAskedForEndsTheConnection(t *testing.T) {
	message := func(typ byte, length uint32, body string) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{typ}, length), body...)
	}
	for name, c := range map[string]struct {
		raw  []byte
		code string
	}{
		"a row":                      {message('D', 6, "\x00\x00"), wire.CodeProtocolViolation},
		"an answer":                  {wire.AppendCommandComplete(nil, "LISTEN"), wire.CodeProtocolViolation},
		"no answer":                  {wire.AppendEmptyQueryResponse(nil), wire.CodeProtocolViolation},
		"ready again":                {wire.AppendReadyForQuery(nil, 'I'), wire.CodeProtocolViolation},
		"length 3":                   {message('A', 3, ""), wire.CodeConnectionFailure},
		"length 2^31":                {message('A', 1<<31, ""), wire.CodeConnectionFailure},
		"length 2^32-1":              {message('S', 1<<32-1, ""), wire.CodeConnectionFailure},
		"a long notification":        {message('A', maxNotification, ""), wire.CodeConnectionFailure},
		"an empty notification":      {message('A', 4, ""), wire.CodeProtocolViolation},
		"three bytes":                {message('A', 7, "abc"), wire.CodeProtocolViolation},
		"no channel":                 {message('A', 10, "\x00\x00\x00\x01\x00\x00"), wire.CodeProtocolViolation},
		"no payload":                 {message('A', 10, "\x00\x00\x00\x01x\x00"), wire.CodeProtocolViolation},
		"no end":                     {message('A', 11, "\x00\x00\x00\x01x\x00p"), wire.CodeProtocolViolation},
		"more behind the payload":    {message('A', 13, "\x00\x00\x00\x01x\x00p\x00q"), wire.CodeProtocolViolation},
		"a broken error":             {message('E', 8, "Sxyz"), wire.CodeProtocolViolation},
		"the server's last words":    {wire.Fatalf(wire.CodeAdminShutdown, "shot").Append(nil), wire.CodeAdminShutdown},
		"an error nobody asked for":  {wire.Errorf("XX000", "alas").Append(nil), "XX000"},
		"half a message and the end": {nil, wire.CodeConnectionFailure},
	} {
		t.Run(name, func(t *testing.T) {
			_, s, n, p := listenPool(t, nil)
			l := p.Listener()
			l.rest = 0
			a := hearing(t, l)
			a.listen("x")
			s.mu.Lock()
			session := s.sessions[l.Status().PID]
			s.mu.Unlock()
			session.conn.Write(c.raw)
			if c.raw == nil {
				session.conn.Write([]byte{'A', 0, 0})
				session.conn.Close()
			}
			eventually(t, "another is there", func() bool {
				st := l.Status()
				return st.Losses == 1 && len(n.listenedBy(st.PID)) == 1
			})
			a.heard("done", "missed")
			n.notify("x", "1")
			a.heard("x 1")
			if e := l.Status().Lost; e == nil || e.Code != c.code {
				t.Errorf("%v, not %s", e, c.code)
			}
		})
	}
}

func TestSettingsAndNoticesDoNotDisturbTheListening(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	a := hearing(t, l)
	a.listen("x")
	s.mu.Lock()
	session := s.sessions[l.Status().PID]
	s.mu.Unlock()
	out := wire.AppendParameterStatus(nil, "TimeZone", "Asia/Tokyo")
	session.conn.Write(wire.AppendNotice(out, wire.Errorf("00000", "reloaded")))
	n.set(func(n *bulletin) {
		n.between = func(x *serverSession) { x.conn.Write(wire.AppendNotice(nil, wire.Errorf("01000", "beware"))) }
	})
	a.listen("x", "y")
	n.notify("y", "1")
	a.heard("done", "done", "y 1")
	if st := l.Status(); st.Losses != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAFloodInsteadOfAnAnswerIsNotKept(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	flood := notification("x", strings.Repeat("p", 100))
	n.set(func(n *bulletin) {
		n.between = func(x *serverSession) {
			for range maxEarly + 1 {
				x.conn.Write(flood)
			}
		}
	})
	a := hearing(t, l)
	a.refused(wire.CodeProtocolViolation, "x")
	a.heard()
}
