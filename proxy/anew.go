package proxy

import (
	"bytes"

	"pgweir/auth"
	"pgweir/authquery"
	"pgweir/throttle"
	"pgweir/wire"
)

// A password that does not fit an answer of auth_query which was kept may be the one
// that the user has been given since. One in clear text is judged again, by a new
// answer, before the client is told anything; for md5 and SCRAM it is too late: the
// client has made its response with the old secret's salt.
//
//	exchanged: it is wrong ─► anew: the server is asked ─► judgeAnew ─► exchanged
//
// Asker.Doubt bounds how often a wrong password leads to a question. Names that do not
// exist take the same course.

// anew is a password that may be judged again, as the first answer was kept.
type anew struct {
	body   []byte      // the PasswordMessage's
	failed *wire.Error // what the client will be told if nothing comes of it; nil before
}

// keep keeps the message that decides, if it may be judged again.
func (l *login) keep(body []byte) {
	if l.anew != nil {
		l.anew.body = bytes.Clone(body)
	}
}

// hopes tells whether another answer could make a wrong password right.
func (l *login) hopes(e *wire.Error) bool {
	return l.anew != nil && l.anew.failed == nil && outcome(e) == throttle.Wrong
}

// askAnew asks the server again after a failure. It is true if the client may say more.
func (l *login) askAnew(e *wire.Error) bool {
	l.anew.failed = e
	in, _ := l.rules.inquiry(&l.ask) // there was one
	return l.askServer(in.query, secretOf, l.judgeAnew)
}

// judgeAnew judges the password by what the server has said now.
func (l *login) judgeAnew(a authquery.Answer, err error) bool {
	if err != nil || a.Serial == l.lookedUp.Serial {
		l.failsIn(l.judged(throttle.Wrong), l.anew.failed)
		return false
	}
	if a.NoDatabase && l.why == "" {
		l.why = noDatabase
	}
	l.lookedUp = &a
	l.exchange = auth.BeginAs(auth.Plain, l.ask.user, a.User, a.Models)
	if l.why != "" {
		l.exchange.Refuse()
	}
	l.exchange.Start(nil) // the client has been asked already
	if l.exchange.Derives() {
		l.derive(l.anew.body)
		return false
	}
	out, done, err := l.exchange.Receive(nil, l.anew.body)
	return l.exchanged(out, done, err)
}
