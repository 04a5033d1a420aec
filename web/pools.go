package web

import (
	"time"

	"pgweir/status"
)

// pools is /pools: the fields of status.Pool by their names in snake_case.
// Durations are in seconds.
type pools struct {
	At time.Time `json:"at"`
	// WaitBounds are the upper bounds of each pool's waits, in seconds; the last
	// of the waits has none.
	WaitBounds []float64 `json:"wait_bounds"`
	// DurationBounds are the same for transaction_times and query_times.
	DurationBounds []float64 `json:"duration_bounds"`
	// Savings are those of all pools, of the same moment.
	Savings savings `json:"savings"`
	// Findings are what is wrong with pgweir itself.
	Findings []status.Finding `json:"findings"`
	Pools    []pool           `json:"pools"`
}

type pool struct {
	Database             string  `json:"database"`
	User                 string  `json:"user"`
	Mode                 string  `json:"mode"`
	Size                 int     `json:"size"`
	ClientsActive        int     `json:"clients_active"`
	ClientsWaiting       int     `json:"clients_waiting"`
	ClientsActiveCancel  int     `json:"clients_active_cancel"`
	ClientsWaitingCancel int     `json:"clients_waiting_cancel"`
	ServersActive        int     `json:"servers_active"`
	ServersActiveCancel  int     `json:"servers_active_cancel"`
	ServersBeingCanceled int     `json:"servers_being_canceled"`
	ServersIdle          int     `json:"servers_idle"`
	ServersUsed          int     `json:"servers_used"`
	ServersTested        int     `json:"servers_tested"`
	ServersLogin         int     `json:"servers_login"`
	ServersClosing       int     `json:"servers_closing"`
	MaxWait              float64 `json:"max_wait"`
	Paused               bool    `json:"paused"`

	Pinned           int            `json:"pinned"`
	PinnedBy         map[string]int `json:"pinned_by"` // by reason; those without a backend may be missing
	Listening        int            `json:"listening"`
	Replicating      int            `json:"replicating"`
	ListeningClients int            `json:"listening_clients"`
	Replays          int64          `json:"replays"`
	Questions        int64          `json:"questions"`
	LeaksFound       int64          `json:"leaks_found"`
	Evidence         *evidence      `json:"evidence"` // null where nothing is watched

	Totals           totals   `json:"totals"`
	Averages         totals   `json:"averages"`
	Waits            []uint64 `json:"waits"`
	TransactionTimes []uint64 `json:"transaction_times"`
	QueryTimes       []uint64 `json:"query_times"`
	OldestPin        float64  `json:"oldest_pin"`
	ClientsPeak      int      `json:"clients_peak"`
	BackendsPeak     int      `json:"backends_peak"`
	SavedPeak        int      `json:"saved_peak"`
	BackendMemory    *int64   `json:"backend_memory"` // null if unknown
	Number           int      `json:"number"`
	Refusal          string   `json:"refusal"`
	OldestQuery      float64  `json:"oldest_query"`
	LoadBalanceHosts string   `json:"load_balance_hosts"` // empty with one host
	Hosts            []host   `json:"hosts"`              // empty with one
}

type host struct {
	Addr string `json:"addr"`
	Away string `json:"away"` // why it is taken for absent; empty if it is not
}

type evidence struct {
	Shapes     map[string]int `json:"shapes"` // by state; those without a shape may be missing
	Hinted     int64          `json:"hinted"`
	Unproven   int64          `json:"unproven"`
	Catalog    int64          `json:"catalog"`
	Sampled    int64          `json:"sampled"`
	Found      int64          `json:"found"`
	Generation int64          `json:"generation"`
	Certain    bool           `json:"certain"`
	Failing    bool           `json:"failing"`
}

type totals struct {
	ServerAssignments int64   `json:"server_assignments"`
	Transactions      int64   `json:"transactions"`
	Queries           int64   `json:"queries"`
	Received          int64   `json:"received"`
	Sent              int64   `json:"sent"`
	TransactionTime   float64 `json:"transaction_time"`
	QueryTime         float64 `json:"query_time"`
	WaitTime          float64 `json:"wait_time"`
	WaitsTimedOut     int64   `json:"waits_timed_out"`
	WaitsCanceled     int64   `json:"waits_canceled"`
	WaitsLeft         int64   `json:"waits_left"`
	WaitsRefused      int64   `json:"waits_refused"`
	Shed              int64   `json:"shed"`
	ClientParses      int64   `json:"client_parses"`
	ServerParses      int64   `json:"server_parses"`
	Binds             int64   `json:"binds"`
	ClientLogins      int64   `json:"client_logins"`
	ServerLogins      int64   `json:"server_logins"`
	Errors            int64   `json:"errors"`
}

func poolsOf(s *status.Snapshot) pools {
	out := pools{
		At: s.At, WaitBounds: status.WaitBounds, DurationBounds: status.DurationBounds, Savings: renderSavings("", "", &s.Savings),
		Findings: append([]status.Finding{}, s.Findings...), // an empty list, not null
		Pools:    make([]pool, len(s.Pools)),
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		out.Pools[i] = pool{
			Database:             p.Database,
			User:                 p.User,
			Mode:                 p.Mode,
			Size:                 p.Size,
			ClientsActive:        p.ClientsActive,
			ClientsWaiting:       p.ClientsWaiting,
			ClientsActiveCancel:  p.ClientsActiveCancel,
			ClientsWaitingCancel: p.ClientsWaitingCancel,
			ServersActive:        p.ServersActive,
			ServersActiveCancel:  p.ServersActiveCancel,
			ServersBeingCanceled: p.ServersBeingCanceled,
			ServersIdle:          p.ServersIdle,
			ServersUsed:          p.ServersUsed,
			ServersTested:        p.ServersTested,
			ServersLogin:         p.ServersLogin,
			ServersClosing:       p.ServersClosing,
			MaxWait:              p.MaxWait.Seconds(),
			Paused:               p.Paused,
			Pinned:               p.Pinned,
			PinnedBy:             p.PinnedBy,
			Listening:            p.Listening,
			Replicating:          p.Replicating,
			ListeningClients:     p.ListeningClients,
			Replays:              p.Replays,
			Questions:            p.Questions,
			LeaksFound:           p.LeaksFound,
			Totals:               totalsOf(&p.Totals),
			Averages:             totalsOf(&p.Averages),
			Waits:                p.Waits,
			TransactionTimes:     p.TransactionTimes,
			QueryTimes:           p.QueryTimes,
			OldestPin:            p.OldestPin.Seconds(),
			ClientsPeak:          p.ClientsPeak,
			BackendsPeak:         p.BackendsPeak,
			SavedPeak:            p.SavedPeak,
			BackendMemory:        known(p.BackendMemory),
			Number:               p.Number,
			Refusal:              p.Refusal,
			OldestQuery:          p.OldestQuery.Seconds(),
			LoadBalanceHosts:     p.LoadBalanceHosts,
			Hosts:                hostsOf(p),
		}
		if p.PinnedBy == nil {
			out.Pools[i].PinnedBy = map[string]int{} // an empty object, not null
		}
		if p.Evidence != nil {
			e := evidence(*p.Evidence)
			out.Pools[i].Evidence = &e
		}
	}
	return out
}

// hostsOf gives an empty list, not null.
func hostsOf(p *status.Pool) []host {
	out := make([]host, len(p.Hosts))
	for i, h := range p.Hosts {
		out[i] = host(h)
	}
	return out
}

func totalsOf(t *status.Totals) totals {
	return totals{
		ServerAssignments: t.ServerAssignments,
		Transactions:      t.Transactions,
		Queries:           t.Queries,
		Received:          t.Received,
		Sent:              t.Sent,
		TransactionTime:   t.TransactionTime.Seconds(),
		QueryTime:         t.QueryTime.Seconds(),
		WaitTime:          t.WaitTime.Seconds(),
		WaitsTimedOut:     t.WaitsTimedOut,
		WaitsCanceled:     t.WaitsCanceled,
		WaitsLeft:         t.WaitsLeft,
		WaitsRefused:      t.WaitsRefused,
		Shed:              t.Shed,
		ClientParses:      t.ClientParses,
		ServerParses:      t.ServerParses,
		Binds:             t.Binds,
		ClientLogins:      t.ClientLogins,
		ServerLogins:      t.ServerLogins,
		Errors:            t.Errors,
	}
}
