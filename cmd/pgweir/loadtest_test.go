package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgweir/loadtest"
)

func TestADurationIsTextOrSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "500ms": 500 * time.Millisecond, "2m": 2 * time.Minute, "3": 3 * time.Second,
		"0.25": 250 * time.Millisecond, "0": 0, "-1": -time.Second, "-1s": -time.Second,
	} {
		var d duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
	for text, want := range map[string]string{
		"": "no duration", "soon": "no duration", "5 s": "no duration", "1d": "no duration",
		"1e10": "out of range", "NaN": "out of range", "-Inf": "out of range", "9999999h": "no duration",
	} {
		var d duration
		if err := d.Set(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
}

func TestAReportTakesThePlaceOfAnOldOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(strings.Repeat("OLD ", 1<<18)), 0o644); err != nil {
		t.Fatal(err)
	}
	// One that comes to nothing leaves the old one alone.
	r, err := openReport(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) != 1<<20 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if r, err = openReport(path); err != nil {
		t.Fatal(err)
	}
	if err := r.write(new(loadtest.Result)); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "OLD ") || !strings.HasSuffix(string(text), "</html>\n") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
