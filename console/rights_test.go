package console

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgweir/status"
	"pgweir/wire"
)

// rights say who may do what: as PgBouncer, whose stats_users SHOW everything but
// FDS. What drivers send by themselves changes nothing, and everybody may.
var rights = map[string]struct {
	needs Access
	text  string
}{
	"show": {Stats, "show version"}, "select": {Stats, "select version"},
	"set":   {Stats, "set client_encoding = 'utf8'"},
	"begin": {Stats, "begin"}, "start": {Stats, "start transaction"}, "commit": {Stats, "commit"}, "end": {Stats, "end"},
	"rollback": {Stats, "rollback"}, "abort": {Stats, "abort"},
	"reload": {Admin, "reload"}, "shutdown": {Admin, "shutdown wait_for_clients"}, "kill_client": {Admin, "kill_client 7"},
	"pause": {Admin, "pause"}, "resume": {Admin, "resume"}, "disable": {Admin, "disable app"}, "enable": {Admin, "enable app"},
	"kill": {Admin, "kill app"}, "reconnect": {Admin, "reconnect"}, "suspend": {Admin, "suspend"}, "wait_close": {Admin, "wait_close"},
	"reconnect_clients": {Admin, "reconnect_clients app over '5m'"},
}

// always is the access of a client that nothing takes it from.
func always(a Access) func() Access { return func() Access { return a } }

// from is a client of the database pgweir whose rights do not change.
func from(user string, a Access) Client {
	return Client{User: user, Database: "pgweir", Access: always(a)}
}

func codeOf(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// planned is the SQLSTATE with which one statement is refused, "" if it is not.
func planned(t *testing.T, text string, access Access) string {
	t.Helper()
	statements, err := split(text)
	if err != nil || len(statements) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := planFor(statements[0], access, "somebody")
	if err == nil && p.run != nil && access < p.needs {
		t.Errorf("%s: planned for whom it is not", text)
	}
	return codeOf(err)
}

func TestEveryCommandHasItsRight(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands {
		seen[c.name] = true
		want, ok := rights[c.name]
		if !ok {
			t.Errorf("%s: who may do that?", c.name)
			continue
		}
		refused := map[Access]string{Stats: "", Admin: ""}
		if c.needs == Admin {
			refused[Stats] = wire.CodeInsufficientPrivilege
		}
		for access, code := range refused {
			got := planned(t, want.text, access)
			if got != code {
				t.Errorf("%s with access %d: %q, want %q", want.text, access, got, code)
			}
		}
		if c.needs != want.needs {
			t.Errorf("%s needs %d, want %d", c.name, c.needs, want.needs)
		}
	}
	for name := range rights {
		if !seen[name] {
			t.Errorf("there is no command %s", name)
		}
	}
	for text, want := range map[string]string{
		"set pool_mode = session": wire.CodeInsufficientPrivilege, "set pool_mode to 'x'": wire.CodeInsufficientPrivilege,
		"show fds": wire.CodeInsufficientPrivilege, "select fds": wire.CodeInsufficientPrivilege, "Show FDS": wire.CodeInsufficientPrivilege,
	} {
		if got := planned(t, text, Stats); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if got := planned(t, text, Admin); got != "" {
			t.Errorf("%s of an admin: %q", text, got)
		}
	}
}

// TestHelpListsEveryCommand that does something; tests of the whole program go by it.
func TestHelpListsEveryCommand(t *testing.T) {
	help := strings.ToLower(help().Detail)
	for _, c := range commands {
		silent := c.name == "select"
		for _, by := range []string{"begin", "start", "commit", "end", "rollback", "abort"} {
			silent = silent || c.name == by // drivers' own
		}
		if listed := regexp.MustCompile(`\n\t` + c.name + `\b`).MatchString(help); listed == silent {
			t.Errorf("SHOW HELP lists %s: %v", c.name, listed)
		}
	}
	for _, table := range tables {
		if !strings.Contains(help, table.name) {
			t.Errorf("SHOW HELP has no %s", table.name)
		}
	}
}

// TestEveryTableHidesStatementsFromStatsUsers and shows them to admins.
func TestEveryTableHidesStatementsFromStatsUsers(t *testing.T) {
	const secret = "unmistakable literal"
	ctl := &secretive{text: "select '" + secret + "'"}
	shown := 0
	for _, table := range tables {
		for _, access := range []Access{Stats, Admin} {
			s := &session{access: access, ctl: ctl}
			r := table.table.read(s.snapshot(table.table.detail()))
			var all strings.Builder
			for row := range r.rows {
				for column := range table.table.fields() {
					all.WriteString(r.cell(row, column).text + "\n")
				}
			}
			has := strings.Contains(all.String(), secret)
			if access == Stats && has {
				t.Errorf("SHOW %s shows a statement to those who may only read", table.name)
			}
			if has {
				shown++
				s.access = Stats
				if hidden := table.table.read(s.snapshot(table.table.detail())); hidden.rows != r.rows {
					t.Errorf("SHOW %s has %d rows, and %d for those who may only read", table.name, r.rows, hidden.rows)
				}
			}
		}
	}
	if shown != 4 { // PINS, LEAKS, SHAPES, PROCESSES
		t.Errorf("%d tables show statements to admins", shown)
	}
}

// secretive has a statement wherever there can be one.
type secretive struct {
	fakeControl
	text string
}

func (c *secretive) Snapshot(status.Detail) *status.Snapshot {
	s := fixture()
	s.Pins, s.Leaks, s.Shapes = []status.Pin{{Statement: c.text}}, []status.Leak{{Statement: c.text}}, []status.Shape{{Statement: c.text}}
	s.Censuses = []*status.Census{{Processes: []status.Process{{PID: 1, Query: c.text}}}}
	return s
}
