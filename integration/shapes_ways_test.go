package integration

import "slices"

// way is a way of reaching what leaves state behind. Its texts have the places
// of kind.filler.
type way struct {
	name   string
	since  int
	admin  []string
	setup  []string
	act    []deed
	after  []string
	undone bool     // the transaction, or what of it has made the state, is rolled back
	broad  bool     // for all kinds
	not    []string // names of kinds for which PostgreSQL refuses it
	only   []string // names of kinds that it is for; nil: all
	varies bool     // whether it leaves the state depends on the kind
}

// allShapes are all kinds by a few ways, each way for a few kinds, and what
// cannot be put together so.
func allShapes() (all []statefulShape) {
	turn := 0
	for _, ways := range [][]way{callWays, textWays, laterWays, transactionWays, protocolWays, triggerWays, relationWays, expressionWays} {
		for i := range ways {
			all = append(all, ways[i].shapes(&turn)...)
		}
	}
	all = slices.Concat(all, oddShapes, steeredShapes, proofShapes, libraryShapes, foreignShapes, namedShapes, linkShapes)
	for i := range all {
		all[i].late = i%4 == 2
	}
	return all
}

// shapes is the way for the kinds whose turn it is.
func (w *way) shapes(turn *int) (all []statefulShape) {
	chosen := kinds
	switch {
	case w.only != nil:
		chosen = nil
		for _, k := range kinds {
			if slices.Contains(w.only, k.name) {
				chosen = append(chosen, k)
			}
		}
	case !w.broad:
		chosen = []kind{kinds[*turn%2], kinds[2+*turn%(len(kinds)-2)]}
		*turn++
	}
	for i := range chosen {
		k := &chosen[i]
		if !slices.Contains(w.not, k.name) {
			all = append(all, w.shape(k))
		}
	}
	return all
}

func (w *way) shape(k *kind) statefulShape {
	s := statefulShape{
		name: k.name + ", " + w.name, since: w.since, fill: k.filler(),
		admin: slices.Concat(k.admin, w.admin), setup: slices.Concat(k.ready(), w.setup), after: w.after,
		act: w.act, look: k.lookDeed(), others: k.others, pool: k.pool,
	}
	switch {
	case w.varies:
		s.effect = varies
	case k.local || w.undone && !k.sturdy:
		s.effect = vanishes
	}
	return s
}

// deeds puts what is done together.
func deeds(parts ...[]deed) []deed { return slices.Concat(parts...) }

// does is simple queries of client A's.
func does(texts ...string) (all []deed) {
	for _, text := range texts {
		all = append(all, simple(text))
	}
	return all
}

// others is simple queries of client B's, or, by 'D', of the role's past pgweir.
func others(who byte, texts ...string) []deed {
	all := does(texts...)
	for i := range all {
		all[i].who = who
	}
	return all
}

func simple(text string) deed {
	return deed{'A', func(r *shapeRun) []message { return say(query(r.text(text))) }}
}

// unnamed is the whole of the extended protocol for the unnamed statement.
func unnamed(text string, params ...string) []deed {
	return []deed{{'A', func(r *shapeRun) []message { return append(extended(r.text(text), r.texts(params)...), sync_) }}}
}

// parses prepares a statement, and rerun executes one.
func parses(name, text string) []deed {
	return []deed{{'A', func(r *shapeRun) []message { return say(parse(name, r.text(text)), sync_) }}}
}

func rerun(name string, params ...string) []deed {
	return []deed{{'A', func(r *shapeRun) []message { return append(runs(name, r.texts(params)...), sync_) }}}
}

// saying is messages that are made when they are sent.
func saying(f func(r *shapeRun) []message) []deed { return []deed{{'A', f}} }
