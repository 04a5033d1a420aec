package census

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"pgweir/proctable"
)

// table is what the process table says of one server, whose postmaster is
// known. It remembers each process from one reading to the next.
type table struct {
	postmaster proctable.Process
	alive      bool // the postmaster
	cluster    string
	entries    map[int]*entry // by pid, without the postmaster's
	own        *entry         // the postmaster's
	memory     *budget
}

// entry is one process.
type entry struct {
	proctable.Process
	began    time.Time
	title    title
	titled   bool      // title is of this reading
	kind     string    // as the server or the title last gave it
	stopped  time.Time // when it was first seen stopped; zero if it is not
	bytes    int64     // of memory; -1 if unknown
	measured time.Time // when bytes were last asked for; zero for never
}

func newEntry(p proctable.Process, kind string) *entry {
	return &entry{Process: p, began: proctable.Began(p), kind: kind, bytes: -1}
}

func newTable(pm proctable.Process, memory *budget) *table {
	return &table{
		postmaster: pm, alive: true, own: newEntry(pm, postmaster),
		entries: map[int]*entry{}, memory: memory,
	}
}

// same tells whether p is still the process that it was.
func same(a, b proctable.Process) bool { return a.PID == b.PID && a.Birth == b.Birth }

// lives tells whether the postmaster is still there.
func (t *table) lives() bool {
	pm, err := proctable.Read(t.postmaster.PID)
	return err == nil && same(pm, t.postmaster) && pm.State != 'Z'
}

// read reads the table anew. asked are the pids that the server has just told:
// the kernel's list of children may leave one out.
func (t *table) read(now time.Time, asked []int) error {
	pm, err := proctable.Read(t.postmaster.PID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t.alive = err == nil && same(pm, t.postmaster) && pm.State != 'Z'
	found := map[int]proctable.Process{}
	if t.alive {
		t.own.see(pm, now)
		children, err := proctable.Children(pm.PID)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, p := range children {
			found[p.PID] = p
		}
	}
	for _, pid := range asked {
		if _, there := found[pid]; !there && t.alive {
			if p, err := proctable.Read(pid); err == nil && p.Parent == pm.PID {
				found[pid] = p
			}
		}
	}
	for pid, old := range t.entries {
		// Without a postmaster its children are others' by now, but may live.
		if _, there := found[pid]; !there {
			if p, err := proctable.Read(pid); err == nil && same(p, old.Process) {
				found[pid] = p
			}
		}
	}
	maps.DeleteFunc(t.entries, func(pid int, _ *entry) bool { _, there := found[pid]; return !there })
	for pid, p := range found {
		e := t.entries[pid]
		if e == nil || !same(e.Process, p) {
			e = newEntry(p, "")
			t.entries[pid] = e
		}
		e.see(p, now)
	}
	t.measure(now)
	return nil
}

// see takes a new reading of the same process.
func (e *entry) see(p proctable.Process, now time.Time) {
	e.Process, e.titled = p, false
	switch stopped := p.State == 'T' || p.State == 't'; {
	case !stopped:
		e.stopped = time.Time{}
	case e.stopped.IsZero():
		e.stopped = now
	}
}

// learn takes what the server has told of the processes, if it has, and reads
// the titles of the others.
func (t *table) learn(a *answer) {
	told := map[int]string{}
	if a != nil {
		for i := range a.rows {
			told[a.rows[i].pid] = a.rows[i].kind
		}
	}
	texts := map[int]string{}
	for pid, e := range t.entries {
		if kind := told[pid]; kind != "" {
			e.kind = kind
		} else if text, err := proctable.Title(pid); err == nil {
			texts[pid] = clean(&text)
		}
	}
	if t.cluster == "" {
		t.cluster = clusterName(slices.Collect(maps.Values(texts)))
	}
	for pid, text := range texts {
		e := t.entries[pid]
		e.title, e.titled = decodeTitle(text, t.cluster), true
		if e.title.kind != "" {
			e.kind = e.title.kind
		}
	}
}

// measure asks for the memory of as many processes as there is time for, those
// first that were asked for longest ago.
func (t *table) measure(now time.Time) {
	t.memory.refill(now)
	all := slices.Collect(maps.Values(t.entries))
	if t.alive {
		all = append(all, t.own)
	}
	slices.SortFunc(all, func(a, b *entry) int {
		return cmp.Or(a.measured.Compare(b.measured), cmp.Compare(a.PID, b.PID))
	})
	for _, e := range all {
		if !t.memory.left() {
			return
		}
		begin := time.Now()
		e.bytes, e.measured = -1, now
		// An estimate is none of what it costs: the census says unknown then.
		if m, err := proctable.MemoryOf(e.PID); err == nil && !m.Estimated {
			e.bytes = m.Bytes
		}
		t.memory.spend(time.Since(begin))
	}
}
