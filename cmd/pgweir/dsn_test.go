package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestASlipInADSNIsNamedWithTheWordThatIsMeant(t *testing.T) {
	for dsn, want := range map[string]string{
		"hots=db":                                   `unknown word "hots"; did you mean "host"?`,
		"host=db password=secret sslmod=off":        `unknown word "sslmod"; did you mean "sslmode"?`,
		"postgres://u:secret@db/x?ssl_mode=require": `unknown word "ssl_mode"; did you mean "sslmode"?`,
		"host=db dbnam=x":                           `unknown word "dbnam"; did you mean "dbname"?`,
		"host=db aplication_name=x":                 `unknown word "aplication_name"; did you mean "application_name"?`,
		// Settings of PostgreSQL's, and what libpq has no name for.
		"host=db statement_timeout=1 search_path=a work_mem=1MB role=x jit=off geqo=off": "",
		"host=db TimeZone=UTC my.setting=1":                                              "",
		"host=db port=x":                                                                 "", // whoever reads it tells
	} {
		got := ""
		if err := checkDSN("--dsn", dsn); err != nil {
			got = err.Error()
		}
		if want != "" {
			want = "--dsn: " + want
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", dsn, got, want)
		}
	}
}

func TestEachDSNOfTheCommandLineIsLookedAt(t *testing.T) {
	for name, c := range map[string]struct {
		cmd  *cobra.Command
		args []string
	}{
		"generate": {newGenerateCmd(), []string{"--dsn", "hots=db"}},
		"census":   {newCensusCmd(), []string{"--dsn", "hots=db"}},
		"top":      {newTopCmd(), []string{"--console", "hots=db"}},
		"loadtest": {newLoadtestCmd(), []string{"--direct", "hots=db"}},
	} {
		c.cmd.SetArgs(c.args)
		c.cmd.SetOut(new(bytes.Buffer))
		c.cmd.SetErr(new(bytes.Buffer))
		if err := c.cmd.Execute(); err == nil || !strings.Contains(err.Error(), `did you mean "host"?`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGenerateSaysWhichServerItCannotReach(t *testing.T) {
	for dsn, want := range map[string]string{
		"host=127.0.0.1 port=1 user=u":         `--dsn: 127.0.0.1:1: as user "u" to database "u": connect: connection refused`,
		"host=/nowhere port=7 user=u dbname=d": `--dsn: /nowhere/.s.PGSQL.7: as user "u" to database "d": connect: no such file or directory`,
	} {
		g := generation{dsn: dsn}
		err := g.run(t.Context(), new(bytes.Buffer), new(bytes.Buffer))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestANameThatIsUnknownIsToldInOneLine(t *testing.T) {
	err := shortened(serverLogin{user: "u", dbname: "d"}, fmt.Errorf("a:\n\tb: %w\n\tc", &net.DNSError{Err: "no such host", Name: "h"}))
	if want := `as user "u" to database "d": lookup h: no such host`; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
