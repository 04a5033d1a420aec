package proxy

import "pgweir/pool"

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
		for _, pid := range pids {
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
}
