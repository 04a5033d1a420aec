package pool

import (
	"net"
	"net/netip"
	"time"

	"pgweir/wire"

	"github.com/jackc/puddle/v2"
)

// Backend is one connection to PostgreSQL that has logged in.
type Backend struct {
	ID     uint64
	PID    uint32 // the server process
	Key    []byte // for a CancelRequest: 4 bytes, up to 256 from protocol 3.2 on
	Params []wire.Param
	Vars   *wire.Vars
	// Carried are the settings that its startup parameters have set, if all
	// could be set later as well.
	Carried []wire.Param
	Begun   Begun
	TLS     string // "", or as loop.TLS.Describe says
	Opened  time.Time
	Address Address // where it is connected to
	// Local is our end of the connection; not valid over a Unix socket.
	Local netip.AddrPort
	User  string // whom it has logged in as

	// Conn is the connection until Host.Adopt takes it, and again once the
	// Host has given it back to Discard.
	Conn net.Conn
	// Host is for the Host to hang its own side on.
	Host any
	// Worker is the number, from 0 on, of the Host's worker that has it. For Adopt it
	// is that of the worker who waits for it, NoWorker if nobody does. The Host sets it
	// in Adopt and before Return, and so it does with Settings.
	Worker int32
	// Settings stand for what clients have set in its session: a hash, 0 for nothing.
	Settings uint64

	pool    *Pool
	variant *Variant
	res     *puddle.Resource[*Backend]
	remote  string        // where it is connected to, as Address.Addr; "" where that says it
	opened  time.Duration // since the epoch
	younger float64       // how much shorter its lifetime is than server_lifetime: a share below maxYounger
	stamp   int           // Pool.generation at the opening
	carries bool          // Carried is known
	replica bool          // it is in no pool; see Replicate
	older   bool          // the server has refused, or not borne, the protocol that was asked for

	// Guarded by the pool's lock.
	used            bool // has been lent
	leaving         bool // nobody's any more, and soon to be discarded
	contended, dead bool // see Pool.Contended

	// While it is idle, guarded in the same way.
	stack        *stack
	above, below *Backend
	since        time.Duration
}

// NoWorker is the Backend.Worker of a backend that no worker waits for.
const NoWorker = -1

// Pool is the pool that the backend belongs to.
func (b *Backend) Pool() *Pool { return b.pool }

// Variant is the variant of the pool that the backend belongs to.
func (b *Backend) Variant() *Variant { return b.variant }

// Address is where a server listens, and how to speak with it.
type Address struct {
	Network string // "tcp" or "unix"
	Addr    string // host:port, or the socket's path
	Host    string // the host's name, for its certificate
	TLS     TLS
}

// Server tells whether both are the same server, however it is spoken with.
func (a *Address) Server(b *Address) bool { return a.Network == b.Network && a.Addr == b.Addr }

// Host takes the backends in whose login is done. Its methods are called
// without any lock held, on goroutines of the pool's.
type Host interface {
	// Adopt takes b.Conn over and watches it from now on. When it returns, b
	// may be lent to anyone, claimed from wherever the Host put it.
	Adopt(b *Backend) error
	// Evict gives up an idle backend that has been taken out of the pool for
	// that: soon the Host calls Pool.Discard.
	Evict(b *Backend)
	// Refused is told that the server has refused a login of the pool's for who
	// it is, 28P01 or 28000, and was given what it asked for. It is told once for
	// each pause that follows (server_login_retry).
	Refused(p *Pool, e *wire.Error)
	// Unreached is told that the pool gets no backends though the server is there, since
	// it has no room for them or breaks their logins off. It is told once until Reached
	// is, or until the SQLSTATE is another, and at most outageLines times in a minute.
	Unreached(p *Pool, e *wire.Error)
	// Reached is told that the pool gets backends again.
	Reached(p *Pool)
	// Away is told that a server lets nobody in, as it is not there, starts up or
	// recovers: once until Back is, and at most outageLines times in a minute.
	Away(server *Address, e *wire.Error)
	// Back is told that the server lets clients in again.
	Back(server *Address)
	// UnreachedAgain and AwayAgain are told how many outages have come and gone beside
	// those that were told, once in a minute.
	UnreachedAgain(p *Pool, outages int)
	AwayAgain(server *Address, outages int)
	// Sign is told each notification that a listening backend of this server has
	// heard, before its subscribers are: a whole NotificationResponse, in which it
	// may change the process ID of the sender's backend.
	Sign(server *Address, message []byte)
	// Notify tells subscribers of a notification: message is a whole
	// NotificationResponse with its header ('A', length, process ID of the sender's
	// backend, channel, payload), as Sign has left it. All get the same slice, and may
	// keep it; nobody writes to it, nor to hearers. It is called for one notification
	// after the other, on a goroutine of the Listener's, and must not block.
	Notify(hearers []Subscriber, message []byte)
}

// Taker waits for a backend. Its methods are called on any goroutine, without
// any lock held.
type Taker interface {
	// Grant lends b to the taker, which has left the waiting line.
	Grant(b *Backend)
	// Refuse says why there will be none; the taker has left the line.
	Refuse(e *wire.Error)
}

// Waiter is a place in the waiting line. Whoever waits brings it along, so that waiting
// allocates nothing, and may have it again for another wait once a backend or a refusal
// has come. One Waiter is in one line at most.
type Waiter struct {
	Taker   Taker
	Variant *Variant
	// Settings, as a Backend's, are those that w would rather find; 0 if any will do.
	Settings uint64
	// Worker is the number of the Host's worker that w belongs to. It changes in no line.
	Worker int32
	// Login says that w waits to be let in. It changes in no line.
	Login  bool
	told   bool // that it waits
	inLine bool

	next, prev *Waiter
	// Those of one variant and worker that wait for a backend that is there are a queue of
	// their own, in the same order.
	kinNext, kinPrev *Waiter

	since   time.Duration
	place   int64    // in the line: less than that of all behind it; below 0 if it has been put in front
	fresh   *fresh   // no backend that is there will do; nil if any will
	opening *opening // a backend is being opened on its account
}

// fresh has a backend opened with just these parameters, because what the server
// says to them is not known yet.
type fresh struct {
	params  []wire.Param
	welcome string // the key under which the answer is kept
}
