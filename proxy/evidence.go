package proxy

import (
	"cmp"
	"slices"

	"pgweir/session"
	"pgweir/status"
)

// What pools know of the statements that run in them (session/proof) is shown
// here, and it is said when nothing can be known.

// evidence is what the pool knows; nil if it watches nothing.
func (cp *clientPool) evidence() *status.Evidence {
	if cp.shared == nil {
		return nil // the console's
	}
	conf := cp.conf.Load()
	if conf.State == session.StateOff {
		return nil
	}
	counts, generation := &cp.shared.Counts, conf.Catalog.Generation()
	return &status.Evidence{
		Shapes: cp.shared.Shapes.States(generation),
		Hinted: counts.Hinted.Load(), Unproven: counts.Unproven.Load(), Catalog: counts.Catalog.Load(),
		Sampled: counts.Sampled.Load(), Found: counts.Found.Load(),
		Generation: int64(generation), Certain: conf.Catalog.Certain(), Failing: conf.Catalog.Failing(),
	}
}

// listShapes adds the shapes of the pool to those of others, as far as there is
// room.
func (cp *clientPool) listShapes(list []status.Shape) []status.Shape {
	if cp.shared == nil {
		return list
	}
	generation := cp.conf.Load().Catalog.Generation()
	for _, sh := range cp.shared.Shapes.All() {
		row := status.Shape{
			Database: cp.key.database, User: cp.key.user, Statement: sh.Text(),
			State: sh.State(generation), NextQuestion: 1,
		}
		if sh.Current(generation) {
			row.Runs, row.NextQuestion = int64(sh.Runs()), int64(sh.NextQuestion())
		}
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b status.Shape) int {
		return cmp.Or(cmp.Compare(gravity(b.State), gravity(a.State)), cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Statement, b.Statement))
	})
	return list[:min(len(list), status.MaxShapes)]
}

// gravity puts first what an operator looks for.
func gravity(state string) int {
	switch state {
	case "leaves state":
		return 2
	case "suspect":
		return 1
	}
	return 0
}

// tellOfCatalogs says, once for each time that it begins or ends, that the
// objects of a database cannot be read.
func (p *Proxy) tellOfCatalogs() {
	p.mu.Lock()
	begun, ended := p.mu.catalogs.failures()
	p.mu.Unlock()
	for _, key := range begun {
		p.log.Warn("the functions, views and triggers of a database cannot be read, so backends are asked what is left after every transaction; the server's log says why",
			"database", key.dbname, "server", key.addr)
	}
	for _, key := range ended {
		p.log.Info("the functions, views and triggers of a database can be read again", "database", key.dbname, "server", key.addr)
	}
}
