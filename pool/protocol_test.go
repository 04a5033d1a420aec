package pool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// versions are those of the protocol that a scripted server was asked for, in order.
func (s *server) versions() (all []uint32) {
	for _, start := range s.logins() {
		all = append(all, start.Version)
	}
	return all
}

func speaks32(s *Settings) { s.Protocol = wire.Protocol32 }

// negotiation is a NegotiateProtocolVersion.
func negotiation(version, count uint32, names string) []byte {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, version), count)
	return message('v', string(body)+names)
}

func TestAServerIsAskedForTheNewestProtocolThatIsAllowed(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 256)
	for _, c := range []struct {
		name        string
		asked       uint32
		ahead       []byte // of the AuthenticationOk
		key         []byte
		want, after uint32 // the version asked for
	}{
		{"3.0 by default", 0, nil, []byte{1, 2, 3, 4}, wire.Protocol30, 0},
		{"3.2 with the longest key", wire.Protocol32, nil, long, wire.Protocol32, 0},
		{"3.2 with the usual key", wire.Protocol32, nil, long[:32], wire.Protocol32, 0},
		{"3.2 with the shortest key", wire.Protocol32, nil, long[:4], wire.Protocol32, 0},
		{"a server that knows 3.0", wire.Protocol32, negotiation(wire.Protocol30, 0, ""), long[:4], wire.Protocol32, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.ahead, s.key = c.ahead, c.key
			p := h.pool(s, func(s *Settings) { s.Protocol = c.asked })
			b := h.lease(p)
			if got := s.versions(); !slices.Equal(got, []uint32{c.want}) {
				t.Errorf("asked for %x", got)
			}
			if !bytes.Equal(b.Key, c.key) {
				t.Errorf("the key is %x", b.Key)
			}
			if settled, err := p.CancelQuery(b, CancelRequest{}); err != nil || !settled {
				t.Error(settled, err)
			}
			s.mu.Lock()
			canceled := len(s.cancels) == 1 && s.sessions[b.PID].isCanceled()
			s.mu.Unlock()
			if !canceled {
				t.Error("the key cancels nothing")
			}
			h.giveBack(b)
		})
	}
}

func TestAServerThatNegotiatesTheProtocolWronglyIsRefused(t *testing.T) {
	down := negotiation(wire.Protocol30, 0, "")
	for _, c := range []struct {
		name  string
		asked uint32
		sent  []byte
		says  string
	}{
		{"newer than asked", wire.Protocol32, negotiation(3<<16|3, 0, ""), "newer version (3.3)"},
		{"another major version", wire.Protocol32, negotiation(4<<16, 0, ""), "newer version (4.0)"},
		{"older than there is", wire.Protocol32, negotiation(2<<16, 0, ""), "version 2.0, which there is not"},
		{"only the minor version", wire.Protocol32, negotiation(2, 0, ""), "version 0.2, which there is not"},
		{"3.1", wire.Protocol32, negotiation(3<<16|1, 0, ""), "version 3.1, which there is not"},
		{"no change", wire.Protocol32, negotiation(wire.Protocol32, 0, ""), "changes nothing"},
		{"no change of 3.0", wire.Protocol30, down, "changes nothing"},
		{"3.2 where 3.0 was asked for", wire.Protocol30, negotiation(wire.Protocol32, 0, ""), "newer version (3.2)"},
		{"an option not asked for", wire.Protocol32, negotiation(wire.Protocol30, 1, "_pq_.x\x00"), `refuses "_pq_.x"`},
		{"no option", wire.Protocol32, negotiation(wire.Protocol32, 1, "user\x00"), `names "user"`},
		{"fewer names than it says", wire.Protocol32, negotiation(wire.Protocol30, 2, "_pq_.x\x00"), "not 2 names"},
		{"more names than it says", wire.Protocol32, negotiation(wire.Protocol30, 0, "_pq_.x\x00"), "not 0 names"},
		{"a name without an end", wire.Protocol32, negotiation(wire.Protocol30, 1, "_pq_.x"), "not 1 names"},
		{"no room for a count", wire.Protocol32, message('v', "\x00\x03\x00\x00\x00\x00\x00"), "7 bytes"},
		{"a long one", wire.Protocol32, negotiation(wire.Protocol30, 1, strings.Repeat("x", 2000)+"\x00"), "has 2009 bytes"},
		{"twice", wire.Protocol32, slices.Concat(down, down), "came twice"},
		{"late", wire.Protocol32, slices.Concat(wire.AppendAuthOK(nil), down), "behind its AuthenticationOk"},
		{"a long key of 3.0", wire.Protocol30, slices.Concat(wire.AppendAuthOK(nil), wire.AppendBackendKeyData(nil, 1, make([]byte, 5))), "cancel key of 5 bytes"},
		{"a long key of 3.0, negotiated", wire.Protocol32, slices.Concat(down, wire.AppendAuthOK(nil), wire.AppendBackendKeyData(nil, 1, make([]byte, 32))), "cancel key of 32 bytes"},
		{"a key that is too short", wire.Protocol32, slices.Concat(wire.AppendAuthOK(nil), wire.AppendBackendKeyData(nil, 1, make([]byte, 3))), "BackendKeyData"},
		{"a key that is too long", wire.Protocol32, slices.Concat(wire.AppendAuthOK(nil), wire.AppendBackendKeyData(nil, 1, make([]byte, 257))), "BackendKeyData"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.raw = func(*startup) []byte { return c.sent }
			p := h.pool(s, func(s *Settings) { s.Protocol = c.asked })
			k := h.taker(p)
			k.ask(p, nil)
			if e := k.refusal(); e.Code != wire.CodeProtocolViolation || !strings.Contains(e.Message, c.says) {
				t.Errorf("%v, want %q", e, c.says)
			}
			if got := s.versions(); len(got) != 1 {
				t.Errorf("asked for %x", got)
			}
		})
	}
}

// TestAServerThatDoesNotBearAVersionIsAskedForAnOlderOne: it hangs up, or refuses the
// login, as poolers and old servers do.
func TestAServerThatDoesNotBearAVersionIsAskedForAnOlderOne(t *testing.T) {
	for name, answer := range map[string][]byte{
		"it hangs up":                    {},
		"it hangs up in mid-message":     {'E', 0},
		"it says that it does not know":  wire.Fatalf(wire.CodeFeatureNotSupported, "unsupported frontend protocol 3.2").Append(nil),
		"it takes that for a bad packet": wire.Fatalf(wire.CodeProtocolViolation, "bad startup packet").Append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.raw = func(x *startup) []byte {
				if x.Version == wire.Protocol30 {
					return nil
				}
				return answer
			}
			p := h.pool(s, func(s *Settings) { speaks32(s); s.Size = 1 })
			first := h.lease(p)
			if _, most := s.counts(); most > 1 {
				t.Errorf("there were %d processes at once", most)
			}
			h.end(first, false)
			h.end(h.lease(p), false)
			const old = wire.Protocol30
			if got := s.versions(); !slices.Equal(got, []uint32{wire.Protocol32, old, old}) {
				t.Errorf("asked for %x", got)
			}
			p.Set(p.Settings()) // it may be another server by now
			h.giveBack(h.lease(p))
			if got := s.versions(); !slices.Equal(got[3:], []uint32{wire.Protocol32, old}) {
				t.Errorf("after a reload: asked for %x", got)
			}
			p.mu.Lock()
			p.olderUntil = time.Since(p.epoch)
			p.mu.Unlock()
			h.end(h.lease(p), false)
			h.giveBack(h.lease(p))
			if got := s.versions(); !slices.Equal(got[5:], []uint32{wire.Protocol32, old}) {
				t.Errorf("after a while: asked for %x", got)
			}
		})
	}
}

func TestALoginThatFailsForAnotherReasonIsNotTriedInAnOlderProtocol(t *testing.T) {
	for name, script := range map[string]func(*startup) []byte{
		"the server lets nobody in": func(*startup) []byte {
			return wire.Fatalf(wire.CodeInvalidAuthorization, "no").Append(nil)
		},
		"it starts up": func(*startup) []byte { return wire.Fatalf("57P03", "starting up").Append(nil) },
		"it hangs up later": func(*startup) []byte {
			return wire.AppendAuthCleartext(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.raw = script
			p := h.pool(s, speaks32)
			k := h.taker(p)
			k.ask(p, nil)
			k.trouble(p)
			if got := slices.Compact(s.versions()); !slices.Equal(got, []uint32{wire.Protocol32}) {
				t.Errorf("asked for %x", got)
			}
		})
	}
	t.Run("nothing is remembered of a login that fails in both", func(t *testing.T) {
		h, s := newHost(t), serve(t)
		s.raw = func(*startup) []byte { return []byte{} }
		p := h.pool(s, speaks32)
		k := h.taker(p)
		k.ask(p, nil)
		if e := k.trouble(p); e.Code != wire.CodeConnectionFailure {
			t.Error(e)
		}
		if got := fmt.Sprintf("%x", s.versions()); !strings.HasPrefix(got, "[30002 30000") || p.olderUntil != 0 {
			t.Errorf("asked for %s, until %v", got, p.olderUntil)
		}
	})
}
