package console

import (
	"math"

	"pgweir/status"
)

// saving is a row of SHOW SAVINGS: a pool, or all of them.
type saving struct {
	database, user string
	status.Savings
}

// savingsTable is SHOW SAVINGS, which PgBouncer does not have: what each pool
// saves against one backend for each client, then the same for all of pgweir.
// memory_saved_bytes is saved times backend_memory_bytes, the mean of one
// backend; both are NULL when nobody knows.
var savingsTable = view[saving]{
	rows: savingsRows,
	columns: []column[saving]{
		text("database", func(s *saving) string { return s.database }),
		textOrNull("user", func(s *saving) string { return s.user }),
		int4("clients", func(s *saving) int { return s.Clients }),
		int4("backends", func(s *saving) int { return s.Backends }),
		int4("saved", func(s *saving) int { return s.Saved }),
		float8("ratio", func(s *saving) float64 { return math.Round(s.Ratio*100) / 100 }),
		int4("peak_clients", func(s *saving) int { return s.Peak.Clients }),
		int4("peak_backends", func(s *saving) int { return s.Peak.Backends }),
		int4("peak_saved", func(s *saving) int { return s.Peak.Saved }),
		numeric("client_logins", func(s *saving) int64 { return s.ClientLogins }),
		numeric("server_logins", func(s *saving) int64 { return s.ServerLogins }),
		numeric("forks_avoided", func(s *saving) int64 { return max(0, s.ClientLogins-s.ServerLogins) }),
		int8OrNull("backend_memory_bytes", func(s *saving) int64 { return s.BackendMemory }),
		int8OrNull("memory_saved_bytes", func(s *saving) int64 { return s.MemorySaved }),
		text("memory_source", func(s *saving) string { return s.MemorySource }),
	},
}

func savingsRows(s *status.Snapshot) []saving {
	rows := make([]saving, 0, len(s.Pools)+1)
	for i := range s.Pools {
		p := &s.Pools[i]
		if p.IsConsole() {
			continue
		}
		rows = append(rows, saving{p.Database, p.User, s.PoolSavings(p)})
	}
	return append(rows, saving{database: "(total)", Savings: s.Savings})
}
