package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// options are what the command line asks for.
type options struct {
	rounds    int
	duration  time.Duration // of a work in a round
	works     []work
	packages  bool // the Go benchmarks too
	unix      bool
	yardstick string // a pooler's name; "" is the first
	out       string // folder of the results; "" is none
	pgweirs   []named
	variants  []variant
	others    map[string]string // programs of other poolers, by the kind's name
	pgBin     string
}

// named is a program under a name of its own.
type named struct{ name, path string }

// parseOptions reads the command line; getenv gives the variables that name the
// other poolers' programs where no flag does.
func parseOptions(args []string, getenv func(string) string, usage io.Writer) (options, error) {
	opts := options{others: map[string]string{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&opts.rounds, "rounds", 7, "how often each work is measured; figures are medians")
	seconds := flags.Float64("seconds", 3, "how long a work runs in a round; pgbench takes whole seconds, rounded up")
	names := flags.String("work", "usual", "which works, in this order, with commas between: "+strings.Join(workNames(), ", ")+"; usual is those before "+firstSpecial()+", all is all")
	flags.BoolVar(&opts.unix, "unix", false, "Unix sockets on both sides of the poolers, instead of TCP")
	flags.StringVar(&opts.yardstick, "yardstick", "", "the pooler that ratios are to (default: PgBouncer, or else the first pgweir)")
	flags.StringVar(&opts.out, "out", "", "folder, outside the source tree, for rounds.jsonl, bench.txt, bench.md and bench.html")
	flags.Func("pgweir", "NAME=PATH: a pgweir to measure; may be repeated (default pgweir=bin/pgweir)", func(s string) error {
		n, err := parseNamed(s)
		opts.pgweirs = append(opts.pgweirs, n)
		return err
	})
	flags.Func("variant", "NAME:SETTING=VALUE,...: measure every pgweir with other settings too, as NAME; NAME@PGWEIR: that one only; may be repeated", func(s string) error {
		v, err := parseVariant(s)
		opts.variants = append(opts.variants, v)
		return err
	})
	programs := map[string]*string{}
	for _, k := range otherKinds {
		where := "none"
		if len(k.installed) > 0 {
			where = "in PATH or where Debian puts it; none is none"
		}
		programs[k.name] = flags.String(k.name, "", fmt.Sprintf("program of %s, to be measured beside pgweir (default: the variable %s, or else %s)", k.title, k.variable, where))
	}
	flags.StringVar(&opts.pgBin, "pg-bin", "", "folder of PostgreSQL's programs (default: look for it)")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	for _, k := range otherKinds {
		opts.others[k.name] = cmp.Or(*programs[k.name], getenv(k.variable))
	}
	if len(opts.pgweirs) == 0 {
		opts.pgweirs = []named{{"pgweir", "bin/pgweir"}}
	}
	opts.duration = time.Duration(*seconds * float64(time.Second))
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.rounds < 1 || opts.rounds > 1000:
		return opts, fmt.Errorf("-rounds: %d is out of range (1 to 1000)", opts.rounds)
	case math.IsNaN(*seconds) || *seconds < 0.1 || *seconds > 3600:
		return opts, fmt.Errorf("-seconds: %v is out of range (0.1 to 3600)", *seconds)
	}
	if err := opts.chooseWorks(*names); err != nil {
		return opts, err
	}
	return opts, opts.checkNames()
}

// chooseWorks finds the works that a list names.
func (o *options) chooseWorks(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		switch w, ok := workNamed(name); {
		case ok:
			o.works = append(o.works, w)
		case name == packagesWork:
			o.packages = true
		case name == "usual" || name == "all":
			o.packages = o.packages || name == "all"
			for _, w := range works() {
				if name == "all" || !w.special {
					o.works = append(o.works, w)
				}
			}
		default:
			return fmt.Errorf("-work: there is no %q; there are %s, usual and all", name, strings.Join(workNames(), ", "))
		}
	}
	return nil
}

// checkNames refuses two poolers of one name, and names of none.
func (o *options) checkNames() error {
	var pgweirs []string
	for _, p := range o.pgweirs {
		pgweirs = append(pgweirs, p.name)
	}
	for _, v := range o.variants {
		if v.of != "" && !slices.Contains(pgweirs, v.of) {
			return fmt.Errorf("-variant: there is no pgweir %q; there are %s", v.of, strings.Join(pgweirs, ", "))
		}
	}
	var all []string
	for _, k := range otherKinds {
		all = append(all, k.name)
	}
	for _, p := range weirs(*o) {
		if slices.Contains(all, p.name) {
			return fmt.Errorf("two poolers would be called %q", p.name)
		}
		all = append(all, p.name)
	}
	if o.yardstick != "" && !slices.Contains(all, o.yardstick) {
		return fmt.Errorf("-yardstick: there is no pooler %q; there are %s", o.yardstick, strings.Join(all, ", "))
	}
	return nil
}
