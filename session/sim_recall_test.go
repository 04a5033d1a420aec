package session

import (
	"fmt"
	"slices"
	"strings"

	"pgweir/session/follow"
	"pgweir/wire"
)

// What is here holds what a client is told without a backend against what PostgreSQL
// would say then. The columns of a statement about the table v0 say under which
// settings it is read, whether the session has a temporary table of that name, and
// how often the other one has been altered. The last of these the model of a direct
// connection cannot know at the right time, and is looked at for itself.

// alteration is one of v0 that pgweir need not know of yet.
type alteration struct {
	width   int // of v0 since then
	version int // of the objects
	owner   string
	seconds int // that have gone by
}

// alter has v0 be altered for all.
func (w *world) alter(owner string) {
	w.version++
	w.width++
	w.alterations = append(w.alterations, alteration{width: w.width, version: w.version, owner: owner})
}

// ownWidth is the width of v0 where the transaction under way has altered it.
const ownWidth = -1

// columnsHere is the answer to a Describe of a statement about v0.
func (b *backend) columnsHere() string {
	width := 0
	if b.world != nil {
		width = b.world.width
	}
	if b.altered > 0 {
		width = ownWidth
	}
	role := b.settings[follow.NameRole]
	if role == "none" {
		role = ""
	}
	_, temporary := b.state["temp v0"]
	name := fmt.Sprintf("%d/%s/%s/%s/%v", width, b.settings["search_path"], role, b.vars[wire.VarTimeZone], temporary)
	return string(wire.AppendRowDescription(nil, []wire.Column{{Name: name, OID: 25, Size: -1}}))
}

// widthOf is the width of v0 in a RowDescription, and the rest of that; ok is false if
// it is about something else.
func widthOf(m string) (width int, rest string, ok bool) {
	if m[0] != 'T' {
		return 0, "", false
	}
	err := wire.DecodeRowDescription([]byte(m[wire.HeaderLen:]), func(name []byte, _ uint32, _ int32) {
		_, rest, ok = strings.Cut(string(name), "/")
		ok = ok && scans(string(name), "%d/", &width)
	})
	return width, rest, ok && err == nil
}

// sameColumns tells whether two messages are alike but for the width of v0.
func sameColumns(want, got string) bool {
	_, a, ok := widthOf(want)
	_, b, also := widthOf(got)
	return ok && also && a == b
}

// checkRecalled looks at what a client is told without a backend.
func (c *simClient) checkRecalled(bytes string) {
	w := c.sim.world
	all, _ := frames(bytes)
	for _, m := range all {
		width, _, ok := widthOf(m)
		if !ok {
			continue
		}
		c.sim.recalled++
		least := w.known
		for _, a := range w.alterations {
			if a.seconds >= 2 {
				least = max(least, a.width)
			}
		}
		if width < least || width > w.width {
			c.sim.t.Fatalf("client %d is told without a backend of the width %d; it was %d when pgweir could know, and is %d", c.id, width, least, w.width)
		}
	}
}

// altered notes of which alterations pgweir knows, as replaced does.
func (s *sim) altered(c *simClient, version int) {
	s.world.alterations = slices.DeleteFunc(s.world.alterations, func(a alteration) bool {
		ended := a.owner == c.direct.owner && (c.lease == nil || c.rig.s.hints&wire.HintCatalog == 0)
		if a.version > version && !ended {
			return false
		}
		s.world.known = max(s.world.known, a.width)
		return true
	})
}

// preparing is what drivers say that prepare in a round trip of its own. What it
// prepares is never run: that would say what has become of v0 since.
func (g *script) preparing() (all []string) {
	name := pick(g, "r", "q")
	if !g.one(3) {
		all = append(all, closing("S", name))
	}
	if g.one(4) {
		all = append(all, syncing)
	}
	all = append(all, parse(name, fmt.Sprintf("select * from v0 where 'shared_%d'", g.rng.IntN(2))))
	if g.one(3) {
		all = append(all, flush)
	}
	if !g.one(3) {
		all = append(all, describe("S", name))
	}
	if g.one(4) {
		all = append(all, closing("S", name))
	}
	return append(all, syncing)
}

// onTable is a statement about v0.
func (g *script) onTable() string {
	switch {
	case g.one(3):
		return "alter table v0 add x int"
	case g.state:
		return pick(g, "create temp table v0 ()", "drop table v0")
	}
	return "begin"
}
