package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgweir/health"
	"pgweir/status"
)

const hostileName = "\"} 1\npgweir_ready 0\n#\\ \x00{kind=\"x\",<b>\u202e"

// TestHostileNamesDoNoHarm: names of databases and users come from outside, and
// so does everything that a census has read.
func TestHostileNamesDoNoHarm(t *testing.T) {
	src := madeUp()
	src.s.Pools[0].Database, src.s.Pools[0].User = hostileName, hostileName+"\xff"
	src.s.Pools[0].PinnedBy[hostileName] = 5
	src.s.Savings.MemorySource = hostileName
	c := src.s.Censuses[0]
	c.Server.Host = hostileName
	for i := range c.Processes {
		p := &c.Processes[i]
		p.User, p.Database, p.Application, p.Query, p.Wait = hostileName, hostileName, hostileName, hostileName, hostileName
	}
	c.Processes[0].Kind, c.Processes[len(c.Processes)-1].State = hostileName, hostileName
	c.Findings = []status.Finding{{ID: hostileName, Severity: status.Severity(hostileName)}, {ID: "more", Severity: "of it"}}
	text := scrape(t, src)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "pgweir_") || line == "pgweir_ready 0\n" {
			t.Errorf("a name made a line of its own: %q", line)
		}
	}
	const name = `\"} 1\npgweir_ready 0\n#\\ ` + "\x00{kind=\\\"x\\\",<b>\u202e"
	for _, want := range []string{
		`pgweir_server_up{server="` + name + `"} 1`,
		`pgweir_server_processes{kind="other",server="` + name + `"} 2`,
		`pgweir_server_client_backends{ours="false",server="` + name + `",state="other"} 1`,
		`pgweir_findings{id="other",server="` + name + `",severity="other"} 1`,
		`pgweir_backend_memory_info{source="unknown"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %q", want)
		}
	}
	for line := range strings.Lines(text) {
		_, labels, _ := strings.Cut(line, "{")
		for _, word := range []string{"application", "query", "wait", "reason=\"\\\"", "kind=\"\\\"", "state=\"\\\"", "id=\"\\\"", "source=\"\\\""} {
			if strings.HasPrefix(labels, word) || strings.Contains(labels, ","+word) {
				t.Errorf("a label has what is not bounded: %q", line)
			}
		}
	}
}

// TestTheNumberOfSeriesIsBounded, however many processes there are and whatever
// they are called.
func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	lines := func(n int) int {
		src := madeUp()
		c := src.s.Censuses[0]
		for i := range n {
			c.Processes = append(c.Processes,
				status.Process{PID: i, Kind: fmt.Sprint("worker ", i), User: fmt.Sprint("u", i), Application: fmt.Sprint("a", i)},
				status.Process{PID: i, Kind: clientBackend, State: fmt.Sprint("state ", i), User: fmt.Sprint("u", i), Ours: i%2 == 0})
			c.Findings = append(c.Findings, status.Finding{ID: fmt.Sprint("finding ", i), Severity: status.Severity(fmt.Sprint(i))})
			src.s.Pools[0].PinnedBy[fmt.Sprint("reason ", i)] = i
		}
		return strings.Count(scrape(t, src), "\n")
	}
	if few, many := lines(1), lines(2000); few != many {
		t.Errorf("%d lines with one strange process, %d with 2000", few, many)
	}
}

// TestTwoOfOneNameAreNotAnError: the registry refuses a series that is there
// twice, and the others of the scrape must not suffer from it.
func TestTwoOfOneNameAreNotAnError(t *testing.T) {
	src := madeUp()
	src.s.Censuses = append(src.s.Censuses, src.s.Censuses[0])
	src.sizing.Sums = append(src.sizing.Sums, src.sizing.Sums[0])
	gather(t, src) // fails the test at an error
	// One of these is the other's name in quotes.
	src.s.Pools[0].User, src.s.Pools[1].User = "b\xffb", `b\xffb`
	text := scrape(t, src)
	if n := strings.Count(text, `pgweir_pool_size{database="app",user="b\\xffb"}`); n != 1 {
		t.Errorf("%d series, want 1", n)
	}
	for _, want := range []string{"pgweir_ready 1\n", `pgweir_pool_size{database="pgweir",user="admin"} 0`, `pgweir_server_up{server="127.0.0.1:5432"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestANameThatIsNotUTF8DoesNotHarmTheMetrics(t *testing.T) {
	src := madeUp()
	src.s.Pools[1].User = "b\xffb"
	if text := scrape(t, src); !strings.Contains(text, `pgweir_pool_size{database="app",user="b\\xffb"} 5`) {
		t.Errorf("%s", text)
	}
}

// FuzzNames: whatever is in a name, a scrape has the same lines, but for the
// name, and is UTF-8. The console's pool has other lines than the rest.
func FuzzNames(f *testing.F) {
	f.Add("app", "alice", "127.0.0.1:5432")
	f.Add(hostileName, "\xff\xfe", "")
	f.Add("", "a\nb", "\\")
	f.Add("pgbouncer", "admin", "")
	f.Fuzz(func(t *testing.T, database, user, server string) {
		src := madeUp()
		src.s.Pools, src.s.Censuses, src.sizing.Sums = src.s.Pools[:1], src.s.Censuses[:1], src.sizing.Sums[:1]
		pool := src.s.Pools[0]
		if pool.Database = database; pool.IsConsole() {
			src.s.Pools[0].Database = "pgweir"
		}
		want := strings.Count(scrape(t, src), "\n")
		src.s.Pools[0].Database = database
		src.s.Pools[0].User, src.s.Censuses[0].Server.Host, src.sizing.Sums[0].Server = user, server, server
		text := scrape(t, src)
		if got := strings.Count(text, "\n"); got != want || !utf8.ValidString(text) {
			t.Errorf("%d lines, want %d: %q", got, want, text)
		}
	})
}

// TestEveryFindingHasItsOwnName, and none is called "other".
func TestEveryFindingHasItsOwnName(t *testing.T) {
	want := slices.Sorted(slices.Values(append(slices.Clone(health.IDs), status.OwnFindingIDs...)))
	if !slices.Equal(findingIDs, want) {
		t.Errorf("%q\nwant %q", findingIDs, want)
	}
}
