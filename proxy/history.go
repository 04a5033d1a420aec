package proxy

import (
	"time"

	"pgweir/status"
)

// sampleEvery is the grain of a history's seconds.
const sampleEvery = time.Second

// history collects samples of one pool, or of all together.
type history struct {
	seconds, minutes []status.Sample // the oldest first
	minute           status.Sample   // the present one, so far
}

// add takes the sample of another second.
func (h *history) add(s status.Sample) {
	h.seconds = push(h.seconds, s, status.MaxSeconds)
	m := &h.minute
	if minute := s.At.Truncate(time.Minute); !minute.Equal(m.At) {
		if !m.At.IsZero() {
			h.minutes = push(h.minutes, *m, status.MaxMinutes)
		}
		*m = s
		m.At = minute
	} else {
		peaks := *m
		*m = s
		m.At = minute
		m.Clients = max(m.Clients, peaks.Clients)
		m.Active = max(m.Active, peaks.Active)
		m.Waiting = max(m.Waiting, peaks.Waiting)
		m.Backends = max(m.Backends, peaks.Backends)
		m.Saved = max(m.Saved, peaks.Saved)
		m.BackendMemory = max(m.BackendMemory, peaks.BackendMemory)
		m.MemorySaved = max(m.MemorySaved, peaks.MemorySaved)
	}
}

// push appends to a list that is not to be longer than most.
func push(list []status.Sample, s status.Sample, most int) []status.Sample {
	if len(list) == most {
		copy(list, list[1:])
		list = list[:most-1]
	}
	return append(list, s)
}

func (h *history) copy() status.History {
	return status.History{
		Seconds: append([]status.Sample(nil), h.seconds...),
		Minutes: append([]status.Sample(nil), h.minutes...),
	}
}

// sample adds what there is at this moment to the histories. What is told of
// it is what everybody is told: a snapshot.
func (p *Proxy) sample() {
	s := p.Snapshot(status.Counts)
	all := sampleOf(s.At, &s.Savings)
	all.Waits, all.WaitTime, all.Transactions = s.Past.Waits(), s.Past.WaitTime, s.Past.Transactions
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range s.Pools {
		q := &s.Pools[i]
		if q.IsConsole() {
			continue
		}
		v := s.PoolSavings(q)
		one := sampleOf(s.At, &v)
		one.Waiting, one.Active = q.ClientsWaiting, q.ServersActive
		one.Waits, one.WaitTime, one.Transactions = q.Totals.Waits(), q.Totals.WaitTime, q.Totals.Transactions
		all.Waiting += one.Waiting
		all.Active += one.Active
		all.Waits += one.Waits
		all.WaitTime += one.WaitTime
		all.Transactions += one.Transactions
		if cp := p.mu.pools[poolKey{q.Database, q.User}]; cp != nil {
			cp.history.add(one)
		}
	}
	p.mu.history.add(all)
}

func sampleOf(at time.Time, v *status.Savings) status.Sample {
	s := status.Sample{
		At: at, Clients: v.Clients, Backends: v.Backends, Saved: v.Saved,
		BackendMemory: -1, MemorySaved: v.MemorySaved, ClientLogins: v.ClientLogins, ServerLogins: v.ServerLogins,
	}
	if v.BackendMemory >= 0 {
		s.BackendMemory = v.BackendMemory * int64(v.Backends)
	}
	return s
}

// History is the last hour of all pools together.
func (p *Proxy) History() status.History {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.history.copy()
}

// PoolHistory is the last hour of one pool; it is empty if there is none.
func (p *Proxy) PoolHistory(database, user string) status.History {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cp := p.mu.pools[poolKey{database, user}]; cp != nil {
		return cp.history.copy()
	}
	return status.History{}
}
