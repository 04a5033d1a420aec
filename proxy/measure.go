package proxy

import (
	"slices"

	"pgweir/pool"
)

// measureAtOnce is how many backends of a pool are measured; they stand for
// all of it.
const measureAtOnce = 3

// measure finds out what the backends hold for themselves, where they are
// processes of this machine.
func (p *Proxy) measure() {
	byPool := map[*pool.Pool][]int{}
	for _, s := range p.servers.list() {
		if isLocal(s.b.Address) {
			byPool[s.b.Pool()] = append(byPool[s.b.Pool()], int(s.b.PID))
		}
	}
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		pids := byPool[cp.pool]
		sum, n, estimated := int64(0), 0, false
		slices.Sort(pids)
		for i := range min(len(pids), measureAtOnce) {
			// Other ones each time, evenly spread.
			pid := pids[(p.measured+i*len(pids)/measureAtOnce)%len(pids)]
			bytes, guess, ok := processMemory(pid)
			if !ok {
				continue
			}
			sum += bytes
			n++
			estimated = estimated || guess
		}
		if n == 0 {
			cp.memory.Store(-1)
		} else {
			cp.memory.Store(sum * int64(len(pids)) / int64(n))
		}
		cp.estimated.Store(estimated)
	}
	p.measured++
}

// unmeasured tells whether there are backends, and nothing is known of what
// they hold.
func (p *Proxy) unmeasured() bool {
	for _, cp := range p.pools() {
		if cp.pool != nil && cp.memory.Load() < 0 {
			if c := cp.pool.Counts(); c.Idle+c.Lent > 0 {
				return true
			}
		}
	}
	return false
}
