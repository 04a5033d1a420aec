package session

import (
	"strings"
	"testing"

	"pgweir/wire"
)

// A transcript is one conversation, step by step: what comes, and what the
// session has to say to it. It is played with the bytes cut in several ways,
// which must make no difference.
type transcript struct {
	name   string
	config Config
	steps  []step
}

type step struct {
	does     string
	do       func(r *rig)
	toServer string
	toClient string
	flags    string
}

func join(messages []string) string { return strings.Join(messages, "") }

// client: these messages come from the client, and nothing happens but what
// is said behind it.
func client(messages ...string) step {
	all := join(messages)
	return step{does: "client says " + show(all), do: func(r *rig) { r.client(all) }}
}

// passes is client, and all is passed on as it is.
func passes(messages ...string) step { return client(messages...).asks(messages...) }

// server: these messages come from the server.
func server(messages ...string) step {
	all := join(messages)
	return step{does: "server says " + show(all), do: func(r *rig) { r.server(all) }}
}

// answers is server, and all is passed on as it is.
func answers(messages ...string) step { return server(messages...).tells(messages...) }

// leased: a backend is granted.
func leased() step { return step{does: "lease", do: (*rig).lease} }

// gone: the client closes its connection.
func gone() step {
	return step{does: "the client goes", do: func(r *rig) {
		r.s.Gone(&r.o)
		r.took()
		if r.end {
			r.s.Forget()
		}
	}}
}

// lost: the server closes its connection.
func lost() step {
	return step{does: "the server goes", do: func(r *rig) { r.s.Lost(&r.o); r.took() }}
}

// listened: the owner has the channels heard, or not, if there is an error.
func listened(e *wire.Error) step {
	return step{does: "listened", do: func(r *rig) {
		r.s.Listened(e, &r.o)
		r.took()
		r.again()
	}}
}

// givesUp: what waits for the listening backend is canceled, if anything is.
func givesUp(was bool) step {
	return step{does: "it is canceled", do: func(r *rig) {
		r.t.Helper()
		if got := r.s.CancelHearing(wire.Errorf(wire.CodeQueryCanceled, "canceled"), &r.o); got != was {
			r.t.Fatalf("CancelHearing is %v", got)
		}
		r.took()
		r.again()
	}}
}

// lagging: from now on catch-ups take until caughtUp.
func lagging() step {
	return step{does: "the listening backend lags", do: func(r *rig) { r.lagging = true }}
}

// catchingUp expects so many catch-ups to be under way.
func catchingUp(n int) step {
	return step{does: "catch-ups are under way", do: func(r *rig) {
		r.t.Helper()
		if len(r.catchUps) != n {
			r.t.Fatalf("%d catch-ups are under way, want %d", len(r.catchUps), n)
		}
	}}
}

// caughtUp ends the first catch-up.
func caughtUp() step {
	return step{does: "the listening backend has caught up", do: func(r *rig) {
		r.t.Helper()
		if len(r.catchUps) == 0 {
			r.t.Fatal("there is no catch-up")
		}
		r.catchUp()
		r.again()
	}}
}

// notify: the pool's listening backend has heard something.
func notify(messages ...string) step {
	return step{does: "it is notified", do: func(r *rig) {
		for _, m := range messages {
			r.s.Notify([]byte(m), false, &r.o)
			r.took()
		}
	}}
}

// rest: time goes by.
func rest() step {
	return step{does: "it rests", do: func(r *rig) { r.s.Rest(&r.o); r.took() }}
}

// check looks at the session.
func check(what string, ok func(s *Session) bool) step {
	return step{does: what, do: func(r *rig) {
		r.t.Helper()
		if !ok(&r.s) {
			r.t.Fatal("it is not so that " + what)
		}
	}}
}

// asks, tells and then say what a step causes: messages to the server,
// messages to the client, and flags.
func (s step) asks(messages ...string) step  { s.toServer = join(messages); return s }
func (s step) tells(messages ...string) step { s.toClient = join(messages); return s }
func (s step) then(flags string) step        { s.flags = flags; return s }

// begin is how every conversation in transaction mode starts: the client says
// something, gets a backend, and all is passed on.
func begin(messages ...string) []step {
	return []step{client(messages...).then("need"), leased().asks(messages...)}
}

func steps(parts ...any) (all []step) {
	for _, p := range parts {
		switch p := p.(type) {
		case step:
			all = append(all, p)
		case []step:
			all = append(all, p...)
		}
	}
	return all
}

var (
	sessionMode     = Config{Mode: SessionMode, ResetQuery: "DISCARD ALL"}
	transactionMode = Config{Mode: TransactionMode, State: StateTrack, MaxPrepared: 200, User: "postgres", ResetQuery: "DISCARD ALL"}
	pinMode         = Config{Mode: TransactionMode, State: StatePin, MaxPrepared: 200, User: "postgres"}
	unwatched       = Config{Mode: TransactionMode, MaxPrepared: 200, User: "postgres"}
	statementMode   = Config{Mode: StatementMode, State: StateTrack, MaxPrepared: 200, User: "postgres"}
	// unnamedOnly and its kin refuse named statements.
	unnamedOnly      = Config{Mode: TransactionMode, State: StateTrack, User: "postgres"}
	unnamedUnwatched = Config{Mode: TransactionMode, User: "postgres"}
	unnamedStatement = Config{Mode: StatementMode, State: StateTrack, User: "postgres"}
)

func play(t *testing.T, all []transcript) {
	for _, tr := range all {
		t.Run(tr.name, func(t *testing.T) {
			for _, c := range cuttings {
				t.Run(c.name, func(t *testing.T) {
					r := newRig(t, &tr.config)
					r.cut = c.cut()
					for i, s := range tr.steps {
						s.do(r)
						if r.toServer != s.toServer || r.toClient != s.toClient {
							t.Fatalf("step %d, %s\nto the server: %s\n         want: %s\nto the client: %s\n         want: %s",
								i, s.does, show(r.toServer), show(s.toServer), show(r.toClient), show(s.toClient))
						}
						r.toServer, r.toClient = "", ""
						if got := r.flags(); got != s.flags {
							t.Fatalf("step %d, %s: flags %q, want %q", i, s.does, got, s.flags)
						}
					}
				})
			}
		})
	}
}
