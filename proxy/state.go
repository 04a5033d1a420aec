package proxy

import (
	"strconv"
	"sync"
	"time"

	"pgweir/pool"
	"pgweir/session"
	"pgweir/session/follow"
	"pgweir/status"
	"pgweir/wire"
)

// What the sessions find out about the state that transactions leave behind is
// carried out and put on record here: who keeps a backend and why, who hears
// which channels, and what the checks have found.

// longPin is when a pin is worth a line in the log.
const longPin = time.Minute

// notePins notes that the reasons have changed for which the client keeps its
// backend.
func (c *client) notePins(w *worker) {
	r, statement := c.sess.Pins()
	if w.proxy.traces != nil {
		c.pinTrace(w, r.Names())
	}
	log := w.proxy.log.Debug
	x := c.more()
	switch {
	case r == 0 && x.pinSince == 0:
		return
	case r == 0:
		log("client gives its backend back", "client", c.id)
		x.pinSince, x.pinTold = 0, false
		return
	case x.pinSince == 0:
		x.pinSince = w.now()
	}
	backend := uint64(0)
	if c.server != nil {
		backend = c.server.b.ID
	}
	log("client keeps its backend", "client", c.id, "backend", backend, "for", r.String(), "statement", shown(statement))
}

// checkPin says, once, that a client has kept its backend for long.
func (c *client) checkPin(w *worker) {
	x := c.extra
	if x == nil || x.pinSince == 0 || x.pinTold || w.now()-x.pinSince < longPin || c.server == nil {
		return
	}
	x.pinTold = true
	r, statement := c.sess.Pins()
	w.proxy.log.Info("client has kept its backend for a minute", "client", c.id, "user", c.userName(), "database", c.pool.key.database,
		"backend", c.server.b.ID, "for", r.String(), "statement", shown(statement))
}

// maxShown is how much of a statement is shown, in bytes.
const maxShown = 200

func shown(statement string) string { return statement[:min(len(statement), maxShown)] }

// listen has the client hear what its session wants; done is called when it does.
func (c *client) listen(done func(*wire.Error)) {
	if c.state != clientOpen {
		return
	}
	c.hears = true
	wanted := c.sess.Wanted()
	c.pool.pool.Listener().Listen(c, wanted, done)
}

// catchUp tells the session when the client has been told what has been notified
// up to now.
func (c *client) catchUp(number uint64) {
	c.pool.pool.Listener().Sync(func() {
		c.post(func() { c.caughtUp(number) })
	})
}

func (c *client) caughtUp(number uint64) {
	if c.state != clientOpen {
		return
	}
	o := &c.worker.Load().out
	o.Reset()
	c.sess.CaughtUp(number, o)
	c.apply(o)
	if c.sess.Released() {
		c.conn.Again()
	}
}

// maxLag is how long an answer waits at most for the listening backend to catch
// up.
const maxLag = time.Second

// checkLag has an answer wait no longer, if the listening backend hangs.
func (c *client) checkLag(now time.Duration) {
	if c == nil || c.state != clientOpen || c.login != nil {
		return
	}
	if number := c.sess.CatchesUp(); number != 0 && now-c.asked > maxLag {
		c.caughtUp(number)
	}
}

// whenListened gives what is to be called, once and on any goroutine, when that
// has come which the session waits for.
func (c *client) whenListened() func(*wire.Error) {
	x := c.more()
	x.hearing++
	n := x.hearing
	return func(e *wire.Error) { c.listened(n, e) }
}

// cancelHearing has a statement fail that waits for the listening backend.
func (c *client) cancelHearing() bool {
	o := &c.worker.Load().out
	o.Reset()
	if !c.sess.CancelHearing(errCanceled, o) {
		return false
	}
	c.more().hearing++
	c.pool.pool.Listener().Withdraw(c)
	c.listen(nil) // what it heard before, if something else is under way
	c.apply(o)
	c.conn.Again()
	return true
}

// listened goes on with what has waited, if it does still.
func (c *client) listened(n uint32, e *wire.Error) {
	c.post(func() {
		if c.state != clientOpen || n != c.extra.hearing {
			return
		}
		o := &c.worker.Load().out
		o.Reset()
		c.sess.Listened(e, o)
		c.apply(o)
		if c.conn.Kept() == 0 {
			c.leaveSigned()
		}
		c.conn.Again()
	})
}

// catalogKnown has the session go on whose lease waits for the catalog; on any
// goroutine.
func (c *client) catalogKnown() {
	c.post(func() {
		if c.state != clientOpen {
			return
		}
		o := &c.worker.Load().out
		o.Reset()
		c.sess.CatalogKnown(o)
		c.apply(o)
		c.conn.Again()
	})
}

// Missed is called on the listener's goroutine.
func (c *client) Missed() {
	e := wire.Errorf("01000", "the connection that listens for notifications was lost; some may have been missed")
	e.Severity = "WARNING"
	notice := e.Append(nil)
	notice[0] = 'N'
	c.post(func() { c.tell(notice) })
}

// tell passes on what the session has not asked for.
func (c *client) tell(message []byte) {
	if c.state != clientOpen || c.login != nil {
		return
	}
	o := &c.worker.Load().out
	o.Reset()
	if !c.sess.Notify(message, c.conn.Congested(), o) {
		c.kill(session.ErrNotReading)
		return
	}
	c.apply(o)
}

// tellMore passes on what has waited for the client to read.
func (c *client) tellMore() {
	o := &c.worker.Load().out
	for more := true; more && c.state == clientOpen && !c.conn.Congested(); {
		o.Reset()
		more = c.sess.NotesDrained(o)
		c.apply(o)
	}
}

// maxLeaks bounds the list of what checks have found.
const maxLeaks = 200

// leaks are what the checks of a pool have found, by statement and kinds.
type leaks struct {
	sync.Mutex
	all   map[string]*status.Leak
	total int64
}

// noteLeak puts on record what a check has found.
func (c *client) noteLeak(w *worker, o *session.Out) {
	statement := shown(c.sess.Statement())
	line := c.pool.key.database + "\x00" + o.Leak.String() + "\x00" + statement
	if say, unsaid := w.proxy.leakLines.Note(line, time.Now()); say {
		w.proxy.log.Warn("a transaction left something behind that no hint had told of", "client", c.id, "user", c.userName(),
			"database", c.pool.key.database, "what", o.Leak.String(), "statement", statement, "unsaid", unsaid)
	}
	l := &c.pool.leaks
	l.Lock()
	defer l.Unlock()
	l.total++
	if l.all == nil {
		l.all = map[string]*status.Leak{}
	}
	key := o.Leak.String() + "\x00" + statement
	found := l.all[key]
	if found == nil {
		if len(l.all) >= maxLeaks {
			return
		}
		found = &status.Leak{Database: c.pool.key.database, User: c.pool.key.user, Kinds: o.Leak.Names(), Statement: statement}
		l.all[key] = found
	}
	found.At = time.Now()
	found.Count++
	found.Client = c.id
	found.ApplicationName = c.sess.Vars()[wire.VarApplicationName]
}

// fillState adds what the pools' clients leave behind to a snapshot.
func (cp *clientPool) fillState(out *status.Pool) {
	out.PinnedBy = map[string]int{}
	if s := cp.shared; s != nil {
		out.Pinned = int(s.Pinned.Load())
	}
	cp.leaks.Lock()
	out.LeaksFound = cp.leaks.total
	cp.leaks.Unlock()
	if cp.pool != nil {
		out.ListeningClients = cp.pool.Listener().Status().Subscribers
		out.Listening = cp.pool.Counts().Listening
	}
}

// listState is for a full snapshot.
func (cp *clientPool) listState(s *status.Snapshot) {
	cp.leaks.Lock()
	for _, l := range cp.leaks.all {
		s.Leaks = append(s.Leaks, *l)
	}
	cp.leaks.Unlock()
	if cp.pool == nil {
		return
	}
	l := cp.pool.Listener()
	st := l.Status()
	for _, ch := range l.Channels() {
		s.Listeners = append(s.Listeners, status.Listener{
			Database: cp.key.database, User: cp.key.user, RemotePID: int(st.PID), Since: st.Since,
			Channel: ch.Name, Clients: ch.Subscribers, Notifications: st.Notifications, Losses: st.Losses,
		})
	}
}

// pinStatus is the row of a client that keeps its backend.
func (c *client) pinStatus(w *worker, row *status.Client) *status.Pin {
	r, statement := c.sess.Pins()
	if r == 0 || c.server == nil || c.extra == nil {
		return nil
	}
	return &status.Pin{
		Database: row.Database, User: row.User, Client: c.id, Server: c.server.b.ID, RemotePID: int(c.server.b.PID),
		Reasons: r.Names(), Since: w.proxy.started.Add(c.extra.pinSince), Statement: shown(statement),
		ApplicationName: row.ApplicationName, Addr: row.Addr,
	}
}

// fingerprint is how a set of settings is shown.
func fingerprint(s *follow.Settings) string {
	if s == nil {
		return ""
	}
	return shortened(s.Fingerprint)
}

// shortened is a fingerprint as it is shown; 0 stands for none.
func shortened(fingerprint uint64) string {
	if fingerprint == 0 {
		return ""
	}
	return strconv.FormatUint(fingerprint&0xffffffff, 16)
}

var _ pool.Subscriber = (*client)(nil)
