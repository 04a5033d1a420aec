package console

import (
	"time"

	"pgweir/status"
)

// poolsTable is SHOW POOLS. sv_closing and what follows are ours.
var poolsTable = view[status.Pool]{
	rows: func(s *status.Snapshot) []status.Pool { return s.Pools },
	columns: []column[status.Pool]{
		text("database", func(p *status.Pool) string { return p.Database }),
		text("user", func(p *status.Pool) string { return p.User }),
		int4("cl_active", func(p *status.Pool) int { return p.ClientsActive }),
		int4("cl_waiting", func(p *status.Pool) int { return p.ClientsWaiting }),
		int4("cl_active_cancel_req", func(p *status.Pool) int { return p.ClientsActiveCancel }),
		int4("cl_waiting_cancel_req", func(p *status.Pool) int { return p.ClientsWaitingCancel }),
		int4("sv_active", func(p *status.Pool) int { return p.ServersActive }),
		int4("sv_active_cancel", func(p *status.Pool) int { return p.ServersActiveCancel }),
		int4("sv_being_canceled", func(p *status.Pool) int { return p.ServersBeingCanceled }),
		int4("sv_idle", func(p *status.Pool) int { return p.ServersIdle }),
		int4("sv_used", func(p *status.Pool) int { return p.ServersUsed }),
		int4("sv_tested", func(p *status.Pool) int { return p.ServersTested }),
		int4("sv_login", func(p *status.Pool) int { return p.ServersLogin }),
		int4("maxwait", func(p *status.Pool) int { return wholeSeconds(p.MaxWait) }),
		int4("maxwait_us", func(p *status.Pool) int { return restMicros(p.MaxWait) }),
		text("pool_mode", func(p *status.Pool) string { return p.Mode }),
		textOrNull("load_balance_hosts", func(p *status.Pool) string { return p.LoadBalanceHosts }),
		int4("sv_closing", func(p *status.Pool) int { return p.ServersClosing }),
		int4("pinned", func(p *status.Pool) int { return p.Pinned }),
		int4("listening", func(p *status.Pool) int { return p.Listening }),
		int4("sv_replication", func(p *status.Pool) int { return p.Replicating }),
	},
}

// PgBouncer gives a wait in two columns: whole seconds, and the microseconds
// beyond them.
func wholeSeconds(d time.Duration) int { return int(d / time.Second) }
func restMicros(d time.Duration) int   { return int(d % time.Second / time.Microsecond) }
