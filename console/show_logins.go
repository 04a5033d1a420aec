package console

import "pgweir/status"

// loginsTable is SHOW LOGINS, which PgBouncer does not have: addresses with clients on
// their way in, or from where some did not get in.
var loginsTable = view[status.LoginAddress]{
	needs: status.Full,
	rows:  func(s *status.Snapshot) []status.LoginAddress { return s.Logins.ByAddress },
	columns: []column[status.LoginAddress]{
		text("addr", func(a *status.LoginAddress) string { return a.Addr }),
		int4("served", func(a *status.LoginAddress) int { return a.Served }),
		int4("waiting", func(a *status.LoginAddress) int { return a.Waiting }),
		int4("delayed", func(a *status.LoginAddress) int { return a.Delayed }),
		int4("failing_users", func(a *status.LoginAddress) int { return a.FailingUsers }),
		numeric("failed", func(a *status.LoginAddress) int64 { return a.Failed }),
		numeric("refused", func(a *status.LoginAddress) int64 { return a.Refused }),
		numeric("timed_out", func(a *status.LoginAddress) int64 { return a.TimedOut }),
		numeric("garbled", func(a *status.LoginAddress) int64 { return a.Garbled }),
	},
}
