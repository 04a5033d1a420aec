package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildWeir builds the pgweir of this tree.
func buildWeir(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pgweir")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/pgweir").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// measured runs the program's main part with arguments, and returns the table and the
// rounds that are kept.
func measured(t *testing.T, dir string, args ...string) (table string, rounds []roundLine) {
	t.Helper()
	opts := parse(t, map[string]string{"PGBOUNCER": os.Getenv("PGBOUNCER")}, append(args, "-rounds", "1", "-out", dir, "-pg-bin", os.Getenv("PGWEIR_TEST_PG_BIN"))...)
	var out bytes.Buffer
	if err := run(t.Context(), opts, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text, err := os.ReadFile(filepath.Join(dir, "rounds.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	var about struct{ Run runFacts }
	if err := json.Unmarshal([]byte(first), &about); err != nil || len(about.Run.Poolers) == 0 || about.Run.Rounds != 1 {
		t.Fatalf("the first line: %v\n%s", err, first)
	}
	for line := range strings.Lines(rest) {
		var r roundLine
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		rounds = append(rounds, r)
	}
	return out.String(), rounds
}

// The works that stand for the others: a crowd, by TCP and Unix sockets, pgbench, and
// all that a login can be; through pgweir, a variant of it, and PgBouncer if there is one.
func TestTheSmallestWorksRun(t *testing.T) {
	program := buildWeir(t)
	for _, c := range []struct {
		network, works string
		poolers        []string
		args           []string
	}{
		{"tcp", "crowd40,connect-tls,simple1", []string{"ours"}, nil},
		{"unix", "crowd40", []string{"ours", "off"}, []string{"-unix", "-variant", "off:session_state=off"}},
	} {
		t.Run(c.network, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"-work", c.works, "-seconds", "0.1", "-pgweir", "ours=" + program}, c.args...)
			table, rounds := measured(t, dir, args...)
			seen := map[string]bool{}
			for _, r := range rounds {
				if seen[r.Work+" "+r.Pooler] = true; r.Round != 1 || r.Error != "" || r.Figures[rate.key] <= 0 || r.Figures[cpu.key] <= 0 || r.Figures[driver.key] <= 0 {
					t.Errorf("%+v", r)
				}
			}
			for work := range strings.SplitSeq(c.works, ",") {
				for _, p := range c.poolers {
					if !seen[work+" "+p] || !strings.Contains(table, "\n"+work+": ") || !strings.Contains(table, "\n  "+p) {
						t.Errorf("%s through %s is not there: %v\n%s", work, p, seen, table)
					}
				}
			}
			page, err := os.ReadFile(filepath.Join(dir, "bench.html"))
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, string(page))
			for _, name := range []string{"bench.txt", "bench.md"} {
				if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), "crowd40") {
					t.Errorf("%s: %v\n%s", name, err, text)
				}
			}
		})
	}
}
