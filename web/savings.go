package web

import "pgweir/status"

// savings is /savings, and with database and user each of its pools. Other
// programs rely on its keys.
type savings struct {
	Database           string  `json:"database,omitempty"`
	User               string  `json:"user,omitempty"`
	Clients            int     `json:"clients"`
	Backends           int     `json:"backends"`
	Saved              int     `json:"saved"`
	Ratio              float64 `json:"ratio"` // clients for each backend; 0 without backends
	Peak               peak    `json:"peak"`
	ClientLoginsTotal  int64   `json:"client_logins_total"`
	ServerLoginsTotal  int64   `json:"server_logins_total"`
	ForksAvoided       int64   `json:"forks_avoided"`
	BackendMemoryBytes *int64  `json:"backend_memory_bytes"`
	MemorySavedBytes   *int64  `json:"memory_saved_bytes"`
	MemorySource       string  `json:"memory_source"`
}

type peak struct {
	Clients  int `json:"clients"`
	Backends int `json:"backends"`
	Saved    int `json:"saved"`
}

type allSavings struct {
	savings
	Pools []savings `json:"pools"`
}

func savingsOf(s *status.Snapshot) allSavings {
	out := allSavings{savings: renderSavings("", "", &s.Savings), Pools: []savings{}}
	for i := range s.Pools {
		p := &s.Pools[i]
		if p.IsConsole() {
			continue
		}
		of := s.PoolSavings(p)
		out.Pools = append(out.Pools, renderSavings(p.Database, p.User, &of))
	}
	return out
}

func renderSavings(database, user string, s *status.Savings) savings {
	return savings{
		Database:           database,
		User:               user,
		Clients:            s.Clients,
		Backends:           s.Backends,
		Saved:              s.Saved,
		Ratio:              s.Ratio,
		Peak:               peak(s.Peak),
		ClientLoginsTotal:  s.ClientLogins,
		ServerLoginsTotal:  s.ServerLogins,
		ForksAvoided:       max(0, s.ClientLogins-s.ServerLogins),
		BackendMemoryBytes: known(s.BackendMemory),
		MemorySavedBytes:   known(s.MemorySaved),
		MemorySource:       s.MemorySource,
	}
}

// known is n, or nil, JSON's null, if n is below 0: unknown.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
