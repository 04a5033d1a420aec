package session

import "pgweir/wire"

// Out is what one step of a session wants done. Its owner sends ToServer and
// ToClient and then does what the flags say, in their order here; then the Out
// can be used for the next step. The bytes may be those that were fed in, so
// they are good only until the feeder's buffer is used again.
type Out struct {
	ToServer, ToClient gather

	// NeedBackend: put the client in the waiting line.
	NeedBackend bool
	// Unread: what the client has said and Client has consumed is to be fed
	// again, ahead of all else, when it has a backend. It is the caller's.
	Unread []byte
	// Strict: it should be one with the client's own startup parameters.
	Strict bool
	// Release: the lease has ended and the backend is clean. Drop: it has
	// ended, and the backend must be closed; if Busy, it is still working.
	Release, Drop, Busy bool
	// EndClient: close the client when ToClient has been sent.
	EndClient bool

	// What happened, for the statistics.
	Queries, Transactions, Errors, Parses, Binds int64
	// Asked: the client has begun to wait for an answer; Answered: the last
	// one that it waited for has come.
	Asked, Answered bool
	// ServerParses are those that the backend was sent, Replays how often a
	// client's settings were set on it, Questions how often it was asked what
	// state is left.
	ServerParses, Replays, Questions int64
	// IdleTimeout: Session.IdleTimeout is another now.
	IdleTimeout bool
	// PinsChanged: Pins says something else now.
	PinsChanged bool
	// Leak is what a check has found that no hint had told of.
	Leak Reason
	// Learn has the database's objects taken in, off the loop.
	Learn *Objects
	// Await: say CatalogKnown when the catalog is.
	Await bool
	// Listen: have the client hear the channels that are Wanted, and say so
	// with Listened.
	Listen bool
	// Unlisten: the client is to hear no more than the channels that are Wanted.
	Unlisten bool
	// Vacate: a statement that is being sent needs these databases for itself,
	// so that no backend may stay there that nobody uses.
	Vacate []string
	// CatchUp: say CaughtUp with this number, if it is not 0, when the client has
	// been told what has been notified up to now on channels that it hears.
	CatchUp uint64
	// SyncNotes: tell it what has been notified up to now, and then Listened.
	SyncNotes bool
}

// Reset makes o ready for the next step.
func (o *Out) Reset() {
	server, client := o.ToServer.copied, o.ToClient.copied
	*o = Out{}
	o.ToServer.copied, o.ToClient.copied = emptied(server), emptied(client)
}

// emptied is b to be filled anew, unless it has grown so large that it is
// better given back.
func emptied(b []byte) []byte {
	if cap(b) > maxGather {
		return nil
	}
	return b[:0]
}

// gather collects bytes to be sent. Bytes that lie behind each other in the
// same buffer are not copied.
type gather struct {
	direct []byte // if copied is empty
	copied []byte
}

// maxGather is how much room a gather keeps for the next step, in bytes.
const maxGather = 64 << 10

func (g *gather) add(p []byte) {
	switch {
	case len(p) == 0:
	case len(g.copied) > 0:
		g.copied = append(g.copied, p...)
	case len(g.direct) == 0:
		g.direct = p
	case cap(g.direct) > len(g.direct) && &g.direct[:len(g.direct)+1][len(g.direct)] == &p[0]:
		g.direct = g.direct[:len(g.direct)+len(p)]
	default:
		g.copied = append(append(g.copied, g.direct...), p...)
	}
}

// own gives the buffer in which messages are made; whatever is appended to it
// must be given to keep.
func (g *gather) own() []byte {
	if len(g.copied) == 0 && len(g.direct) > 0 {
		g.copied = append(g.copied, g.direct...)
	}
	g.direct = nil
	return g.copied
}

func (g *gather) keep(b []byte) { g.copied = b }

func (g *gather) addError(e *wire.Error) { g.keep(e.Append(g.own())) }

func (g *gather) addReady(status byte) { g.keep(wire.AppendReadyForQuery(g.own(), status)) }

// Bytes is all that was collected.
func (g *gather) Bytes() []byte {
	if len(g.copied) > 0 {
		return g.copied
	}
	return g.direct
}
