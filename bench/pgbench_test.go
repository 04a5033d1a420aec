package main

import (
	"strings"
	"testing"
)

const pgbenchReport = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 1
query mode: simple
number of clients: 32
number of threads: 1
maximum number of tries: 1
duration: 3 s
number of transactions actually processed: 53764
number of failed transactions: 0 (0.000%)
latency average = 1.780 ms
initial connection time = 11.301 ms
tps = 17975.532134 (without initial connection time)
`

func TestPgbenchReportGivesTransactionsAndRate(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want pgbenchResult
	}{
		"by time":            {pgbenchReport, pgbenchResult{53764, 17975.532134}},
		"a login each":       {"number of transactions actually processed: 812\naverage connection time = 3.1 ms\ntps = 270.66 (including reconnection times)\n", pgbenchResult{812, 270.66}},
		"version 14":         {strings.Replace(pgbenchReport, "number of failed transactions: 0 (0.000%)\n", "", 1), pgbenchResult{53764, 17975.532134}},
		"with a known limit": {strings.Replace(pgbenchReport, "processed: 53764", "processed: 53764/60000", 1), pgbenchResult{53764, 17975.532134}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsePgbench(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestPgbenchReportOfARunThatFailedIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"no rate":        "number of transactions actually processed: 5\n",
		"no transaction": strings.Replace(pgbenchReport, "processed: 53764", "processed: 0", 1),
		"failures":       strings.Replace(pgbenchReport, "failed transactions: 0", "failed transactions: 7", 1),
		"overflow":       strings.Replace(pgbenchReport, "processed: 53764", "processed: 99999999999999999999", 1),
	} {
		if got, err := parsePgbench(text); err == nil {
			t.Errorf("%s: got %+v and no error", name, got)
		}
	}
}
