package wire

import "testing"

func TestBodyNamesFindsWhatABodySets(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"begin set my.x = 1; end", "set my.x@my.x"},
		{"set x = 1", "set x@x"},
		{"declare n int; begin if n > 1 then set x = 1; else set y = 2; end if; end", "set x@x, set y@y"},
		{"begin loop set x = 1; exit; end loop; end", "set x@x"},
		{"begin <<here>> set x = 1; end", "set x@x"},
		{"begin set local x = 1; end", "local x@x"},
		{"begin update t set x = 1; end", ""},
		{"begin perform set_config('a.b', n, false); perform set_config(n, 'x', false); end", "config a.b@'a.b', config? @set_config"},
		{"begin perform set_config('a.b', n, true); end", "local a.b@'a.b'"},
		{"begin listen c; unlisten d; unlisten *; end", "listen c@c, unlisten d@d"},
		{"begin reset x; execute p; deallocate q; prepare r as select 1; end", ""},
		{"pg_backend_pid", ""},
		{"", ""},
	} {
		if got := spelled(c.body, bodyNamesOf(c.body)); got != c.want {
			t.Errorf("BodyNames(%q)\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestBodyHintsFindsWhatABodyLeaves(t *testing.T) {
	for _, c := range []struct {
		body string
		want Hints
	}{
		{"", 0},
		{"begin return 1; end", 0},
		{"begin set x = 1; end", HintSet},
		{"\nDECLARE\n n int;\nBEGIN\n SET x = 1;\nEND;\n", HintSet},
		{"begin if a then set x = 1; end if; end", HintSet},
		{"begin if a then null; else listen c; end if; end", HintListen},
		{"begin loop /* x */ prepare p as select 1; end loop; end", HintPrepare},
		{"begin <<l>> load 'x'; end", HintProcess},
		{"begin << l >> discard plans; end", HintDiscard},
		{"begin exception when others then reset x; end", HintReset},
		{"select set_config('a', 'b', false)", HintSetConfig},
		{"begin perform set_config('a', 'b', true); end", HintLocal},
		{"begin set local x = 1; end", HintLocal},
		{"begin set transaction read only; end", 0},
		{"begin update t set x = 1; end", 0},
		{"begin insert into t values (1) on conflict (x) do update set x = 1; end", 0},
		{"begin x := a >> b; end", 0},
		{"begin perform pg_advisory_xact_lock(1); end", 0},
		{"begin perform pg_advisory_lock(1); end", HintAdvisoryLock},
		{"begin create temp table t (x int); end", HintDDL | HintTemp},
		{"begin perform pg_notify('a', 'b'); notify c; end", HintNotify},
		{"begin execute 'set x = 1'; end", 0},
		{"begin open c; close c; commit; rollback; end", 0},
		{"begin call p(); end", HintCall},
		{"begin raise notice 'set_config'; -- set_config\n end", 0},

		// the symbol of a function in C
		{"pg_advisory_lock_int8", 0},
		{"pg_advisory_lock", 0},
		{" lastval ", 0},
	} {
		if got := BodyHints([]byte(c.body)) &^ (HintMeaning | HintCatalog); got != c.want {
			t.Errorf("BodyHints(%q) = %b, want %b", c.body, got, c.want)
		}
	}
}

func FuzzBodyHints(f *testing.F) {
	for _, s := range append(nameSeeds, "begin <<a>> set x = 1; end", "a>>listen c", "lastval", "then", "loop set") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := BodyHints(body)
		checkNames(t, string(body), bodyNamesOf(string(body)), h)
		// In a block it has all hints that it has by itself, and those of Scan.
		block := BodyHints([]byte("begin " + string(body)))
		if h&^block != 0 {
			t.Fatalf("%q: %b alone, %b in a block", body, h, block)
		}
		if scanned := Scan(body) &^ (HintExplicit | HintExecute | HintClose | HintMeaning | HintCatalog); scanned&^block != 0 {
			t.Fatalf("%q: Scan finds %b, BodyHints in a block %b", body, scanned, block)
		}
	})
}
