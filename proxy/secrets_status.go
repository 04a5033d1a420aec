package proxy

import (
	"pgweir/authquery"
	"pgweir/status"
)

// authQuery is what servers were asked of users.
func (p *Proxy) authQuery() status.AuthQuery {
	all := p.asker.Stats()
	out := status.AuthQuery{AuthQueryFigures: authQueryFigures(all.Cached, all.Counts)}
	for _, s := range all.Sources {
		row := status.AuthQuerySource{
			Server: s.Source.Server, Database: s.Source.Database, User: s.Source.User, Connected: s.Connected,
			AuthQueryFigures: authQueryFigures(s.Cached, s.Counts),
		}
		if s.Failing != nil {
			row.Error = s.Failing.Error()
		}
		if s.Connected {
			out.Connections++
		}
		out.Sources = append(out.Sources, row)
	}
	return out
}

func authQueryFigures(c authquery.Cached, n authquery.Counts) status.AuthQueryFigures {
	return status.AuthQueryFigures{
		SCRAM: c.SCRAM, MD5: c.MD5, Plain: c.Plain, Unknown: c.Unknown, Oldest: c.Oldest,
		Questions: n.Questions, Hits: n.Hits, StaleHits: n.Stale, Failures: n.Failures,
	}
}
