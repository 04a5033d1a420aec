package session

import (
	"strings"
	"testing"

	"pgweir/wire"
)

// TestPipelines: what goes on while answers are outstanding, of which each may
// be an error.
func TestPipelines(t *testing.T) {
	prepared := steps(
		client(parse("s", "select 1"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	block := steps(begin(query("begin")), answers(complete("BEGIN"), ready('T')))
	failed := failure("34000", "no portal")
	lock := "select pg_advisory_lock(1)"
	long := strings.Repeat("x", maxGathered)
	play(t, []transcript{
		{"two refusals, one behind the other", unnamedOnly, steps(
			client(parse("a", "x"), syncing, parse("b", "x"), syncing).then("need"),
			leased().asks(refusedBind, syncing, refusedBind, syncing),
			server(missing(refusedName), ready('I')).tells(refused("transaction"), ready('I')),
			server(missing(refusedName), ready('I')).tells(refused("transaction"), ready('I')).then("release"),
		)},
		{"a name that is taken by what may have been skipped", transactionMode, steps(
			prepared,
			elsewhere(),
			client(execute("none", 0), bind("", "s"), syncing, parse("s", "select 2"), syncing).then("need"),
			leased().asks(execute("none", 0), parse(shared(1), "select 1"), bind("", shared(1)), syncing, taken("select 2"), syncing),
			server(failed, ready('I'), parsed, closed, missing(refusedName), ready('I')).tells(failed, ready('I'), exists("s"), ready('I')).then("release"),
		)},
		{"a name that is taken, behind the end of a block that has failed", transactionMode, steps(
			prepared,
			elsewhere(),
			block,
			passes(query("selekt")),
			answers(failure("42601", "no"), ready('E')),
			client(parse("", "rollback"), bind("", ""), execute("", 0), parse("s", "select 2"), syncing).
				asks(parse("", "rollback"), bind("", ""), execute("", 0), taken("select 2"), syncing),
			server(parsed, bound, complete("ROLLBACK"), parsed, closed, missing(refusedName), ready('I')).
				tells(parsed, bound, complete("ROLLBACK"), exists("s"), ready('I')).then("release"),
		)},
		{"EXECUTE in an open pipeline does not end it", transactionMode, steps(
			prepared,
			elsewhere(),
			client(parse("", "select 2"), bind("", ""), execute("", 0), parse("", "execute s"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select 2"), bind("", ""), execute("", 0), parse(shared(1), "select 1"),
				parse("", `execute "`+shared(1)+`"`), bind("", ""), execute("", 0), syncing),
			answers(failed, ready('I')).then("release"),
		)},
		{"nor does one behind a query behind what may fail", transactionMode, steps(
			prepared,
			elsewhere(),
			client(describe("P", ""), query("select 2"), query("execute s")).then("need"),
			noSync(),
		)},
		{"a message that waits twice is flushed for twice", transactionMode, steps(
			block,
			step{do: func(r *rig) {
				r.cut = func(n int) int { return n }
				r.client(parse("s", "select 1") + syncing + bind("", "s") + execute("", 0) + query("deallocate s"))
				mustEqual(r.t, "to the server", r.toServer, parse(shared(1), "select 1")+syncing)
				r.toServer = ""
				// New bytes come before the owner has noticed that it may go on.
				r.s.Server([]byte(parsed+ready('T')), &r.o)
				r.took()
				r.stepClient()
				mustEqual(r.t, "to the server", r.toServer, bind("", shared(1))+execute("", 0)+flush)
				r.toServer, r.toClient = "", ""
			}},
		)},
		{"COPY behind a LISTEN in the same block", transactionMode, steps(
			block,
			passes(query("listen a")),
			answers(complete("LISTEN"), ready('T')),
			step{do: func(r *rig) {
				r.client(parse("", "copy t from stdin") + bind("", "") + execute("", 0))
				r.server(parsed + bound + copyIn)
				r.client(copyData("1\n") + copyDone + syncing)
				mustEqual(r.t, "to the server", strings.ReplaceAll(r.toServer, flush, ""),
					parse("", "copy t from stdin")+bind("", "")+execute("", 0)+copyData("1\n")+copyDone+syncing)
				r.server(complete("COPY 1") + ready('T'))
				mustEqual(r.t, "to the client", r.toClient, parsed+bound+copyIn+complete("COPY 1")+ready('T'))
				r.toServer, r.toClient = "", ""
			}},
		)},
		{"an answer of pgweir's own does not break into a notice", transactionMode, steps(
			prepared,
			client(parse("t", "select 1"), bind("", "t"), flush).then("need"),
			leased().tells(parsed).asks(bind("", shared(1)), flush),
			answers(bound),
			step{do: func(r *rig) {
				said := notice("by the way")
				r.cut = func(n int) int { return n }
				r.server(said[:12])
				r.client(closing("S", "t"))
				r.server(said[12:])
				mustEqual(r.t, "to the client", r.toClient, said+closed)
				r.toClient = ""
			}},
		)},
		{"nor does a ReadyForQuery that was withheld", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			step{do: func(r *rig) {
				said := notice("by the way")
				r.cut = func(n int) int { return n }
				r.server(said[:12])
				r.s.Listened(nil, &r.o)
				r.took()
				r.server(said[12:] + complete("UNLISTEN") + ready('I'))
				mustEqual(r.t, "to the client", r.toClient, said+ready('I'))
				r.toClient, r.toServer = "", ""
			}}.then("release"),
		)},
		{"nothing overtakes it either", transactionMode, steps(
			begin(query("listen a")),
			step{do: func(r *rig) {
				said := notice("by the way")
				r.cut = func(n int) int { return n }
				r.server(complete("LISTEN") + ready('I') + said[:12]) // so that it cannot be asked yet
				r.client(query("select 1"))
				mustEqual(r.t, "to the server", r.toServer, "")
				r.server(said[12:])
				mustEqual(r.t, "to the server", r.toServer, question(ReasonChannels))
				r.toClient, r.toServer = "", ""
			}},
		)},
		{"a statement under the client's own name leaves what it leaves", transactionMode, steps(
			asked("prepare p as select 1", ReasonPrepared, says(left("p")), "pinned: prepared statement"),
			passes(parse("l", lock), syncing),
			answers(parsed, ready('I')).asks(question(ReasonPrepared)),
			server(says(left("p"))),
			passes(bind("", "l"), execute("", 0), syncing),
			asksAbout(ReasonLock, answers(bound, row(""), complete("SELECT 1"), ready('I'))),
			server(says(nobodyElse(), left("l"), left("p"))).then("pinned: advisory lock, prepared statement"),
		)},
		{"so does one of PREPARE, at the latest when the pin ends", transactionMode, steps(
			asked("prepare p as "+lock, ReasonLock|ReasonPrepared, says(left("p")), "pinned: prepared statement"),
			passes(query("execute p")),
			anyQuestion(answers(columns, row(""), complete("SELECT 1"), ready('I')), left("l"), left("p")),
			passes(query("deallocate p")),
			asksAbout(ReasonLock|ReasonPrepared, answers(complete("DEALLOCATE"), ready('I'))),
			server(says(nobodyElse(), left("l"))).then("pinned: advisory lock"),
		)},
		{"a Parse that is too long to be shared keeps its backend", transactionMode, steps(
			step{do: func(r *rig) {
				r.cut = func(n int) int { return min(n, 100_000) }
				all := parse("s", "select '"+long+"'") + syncing
				r.client(all[:MaxMessage])
				r.flags()
				r.lease()
				r.client(all[MaxMessage:])
				mustEqual(r.t, "to the server", r.toServer, all)
				r.toServer = ""
				r.server(parsed + ready('I'))
				r.toServer, r.toClient = "", ""
				r.server(says(nobodyElse()))
				if !r.s.Pinned() {
					r.t.Fatal("it is not pinned")
				}
				r.flags()
			}},
			passes(closing("S", "s"), syncing),
			asksAbout(ReasonPrepared, answers(closed, ready('I'))),
			server(says(nobodyElse())).then("release unpinned"),
		)},
		{"settings under which a statement was made are not set in a block that has failed", transactionMode, steps(
			prepared,
			elsewhere(),
			with("client", wire.VarTimeZone, "CET"),
			with("backend", wire.VarTimeZone, "CET"),
			block,
			step{do: func(r *rig) {
				r.client(query("selekt") + describe("S", "s") + syncing)
				if strings.Contains(r.toServer, "SET TimeZone") {
					r.t.Fatalf("settings are set where that may fail: %s", show(r.toServer))
				}
				r.toServer = ""
			}},
		)},
	})
}

// refused is what a client reads whose named Parse is refused.
func refused(mode string) string {
	return failure2("0A000", "named prepared statements are not supported in "+mode+" mode",
		`Set max_prepared_statements, or pool_mode = "session" for this database or user.`)
}

// noSync is a lease in which nothing that is sent has a Sync of pgweir's own.
func noSync() step {
	return step{does: "lease", do: func(r *rig) {
		r.lease()
		if strings.Contains(r.toServer, syncing) {
			r.t.Fatalf("a Sync ends what the client has not ended: %s", show(r.toServer))
		}
		r.toServer = ""
	}}
}

// anyQuestion is a step after which the backend may be asked, and answers.
func anyQuestion(s step, rows ...string) step {
	do := s.do
	s.do = func(r *rig) {
		do(r)
		if r.toServer != "" {
			r.toServer = ""
			r.server(says(append(rows, nobodyElse())...))
			r.flags()
		}
	}
	return s
}

// TestWhatIsOnABackendIsKnownWhateverIsSkipped: statements come and go on a
// backend with room for one, and every message but the last fails.
func TestWhatIsOnABackendIsKnownWhateverIsSkipped(t *testing.T) {
	config := few(1)
	r := newRig(t, &config)
	b := newBackend(startVars)
	talk := func(says, want string) {
		t.Helper()
		r.client(says)
		for r.need || r.toServer != "" || b.out != "" {
			if r.need {
				r.flags()
				r.lease()
			}
			b.in, r.toServer = b.in+r.toServer, ""
			for b.next() {
			}
			said := b.out
			b.out = ""
			r.server(said)
			r.release = false
		}
		mustEqual(t, "to the client", r.toClient, want)
		r.toClient = ""
		for name := range b.stmts {
			if name != "" && r.link.have.Oldest().Name != name || r.link.have.Len() > 1 {
				t.Fatalf("the backend has %s, and is believed to have %d", name, r.link.have.Len())
			}
		}
		if len(b.stmts) == 0 && r.link.Prepared() > 0 {
			t.Fatalf("the backend has nothing, and is believed to have %v", r.link.have.Oldest().Name)
		}
	}
	b.bare = true
	none := failure("34000", `portal "none" does not exist`) + ready('I')
	ran := bound + row("one") + complete("SELECT 1") + ready('I')
	fails, runs := execute("none", 0), execute("", 0)+syncing
	talk(parse("s", "select 'one'")+syncing+parse("t", "select 'two'")+syncing, parsed+ready('I')+parsed+ready('I'))
	talk(fails+bind("", "s")+syncing+fails+bind("", "t")+syncing+bind("", "s")+runs, none+none+ran)
	talk(fails+bind("", "t")+syncing+fails+bind("", "s")+syncing+fails+bind("", "t")+syncing+bind("", "s")+runs, none+none+none+ran)
	talk(fails+parse("u", "select 'one'")+bind("", "t")+syncing+parse("v", "select 'one'")+bind("", "v")+runs, none+parsed+ran)
}
