package pool

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// Startup parameters are what RESET turns settings back to, and cannot be set
// later. But where settings are carried from backend to backend, a
// client needs no backend that was opened with its own: it is enough to know
// once what the server makes of them.

// settingPairs are the settings that startup parameters name, in lower case, and
// their values, in the order in which PostgreSQL sets them; ok is false if one is
// something else than a setting.
func settingPairs(fixed []wire.Param) (pairs []wire.Param, ok bool) {
	ok = true
	for _, p := range fixed {
		if strings.EqualFold(p.Name, "options") {
			options, settings := optionPairs(p.Value)
			pairs, ok = append(options, pairs...), ok && settings
			continue
		}
		pairs = append(pairs, wire.Param{Name: strings.ToLower(p.Name), Value: p.Value})
	}
	return pairs, ok
}

// optionPairs is settingPairs for the parameter "options".
func optionPairs(options string) (pairs []wire.Param, ok bool) {
	words := optionWords(options)
	for len(words) > 0 {
		n, pair, found := nextOption(words)
		if !found {
			return pairs, false
		}
		pairs, words = append(pairs, pair), words[n:]
	}
	return pairs, true
}

// nextOption is the setting that the first n of some words make; found is false if they
// are something else.
func nextOption(words []string) (n int, pair wire.Param, found bool) {
	n = 1
	word := words[0]
	switch {
	case word == "-c" && len(words) > 1:
		n, word = 2, words[1]
	case strings.HasPrefix(word, "--"), strings.HasPrefix(word, "-c"):
		word = word[2:]
	default:
		return n, pair, false
	}
	name, value, found := strings.Cut(word, "=")
	return n, wire.Param{Name: strings.ToLower(strings.ReplaceAll(name, "-", "_")), Value: value}, found
}

// KeepOptions is the parameter "options" with those words that a function wants to
// keep. It is asked by the setting's name in lower case, "" for what is no setting.
func KeepOptions(options string, keep func(name string) bool) string {
	words, kept := optionWords(options), []string(nil)
	all := true
	for len(words) > 0 {
		n, pair, found := nextOption(words)
		if !found {
			pair.Name = ""
		}
		if keep(pair.Name) {
			kept = append(kept, words[:n]...)
		} else {
			all = false
		}
		words = words[n:]
	}
	if all {
		return options
	}
	for i, word := range kept {
		kept[i] = optionEscape.Replace(word)
	}
	return strings.Join(kept, " ")
}

// optionEscape writes a word of "options" so that it is read as one.
var optionEscape = strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\v", "\\\v", "\f", "\\\f", "\r", "\\\r")

// optionWords splits the parameter "options" as PostgreSQL does: at blanks,
// unless a backslash stands before them (pg_split_opts).
func optionWords(s string) (words []string) {
	var word []byte
	in := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			word, in = append(word, s[i]), true
		case c == ' ' || '\t' <= c && c <= '\r':
			if in {
				words = append(words, string(word))
				word, in = nil, false
			}
		default:
			word, in = append(word, c), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words
}

// Carried is what a variant's startup parameters set, as the server says it,
// if that is known and can be set on any backend; then its clients can do with
// Plain.
func (p *Pool) Carried(v *Variant) (settings []wire.Param, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return v.carried, v.carries && p.settings.Sharing == SharedCarrying
}

// Plain tells whether it is the variant without startup parameters.
func (v *Variant) Plain() bool { return v.key == "" }

// Key tells a variant from others of its pool; "" of the plain one.
func (v *Variant) Key() string { return v.key }

// Plain is the variant without startup parameters; it is kept until Forget.
func (p *Pool) Plain() *Variant {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.variant("", nil)
	v.clients++
	return v
}

// replicates tells whether a backend is a walsender, which may not know SQL.
func replicates(params []wire.Param) bool {
	return slices.ContainsFunc(params, func(p wire.Param) bool { return strings.EqualFold(p.Name, "replication") })
}
