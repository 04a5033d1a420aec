package config

import (
	"slices"
	"time"
)

// spec is what a setting is, wherever it stands.
type spec struct {
	name    string
	also    string // another name for it, PgBouncer's; "" if there is none
	kind    kind
	def     any   // as TOML gives it; nil in a table where "unset" is the default
	min     int64 // for numbers, fractions and durations (nanoseconds), inclusive
	max     int64
	choices []string
	doc     string // one line of the documentation
}

// setting is a spec and its place in a T: Config, Database or User.
type setting[T any] struct {
	spec
	group   string       // of the documentation; top-level settings only
	restart bool         // a change takes effect at a restart only
	at      func(*T) any // a pointer to its field
}

const (
	maxBackends = 262143 // the largest max_connections that PostgreSQL accepts
	maxDuration = int64(365 * 24 * time.Hour)
	maxPrepared = 100000
	// maxKeepSeconds is the kernel's bound (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL).
	maxKeepSeconds  = int64(32767 * time.Second)
	maxSocketBuffer = 1 << 30
)

var (
	poolModes      = []string{"session", "transaction", "statement"}
	sessionStates  = []string{"track", "pin", "off"}
	listenWays     = []string{"share", "pin", "reject"}
	clientSSLModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	serverSSLModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	serverMethods  = []string{"trust", "password", "md5", "scram-sha-256", "scram-sha-256-plus"}
	serverBindings = []string{"disable", "prefer", "require"}
	negotiations   = []string{"postgres", "direct"}
	balancings     = []string{"round-robin", "disable"}
	protocols      = []string{"3.0", "3.2", "latest"}
)

// defaultAuthQuery is PgBouncer's, with all names in full.
const defaultAuthQuery = "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin"

// ldapOptions may hold a password among others, or none.
const ldapOptions = "auth_ldap_options"

// settings are those at the top level, in the order of the documentation.
var settings = grouped(slices.Concat(general, generalLimits, generalTimeouts, slowLog))

// databaseSettings are those of a [databases.NAME], userSettings those of a [users.NAME].
var (
	databaseSettings = slices.Concat(ofDatabases, limitsOfDatabases, timeoutsOf("database", func(d *Database) *Timeouts { return &d.Timeouts }))
	userSettings     = slices.Concat(ofUsers, limitsOfUsers, timeoutsOf("user", func(u *User) *Timeouts { return &u.Timeouts }), userLifetime)
)

// grouped puts settings of one group behind each other, in the order in which the
// groups begin.
func grouped(all []setting[Config]) []setting[Config] {
	place := map[string]int{}
	for i := range all {
		if _, ok := place[all[i].group]; !ok {
			place[all[i].group] = i
		}
	}
	slices.SortStableFunc(all, func(a, b setting[Config]) int { return place[a.group] - place[b.group] })
	return all
}

// Row is one setting as SHOW CONFIG shows it; values are as one would write
// them, without quotes.
type Row struct {
	Key, Value, Default string
	Changeable          bool // takes effect at a reload, without a restart
}

// Settings lists every top-level setting, in the order of the documentation.
func (c *Config) Settings() []Row {
	rows := make([]Row, len(settings))
	for i := range settings {
		s := &settings[i]
		def, err := s.parse(s.def)
		if err != nil {
			panic("bug: the default of " + s.name + ": " + err.Error())
		}
		rows[i] = Row{
			Key:        s.name,
			Value:      s.format(load(s.at(c))),
			Default:    s.format(def),
			Changeable: !s.restart,
		}
	}
	return rows
}
