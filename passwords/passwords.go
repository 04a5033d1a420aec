// Package passwords logs in with whichever of several passwords PostgreSQL takes,
// while one is being changed: the one that it took last is tried first, and when it
// refuses all, their source is asked for a newer one.
//
// It knows how a refused password is told from another failure. It must not know how
// a connection is opened, whose the passwords are, or where they come from. None is
// ever a part of an error.
package passwords

import (
	"context"
	"errors"
	"slices"
)

// List are the passwords that a role may have just now.
type List struct {
	Known []string // in order; empty if none is known
	// Renew gives one in place of the first that was refused, false if there is no
	// other. It may wait. Nil: nobody knows another.
	Renew func() (string, bool)
}

// Login remembers how logins as one role to one server went. It is not for several
// goroutines at a time.
type Login struct {
	worked  string   // the password that the server took last
	refused []string // those of the last try, if it has refused all
}

// Try calls open with one password after the other ("" if none is known) until one is
// not refused. The error is that of the last one. A renewal is waited for until ctx
// ends.
func (l *Login) Try(ctx context.Context, list List, open func(password string) error) error {
	candidates, renew := list.ordered(l.worked), list.Renew
	l.refused = nil
	var tried []string
	for i := 0; ; i++ {
		password := candidates[i]
		err := open(password)
		if err == nil {
			l.worked = password
			return nil
		}
		if !IsRefused(err) {
			return err
		}
		tried = append(tried, password)
		if i+1 == len(candidates) && renew != nil {
			if newer, ok := await(ctx, renew); ok && !slices.Contains(tried, newer) {
				candidates = append(candidates, newer)
			}
			renew = nil
		}
		if i+1 == len(candidates) || ctx.Err() != nil {
			l.refused = tried
			return err
		}
	}
}

// HasOther tells whether the last try was refused, and a password is known by now that
// was not tried in it.
func (l *Login) HasOther(list List) bool {
	return l.refused != nil && slices.ContainsFunc(list.Known, func(p string) bool { return !slices.Contains(l.refused, p) })
}

// ordered are the passwords in the order in which they are tried.
func (l List) ordered(worked string) []string {
	out := slices.Clone(l.Known)
	if len(out) == 0 {
		return []string{""}
	}
	if i := slices.Index(out, worked); i > 0 {
		out[0], out[i] = out[i], out[0]
	}
	return out
}

// await is renew, until ctx ends.
func await(ctx context.Context, renew func() (string, bool)) (string, bool) {
	newer := make(chan string, 1)
	go func() {
		defer close(newer)
		if password, ok := renew(); ok {
			newer <- password
		}
	}()
	select {
	case password, ok := <-newer:
		return password, ok
	case <-ctx.Done():
		return "", false
	}
}

// IsRefused tells whether PostgreSQL has refused the password (28P01), or the login,
// as it says of tokens that PAM checks (28000).
func IsRefused(err error) bool {
	var e interface{ SQLState() string } // pgconn.PgError
	return errors.As(err, &e) && (e.SQLState() == "28P01" || e.SQLState() == "28000")
}
