package pgbouncer

import (
	"fmt"

	"pgweir/config"
)

// verdict is what becomes of an entry when the whole file has been read.
type verdict struct {
	item
	// lost says why the entry does not count; "" if it does.
	lost string
	// before are earlier entries of the same section and name, oldest first.
	before []item
}

// judge finds the entries that count: the last one of each name, and of [pgbouncer]
// those after its last header only, which begins anew with the defaults.
func judge(items []item) []*verdict {
	var all []*verdict
	last := map[[2]string]*verdict{}
	for _, it := range items {
		if it.header {
			if it.section == "pgbouncer" {
				beginAnew(last, it.at)
			}
			continue
		}
		id := [2]string{it.section, it.key}
		v := &verdict{item: it}
		if old := last[id]; old != nil {
			old.lost = "it is set again at " + where(it.at) + ", and the last one counts"
			v.before = append(old.before, old.item)
		}
		last[id] = v
		all = append(all, v)
	}
	return all
}

func beginAnew(last map[[2]string]*verdict, at config.Place) {
	for id, v := range last {
		if id[0] == "pgbouncer" {
			v.lost = "the [pgbouncer] at " + where(at) + " begins anew with PgBouncer's defaults"
			delete(last, id)
		}
	}
}

func where(at config.Place) string { return fmt.Sprintf("%s:%d", config.Printable(at.File), at.Line) }
