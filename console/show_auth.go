package console

import "pgweir/status"

// authQueryTable is SHOW AUTH_QUERY, which PgBouncer does not have: the places where
// auth_user asks for users' secrets, and what is kept of the answers. No secret is in
// it, and no user's name.
var authQueryTable = view[status.AuthQuerySource]{
	rows: func(s *status.Snapshot) []status.AuthQuerySource { return s.AuthQuery.Sources },
	columns: []column[status.AuthQuerySource]{
		text("server", func(s *status.AuthQuerySource) string { return s.Server }),
		text("database", func(s *status.AuthQuerySource) string { return readable(s.Database) }),
		text("auth_user", func(s *status.AuthQuerySource) string { return readable(s.User) }),
		text("state", func(s *status.AuthQuerySource) string { return s.State() }),
		int4("cached_scram", func(s *status.AuthQuerySource) int { return s.SCRAM }),
		int4("cached_md5", func(s *status.AuthQuerySource) int { return s.MD5 }),
		int4("cached_plain", func(s *status.AuthQuerySource) int { return s.Plain }),
		int4("cached_unknown", func(s *status.AuthQuerySource) int { return s.Unknown }),
		float8OrNull("oldest_seconds", func(s *status.AuthQuerySource) float64 { return secondsOrUnknown(s.Oldest) }),
		numeric("questions", func(s *status.AuthQuerySource) int64 { return s.Questions }),
		numeric("hits", func(s *status.AuthQuerySource) int64 { return s.Hits }),
		numeric("stale_hits", func(s *status.AuthQuerySource) int64 { return s.StaleHits }),
		numeric("failures", func(s *status.AuthQuerySource) int64 { return s.Failures }),
		textOrNull("error", func(s *status.AuthQuerySource) string { return readable(s.Error) }),
	},
}
