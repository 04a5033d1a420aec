package loadtest

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"pgweir/proctable"
)

const (
	// memoryAtOnce and memoryTime bound what one look at the memory of backends
	// may cost: how many processes, and how long. The kernel walks over all
	// page tables of a process for it, which takes milliseconds with large
	// shared buffers.
	memoryAtOnce = 16
	memoryTime   = 20 * time.Millisecond
	// processEvery is how many readings there are to one of the process table.
	processEvery = 5
)

// memoryReader measures the memory of a server's processes. In each round it
// measures a few, those first that it does not know and then those that it has
// not measured for longest. Those that it does not know yet count as much as
// the others do on average.
type memoryReader struct {
	table      table
	postmaster int
	known      map[int]measured // by pid
	round      uint64
	denied     bool // we may not look into them

	rounds int // of the process table
	count  int // of the postmaster's children, as last counted
}

type measured struct {
	bytes int64
	round uint64 // when it was measured
}

// table is what a memoryReader needs of the process table.
type table interface {
	// memory is what a process holds for itself; fs.ErrNotExist if it has
	// ended.
	memory(pid int) (int64, error)
	children(pid int) (int, error)
}

// system is the machine's own process table.
type system struct{}

func (system) memory(pid int) (int64, error) {
	m, err := proctable.MemoryOf(pid)
	if err == nil && m.Estimated {
		return 0, fs.ErrPermission // an estimate is not what was measured
	}
	return m.Bytes, err
}

func (system) children(pid int) (int, error) {
	found, err := proctable.Children(pid)
	return len(found), err
}

// newMemoryReader is for the server that this backend belongs to, nil if there
// is no such process here, as with one in another container.
func newMemoryReader(backend int) *memoryReader {
	p, err := proctable.Read(backend)
	if err != nil || !isPostgres(p) {
		return nil
	}
	if title, err := proctable.Title(backend); err != nil || !strings.HasPrefix(title, "postgres:") {
		return nil
	}
	if parent, err := proctable.Read(p.Parent); err != nil || !isPostgres(parent) {
		return nil
	}
	return &memoryReader{table: system{}, postmaster: p.Parent, known: map[int]measured{}}
}

func isPostgres(p proctable.Process) bool { return p.Name == "postgres" || p.Name == "postmaster" }

// of is the memory of some processes in bytes, unknown if we may not look into
// them or none could be measured. sampled: not all were.
func (m *memoryReader) of(pids []int) (bytes int64, sampled bool) {
	if m.denied {
		return unknown, false
	}
	m.round++
	m.forget(pids)
	begin := time.Now()
	for range min(memoryAtOnce, len(pids)) {
		pid := m.oldest(pids)
		if pid == 0 {
			break
		}
		b, err := m.table.memory(pid)
		switch {
		case err == nil:
			m.known[pid] = measured{b, m.round}
		case errors.Is(err, fs.ErrNotExist):
			// It has just ended; until the next reading it counts as one of
			// the average.
			m.known[pid] = measured{unknown, m.round}
		default:
			m.denied = true
			return unknown, false
		}
		if time.Since(begin) > memoryTime {
			break
		}
	}
	return m.sum(pids)
}

// forget drops what is known of processes that are not there any more.
func (m *memoryReader) forget(pids []int) {
	here := make(map[int]bool, len(pids))
	for _, pid := range pids {
		here[pid] = true
	}
	for pid := range m.known {
		if !here[pid] {
			delete(m.known, pid)
		}
	}
}

// oldest is the process that was not measured for longest, 0 if all were in
// this round.
func (m *memoryReader) oldest(pids []int) int {
	found, when := 0, m.round
	for _, pid := range pids {
		if round := m.known[pid].round; round < when {
			found, when = pid, round
		}
	}
	return found
}

func (m *memoryReader) sum(pids []int) (bytes int64, sampled bool) {
	var n int64
	for _, pid := range pids {
		if k, ok := m.known[pid]; ok && k.bytes >= 0 {
			bytes += k.bytes
			n++
		}
	}
	switch {
	case len(pids) == 0:
		return 0, false
	case n == 0:
		return unknown, false
	}
	return bytes / n * int64(len(pids)), n < int64(len(pids))
}

// begin forgets the count of processes: another phase begins.
func (m *memoryReader) begin() { m.rounds, m.count = 0, unknown }

// processes is how many children the postmaster has, or had a moment ago.
func (m *memoryReader) processes() int {
	if m.rounds++; m.rounds%processEvery != 1 {
		return m.count
	}
	m.count = m.countNow()
	return m.count
}

// countNow is how many there are, -1 if unknown.
func (m *memoryReader) countNow() int {
	n, err := m.table.children(m.postmaster)
	if err != nil {
		return unknown
	}
	return n
}
