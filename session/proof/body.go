package proof

import (
	"regexp"
	"slices"
	"strings"

	"pgweir/wire"
)

// Body is what a body in SQL or PL/pgSQL leaves behind by itself.
func Body(text string) (l Learned) {
	b := []byte(text)
	l.Hints = wire.BodyHints(b) &^ wire.HintCall
	l.names(b)
	l.Seeds = l.Seeds || seeds.Match(b)
	if !executes(b) {
		return l
	}
	// What it executes is made of the strings in it, or comes from elsewhere.
	l.Hints |= wire.HintDo
	made := false
	wire.Tokens(b, false, func(kind wire.TokenKind, text []byte) {
		if kind != wire.TokenString {
			return
		}
		made = made || verb.Match(text)
		l.Hints |= wire.BodyHints(text) &^ wire.HintCall
		l.names(text)
		if setsSomething.Match(text) && !namesWhatItSets(text) {
			l.Unknown = true
		}
	})
	l.Unknown = l.Unknown || !made
	wire.BodyExecuted(b, func(template []byte, whole bool) {
		l.Foreign = l.Foreign || !whole || callsAny(template)
		l.Seeds = l.Seeds || seeds.Match(template)
		l.Hints |= wire.BodyHints(template) &^ wire.HintCall // words that were put together
		l.names(template)
	})
	return l
}

// callsAny tells whether a function whose name comes from elsewhere may be called in
// a template of BodyExecuted's, which set_config may be.
func callsAny(template []byte) bool {
	for _, m := range bracketed.FindAllSubmatch(template, -1) {
		switch strings.ToLower(string(m[1])) {
		case "into", "table", "exists", "on", "only", "view", "references", "as":
		default:
			return true
		}
	}
	return false
}

// names notes the settings that a body sets.
func (l *Learned) names(b []byte) {
	if l.Hints&wire.HintReset != 0 {
		l.name("all")
	}
	wire.BodyNames(b, func(n wire.Name) {
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig, wire.NameSetConfigUnknown, wire.NameLocal:
			l.name(n.Text)
		}
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig:
			l.setting(n.Text)
		case wire.NameSetConfigUnknown:
			l.Unknown = true
		}
	})
}

// maxNames bounds the names of settings; beyond, they cannot be told.
const maxNames = 32

func (l *Learned) name(name string) {
	switch {
	case slices.Contains(l.Names, name):
	case len(l.Names) < maxNames:
		l.Names = append(l.Names, name)
	case !slices.Contains(l.Names, ""):
		l.Names = append(l.Names, "")
	}
}

func (l *Learned) setting(name string) {
	switch {
	case !strings.Contains(name, "."), slices.Contains(l.Settings, name):
	case customName.MatchString(name):
		l.Settings = append(l.Settings, name)
	default:
		l.Unknown = true
	}
}

// executes tells whether a body of PL/pgSQL has an EXECUTE of its own, that of a
// trigger's definition apart.
func executes(b []byte) bool {
	found := false
	execute := false
	wire.Tokens(b, false, func(kind wire.TokenKind, text []byte) {
		if execute {
			is := string(text)
			found = found || kind != wire.TokenName || is != "function" && is != "procedure" && is != "on"
		}
		execute = kind == wire.TokenName && string(text) == "execute"
	})
	return found
}

var (
	// verb begins a statement, or goes on with one.
	verb = regexp.MustCompile(`(?i)\b(select|insert|update|delete|merge|with|create|alter|drop|truncate|grant|revoke|copy|lock|refresh|analyze|vacuum|comment|set|reset|do|call|notify|listen|explain|reindex|cluster)\b`)
	// setsSomething is in a string that may become a statement which sets.
	setsSomething = regexp.MustCompile(`(?i)\b(set_config|set\s+(session|local)?\s*$|set\s+(session\s+|local\s+)?[%"'|]|set\s+(session\s+|local\s+)?[\w$]+\.)`)
)

// namesWhatItSets tells whether a string sets something by a name that can be
// read.
func namesWhatItSets(text []byte) bool {
	known := true
	some := false
	wire.BodyNames(text, func(n wire.Name) {
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig, wire.NameLocal:
			some = true
			known = known && n.Text != "" && !strings.HasSuffix(n.Text, ".")
		case wire.NameSetConfigUnknown:
			known = false
		}
	})
	return some && known
}

var (
	// foreignSet finds what a body in another language sets by a name.
	foreignSet = regexp.MustCompile(`(?i)\bset(?:_config\s*\(\s*\\?['"]+|\s+(?:session\s+)?)([a-z_][\w$]*\.[\w$.]+)`)
	foreignAny = regexp.MustCompile(`(?i)\b(set_config|set)\b`)
)

var (
	// foreignRuns is in what a body in another language runs SQL with.
	foreignRuns = regexp.MustCompile(`(?i)(exec|quer|prepare|cursor|spi)`)
	// runsItsArgument has functions in C of PostgreSQL's own extensions.
	runsItsArgument = regexp.MustCompile(`^(crosstab|connectby|xpath_table)`)
	// seeds is in a body that chooses what random gives.
	seeds = regexp.MustCompile(`(?i)(\bsetseed\b|\bset\s+(?:session\s+|local\s+)?seed\b|'seed')`)
	// bracketed is a name from elsewhere ahead of a bracket, and the word before it.
	bracketed = regexp.MustCompile(`(?:\b([a-zA-Z]+)\s+)?%I(?:\s*\.\s*%I)*\s*\(`)
)

// foreignBody is what a body in any other language leaves behind: it is not
// known, so its callers are asked about everything.
func foreignBody(text string) (l Learned) {
	l.Hints = wire.HintDo
	found := foreignSet.FindAllStringSubmatch(text, -1)
	for _, m := range found {
		l.setting(strings.ToLower(m[1]))
	}
	l.Unknown = len(found) == 0 && foreignAny.MatchString(text)
	l.Foreign = foreignRuns.MatchString(text)
	return l
}
