package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// topWeir is a pgweir that takes a census each second.
func topWeir(t *testing.T) *weir {
	t.Helper()
	return startWeir(t, weirOptions{Top: "census_user = \"postgres\"\ncensus_interval = \"1s\""})
}

// withNames opens connections with these application names.
func withNames(t *testing.T, w *weir, names ...string) (conns []*pgx.Conn) {
	t.Helper()
	for _, name := range names {
		conns = append(conns, connect(t, w.DSN("application_name="+name)))
	}
	return conns
}

func TestTopShowsSortsAndFiltersProcesses(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	names := []string{"needle-b", "needle-a", "needle-c"}
	clients := withNames(t, w, names...)
	pids := map[string]int{}
	for i, c := range clients {
		must(t, c, "begin")
		pid, err := strconv.Atoi(ask(t, c, "select pg_backend_pid()"))
		if err != nil {
			t.Fatal(err)
		}
		pids[names[i]] = pid
	}
	term := onTerminalOf(t, 160, 50, nil, "top", "--url", w.HTTP("/"), "--interval", "0.3")
	term.shows(t, `^pgweir top  \d\d:\d\d:\d\d  http://127\.0\.0\.1:\d+/  PostgreSQL \d+\.\d+ on 127\.0\.0\.1:\d+`)
	term.shows(t, `^Clients: 3, 0 waiting  Backends: 3  Saved: 0`)
	// Other tests have processes at this server too: the filter finds ours.
	term.press(t, "/checkpointer\r")
	term.shows(t, `^[> ] +\d+ .*checkpointer`)
	term.press(t, "/\x15needle\r") // Ctrl-U
	for name, pid := range pids {
		term.shows(t, fmt.Sprintf(`^[> ] +%d +postgres +%s +client backend +idle in transaction +Client: ClientRead .* %s`, pid, w.DB, name))
	}
	term.shows(t, `^processes 3 of \d+, by CPU% down, with "needle"`)

	order := func(by string) string {
		sorted := slices.Clone(names)
		if by == "pid" {
			slices.SortFunc(sorted, func(a, b string) int { return pids[a] - pids[b] })
		} else {
			slices.Sort(sorted)
		}
		return `(?s)` + strings.Join(sorted, `\b.*`)
	}
	term.press(t, "A")
	term.shows(t, `by APPLICATION up`)
	term.shows(t, order("name"))
	term.press(t, "N")
	term.shows(t, `by PID up`)
	term.shows(t, order("pid"))
	term.press(t, "smem\r")
	term.shows(t, `by MEMORY down`)

	// All about one of them: which the client is, PostgreSQL has confirmed.
	term.press(t, "A\x1b[H\r") // Home, Enter
	term.shows(t, fmt.Sprintf(`^pid +%d`, pids["needle-a"]))
	term.shows(t, `idle in transaction`)
	term.shows(t, `one of pgweir's backends, lent to client \d+`)
	term.press(t, "q")

	// The state follows, and so do CPU figures.
	must(t, clients[0], "commit")
	term.shows(t, fmt.Sprintf(`^[> ] +%d .*client backend +idle +`, pids["needle-b"]))
	term.shows(t, fmt.Sprintf(`^[> ] +%d .* \d+\.\d `, pids["needle-a"]))
	term.press(t, "f")
	term.shows(t, `only ours`)

	term.press(t, "\x1b")
	term.shows(t, `^processes 3 of \d+, by APPLICATION up, only ours$`)
	term.press(t, "3")
	term.shows(t, fmt.Sprintf(`^> %s +postgres `, w.DB))

	// A smaller terminal.
	term.resize(t, 60, 12)
	term.shows(t, `(?s)\A([^\n]*\n){11}1 processes[^\n]*\n\z`) // on the last of 12 lines
	term.press(t, "q")
	if err := term.ended(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	all := term.written()
	if in, out := strings.LastIndex(all, "\x1b[?1049h"), strings.LastIndex(all, "\x1b[?1049l"); in < 0 || out < in {
		t.Error("it has not given the terminal's screen back")
	}
	if hidden, shown := strings.LastIndex(all, "\x1b[?25l"), strings.LastIndex(all, "\x1b[?25h"); shown < hidden {
		t.Error("it has left the cursor hidden")
	}
}

func TestTopKillsTheClientThatWasNamedAndNoOther(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	clients := withNames(t, w, "victim", "bystander")
	for _, c := range clients {
		must(t, c, "begin; select 1")
	}
	console := connect(t, w.Console())
	id := rowOf(t, show(t, console, "show clients"), "application_name", "victim")["id"]
	pid := ask(t, clients[0], "select pg_backend_pid()")

	term := onTerminalOf(t, 160, 40, nil, "top", "--url", w.HTTP(""), "--console", w.Console(), "-d", "0.3")
	term.press(t, "/victim\r")
	term.shows(t, fmt.Sprintf(`^> +%s .* %s victim`, pid, id))
	question := fmt.Sprintf(`Kill client %s\? \(y/n\) User postgres, database %s, from 127\.0\.0\.1:\d+, application victim; active, holds backend %s`, id, w.DB, pid)
	term.press(t, "k")
	term.shows(t, question)
	term.press(t, "n")
	term.shows(t, `^Client `+id+` was left alone\.`)
	must(t, clients[0], "select 1")

	term.press(t, "k")
	term.shows(t, question)
	term.press(t, "y")
	term.shows(t, `^Client `+id+` was killed \(user postgres, database `+w.DB)
	if err := runSQL(t.Context(), clients[0], "select 1"); err == nil {
		t.Error("the victim is still served")
	}
	must(t, clients[1], "select 1; commit")
	term.press(t, "\x1b")
	term.shows(t, `^processes \d+, by`)
	term.press(t, "2")
	term.shows(t, `^[> ] +\d+ .*bystander`)
	eventually(t, "only the victim has gone", func() bool {
		text := term.text()
		return strings.Contains(text, "bystander") && !strings.Contains(text, "victim") && strings.Contains(text, "pgweir top")
	})

	// A client that has gone by the time of the answer.
	term.press(t, "/bystander\r")
	term.shows(t, `clients 1 of \d+`)
	term.press(t, "k")
	term.shows(t, `Kill client \d+\?`)
	if err := clients[1].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client has gone", func() bool { return len(show(t, console, "show clients")) == 2 })
	term.press(t, "y")
	term.shows(t, `was not killed: client \d+ has gone`)
	term.press(t, "\x03")
	if err := term.ended(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestTopNeedsTheConsoleAndTheRightToKill(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "census_user = \"postgres\"\ncensus_interval = \"1s\"\nstats_users = [\"looker\"]",
		Tables: "[users.postgres]\n[users.looker]\n",
	})
	c := withNames(t, w, "busy")[0]
	must(t, c, "begin")
	term := onTerminal(t, nil, "top", "--url", w.HTTP(""), "-d", "0.3")
	term.press(t, "/busy\r")
	term.shows(t, `processes 1 of`)
	term.press(t, "k")
	term.shows(t, `--console "host=`)

	looker := onTerminal(t, nil, "top", "--url", w.HTTP(""), "--console", w.Console("user=looker"), "-d", "0.3", "--view", "clients")
	looker.press(t, "/busy\r")
	looker.shows(t, `^> +\d+ postgres +`+w.DB)
	looker.press(t, "k")
	looker.shows(t, `Kill client \d+\?`)
	looker.press(t, "y")
	looker.shows(t, `was not killed: console: permission denied`)
	must(t, c, "select 1; commit")

	stranger := onTerminal(t, nil, "top", "--url", w.HTTP(""), "--console", w.Console("user=nobody"), "-d", "0.3", "--view", "clients")
	stranger.shows(t, `^console: user "nobody" is neither in admin_users`)
}

func TestTopWaitsForAPgweirThatHasGone(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	term := onTerminal(t, nil, "top", "-c", w.ConfigPath(), "-d", "0.2")
	const row = `^[> ] +\d+ .*checkpointer`
	term.press(t, "/checkpointer\r") // other tests' processes may fill the screen
	term.shows(t, row)
	w.Signal(t, syscall.SIGTERM)
	w.Exited(t, patience)
	term.shows(t, `^pgweir top  NO ANSWER since \d\d:\d\d:\d\d, shown is`)
	term.shows(t, `connection refused`)
	term.shows(t, row) // what was last seen
	w.relaunch(t)
	term.shows(t, `^pgweir top  \d\d:\d\d:\d\d  http`)
	eventually(t, "the error has gone", func() bool { return !strings.Contains(term.text(), "refused") })
	term.shows(t, row)
}

func TestTopWithoutATerminalPrintsPlainTables(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	c := withNames(t, w, "plainly")[0]
	must(t, c, "begin")
	pid := ask(t, c, "select pg_backend_pid()")
	line := regexp.MustCompile(`(?m)^ *` + pid + ` +postgres +` + w.DB + ` +client backend +idle in transaction .*plainly`)
	plain := func(args ...string) string {
		out, code := pgweir(t, append([]string{"top", "-c", w.ConfigPath()}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		if strings.ContainsAny(out, "\x1b\r") {
			t.Errorf("it is not plain: %q", out)
		}
		return out
	}
	eventually(t, "the client's backend is in the table", func() bool {
		out, _ := pgweir(t, "top", "-c", w.ConfigPath()) // before the first census it fails
		return line.MatchString(out)
	})
	eventually(t, "CPU% is known in the last table of three: there were two censuses meanwhile", func() bool {
		out := plain("-n", "3", "-d", "1.2")
		if got := strings.Count(out, "pgweir top  "); got != 3 {
			t.Errorf("%d tables: %s", got, out)
		}
		last := out[strings.LastIndex(out, "pgweir top  "):]
		return regexp.MustCompile(`(?m)^ *` + pid + ` .* \d+\.\d +`).MatchString(last)
	})
	if out := plain("--view", "pools", "-b"); !regexp.MustCompile(`(?m)^` + w.DB + ` +postgres +transaction +5 +1 `).MatchString(out) {
		t.Errorf("the pools: %s", out)
	}
	if out := plain("--view", "clients", "--console", w.Console()); !strings.Contains(out, "plainly") {
		t.Errorf("the clients: %s", out)
	}
	// A terminal that can do nothing is none.
	for _, env := range [][]string{{"TERM=dumb"}, {"TERM="}} {
		term := onTerminal(t, env, "top", "-c", w.ConfigPath())
		if err := term.ended(t); err != nil || !strings.Contains(term.written(), "plainly") || strings.Contains(term.written(), "\x1b") {
			t.Errorf("%v: %v %q", env, err, term.written())
		}
	}
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"nobody there":     {[]string{"--url", "http://127.0.0.1:1"}, "connection refused"},
		"no URL":           {[]string{"--url", "127.0.0.1:9127"}, "http://127.0.0.1:9127"},
		"no pgweir":        {[]string{"--url", w.HTTP("/metrics")}, "404"},
		"a bad DSN":        {[]string{"--url", w.HTTP(""), "--console", "port=many password=secret"}, "port"},
		"no such view":     {[]string{"--url", w.HTTP(""), "--view", "locks"}, "processes, clients, pools, findings"},
		"a bad interval":   {[]string{"--url", w.HTTP(""), "-d", "soon"}, "--interval"},
		"none":             {[]string{"--url", w.HTTP(""), "-d", "0"}, "0.1 seconds"},
		"below 0":          {[]string{"--url", w.HTTP(""), "-n", "-1"}, "-1"},
		"no configuration": {[]string{"-c", "/none.toml"}, "/none.toml"},
		"no console":       {[]string{"--url", w.HTTP(""), "--view", "clients"}, "--console"},
	} {
		if out, code := pgweir(t, append([]string{"top"}, c.args...)...); code != 1 || !strings.Contains(out, c.want) || strings.Contains(out, "secret") {
			t.Errorf("%s: exit code %d, %q", what, code, out)
		}
	}
}

// TestAnApplicationNameCannotWriteToTopsTerminal: neither by the server's view
// of it nor by pgweir's own.
func TestAnApplicationNameCannotWriteToTopsTerminal(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	const evil = "evil\x1b]0;pwned\x07\x1b[2Jeee"
	config, err := pgx.ParseConfig(w.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = evil
	c, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	must(t, c, "begin")
	term := onTerminalOf(t, 160, 40, nil, "top", "--url", w.HTTP(""), "--console", w.Console(), "-d", "0.3", "--view", "clients")
	term.shows(t, `evil.*eee`)
	term.press(t, "1/evil\r")
	term.shows(t, `processes 1 of`)
	term.press(t, "\r")
	term.shows(t, `application +evil`)
	term.press(t, "q")
	term.shows(t, `^> .* \d+ evil`) // a census from before the client had it names no client
	term.press(t, "k")
	term.shows(t, `Kill client.*evil`)
	if all := term.written(); strings.Contains(all, "pwned\x07") || strings.Contains(all, "\x1b]") {
		t.Errorf("it has written to the terminal: %q", all)
	}
}

// TestColoursOnlyWhereTheyAreWanted: by the terminal and by NO_COLOR.
func TestColoursOnlyWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	w := topWeir(t)
	c := withNames(t, w, "painted")[0]
	must(t, c, "begin")
	colour := regexp.MustCompile(`\x1b\[(?:[0-9]+;)*(?:3[0-7]|38;5;[0-9]+)m`)
	for _, c := range []struct {
		env  string
		want bool
	}{{"TERM=xterm-256color", true}, {"TERM=vt100", false}, {"NO_COLOR=1", false}} {
		term := onTerminal(t, []string{c.env}, "top", "--url", w.HTTP(""), "-d", "0.3")
		term.press(t, "/painted\r")
		term.shows(t, `^>.*idle in t`)
		term.press(t, "r") // no row but the cursor's would have colours: show all
		term.press(t, "\x1b")
		term.shows(t, `^processes \d+, by`)
		eventually(t, fmt.Sprintf("%s: colours: %v", c.env, c.want), func() bool {
			return colour.MatchString(term.written()) == c.want
		})
		term.press(t, "q")
		if err := term.ended(t); err != nil || colour.MatchString(term.written()) != c.want {
			t.Errorf("%s: %v, colours: %v", c.env, err, !c.want)
		}
	}
}

// TestNoCommandAsksTheTerminalQuestions: what draws on the terminal in top must
// not make itself felt anywhere else. Here nobody would answer.
func TestNoCommandAsksTheTerminalQuestions(t *testing.T) {
	t.Parallel()
	term := onTerminal(t, nil, "version")
	if err := term.ended(t); err != nil || strings.Contains(term.written(), "\x1b") || !strings.HasPrefix(term.written(), "pgweir ") {
		t.Errorf("version: %v, %q", err, term.written())
	}
	w := topWeir(t)
	top := onTerminal(t, nil, "top", "--url", w.HTTP(""))
	top.shows(t, `^Clients: `)
	if strings.Contains(top.written(), "\x1b]11") || strings.Contains(top.written(), "\x1b[6n") {
		t.Errorf("top asks: %q", top.written())
	}
}
