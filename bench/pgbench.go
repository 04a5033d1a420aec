package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// pgbenchResult is what pgbench measured.
type pgbenchResult struct {
	transactions int
	rate         float64 // a second; with -C including the logins
}

var (
	processedLine = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	failedLine    = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
	rateLine      = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without initial connection time|including reconnection times)\)`)
)

// parsePgbench reads the report of pgbench 14 or later, after a run by time.
func parsePgbench(text string) (pgbenchResult, error) {
	var r pgbenchResult
	processed, rate := processedLine.FindStringSubmatch(text), rateLine.FindStringSubmatch(text)
	if processed == nil || rate == nil {
		return r, errors.New("pgbench's report lacks its transactions or its rate")
	}
	// pgbench 14 does not count failures: a client that meets an error ends.
	if failed := failedLine.FindStringSubmatch(text); failed != nil && failed[1] != "0" {
		return r, fmt.Errorf("pgbench: %s transactions failed", failed[1])
	}
	var err error
	if r.transactions, err = strconv.Atoi(processed[1]); err != nil {
		return r, err
	}
	if r.transactions == 0 {
		return r, errors.New("pgbench ran no transaction")
	}
	r.rate, err = strconv.ParseFloat(rate[1], 64)
	return r, err
}
