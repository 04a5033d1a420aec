package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"pgweir/cluster"
)

// report is all that was measured, and on what.
type report struct {
	facts    []string
	setting  runFacts
	results  []*result
	packages string   // output of the Go benchmarks
	keep     *results // nil: nothing is kept
}

// runFacts are the same for programs.
type runFacts struct {
	Time     string        `json:"time"`
	Machine  string        `json:"machine"`
	Load     string        `json:"load"`
	Postgres string        `json:"postgresql"`
	Network  string        `json:"network"`
	Rounds   int           `json:"rounds"`
	Seconds  float64       `json:"seconds"`
	Poolers  []poolerFacts `json:"poolers"`
}

type poolerFacts struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Program  string            `json:"program"`
	Settings map[string]string `json:"settings,omitempty"`
}

// describe notes the machine, the versions and the setup.
func (r *report) describe(opts options, programs cluster.Programs, poolers []*pooler) {
	r.setting = runFacts{
		Time: time.Now().UTC().Format(time.RFC3339), Machine: machine(runtime.NumCPU()), Load: load(), Postgres: programs.Version,
		Network: either(opts.unix, "Unix sockets", "TCP"), Rounds: opts.rounds, Seconds: opts.duration.Seconds(),
	}
	f := &r.setting
	r.facts = append(r.facts, fmt.Sprintf("Machine: %s; load at the start %s; %s", f.Machine, f.Load, f.Time))
	versions := []string{"PostgreSQL " + f.Postgres, runtime.Version() + " (the driver)"}
	for _, p := range poolers {
		one := poolerFacts{Name: p.name, Version: p.version, Program: p.program}
		text := p.name + ": " + p.version
		for i, s := range p.settings {
			if one.Settings == nil {
				one.Settings = map[string]string{}
			}
			one.Settings[s.name] = s.value
			text += either(i == 0, " with ", ", ") + s.name + " = " + s.value
		}
		f.Poolers = append(f.Poolers, one)
		versions = append(versions, text)
	}
	r.facts = append(r.facts, "Versions: "+strings.Join(versions, "; "),
		fmt.Sprintf("Setup: %s, transaction mode, a pool of %d where nothing else is said, log lines off; medians of %s of %v s, in turn", f.Network, poolSize, either(f.Rounds == 1, "1 round", fmt.Sprintf("%d rounds", f.Rounds)), f.Seconds),
		fmt.Sprintf("Ratios are to %s, medians of the rounds' ratios. Switches: waits of the pooler's threads. Driver: CPU of the clients.", poolers[0].name))
}

// load is how many processes were ready to run in the last minute, or "unknown".
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// begin shows the facts and keeps them.
func (r *report) begin(out io.Writer) error {
	fmt.Fprint(out, r.heading())
	if r.keep == nil {
		return nil
	}
	return r.keep.line(map[string]any{"run": r.setting})
}

func (r *report) heading() string { return strings.Join(r.facts, "\n") + "\n" }

// add shows a result and keeps it.
func (r *report) add(result *result, out io.Writer) error {
	r.results = append(r.results, result)
	fmt.Fprint(out, "\n"+result.text())
	if r.keep == nil {
		return nil
	}
	return r.keep.write(r)
}

// keepRound writes a round as it comes.
func (r *report) keepRound(result *result, round int, p *pooler, m measure, err error) error {
	if r.keep == nil {
		return nil
	}
	line := roundLine{Work: result.work.name, Pooler: p.name, Round: round + 1}
	if err != nil {
		line.Error = err.Error()
	} else {
		line.Figures = map[string]float64{}
		for i, f := range result.work.figures {
			line.Figures[f.key] = m[i]
		}
	}
	return r.keep.line(line)
}

// failure is an error if any work failed through any pooler.
func (r *report) failure() error {
	var names []string
	for _, result := range r.results {
		if len(result.failed) > 0 {
			names = append(names, result.work.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("failed: " + strings.Join(names, ", "))
}
