package web

import (
	"time"

	"pgweir/status"
)

// history is /history: the last hour of all pools, or of one. Other programs
// rely on its keys.
type history struct {
	Seconds []sample `json:"seconds"` // one second apart, the oldest first
	Minutes []sample `json:"minutes"` // the highest values of each minute
}

type sample struct {
	At                time.Time `json:"at"`
	Clients           int       `json:"clients"`
	Waiting           int       `json:"waiting"`
	Active            int       `json:"active"` // backends lent to a client
	Backends          int       `json:"backends"`
	Saved             int       `json:"saved"`
	BackendsMemory    *int64    `json:"backends_memory_bytes"` // of all backends
	MemorySaved       *int64    `json:"memory_saved_bytes"`
	ForksAvoided      int64     `json:"forks_avoided"` // since the start
	TransactionsTotal int64     `json:"transactions_total"`
}

func historyOf(h status.History) history {
	return history{Seconds: samplesOf(h.Seconds), Minutes: samplesOf(h.Minutes)}
}

func samplesOf(list []status.Sample) []sample {
	out := make([]sample, len(list))
	for i, s := range list {
		out[i] = sample{
			At: s.At, Clients: s.Clients, Waiting: s.Waiting, Active: s.Active, Backends: s.Backends, Saved: s.Saved,
			BackendsMemory: known(s.BackendMemory), MemorySaved: known(s.MemorySaved),
			ForksAvoided: max(0, s.ClientLogins-s.ServerLogins), TransactionsTotal: s.Transactions,
		}
	}
	return out
}

// sizing is /sizing.
type sizing struct {
	Servers []sizingSum    `json:"servers"`
	Pools   []sizingAdvice `json:"pools"`
}

type sizingSum struct {
	Server string `json:"server"`
	Usable *int   `json:"usable"` // backends that the server can give; null if unknown
	Wanted int    `json:"wanted"` // what the pools' sizes add up to
	Fits   bool   `json:"fits"`
	Sum    string `json:"sum"`
}

type sizingAdvice struct {
	Database  string `json:"database"`
	User      string `json:"user"`
	Advice    string `json:"advice"` // "grow", "shrink" or "keep"
	PoolSize  int    `json:"pool_size"`
	Suggested int    `json:"suggested"`
	Evidence  string `json:"evidence"`
}

func sizingOf(s *status.Sizing) sizing {
	out := sizing{Servers: []sizingSum{}, Pools: []sizingAdvice{}}
	for _, v := range s.Sums {
		row := sizingSum{Server: v.Server, Wanted: v.Wanted, Fits: v.Fits, Sum: v.Text}
		if v.Usable >= 0 {
			row.Usable = &v.Usable
		}
		out.Servers = append(out.Servers, row)
	}
	for _, v := range s.Advice {
		out.Pools = append(out.Pools, sizingAdvice{v.Database, v.User, v.Do, v.Size, v.Suggested, v.Evidence})
	}
	return out
}
