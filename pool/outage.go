package pool

import "time"

// outage is whether the server gives the pool no backends, and what of it the Host has
// been told. The zero outage is that it gives some.
//
// One that comes and goes would have two lines in the log each time. So some outages in a
// minute are told, with their ends, and of the others how many there were, once in a minute.
// One that lasts is told in any case, late if need be.
type outage struct {
	on     bool
	told   bool          // the Host knows of the one that is on
	code   string        // the SQLSTATE that was told last
	minute time.Duration // when the minute began in which outages are counted
	lines  int           // how often an outage was told in it
	untold int           // outages that are over and were not told
	since  time.Duration // when the first of these was over
}

// outageLines is how often an outage is told in a minute.
const outageLines = 3

// begins notes a login that failed, and tells whether the Host is told of it.
func (o *outage) begins(code string, now time.Duration) bool {
	if o.on && o.told && o.code == code {
		return false
	}
	if !o.on {
		o.on, o.told = true, false
	}
	if o.lines == 0 || now-o.minute >= time.Minute {
		o.minute, o.lines = now, 0
	}
	if o.lines >= outageLines {
		return false
	}
	o.lines++
	o.told, o.code = true, code
	return true
}

// ends notes a login that succeeded, and tells whether the Host is told of it.
func (o *outage) ends(now time.Duration) bool {
	if o.on && !o.told {
		if o.untold == 0 {
			o.since = now
		}
		o.untold++
	}
	was := o.on && o.told
	o.on, o.told = false, false
	return was
}

// sumUp is how many outages the Host has not been told of, 0 if that is not due.
func (o *outage) sumUp(now time.Duration) (untold int) {
	if o.untold == 0 || now-o.since < time.Minute {
		return 0
	}
	untold, o.untold = o.untold, 0
	return untold
}
