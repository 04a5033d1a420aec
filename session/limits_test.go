package session

import (
	"fmt"
	"strings"
	"testing"
)

func TestNoMoreClientsKeepABackendThanMay(t *testing.T) {
	config := transactionMode
	config.MaxPinned = 1
	config.Shared = new(Shared)
	first, second := newMember(t, &config), newMember(t, &config)
	lock := query("select pg_advisory_lock(1)")
	first.client(lock)
	first.lease()
	first.server(complete("SELECT 1") + ready('I'))
	first.server(says(left("l")))
	if got := config.Shared.Pinned.Load(); got != 1 || !first.s.Pinned() {
		t.Fatalf("%d clients keep a backend", got)
	}
	tooMany := failure2("53400", "too many clients keep a backend for themselves (max_pinned = 1)",
		"Advisory locks, temporary tables, cursors WITH HOLD and statements of PREPARE keep a backend as long as they exist.")

	// One more is refused before it is run; what pins nothing is not.
	for _, c := range []struct {
		says, sent, answer string
	}{
		{lock, query(`EXECUTE "` + refusedName + `"`), missing(refusedName) + ready('I')},
		{query("create temp table t (a int)"), query(`EXECUTE "` + refusedName + `"`), missing(refusedName) + ready('I')},
		{parse("", "prepare p as select 1") + bind("", "") + syncing, refusedBind + closing("S", "") + bind("", "") + syncing, missing(refusedName) + ready('I')},
	} {
		second.client(c.says)
		second.need = false
		second.lease()
		mustEqual(t, "to the server", second.toServer, c.sent)
		second.toServer, second.toClient = "", ""
		second.server(c.answer)
		if second.s.Phase() == Active { // it is asked all the same
			second.server(says())
		}
		mustEqual(t, "to the client", second.toClient, tooMany+ready('I'))
		second.toServer, second.toClient = "", ""
		if second.flags() != "release" {
			t.Fatal("the backend is not released")
		}
	}
	second.client(query("create temp table t (a int) on commit drop"))
	second.lease()
	mustEqual(t, "what is gone at the end", second.toServer, query("create temp table t (a int) on commit drop"))

	// The one who has a backend may do with it what it likes.
	first.toServer = ""
	first.client(query("create temp table t (a int)"))
	mustEqual(t, "more of the same", first.toServer, query("create temp table t (a int)"))

	// When it has gone there is room again.
	first.s.Forget()
	if got := config.Shared.Pinned.Load(); got != 0 {
		t.Fatalf("%d clients keep a backend, and none is there", got)
	}
}

// TestWhatPinsUnforeseenIsUndone: no hint told that it would.
func TestWhatPinsUnforeseenIsUndone(t *testing.T) {
	config := transactionMode
	config.MaxPinned = 1
	config.Shared = new(Shared)
	config.Shared.Pinned.Store(1)
	config.Shared.places.Store(1)
	r := newMember(t, &config)
	r.client(query("do 'x'"))
	r.lease()
	r.server(complete("DO") + ready('I'))
	mustEqual(t, "to the client", r.toClient, complete("DO"))
	r.toServer = ""
	r.server(says(nobodyElse(), left("t")))
	all, _ := frames(r.toClient)
	if len(all) < 2 || all[1][0] != 'E' || r.s.Pinned() {
		t.Fatalf("the client is told %s, and keeps its backend: %v", show(r.toClient), r.s.Pinned())
	}
	mustEqual(t, "to the server", r.toServer, query("DISCARD ALL"))
	r.server(complete("DISCARD ALL") + ready('I'))
	if r.s.Phase() != Idle || config.Shared.Pinned.Load() != 1 {
		t.Errorf("phase %d, %d clients keep a backend", r.s.Phase(), config.Shared.Pinned.Load())
	}
}

func TestLeakCheck(t *testing.T) {
	check := transactionMode
	check.LeakCheck = 1
	r := newRig(t, &check)
	r.client(query("select harmless(1)"))
	r.lease()
	r.toServer = ""
	r.server(complete("SELECT 1") + ready('I'))
	mustEqual(t, "a question without a hint", r.toServer, question(partsAll))
	r.server(says(nobodyElse()))
	if r.flags() != "need release" || r.leak != 0 {
		t.Fatalf("nothing was left, and %v is found", r.leak)
	}

	r.toServer = ""
	r.client(query(`select Leaky (1), "Odd" (2), 1 + (3)`))
	r.lease()
	r.toServer = ""
	r.server(complete("SELECT 1") + ready('I'))
	r.toServer = ""
	r.server(says(nobodyElse(), left("l")))
	if r.leak != ReasonLock || !r.s.Pinned() {
		t.Fatalf("a lock was left, and %v is found; pinned: %v", r.leak, r.s.Pinned())
	}
	if want := `select Leaky (1), "Odd" (2), 1 + (3)`; r.s.Statement() != want {
		t.Errorf("the statement is said to be %q", r.s.Statement())
	}
	// What is left on the backend is nobody else's.
	r.flags()
	r.client(query("select pg_advisory_unlock(1)"))
	r.server(complete("SELECT 1") + ready('I'))
	r.server(says(nobodyElse()))
	if got := r.flags(); got != "drop unpinned" {
		t.Fatalf("flags %q, want drop", got)
	}
}

func TestALeakCheckIsMadeAsOftenAsItIsWanted(t *testing.T) {
	config := transactionMode
	config.LeakCheck = 0.25
	r := newRig(t, &config)
	for range 100 {
		r.client(query("select 1"))
		r.lease()
		r.server(complete("SELECT 1") + ready('I'))
		if r.s.Phase() == Active {
			r.server(says(nobodyElse()))
		}
		r.flags()
	}
	if r.total.Questions != 25 {
		t.Errorf("of 100 transactions %d were checked, want 25", r.total.Questions)
	}
}

// TestAClientIsNotHurtByTheEndOfACheckedBackend: the check was not for it.
func TestAClientIsNotHurtByTheEndOfACheckedBackend(t *testing.T) {
	check := transactionMode
	check.LeakCheck = 1
	for _, said := range []string{"", columns, columns + row("i", "role", "none")[:9]} {
		r := newRig(t, &check)
		r.client(query("select 1"))
		r.lease()
		r.server(complete("SELECT 1") + ready('I'))
		r.server(said)
		r.flags()
		r.s.Lost(&r.o)
		r.took()
		if got := r.flags(); got != "drop" {
			t.Fatalf("flags %q, want drop", got)
		}
		mustEqual(t, "to the client", r.toClient, complete("SELECT 1")+ready('I'))
		r.fromServer, r.link = "", newLink()
		r.client(query("select 2"))
		r.lease()
		r.toClient = ""
		r.server(columns + row("2") + complete("SELECT 1") + ready('I'))
		mustEqual(t, "the next", r.toClient, columns+row("2")+complete("SELECT 1")+ready('I'))
	}
}

// TestWhatAClientsNamedStatementsTakeIsBounded, and what it has given up is its
// to have again.
func TestWhatAClientsNamedStatementsTakeIsBounded(t *testing.T) {
	config := transactionMode
	config.Shared = new(Shared)
	r := newMember(t, &config)
	text := "select '" + strings.Repeat("x", 2<<20) + "'"
	tooMany := failure2("54000", "too many prepared statements: a client may have 64 MB of them", "Close those that are not needed any more.")
	prepare := func(name string) string {
		r.toServer, r.toClient = "", ""
		r.client(parse(name, text) + syncing)
		if r.need {
			r.need = false
			r.lease()
		}
		if strings.Contains(r.toServer, refusedName) {
			mustEqual(t, "to the server", r.toServer, bind("", refusedName)+syncing)
			r.server(missing(refusedName) + ready('I'))
		} else if strings.Contains(r.toServer, text) {
			r.server(parsed + ready('I'))
		} else {
			r.server(ready('I')) // the backend has it from the name before
		}
		r.flags()
		return r.toClient
	}
	most := maxNamedBytes / (len(text) + namedOverhead)
	for i := range most {
		mustEqual(t, "to the client", prepare(fmt.Sprint("s", i)), parsed+ready('I'))
	}
	mustEqual(t, "one more", prepare("more"), tooMany+ready('I'))
	r.toServer = ""
	r.client(closing("S", "s0") + syncing)
	r.need = false
	r.lease()
	r.server(ready('I'))
	r.flags()
	mustEqual(t, "one more after one less", prepare("more"), parsed+ready('I'))
	r.s.Forget()
	if got := r.s.namedBytes; got != 0 {
		t.Errorf("%d bytes are still counted", got)
	}
}

// TestAPlaceIsTakenBeforeTheStatementIsSent: who is told that it has succeeded
// keeps the backend, however many try at once; and a place that was taken for
// nothing is free again.
func TestAPlaceIsTakenBeforeTheStatementIsSent(t *testing.T) {
	config := transactionMode
	config.MaxPinned, config.Shared = 1, new(Shared)
	lock := query("select pg_try_advisory_lock(1)")
	done := complete("SELECT 1") + ready('I')
	first, second := newMember(t, &config), newMember(t, &config)
	for _, r := range []*rig{first, second} {
		r.client(lock)
		r.lease()
	}
	mustEqual(t, "to the first backend", first.toServer, lock)
	mustEqual(t, "to the second backend", second.toServer, query(`EXECUTE "`+refusedName+`"`))
	first.server(done)
	mustEqual(t, "to the first client", first.toClient, done)
	first.server(says()) // it has not got the lock
	if n := config.Shared.places.Load(); n != 0 || first.s.Phase() != Idle {
		t.Fatalf("%d places are taken", n)
	}
	second.server(failure("26000", `prepared statement "`+refusedName+`" does not exist`) + ready('I'))
	second.server(says())
	second.flags()
	second.toServer = ""
	second.client(lock)
	second.lease()
	mustEqual(t, "to the second backend", second.toServer, lock)
	second.s.Lost(&second.o)
	second.s.Forget()
	if n := config.Shared.places.Load(); n != 0 {
		t.Errorf("%d places are taken by a client that has gone", n)
	}
}
