package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse feeds any bytes: the answer is a configuration that holds together,
// or problems of one line each, on lines that the file has.
func FuzzParse(f *testing.F) {
	for _, path := range []string{examplePath} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.toml", data)
		if err == nil {
			checkHolds(t, c)
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("the error is a %T: %v", err, err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines {
				t.Errorf("of %d lines: %v", lines, p)
			}
			if strings.Contains(p.Text, "\n") {
				t.Errorf("more than a line: %q", p.Text)
			}
		}
	})
}

func checkHolds(t *testing.T, c *Config) {
	for _, row := range c.Settings() {
		if row.Key == "" {
			t.Error("a setting without a name")
		}
	}
	for name := range c.Databases {
		db, ok := c.Database(name)
		if !ok || db.DBName == "" || db.Port < 1 || db.Port > 65535 {
			t.Errorf("%q: %+v, %v", name, db, ok)
			continue
		}
		if size, least := c.PoolSizeFor(db, "x"), c.MinPoolSizeFor(db, "x"); size < 1 || least > size {
			t.Errorf("%q: size %d, minimum %d", name, size, least)
		}
		if share := c.LeakCheckFor(db); !(share >= 0 && share <= 1) {
			t.Errorf("%q: leak_check %v", name, share)
		}
	}
	for _, d := range c.Demand([]string{"x"}) {
		if d.Total < 1 || len(d.Terms()) == 0 {
			t.Errorf("demand %+v", d)
		}
	}
}
