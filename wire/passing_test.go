package wire

import (
	"strings"
	"testing"
)

func TestATextThatPassesBySetsSomethingOfAnExtensions(t *testing.T) {
	for text, want := range map[string]bool{
		"select set_config('app.x', 'y', false)":             true,
		"select pg_catalog.Set_Config('app.x', 'y', false)":  true,
		`select "set_config"('app.x', 'y', false)`:           true,
		"do $$begin perform set_config('app.x', y); end$$":   true,
		"do 'begin perform set_config(''a.x'', y); end'":     true,
		"select 1; set app.x = 'y'":                          true,
		"select 1;SET\nApp . X TO 'y'":                       true,
		`; set "app"."x" = 'y'`:                              true,
		"; set session app.x = y":                            true,
		"set app.x to y":                                     true,
		"-- now\nset app.x to y":                             true,
		"; /* now; */ set app.x to y":                        true,
		"; set /* now */ app.x to y":                         true,
		"; set -- now\n app.x to y":                          true,
		`; set U&"app.x" = 1`:                                true,
		"do $$begin set app.x = 1; end$$":                    true,
		"do $$begin if a then set app.x = 1; end if; end$$":  true,
		"do $$ <<a>> begin loop set app.x = 1; end if; end$": true,
		"; set app.x.y = 1":                                  true,

		"select 1":                         false,
		"set work_mem = '1MB'":             false,
		"set session work_mem = '1MB'":     false,
		"set local app.x = '1MB'":          false,
		"update t set a.b = 1":             false,
		"update t set a = b.c":             false,
		"insert into t values ('set up.')": false,
		"insert into t values ('All is set. To do: nothing. Set = group; set theory. A set')": false,
		"select reset_config(1), set_configs(2), xset_config":                                 false,
		"select x; set search_path to a, b.c":                                                 false,
		"; set":                                                                               false,
	} {
		text += " "
		for _, cut := range []int{len(text), 1, 2, 7} {
			var r Passing
			found := false
			for rest := text; rest != ""; {
				n := min(cut, len(rest))
				found = r.Read([]byte(rest[:n])) || found
				rest = rest[n:]
			}
			if found != want {
				t.Errorf("%q in parts of %d: %v", text, cut, found)
			}
		}
	}
}

func BenchmarkPassing(b *testing.B) {
	text := []byte(strings.Repeat("insert into t values (1, 'some words; and more'), (2, NULL);\n", 1<<14))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var r Passing
		if r.Read(text) {
			b.Fatal("found something")
		}
	}
}
