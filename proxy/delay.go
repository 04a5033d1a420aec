package proxy

import (
	"time"

	"pgweir/throttle"
	"pgweir/wire"
)

// A wrong password that comes soon after others is told of later, and one that comes
// with many waits until it is judged (throttle.Failures). It stays with the connection,
// and nothing is held up by it.

// maxFailures bounds the users and addresses of which failures are remembered, and
// maxNotes the addresses of which it is remembered what has come of their logins.
const (
	maxFailures = 10_000
	maxNotes    = 4096
)

// mayJudge tells whether the message that decides may be looked at now.
func (l *login) mayJudge() bool {
	switch l.c.worker.Load().proxy.failures.Begin(&l.attempt, l.c.address(), l.ask.user) {
	case throttle.AttemptHeld:
		l.c.worker.Load().proxy.delays.Add(1)
		l.stage = stageDelay
		return false
	case throttle.AttemptRejected:
		l.fail(wire.Fatalf(wire.CodeTooManyConnections,
			"too many passwords for user \"%s\" wait to be judged after wrong ones from this address", l.ask.user))
		return false
	}
	return true
}

// mayBeJudged goes on with a login whose password has waited.
func (l *login) mayBeJudged() {
	l.c.post(func() {
		if l.c.state == clientOpen && l.stage == stageDelay {
			l.stage = stagePassword
			l.c.conn.Again()
		}
	})
}

// judged says what has come of the client's attempt to show who it is, and is told for
// how long the client may not learn that.
func (l *login) judged(o throttle.Outcome) time.Duration {
	return l.c.worker.Load().proxy.failures.End(&l.attempt, o)
}

// failsIn tells the client that it was wrong, after some time.
func (l *login) failsIn(d time.Duration, e *wire.Error) {
	if d <= 0 {
		l.fail(e)
		return
	}
	l.c.worker.Load().proxy.delays.Add(1)
	l.stage = stageDelay
	l.answer = time.AfterFunc(d, func() {
		l.c.post(func() {
			if l.c.login == l && l.stage == stageDelay {
				l.fail(e)
			}
		})
	})
}

// outcome is what an error says of it.
func outcome(e *wire.Error) throttle.Outcome {
	if e.Code == wire.CodeInvalidPassword {
		return throttle.Wrong
	}
	return throttle.Abandoned
}

// worthALine counts a login that has failed, and tells whether the log has a line of
// it, and how many had none since the last one.
func (l *login) worthALine(e *wire.Error) (say bool, unsaid int) {
	var event throttle.Event
	switch {
	case e == errLoginTimeout:
		event = throttle.TimedOut
	case e.Code == wire.CodeInvalidPassword:
		event = throttle.Failed
	case e.Code == wire.CodeTooManyConnections && !l.proven:
		event = throttle.Refused
	case l.proven || e == errShutdown:
		return true, 0
	default:
		event = throttle.Garbled
	}
	return l.note(event)
}

// note counts what has come of a login, and tells whether the log has a line of it.
func (l *login) note(e throttle.Event) (say bool, unsaid int) {
	p := l.c.worker.Load().proxy
	return p.notes.Note(l.c.address(), e, p.since())
}
