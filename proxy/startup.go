package proxy

import (
	"strings"

	"pgweir/config"
	"pgweir/pool"
	"pgweir/wire"
)

// ask is what a client's StartupMessage asks for.
type ask struct {
	user, database string // as PostgreSQL sees them
	// sentUser and sentDatabase are the same as they came, perhaps longer.
	sentUser, sentDatabase string
	application            string
	replication            replication
	params                 []wire.Param
	minor                  uint32   // of the protocol that is spoken with it
	newer                  bool     // it asked for a newer one
	unknown                []string // options of the protocol that are not known
	console                bool
}

// newestMinor is the newest minor version of protocol 3 that is spoken here.
const newestMinor = 2

func readStartup(s *wire.Startup, r *rules) (a ask, e *wire.Error) {
	a.minor = s.Version & 0xffff
	if a.minor > newestMinor || a.minor == 1 {
		// 3.1 was never used; who asks for it gets what servers then had.
		a.newer = true
		a.minor = min(a.minor-1, newestMinor)
	}
	var replicates wire.Param // of several the last counts
	for _, p := range s.Params {
		switch {
		case p.Name == "user":
			a.user, a.sentUser = config.CutName(p.Value), p.Value
		case p.Name == "database":
			a.database, a.sentDatabase = config.CutName(p.Value), p.Value
		case strings.HasPrefix(p.Name, "_pq_."):
			a.unknown = append(a.unknown, p.Name)
		case strings.EqualFold(p.Name, "options"):
			if p.Value = r.optionsOf(p.Value); p.Value != "" {
				a.params = append(a.params, p)
			}
		case r.ignore[strings.ToLower(p.Name)]:
		case p.Name == "replication":
			a.replication, replicates = replicationOf(p.Value), p
		default:
			if p.Name == "application_name" {
				a.application = p.Value
			}
			a.params = append(a.params, p)
		}
	}
	if a.replication != replicationNone {
		a.params = append(a.params, replicates)
	}
	a.params = lastOnes(a.params)
	if a.user == "" {
		return a, wire.Fatalf(wire.CodeInvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if a.database == "" {
		a.database = a.user
	}
	a.console = config.IsConsole(a.database)
	return a, nil
}

// optionsOf is the parameter "options" without the settings that are ignored. Where
// "options" itself is ignored, the settings that all clients have stay, as in PgBouncer.
func (r *rules) optionsOf(options string) string {
	return pool.KeepOptions(options, func(name string) bool {
		switch {
		case r.ignore[name]:
			return false
		case name != "" && wire.VarIndex([]byte(name)) >= 0:
			return true
		}
		return !r.ignore["options"]
	})
}

// isFalse reads a boolean as PostgreSQL does.
func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "", "0", "off", "of", "f", "fa", "fal", "fals", "false", "n", "no":
		return true
	}
	return false
}

// lastOnes keeps the last of parameters that come twice, as PostgreSQL does.
func lastOnes(params []wire.Param) []wire.Param {
	out := params[:0]
	for i, p := range params {
		again := false
		for _, q := range params[i+1:] {
			again = again || strings.EqualFold(p.Name, q.Name)
		}
		if !again {
			out = append(out, p)
		}
	}
	return out
}
