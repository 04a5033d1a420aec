package pool

import (
	"errors"
	"strings"
	"time"

	"pgweir/wire"
)

// trouble is what a login that has failed says about the next ones.
type trouble uint8

const (
	// troubleLasts: the next one would fail too, until somebody changes something.
	troubleLasts trouble = iota
	// troublePasses: the next one of this pool may succeed, without that anybody does
	// anything but wait.
	troublePasses
	// troubleAway: the server takes no logins, whoever's they are.
	troubleAway
)

// unreachable is the error of a login for which no connection came about.
type unreachable struct{ e *wire.Error }

func (u unreachable) Error() string { return u.e.Error() }
func (u unreachable) Unwrap() error { return u.e }

// brokenOff is the error of a login whose connection the server has left, or left
// unanswered.
type brokenOff struct{ e *wire.Error }

func (b brokenOff) Error() string { return b.e.Error() }
func (b brokenOff) Unwrap() error { return b.e }

// asError is the error of a login as clients are told it.
func asError(err error) *wire.Error {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Fatalf(wire.CodeCannotConnect, "%s", err)
	}
	return e
}

// troubleOf tells what the error of a login means.
func troubleOf(err error) trouble {
	var unreached unreachable
	var broken brokenOff
	switch code := asError(err).Code; {
	case errors.As(err, &unreached), code == wire.CodeCannotConnectNow:
		return troubleAway
	case errors.As(err, &broken), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57"):
		return troublePasses
	}
	return troubleLasts
}

// failure is what stood in the way of the last login.
type failure struct {
	err   *wire.Error
	kind  trouble
	until time.Duration // no login is tried before
	delay time.Duration // the last pause, before chance has made it shorter
}

const (
	firstPause = 100 * time.Millisecond
	// restPause bounds the pause after a failure that may pass by itself: trying
	// again costs little, and the server may be back soon.
	restPause = time.Second
)

// refuses is the reason why no login is tried now, if there is one.
func (f *failure) refuses(now time.Duration) *wire.Error {
	if now < f.until {
		return f.err
	}
	return nil
}

// dooms is the reason why it is of no use to wait now, if there is one.
func (f *failure) dooms(now time.Duration) *wire.Error {
	if f.kind != troubleLasts {
		return nil
	}
	return f.refuses(now)
}

// note notes another failure, and tells whether it begins a pause: logins that
// were under way when another failed say nothing new. By chance, which is from 0
// to 1, the pause is up to half as long, so that many poolers do not come together.
func (f *failure) note(e *wire.Error, kind trouble, now, retry time.Duration, chance float64) bool {
	f.err, f.kind = e, kind
	if now < f.until {
		return false
	}
	f.delay = max(firstPause, 2*f.delay)
	if kind != troubleLasts {
		f.delay = min(f.delay, restPause)
	}
	f.delay = min(f.delay, max(retry, time.Millisecond))
	f.until = now + f.delay - time.Duration(chance*float64(f.delay/2))
	return true
}

// concernsAll tells whether an error of a login says something about the
// server, the database or the user, and not only about the startup parameters
// that the login had: with some, most errors may come of them.
func concernsAll(code string, params []wire.Param) bool {
	switch class := code[:min(2, len(code))]; class {
	case "08", "28", "3D", "53", "57":
		return true
	case "22", "42", "55":
		return false
	default:
		return len(params) == 0
	}
}

// lastFailure is why the pool has no logins now, as far as is known; nil if nothing
// is in the way.
func (p *Pool) lastFailure() *wire.Error {
	return p.inTheWay(func(f *failure) *wire.Error { return f.err })
}

// late is the error for who has waited too long for a backend. If logins fail, that is
// the reason, and it has its SQLSTATE.
func late(setting string, timeout time.Duration, reason *wire.Error) *wire.Error {
	e := wire.Errorf(wire.CodeTooManyConnections, "no backend became free within %s (%v)", setting, timeout)
	if reason != nil {
		e.Code, e.Detail = reason.Code, "The last login to the server has failed: "+reason.Message+" (SQLSTATE "+reason.Code+")."
	}
	return e
}

// GiveUp takes w out of the waiting line if logins fail, and is the error for it then:
// w, which waits to be let in itself, has waited for timeout, as a setting says.
func (p *Pool) GiveUp(w *Waiter, setting string, timeout time.Duration) *wire.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := p.lastFailure()
	if !w.inLine || reason == nil {
		return nil
	}
	p.line.remove(w)
	return late(setting, timeout, reason)
}
