package session

import (
	"slices"

	"pgweir/wire"
)

// Effect is one thing that a step of a session wants done by its owner.
type Effect uint8

const (
	// EffectNeedBackend puts the client in the waiting line. What it has said and
	// Client has consumed already, Out.Unread, is to be fed again, ahead of all
	// else, when it has a backend. EffectNeedOwnBackend is the same for one that
	// should have been opened with the client's own startup parameters.
	EffectNeedBackend Effect = iota
	EffectNeedOwnBackend
	// EffectRelease: the lease has ended, and the backend is clean.
	EffectRelease
	// EffectDrop: the lease has ended, and the backend must be closed. With
	// EffectDropBusy it is still working.
	EffectDrop
	EffectDropBusy
	// EffectEndClient closes the client when Out.ToClient has been sent.
	EffectEndClient
	// EffectIdleTimeout: Session.IdleTimeout is another now.
	EffectIdleTimeout
	// EffectPins: Session.Pins says something else now.
	EffectPins
	// EffectLeak puts on record that a check has found Out.Leak, which no hint had
	// told of.
	EffectLeak
	// EffectLearn has the database's objects, Out.Learn, taken in off the loop.
	EffectLearn
	// EffectAwait: CatalogKnown is to be called when the catalog is.
	EffectAwait
	// EffectListen has the client hear the channels that are Session.Wanted, and
	// then Listened called. EffectUnlisten has it hear no more than those.
	EffectListen
	EffectUnlisten
	// EffectCatchUp has CaughtUp called with Out.CatchUp when the client has been
	// told what has been notified up to now on channels that it hears.
	EffectCatchUp
	// EffectSyncNotes has Listened called when the client has been told what has been
	// notified up to now on the whole server.
	EffectSyncNotes
	// EffectVacate: a statement that is being sent needs the databases
	// Out.Vacate for itself, so that no backend may stay there that nobody uses.
	EffectVacate
)

// Out is what one step of a session wants done. Its owner sends ToServer and
// ToClient and then does what Effects say, in their order, with no step of any
// session before the last; then the Out can be used for the next step. The
// bytes may be those that were fed in, so they are good only until the feeder's
// buffer is used again.
type Out struct {
	ToServer, ToClient gather
	Effects            []Effect

	// What the effects are about; see there. Unread is the caller's to keep.
	Unread  []byte
	Leak    Reason
	Learn   *Objects
	CatchUp uint64
	Vacate  []string

	// What happened, for the statistics.
	Queries, Transactions, Errors, Parses, Binds int64
	// More: Client is to be called again for what it has not consumed, though nothing
	// new may come, once the client has taken what it is sent now.
	More bool
	// Asked: the client has begun to wait for an answer; Answered: the last
	// one that it waited for has come.
	Asked, Answered bool
	// Failed is the body of the last ErrorResponse that counts in Errors, as far as it is
	// there, unless it is pgweir's own: then it is Refused. See SQLState.
	Failed  []byte
	Refused *wire.Error
	// ServerParses are those that the backend was sent, Replays how often a
	// client's settings were set on it, Questions how often it was asked what
	// state is left.
	ServerParses, Replays, Questions int64
}

// Reset makes o ready for the next step.
func (o *Out) Reset() {
	server, client, effects := o.ToServer.copied, o.ToClient.copied, o.Effects[:0]
	*o = Out{Effects: effects}
	o.ToServer.copied, o.ToClient.copied = emptied(server), emptied(client)
}

// SQLState is the SQLSTATE of the last error; "" if there is none, or if it is not known.
func (o *Out) SQLState() string {
	if o.Refused != nil {
		return o.Refused.Code
	}
	return string(wire.ErrorCode(o.Failed))
}

// refuse counts an error of pgweir's own.
func (o *Out) refuse(e *wire.Error) {
	o.Errors++
	o.Refused = e
}

// do adds an effect.
func (o *Out) do(e Effect) { o.Effects = append(o.Effects, e) }

// once adds an effect unless it is there. It is carried out once, with what the whole
// step has made of the session.
func (o *Out) once(e Effect) {
	if !o.Wants(e) {
		o.do(e)
	}
}

// Wants tells whether an effect is among them.
func (o *Out) Wants(e Effect) bool { return slices.Contains(o.Effects, e) }

// WantsBackend tells whether the client is to be put in the waiting line.
func (o *Out) WantsBackend() bool {
	return o.Wants(EffectNeedBackend) || o.Wants(EffectNeedOwnBackend)
}

// release ends the lease of a backend that is clean, or is to be closed.
func (o *Out) release(clean bool) {
	if clean {
		o.do(EffectRelease)
	} else {
		o.do(EffectDrop)
	}
}

// drop ends the lease of a backend that is to be closed.
func (o *Out) drop(busy bool) {
	if busy {
		o.do(EffectDropBusy)
	} else {
		o.do(EffectDrop)
	}
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
