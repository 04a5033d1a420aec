package session

import (
	"strings"

	"pgweir/wire"
)

// follow has the direct connection carry out what has been consumed.
func (c *simClient) follow() {
	d := c.direct
	for !d.dead {
		if d.in == "" {
			if c.fed == len(c.sent) || c.at[c.fed] >= c.consumed() {
				break
			}
			if e := c.refused[c.fed]; e != nil {
				c.refuseDirectly(e)
				c.fed++
				continue
			}
			d.in = c.sent[c.fed]
			c.fed++
		}
		if !d.next() {
			break
		}
		c.collect()
	}
	c.collect()
}

// refuseDirectly answers the next message as a connection would that has no
// backend for it.
func (c *simClient) refuseDirectly(e *wire.Error) {
	d := c.direct
	refusal := *e
	refusal.Severity = "ERROR"
	d.say += string(refusal.Append(nil))
	m := c.sent[c.fed]
	d.doubt = d.doubt || setsUnnamed(m[0], m[wire.HeaderLen:])
	switch c.sent[c.fed][0] {
	case 'Q', 'F':
		d.say += ready('I')
	default:
		d.skip = true
	}
	d.flush()
}

// collect takes what the direct connection has said: what it has flushed must
// come, what it has not may.
func (c *simClient) collect() {
	all, _ := frames(c.direct.out)
	c.direct.out = ""
	// What was expected without having been flushed has been flushed now.
	c.expect = append(c.expect[:c.must:c.must], all...)
	c.must = len(c.expect)
	unflushed, _ := frames(c.direct.say)
	c.expect = append(c.expect, unflushed...)
}

// reads holds what comes against what would come directly.
func (c *simClient) reads(bytes string) {
	if c.left || c.quits {
		return
	}
	c.got += bytes
	all, rest := frames(c.got)
	c.got, c.early = rest, false
	if len(all) == 0 {
		return
	}
	c.follow()
	for i, m := range all {
		if m == asyncNotice {
			continue
		}
		if m[0] == 'A' {
			c.readsNote(m)
			continue
		}
		c.last = m
		if len(c.expect) > 0 && (c.expect[0] == m || c.sameError(c.expect[0], m) || sameColumns(c.expect[0], m)) {
			c.expect = c.expect[1:]
			if c.must--; c.must < 0 {
				// Ahead of its flush: the direct connection will not say it again.
				c.direct.say = c.direct.say[len(m):]
				c.must = 0
			}
			continue
		}
		if len(c.expect) > 0 && c.expect[0][0] == 't' && m == errAborted && c.direct.tx == 'E' {
			c.quits = true // a Describe of what cannot be prepared anew either
			return
		}
		if len(c.expect) == 0 && c.held() {
			c.early, c.got = true, strings.Join(all[i:], "")+c.got // the session has still to consume what this answers
			return
		}
		if c.doomed && (strings.Contains(m, "\x00VFATAL\x00C57P01\x00") || strings.Contains(m, "\x00VFATAL\x00C08006\x00")) {
			continue
		}
		c.sim.t.Fatalf("client %d reads  %s\ninstead of    %s", c.id, show(m), strings.Join(c.missing(), ""))
	}
}

// held tells whether the session holds a message back that it is going to be fed
// again now.
func (c *simClient) held() bool {
	return c.rig.s.blocked && c.rig.fromClient != "" && !c.rig.s.awaits()
}

// sameError tells whether got is as good as want. In a block that has failed a
// statement cannot be prepared anew, and that is what the client is told then,
// and not what else would be wrong with its message.
func (c *simClient) sameError(want, got string) bool {
	return want[0] == 'E' && got == errAborted && c.direct.tx == 'E'
}

// answered tells whether all that was said has been answered.
func (c *simClient) answered() bool {
	if c.outbox != "" || c.rig.fromClient != "" {
		return false
	}
	c.follow()
	return c.must == 0 && c.direct.in == ""
}

func (c *simClient) missing() (all []string) {
	for _, m := range c.expect {
		all = append(all, show(m))
	}
	return all
}
