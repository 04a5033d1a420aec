package top

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func batchOptions(out *bytes.Buffer, view string, n int) Options {
	return Options{URL: "http://h:1", Out: out, View: view, Interval: minInterval, Iterations: n, Batch: true}
}

func TestAPlainTableHasAllRowsAtFullWidth(t *testing.T) {
	var out bytes.Buffer
	r := thousand()
	r.Censuses[0].Processes[4].Application = strings.Repeat("long", 15)
	r.Censuses[0].Processes[3].Application = "red\x1b[31m\n"
	if err := runBatch(t.Context(), &fakeSource{reading: r}, batchOptions(&out, "processes", 1)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"pgweir top  12:00:00  http://h:1  PostgreSQL 15.18 on 127.0.0.1:5432\n", "idle in transaction",
		"Activity: CheckpointerMain", "Lock: relation", `red\x1b[31m\n`, "\n1999 ", "0:10.00", strings.Repeat("long", 15)} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %.3000s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 5+2+1005 {
		t.Errorf("%d lines", n)
	}
	if strings.ContainsAny(text, "\x1b\r") || strings.Contains(text, " \n") {
		t.Error("it is not plain")
	}
}

func TestPlainTablesGoOnAfterAnErrorAndSayIt(t *testing.T) {
	var out bytes.Buffer
	s := &fakeSource{reading: &Reading{At: noon, HTTPErr: errors.New("http://h:1: refused\x1b")}}
	if err := runBatch(t.Context(), s, batchOptions(&out, "pools", 3)); err == nil || err.Error() != `http://h:1: refused\x1b` {
		t.Errorf("the last one failed: %v", err)
	}
	if got := strings.Count(out.String(), `pgweir top  12:00:00: http://h:1: refused\x1b`+"\n"); got != 2 || len(s.clients) != 3 {
		t.Errorf("%d errors after %d readings: %q", got, len(s.clients), out.String())
	}
	// What a table does not need may be missing.
	for view, bad := range map[string]bool{"processes": true, "findings": true, "pools": false} {
		r := usual()
		r.Censuses, r.CensusErr = nil, errors.New("no census")
		if err := runBatch(t.Context(), &fakeSource{reading: r}, batchOptions(&out, view, 1)); (err != nil) != bad {
			t.Errorf("%s without a census: %v", view, err)
		}
	}
	o := batchOptions(&out, "clients", 1)
	if err := runBatch(t.Context(), s, o); err == nil || !strings.Contains(err.Error(), "--console") {
		t.Errorf("clients without a console: %v", err)
	}
	o.Console = "host=x"
	r := usual()
	out.Reset()
	if err := runBatch(t.Context(), &fakeSource{reading: r}, o); err != nil || !strings.Contains(out.String(), "advisory lock") {
		t.Errorf("clients: %v %s", err, out.String())
	}
	r.ConsoleErr = errors.New("console: refused")
	if err := runBatch(t.Context(), &fakeSource{reading: r}, o); err == nil {
		t.Error("a console that refuses is no error")
	}
}

// endless ends its context at the third reading.
type endless struct {
	*fakeSource
	end context.CancelFunc
}

func (e endless) Read(ctx context.Context, clients bool) *Reading {
	if len(e.fakeSource.clients) == 2 {
		e.end()
	}
	return e.fakeSource.Read(ctx, clients)
}

func TestPlainTablesWithoutEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	s := endless{&fakeSource{reading: usual()}, cancel}
	if err := runBatch(ctx, s, batchOptions(&out, "pools", 0)); err != nil || strings.Count(out.String(), "pgweir top  ") != 2 {
		t.Errorf("%v: %s", err, out.String())
	}
	failing := Options{Out: failingWriter{}, View: "pools", Interval: minInterval}
	if err := runBatch(t.Context(), &fakeSource{reading: usual()}, failing); err == nil || err.Error() != "full" {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := Options{URL: "http://h:1", View: "processes", Interval: time.Second}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Options){
		"0.1 seconds":  func(o *Options) { o.Interval = minInterval - 1 },
		"1 hour":       func(o *Options) { o.Interval = maxInterval + 1 },
		"below 0":      func(o *Options) { o.Iterations = -1 },
		"no view":      func(o *Options) { o.View = "locks" },
		"--console":    func(o *Options) { o.View, o.Batch = "clients", true },
		"the URL":      func(o *Options) { o.URL = "h:1" },
		"console's DS": func(o *Options) { o.Console = "port=x" },
	} {
		o := good
		change(&o)
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestIntervals(t *testing.T) {
	for text, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": 500 * time.Millisecond, "2s": 2 * time.Second, "1m": time.Minute, "3600": time.Hour, "0.1": minInterval} {
		if got, err := ParseInterval(text); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "x", "0", "0.05", "-2", "-2s", "3601", "2h", "NaN", "Inf", "-Inf", "1e300"} {
		if got, err := ParseInterval(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}
