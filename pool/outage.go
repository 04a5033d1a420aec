package pool

import "time"

// outage is whether the Host has been told that the server gives the pool no backends.
// The zero outage is that it gives some.
type outage struct {
	code string        // the SQLSTATE that was told last
	said time.Duration // when
	on   bool          // told, and not over
}

// quietOutage is how long an outage with the same SQLSTATE as the one before is not told:
// with a server that has room now and then, one would follow the other.
const quietOutage = time.Minute

// begins notes a login that failed, and tells whether the Host is told of it.
func (o *outage) begins(code string, now time.Duration) bool {
	if o.code == code && (o.on || now-o.said < quietOutage) {
		return false
	}
	*o = outage{code: code, said: now, on: true}
	return true
}

// ends notes a login that succeeded, and tells whether the Host is told of it.
func (o *outage) ends() bool {
	was := o.on
	o.on = false
	return was
}
