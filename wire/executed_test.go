package wire

import (
	"fmt"
	"testing"
)

func TestWhatABodyExecutes(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"begin perform 1; end", ""},
		{"grant execute on function f() to x; create trigger t after insert on u execute function f()", ""},
		{"begin execute 'select 1'; end", "[select 1 true]"},
		{"begin execute 'select 1' into x; execute ('a' || $q$b$q$::text) using y; end", "[select 1 true][ab true]"},
		{"begin for r in execute 'select 1' loop perform 2; end loop; end", "[select 1 true]"},
		{"begin execute sql; end", "[ false]"},
		{"begin execute $1; end", "[ false]"},
		{"begin execute 'select ' || x into r; execute 'select 2'; end", "[select  false][select 2 true]"},
		{"begin execute 'copy ' || quote_ident(a || b(c)) || ' from ' || quote_literal(x); end", "[copy %I from %L true]"},
		{"begin execute 'set x = ' || pg_catalog.quote_nullable($1); end", "[set x = %L true]"},
		{"begin execute format('insert into %I values (%L, ''100%%'')', t, f(x)) using new; end", "[insert into %I values (%L, '100%') true]"},
		{"begin execute format('insert into %1$I.%2$-10I select ($1).*', s, t) using new; end", "[insert into %I.%I select ($1).* true]"},
		{"begin execute format('select %s', x); end", "[select  false]"},
		{"begin execute format(f, x); end", "[ false]"},
		{"begin execute format('select %', x); end", "[select  false]"},
		{"begin execute concat('select ', x); end", "[ false]"},
		{"begin execute 'truncate ' || t::regclass; end", "[truncate %I true]"},
		{"begin execute 'truncate ' || t::text; end", "[truncate  false]"},
		{"begin execute 'select 1", "[ false]"},
		{"begin execute (format('select 1'", "[select 1 false]"},
		{"execute", "[ true]"},
	} {
		got := ""
		BodyExecuted([]byte(c.body), func(template []byte, whole bool) { got += fmt.Sprintf("[%s %v]", template, whole) })
		if got != c.want {
			t.Errorf("%s executes %s, want %s", c.body, got, c.want)
		}
	}
}

func FuzzBodyExecuted(f *testing.F) {
	f.Add("begin execute format('insert into %I values (%L)', t, quote_literal(x)) using new; end")
	f.Add("execute 'a' || (quote_ident(b) || c::regclass")
	f.Fuzz(func(t *testing.T, body string) {
		n := 0
		BodyExecuted([]byte(body), func(template []byte, _ bool) {
			if n++; len(template) > 2*len(body) {
				t.Errorf("%q is made of %q", template, body)
			}
		})
		if n > len(body)/len("execute") {
			t.Errorf("%q executes %d texts", body, n)
		}
	})
}
