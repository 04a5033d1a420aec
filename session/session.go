package session

import (
	"sync/atomic"
	"unique"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// Mode is when a lease ends.
type Mode uint8

const (
	SessionMode     Mode = iota // when the client goes
	TransactionMode             // when its transaction is over
	StatementMode               // the same, and blocks of several statements are refused
)

func (m Mode) String() string {
	return [...]string{"session", "transaction", "statement"}[m]
}

// Phase is where a conversation stands; see the package comment.
type Phase uint8

const (
	Idle Phase = iota
	Waiting
	Active
	Resetting
	Ended
)

// batch is what extended messages were sent behind the last Sync. With any, the
// backend has begun a transaction.
type batch uint8

const (
	batchNone     batch = iota
	batchPrepares       // none of them runs anything
	batchRuns           // a Bind or Execute is among them
)

// MaxMessage is how long a message may be, in bytes, to be passed on whole:
// until it has come, it takes no backend. A longer one is passed on as it
// comes, once that much of it is there.
const MaxMessage = 64 << 10

// maxGathered is how long the Parse of a named statement may be, in bytes, to be
// gathered and shared. A longer one is passed on as it comes, and its client
// keeps the backend.
const maxGathered = 4 << 20

// Config is what all sessions of a pool have in common. It is never changed.
type Config struct {
	Mode Mode
	// State is what is done about state that a transaction leaves behind
	// (session_state); off in session mode.
	State State
	// Listen is what is done about LISTEN (listen).
	Listen ListenMode
	// MaxPrepared is how many shared prepared statements a backend may have
	// (max_prepared_statements); with 0 named statements are refused.
	MaxPrepared int
	// MaxPinned is how many backends of the pool may be kept by clients for
	// themselves (max_pinned); 0 for any number.
	MaxPinned int
	// LeakCheck is the share of transactions without a hint after which the
	// backend is asked all the same (leak_check), 0 to 1.
	LeakCheck float64
	// Signal carries a signal out, if the client that it is for is there and may
	// be signaled. It is called in the midst of a step, and must not come back
	// to any session before that is over. nil: there are no such clients.
	Signal func(Signal) bool
	// Waiting tells whether another client waits for a backend of the pool. It is
	// called between messages, and must be quick. nil: nobody ever does.
	Waiting func() bool
	// Listening tells whether the pool has a listening backend. It is called in the
	// midst of a step, must be quick, and must not come back to any session. nil: it
	// always has.
	Listening func() bool
	// User is whom the pool's backends log in as.
	User string
	// Shared is the pool's.
	Shared *Shared
	// Catalog is of the database that the pool's backends are connected to; other
	// pools have it as well.
	Catalog *Catalog
	// Recalls: what one client was told of a prepared statement may be told to
	// others. All backends are one server's.
	Recalls bool
	// ResetQuery cleans a backend up after a client that had it for itself
	// (server_reset_query); "" for none.
	ResetQuery string
}

// Link is what a session has to know of the backend that it is lent.
type Link struct {
	Vars *wire.Vars // what is set there now
	// Login is what was set there when it was opened, and what RESET turns it
	// back to.
	Login *wire.Vars
	// Params are all parameters that the server has reported, Vars included.
	Params []wire.Param
	// Reported says that one of them has changed by which drivers choose a server. Who looks at it
	// takes it back.
	Reported bool
	// Notifier is the process ID that the client was told whose notifications
	// may be on their way from there; 0 if that is not known. Nobody else may be
	// lent the backend before they have come, see Heard.
	Notifier atomic.Uint32
	PID      uint32 // the backend's process
	// User is whom the backend has logged in as; "" for Config.User. They differ
	// once a reload has given the pool another user.
	User string

	// What is there, from lease to lease.

	pidReader uint32           // the process ID of the client that has last asked for PID; 0 if none has
	unsure    bool             // a setting may be there whose name nobody knows; see Session.wash
	seeded    bool             // a client may have chosen what random gives; see Session.wash
	quiet     bool             // no notifications are on their way from there
	others    bool             // those of other clients may be than the one that has it
	signed    bool             // a NOTIFY was sent; see Notified
	scratched bool             // a statement of aside may be left there, since it has failed
	settings  *follow.Settings // what is set there beyond Vars
	loaded    []string         // the libraries that clients have loaded there
	base      *follow.Settings // what its startup parameters have set
	begun     *follow.Settings // what was there when its login was over
	role      string           // the one that its login has, "" for none
	variant   uint64           // a hash of the startup parameters that others do not have
	share     float64          // of a leak check; see Session.sample
	have      follow.OnBackend // the shared statements that it has
	last      uint64           // the session that was there last
	plans     plans            // those of functions; see plans.go
	counted   uint64           // the only one that has been there since the backend forgot its sequences; see sequences.go
	epoch     uint64           // counts the leases, and the transactions in them that have hints

	// What only a lease needs. It is the session's that has the backend; begin makes
	// it ready.

	lease    lease
	owed     pipeline.Queue // what the backend owes
	ops      []op           // the changes to have, and to the client's names, that it has not confirmed
	evidence evidence
	retry    retry  // the query under way, if it could be run again
	unit     []byte // of Session.retry
	// said is what the client has said, while Session.replaying wants it kept, and
	// unnamed and unnamedHints the Session's before that.
	said, unnamed []byte
	unnamedHints  wire.Hints
	unnamedShape  wire.Shape
	bound         *named            // the statement of the portal that the last message has made, if that is to be noted
	portal        []byte            // and its name
	asked         *follow.Statement // whose columns Session.askColumns has been told, for the Bind that waits
}

// begin makes l ready for a lease to the session with that id.
func (l *Link) begin(id uint64) {
	switch {
	case l.owed.Len() > 0:
		panic("bug: a backend that owes answers is lent")
	case len(l.ops) > 0:
		panic("bug: a backend that has changes to confirm is lent")
	}
	l.owed.Rewind()
	if cap(l.ops) > keepOps {
		l.ops = nil
	}
	l.evidence.begin()
	l.lease = lease{link: l, owed: &l.owed}
	l.retry, l.bound, l.asked = retry{}, nil, nil
	l.epoch++
	if l.last != id {
		l.others = l.last != 0
		l.last = id
		if l.Notifier.Load() != 0 {
			l.Notifier.Store(0)
		}
	}
	if l.quiet {
		l.quiet, l.others = false, false
	}
}

// Heard says that all has been told that was notified there.
func (l *Link) Heard() {
	l.Notifier.Store(0)
	l.quiet = true
}

// Begin says what the backend's startup parameters have set, what was set there
// when its login was over, login event triggers having had their say, and what
// current_setting('role') was then. variant is what the startup parameters are,
// if it is not known what they set.
func (l *Link) Begin(base, begun *follow.Settings, role, variant string) {
	l.base, l.begun, l.settings, l.role = base, begun, begun, role
	if variant != "" {
		l.variant = wire.HashExactly([]byte(variant))
	}
	if role == "none" {
		l.role = ""
	}
}

// Begun are the settings beyond Vars that were there when its login was over.
func (l *Link) Begun() *follow.Settings { return l.begun }

// Notified tells, once, that a NOTIFY was sent in the lease that has ended.
func (l *Link) Notified() bool {
	was := l.signed
	l.signed = false
	return was
}

// Prepared is how many shared statements the backend has.
func (l *Link) Prepared() int { return l.have.Len() }

// Settings are what is set there beyond Vars.
func (l *Link) Settings() *follow.Settings { return l.settings }

// Session is the conversation. The zero value is not ready; see Init.
type Session struct {
	config *Config
	*lease            // the Link's in Active and Resetting; else atRest
	vars   *wire.Vars // what the client has set
	// settings are what the client has set besides.
	settings *follow.Settings
	origin   unique.Handle[origin]
	*names          // the client's named statements; noNames if it never had one
	*unnamed        // its unnamed one; noUnnamed if it never had one
	extra    *extra // what few sessions need; nil until then
	id       uint64

	PID        uint32 // the process ID that the client was told, 0 if it is a backend's
	clientLeft int32  // bytes still to come of a client's message that has come in part
	idle       int32  // the client's idle_session_timeout, in milliseconds

	phase    Phase
	rest     remainder // what becomes of the rest of a client's message
	tx       byte      // transaction status of the last ReadyForQuery
	pins     Reason    // why the client keeps its backend
	place    place
	reads    reads
	leaving  leaving
	blocked  bool // something is there to be sent, and waits
	rested   bool // nothing has come from the client since Rest
	sqlNames bool // the client has statements of SQL's PREPARE on the backend
}

// origin is what a client had at its login. Most clients of a pool have the same one,
// and share it.
type origin struct {
	vars     *wire.Vars
	settings *follow.Settings
	idle     int32 // its idle_session_timeout, in milliseconds
	apart    bool  // see Session.Apart
}

// lease is what begins anew with each lease of a backend. It is part of the Link: an
// idle client has none.
type lease struct {
	link        *Link           // whose it is; nil of atRest
	owed        *pipeline.Queue // what the backend owes: the Link's, or pipeline.Nothing
	hints       wire.Hints      // of the transaction under way
	serverLeft  int32           // bytes still to come of a server's message that has come in part
	unit        uint32
	longUnit    uint32 // unit when long's Parse was sent
	batch       batch
	long        longUnnamed
	replaying   replaying
	resets      uint8 // the places in wire.Vars that a statement under way may turn back
	begun       bool  // a message of the client's has been sent
	stays       bool  // a transaction has ended, and the client had asked for more by then
	asked       bool  // the backend has been asked since the client's last message
	readsTags   bool  // the transaction has hints, so that command tags are read
	tainted     bool  // the backend is no longer fit for anybody else
	barrier     bool  // nothing is sent before all has been answered
	swallowing  bool  // serverLeft is not passed on
	lastWords   bool  // the server has told the client why it closes the connection
	copyFed     bool  // CopyData, CopyDone or CopyFail was sent since all was answered
	unnamedHere bool  // this backend has the unnamed statement, or none, for it has said so
	unnamedSent bool  // it will, or else skips all up to the next Sync
	idleThere   bool  // idle was set on the backend, or more than that
}

// atRest is the lease of all sessions that have none. It is never written to, for the
// loops have no lock on it.
var atRest = &lease{owed: pipeline.Nothing}

// reads is what the backend, or pgweir in its place, does with the client's next
// message.
type reads uint8

const (
	readsMessages reads = iota
	readsCopy           // it reads CopyData
	skipsToSync         // it skips all up to a Sync, which has not been sent
)

// endCopy: the backend reads no CopyData any more.
func (s *Session) endCopy() {
	if s.reads == readsCopy {
		s.reads = readsMessages
	}
}

// leaving is how far a client is on its way out.
type leaving uint8

const (
	leavingNot       leaving = iota
	leavingDrains            // it said Terminate, or has gone; the last answers are on the way
	leavingForgotten         // by Forget
)

// isLeaving tells whether nobody reads what is told to the client any more.
func (s *Session) isLeaving() bool { return s.leaving != leavingNot }

// Init makes s the conversation of a client whose settings are vars.
func (s *Session) Init(c *Config, vars *wire.Vars) {
	*s = Session{config: c, lease: atRest, names: noNames, unnamed: noUnnamed, vars: vars, tx: 'I', PID: s.PID}
	s.origin = unique.Make(origin{vars: vars})
	if c.Shared != nil {
		s.id = c.Shared.sessions.Add(1)
	}
}

// Begin says what the client has set by its startup parameters beyond Vars, if
// its backends are opened without them, and what is set when its login is over,
// as Link.Begin has it; idle is its idle_session_timeout, in milliseconds.
func (s *Session) Begin(base, begun *follow.Settings, idle int32) {
	s.settings, s.idle = begun, idle
	s.origin = unique.Make(origin{vars: s.vars, settings: base, idle: idle})
	for _, v := range begun.All() {
		if _, ok := base.Get(v.Name); !ok {
			s.noteCustom(v.Name)
		}
	}
}

// Apart says that the client's backends are opened with its own startup parameters,
// and that it is not known what these set.
func (s *Session) Apart() {
	o := s.origin.Value()
	o.apart = true
	s.origin = unique.Make(o)
}

// Forget gives up what the session has of the pool's, when the client is gone.
// If it still has a backend, Forget is to be called again when it has not.
func (s *Session) Forget() {
	if s.pins != 0 && s.leaving != leavingForgotten {
		s.config.Shared.Pinned.Add(-1)
	}
	s.freePlace()
	s.leaving = leavingForgotten
	if s.phase == Active {
		return // the last answers may be about the rest
	}
	if s.config != nil && s.config.Shared != nil {
		s.forgetNames()
	}
}

// Phase tells where the conversation stands.
func (s *Session) Phase() Phase { return s.phase }

// isLeased tells whether the session has a backend, and so a lease of its own.
func (s *Session) isLeased() bool { return s.phase == Active || s.phase == Resetting }

// Mode is the pool's mode.
func (s *Session) Mode() Mode { return s.config.Mode }

// Catalog is that of the pool's database.
func (s *Session) Catalog() *Catalog { return s.config.Catalog }

// Vars are the client's settings now.
func (s *Session) Vars() *wire.Vars { return s.vars }

// Owes tells whether the client waits for an answer.
func (s *Session) Owes() bool { return s.owed.OwesClient() }

// Hears tells whether what the backend says next may be for the client. If not,
// the lease is about to end.
func (s *Session) Hears() bool {
	return s.config.Mode == SessionMode || s.pins != 0 || s.owed.OwesClient() || s.MidAnswer()
}

// Preparing tells whether the backend is busy with what pgweir has put ahead of
// the client's message: a cancel now would hit that, and not the query behind it.
func (s *Session) Preparing() bool { return s.blocked || s.owed.First().Ours() }

// maxOwed is how many answers the backend may owe before it is sent no more.
// What its socket holds it works off to the end, even if the client has gone.
// It must be more than PostgreSQL keeps to itself before it sends them: 8 KB
// of answers of five bytes.
const maxOwed = 16 << 10

// Ahead tells whether the client is so far ahead of the answers that nothing
// more should be read from it. Once it was, that holds until they are at half.
func (s *Session) Ahead(was bool) bool {
	if was {
		return s.owed.Len() > maxOwed/2
	}
	return s.owed.Len() > maxOwed
}

// InTransaction tells whether a transaction is under way: a block, or an
// extended query whose Sync has not come.
func (s *Session) InTransaction() bool {
	return s.phase == Active && (s.tx != 'I' || s.batch != batchNone || s.reads == skipsToSync)
}

// Pinned tells whether the client keeps its backend for state that it left there.
func (s *Session) Pinned() bool { return s.pins != 0 }

// Released tells, once, that messages that were held back can be fed again.
func (s *Session) Released() bool {
	if !s.blocked || s.owed.Len() > 0 && s.reads != readsCopy || s.extra != nil && (s.extra.waiting || s.extra.withheld) || s.awaits() {
		return false
	}
	s.blocked = false
	return true
}

// MidMessage tells whether a message of the client's has been passed on in
// part, and the rest has not come yet. In a COPY that is nothing unusual, and
// does not count.
func (s *Session) MidMessage() bool {
	return s.clientLeft > 0 && s.rest != restDropped && s.reads != readsCopy
}

// MidAnswer tells whether a message of the server's has been passed on to the
// client in part: nothing else can be said to it now.
func (s *Session) MidAnswer() bool { return s.serverLeft > 0 && !s.swallowing }
