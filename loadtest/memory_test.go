package loadtest

import (
	"io/fs"
	"testing"
)

// pretend is a process table of the test's.
type pretend struct {
	bytes map[int]int64 // by pid; -1: we may not look
	asked map[int]int
	count int
}

func (p *pretend) memory(pid int) (int64, error) {
	p.asked[pid]++
	switch b, ok := p.bytes[pid]; {
	case !ok:
		return 0, fs.ErrNotExist
	case b < 0:
		return 0, fs.ErrPermission
	default:
		return b, nil
	}
}

func (p *pretend) children(int) (int, error) { return p.count, nil }

func pretended(n int) (*memoryReader, *pretend, []int) {
	p := &pretend{bytes: map[int]int64{}, asked: map[int]int{}}
	var pids []int
	for i := range n {
		pids = append(pids, 100+i)
		p.bytes[100+i] = 1000
	}
	return &memoryReader{table: p, known: map[int]measured{}}, p, pids
}

func TestMemoryIsMeasuredAFewProcessesAtATime(t *testing.T) {
	m, p, pids := pretended(3 * memoryAtOnce)
	for round := 1; round <= 6; round++ {
		before := len(p.asked)
		bytes, sampled := m.of(pids)
		if bytes != int64(len(pids))*1000 || sampled != (round < 3) {
			t.Errorf("round %d: %d bytes, sampled %v", round, bytes, sampled)
		}
		if n := len(p.asked) - before; round <= 3 && n != memoryAtOnce || round > 3 && n != 0 {
			t.Errorf("round %d: %d new processes were measured", round, n)
		}
	}
	for pid, n := range p.asked {
		if n != 2 {
			t.Errorf("process %d was measured %d times in six rounds", pid, n)
		}
	}
	// What is measured anew counts.
	for pid := range p.bytes {
		p.bytes[pid] = 3000
	}
	for range 3 {
		m.of(pids)
	}
	if bytes, sampled := m.of(pids); bytes != int64(len(pids))*3000 || sampled {
		t.Errorf("%d bytes, sampled %v", bytes, sampled)
	}
}

func TestAProcessThatHasEndedCountsAsTheOthers(t *testing.T) {
	m, p, pids := pretended(4)
	delete(p.bytes, pids[0])
	if bytes, sampled := m.of(pids); bytes != 4000 || !sampled {
		t.Errorf("%d bytes, sampled %v", bytes, sampled)
	}
	if bytes, sampled := m.of(pids[1:]); bytes != 3000 || sampled {
		t.Errorf("when it is gone: %d bytes, sampled %v", bytes, sampled)
	}
	if len(m.known) != 3 {
		t.Errorf("it is not forgotten: %v", m.known)
	}
	// Another with its number is measured anew.
	p.bytes[pids[0]] = 5000
	if bytes, _ := m.of(pids); bytes != 8000 {
		t.Errorf("with another: %d", bytes)
	}
}

func TestMemoryThatWeMayNotSeeIsUnknown(t *testing.T) {
	m, p, pids := pretended(4)
	p.bytes[pids[2]] = -1
	for range 2 {
		if bytes, _ := m.of(pids); bytes != unknown {
			t.Errorf("%d bytes", bytes)
		}
	}
	if p.asked[pids[2]] != 1 {
		t.Errorf("it was asked for %d times", p.asked[pids[2]])
	}
	m, p, pids = pretended(2)
	p.bytes = nil
	if bytes, _ := m.of(pids); bytes != unknown {
		t.Errorf("of none that could be measured: %d bytes", bytes)
	}
	if bytes, sampled := m.of(nil); bytes != 0 || sampled {
		t.Errorf("of none at all: %d bytes", bytes)
	}
}

func TestProcessesAreCountedNowAndThen(t *testing.T) {
	m, p, _ := pretended(0)
	p.count = 7
	if m.processes() != 7 {
		t.Error("not at once")
	}
	p.count = 9
	n := 1
	for ; m.processes() != 9; n++ {
		if n > processEvery {
			t.Fatal("never again")
		}
	}
	if n != processEvery {
		t.Errorf("after %d readings", n)
	}
	p.count = 3
	if m.begin(); m.processes() != 3 {
		t.Error("not when another phase begins")
	}
}
