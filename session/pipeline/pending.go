// Package pipeline is what a backend owes: the answers to all that it has been
// sent, in the order in which it was sent. It knows the protocol alone, neither
// a pool nor what a client has made of its session.
package pipeline

// Pending is a message that a backend was sent, and whose answer is owed. The
// client's own have the letters of the protocol where there is one. What pgweir
// sends of its own has small letters, and its answers are not the client's.
type Pending byte

const (
	Query          Pending = 'Q' // RowDescription … CommandComplete …, ReadyForQuery
	Sync           Pending = 'S' // ReadyForQuery
	Function       Pending = 'F' // FunctionCallResponse, ReadyForQuery
	Parse          Pending = 'P' // ParseComplete
	Bind           Pending = 'B' // BindComplete
	Describe       Pending = 'D' // [ParameterDescription], RowDescription or NoData
	Execute        Pending = 'E' // DataRow …, CommandComplete, EmptyQueryResponse or PortalSuspended
	Close          Pending = 'C' // CloseComplete
	Refused        Pending = 'R' // an error, in place of a named Parse's ParseComplete
	ParseNamed     Pending = 'N' // ParseComplete of a named Parse
	ParseGiven     Pending = 'M' // the same, given by pgweir, for the backend has the statement
	CloseGiven     Pending = 'K' // CloseComplete of a named statement, given by pgweir
	DescribeNoted  Pending = 'T' // as Describe, of a named statement or its portal, and to be noted
	CopyEnd        Pending = 'c' // CopyDone or CopyFail: nothing is owed, it marks the place
	Settings       Pending = 'v' // a Query that sets what the client has set
	Question       Pending = 'q' // a Query that asks what state is left
	Reset          Pending = 'r' // a Query that cleans up
	Guarded        Pending = 'g' // a Query without which the client's message behind would be answered wrongly
	Detour         Pending = 'x' // a Query that sets settings for a moment, outside of a transaction
	ParseAgain     Pending = 'p' // a Parse of the unnamed statement, made again
	ParseShared    Pending = 'm' // a Parse of a shared statement that the backend has not got yet
	DescribeShared Pending = 't' // a Describe of a shared statement
	CloseShared    Pending = 'e' // a Close of a shared statement
	CloseUnnamed   Pending = 'u' // a Close of an unnamed statement that is not the client's
	Shown          Pending = 'w' // a Parse or Close under the client's own name, for pg_prepared_statements
	Aside          Pending = 'd' // one of the messages of a statement in the midst of a transaction
	OwnSync        Pending = 'y' // a Sync of pgweir's own
)

// Policy is what an error means that answers a message of pgweir's own.
type Policy uint8

const (
	noPolicy Policy = iota
	// Concerns: the client's message behind it fails too, or the error is what
	// the client would have read directly.
	Concerns
	// LeavesUnknown: what is left in the backend is not known, so the client
	// keeps it.
	LeavesUnknown
	// ClosesBackend: the backend is not clean, and is closed when the lease ends.
	ClosesBackend
	// MovesClient: the client gets another backend, or is ended.
	MovesClient
	// EndsClient: the client is ended, for its messages behind would be answered
	// wrongly.
	EndsClient
)

// kind is what there is to know of a Pending.
type kind struct {
	ours    bool   // pgweir's own
	ready   bool   // its answer ends with ReadyForQuery
	changes bool   // it stands for a change of which statements are prepared where
	onError Policy // of pgweir's own
}

// kinds has a row for each Pending.
var kinds = [256]kind{
	Query:         {ready: true},
	Sync:          {ready: true},
	Function:      {ready: true},
	Parse:         {},
	Bind:          {},
	Describe:      {},
	Execute:       {},
	Close:         {},
	CopyEnd:       {},
	Refused:       {changes: true},
	ParseNamed:    {changes: true},
	ParseGiven:    {changes: true},
	CloseGiven:    {changes: true},
	DescribeNoted: {changes: true},

	Settings:       {ours: true, ready: true, onError: MovesClient},
	Question:       {ours: true, ready: true, onError: LeavesUnknown},
	Reset:          {ours: true, ready: true, onError: ClosesBackend},
	Guarded:        {ours: true, ready: true, onError: EndsClient},
	Detour:         {ours: true, ready: true, onError: EndsClient},
	OwnSync:        {ours: true, ready: true, onError: Concerns},
	ParseAgain:     {ours: true, onError: Concerns},
	ParseShared:    {ours: true, changes: true, onError: Concerns},
	DescribeShared: {ours: true, changes: true, onError: Concerns},
	CloseShared:    {ours: true, changes: true, onError: Concerns},
	CloseUnnamed:   {ours: true, onError: Concerns},
	Shown:          {ours: true, onError: Concerns},
	Aside:          {ours: true, onError: Concerns},
}

// Ours tells what pgweir sends of its own.
func (p Pending) Ours() bool { return kinds[p].ours }

// EndsWithReady tells whose answers end with ReadyForQuery.
func (p Pending) EndsWithReady() bool { return kinds[p].ready }

// Changes tells what stands for a change of which statements are prepared where.
func (p Pending) Changes() bool { return kinds[p].changes }

// OnError is what an error means that answers the message. One of the client's
// own concerns the client.
func (p Pending) OnError() Policy {
	k := &kinds[p]
	if !k.ours {
		return Concerns
	}
	if k.onError == noPolicy {
		panic("bug: an error about a message of pgweir's own means nothing")
	}
	return k.onError
}
