package status

import (
	"cmp"
	"slices"
)

// OthersName stands for the database and the user of pools that are added up.
const OthersName = "(other)"

// WithOthers are the pools, the first so many to come to be by themselves, and the rest
// added up at the end, for what may not have a place for each of any number of pools. The
// console's are none of them, and stay.
func WithOthers(pools []Pool, most int) []Pool {
	var counted []int
	for i := range pools {
		if !pools[i].IsConsole() {
			counted = append(counted, i)
		}
	}
	if len(counted) <= most {
		return pools
	}
	slices.SortFunc(counted, func(a, b int) int { return cmp.Compare(pools[a].Number, pools[b].Number) })
	rest := map[int]bool{}
	for _, i := range counted[most:] {
		rest[i] = true
	}
	out := make([]Pool, 0, most+2)
	others := Pool{Database: OthersName, User: OthersName, PinnedBy: map[string]int{}}
	for i := range pools {
		if rest[i] {
			others.add(&pools[i])
		} else {
			out = append(out, pools[i])
		}
	}
	return append(out, others)
}

// add adds another pool's figures. What is the longest or the most of one pool is the
// longest of both, or both their most; what is no number stays.
func (p *Pool) add(o *Pool) {
	for _, n := range []struct{ to, from *int }{
		{&p.Size, &o.Size}, {&p.ClientsActive, &o.ClientsActive}, {&p.ClientsWaiting, &o.ClientsWaiting},
		{&p.ClientsActiveCancel, &o.ClientsActiveCancel}, {&p.ClientsWaitingCancel, &o.ClientsWaitingCancel},
		{&p.ServersActive, &o.ServersActive}, {&p.ServersActiveCancel, &o.ServersActiveCancel},
		{&p.ServersBeingCanceled, &o.ServersBeingCanceled}, {&p.ServersIdle, &o.ServersIdle}, {&p.ServersUsed, &o.ServersUsed},
		{&p.ServersTested, &o.ServersTested}, {&p.ServersLogin, &o.ServersLogin}, {&p.ServersClosing, &o.ServersClosing},
		{&p.Pinned, &o.Pinned}, {&p.Listening, &o.Listening}, {&p.Replicating, &o.Replicating}, {&p.ListeningClients, &o.ListeningClients},
		{&p.ClientsPeak, &o.ClientsPeak}, {&p.BackendsPeak, &o.BackendsPeak}, {&p.SavedPeak, &o.SavedPeak},
	} {
		*n.to += *n.from
	}
	p.Replays += o.Replays
	p.Questions += o.Questions
	p.LeaksFound += o.LeaksFound
	p.BackendMemory += max(0, o.BackendMemory)
	p.MaxWait = max(p.MaxWait, o.MaxWait)
	p.OldestQuery = max(p.OldestQuery, o.OldestQuery)
	p.OldestPin = max(p.OldestPin, o.OldestPin)
	for reason, k := range o.PinnedBy {
		p.PinnedBy[reason] += k
	}
	p.Totals.Add(&o.Totals)
	p.Averages.Add(&o.Averages)
	p.Waits = sum(p.Waits, o.Waits)
	p.TransactionTimes = sum(p.TransactionTimes, o.TransactionTimes)
	p.QueryTimes = sum(p.QueryTimes, o.QueryTimes)
}

// sum adds counts, in a slice of its own.
func sum(a, b []uint64) []uint64 {
	out := make([]uint64, max(len(a), len(b)))
	for i := range out {
		if i < len(a) {
			out[i] += a[i]
		}
		if i < len(b) {
			out[i] += b[i]
		}
	}
	return out
}
