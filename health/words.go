package health

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"pgweir/status"
)

// most is how many culprits a finding names.
const most = 3

// lasting is a duration as one says it: "12 s", "3 min", "2 h 5 min", "3 d".
func lasting(d time.Duration) string {
	switch d = max(0, d); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour && d/time.Minute%60 != 0:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d/time.Minute%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	}
}

// list joins the first few and says how many more there are.
func list(items []string) string {
	if len(items) > most {
		return fmt.Sprintf("%s, and %d more", strings.Join(items[:most], ", "), len(items)-most)
	}
	if last := len(items) - 1; last > 0 {
		return strings.Join(items[:last], ", ") + " and " + items[last]
	}
	return strings.Join(items, "")
}

// who names a process: a client of ours by its number in SHOW CLIENTS, others
// by who they are. notes come last, as "pid 121, idle in transaction".
func (r *reading) who(pid int, notes ...string) string {
	if pid == 0 {
		return "a prepared transaction"
	}
	p := r.byPID[pid]
	if p == nil {
		p = new(status.Process)
	}
	in := []string{}
	name := p.Kind
	switch {
	case p.Client != nil:
		name = fmt.Sprintf("client %d", p.Client.ID)
		in = append(in, p.Client.Addr)
	case name == "client backend":
		if name = "a backend"; p.User != "" {
			name += " of " + p.User
		}
		if p.Database != "" {
			in = append(in, "database "+p.Database)
		}
		if p.Application != "" {
			in = append(in, p.Application)
		}
	case name == "startup":
		name = "startup process"
	case name == "":
		name = "a process"
	}
	in = append(in, fmt.Sprintf("pid %d", pid))
	for _, note := range notes {
		if note != "" {
			in = append(in, note)
		}
	}
	return name + " (" + strings.Join(in, ", ") + ")"
}

// end is how to end what a backend does, by the most fitting means.
func (r *reading) end(pid int) string {
	if p := r.byPID[pid]; p != nil && p.Client != nil {
		return fmt.Sprintf("KILL_CLIENT %d on pgweir's console", p.Client.ID)
	}
	return fmt.Sprintf("SELECT pg_terminate_backend(%d);", pid)
}

// identifier is a name as SQL wants it, always quoted: a keyword may be one.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// serverWords finds, in what a client library says, what the server has said:
// "... server error: FATAL: the database system is starting up (SQLSTATE
// 57P03)". The severity is in the server's language; it may be left out.
var serverWords = regexp.MustCompile(`(?s)^(?:(?:.*: )?[\p{Lu}]+: )?(.+?) \(SQLSTATE [0-9A-Z]{5}\)`)

// said is what an error says, in the server's own words if they can be found,
// and not longer than a line or two.
func said(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if m := serverWords.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	const enough = 300
	if runes := []rune(text); len(runes) > enough {
		text = string(runes[:enough]) + "…"
	}
	return strings.TrimSpace(text)
}

// printable makes names and messages, which may hold anything, one line.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s)
}
