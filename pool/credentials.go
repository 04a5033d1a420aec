package pool

import (
	"net"
	"slices"
	"time"

	"pgweir/wire"
)

// A pool may have several credentials: while a password is being changed nobody knows
// which of two the server takes. Those that it took last are tried first. When it
// refuses all, their source may have newer ones, and only then has the login failed.

// revokedBy tells whether new settings leave out credentials that backends may have
// been opened with. Of those that a source renews, only the source counts.
func (s *Settings) revokedBy(n *Settings) bool {
	now := append([]wire.Credentials{n.Credentials}, n.Next...)
	revoked := func(c wire.Credentials) bool { return !c.Empty() && !slices.ContainsFunc(now, c.Equal) }
	renewed := s.Renews != "" && s.Renews == n.Renews && s.Credentials.User == n.Credentials.User
	return !renewed && revoked(s.Credentials) || slices.ContainsFunc(s.Next, revoked)
}

// candidates are the credentials for the next login, in the order in which they are
// tried. The pool's lock is held.
func (p *Pool) candidates() (out []wire.Credentials) {
	for _, c := range append([]wire.Credentials{p.settings.Credentials}, p.settings.Next...) {
		if c = p.completed(c); !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	if i := slices.IndexFunc(out, p.worked.Equal); i > 0 {
		out[0], out[i] = out[i], out[0]
	}
	return out
}

// logIn is login with whichever of the candidates the server takes. The error is that
// of the last one that the server has seen.
func (p *Pool) logIn(s Settings, candidates []wire.Credentials, params []wire.Param) (b *Backend, failed net.Conn, err error) {
	renew := s.Renew
	for i := 0; ; i++ {
		if i == len(candidates) {
			c, ok := wire.Credentials{}, false
			if renew != nil {
				c, ok = renew()
			}
			if !ok {
				return nil, failed, err
			}
			candidates, renew = append(candidates, c), nil
		}
		if failed != nil { // its process counts until it has gone
			outlast(failed, time.Now().Add(s.ConnectTimeout))
		}
		s.Credentials = candidates[i]
		before := err
		if b, failed, err = p.loginAsSpoken(&s, params); err == nil {
			p.took(candidates[i])
			return b, nil, nil
		}
		e, ok := err.(*wire.Error)
		if !ok || e.Code != wire.CodeInvalidPassword && e.Code != wire.CodeInvalidAuthorization {
			return nil, failed, err
		}
		if e.Hint == hintLacking && before != nil {
			err = before
		}
	}
}

// took remembers the credentials that the server has taken.
func (p *Pool) took(c wire.Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worked = c
}
