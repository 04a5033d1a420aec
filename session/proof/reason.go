package proof

import "strings"

// Reason is a set of reasons for which a client keeps its backend, and of the
// parts of a question.
type Reason uint16

// The reasons.
const (
	ReasonLock     Reason = 1 << iota
	ReasonTemp            // temporary tables and other objects in pg_temp
	ReasonCursor          // cursors WITH HOLD
	ReasonPrepared        // statements prepared under names of the client's own on the backend
	ReasonChannels
	ReasonSetting  // one that cannot be asked for, or any with session_state = pin
	ReasonLibrary  // LOAD, dblink's connections: until the end
	ReasonSequence // lastval and currval
	ReasonUnknown  // the backend could not be asked
	numReasons     = iota
)

// ReasonNames are the reasons in words, in their order.
var ReasonNames = [numReasons]string{
	"advisory lock", "temporary table", "held cursor", "prepared statement", "channels",
	"setting", "library", "sequence", "unknown",
}

// Names are the words for the reasons in r.
func (r Reason) Names() (names []string) {
	for i, name := range ReasonNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (r Reason) String() string { return strings.Join(r.Names(), ", ") }

// The parts of a question have the names of the reasons that they may find, but
// for these.
const (
	// PartSettings lists the settings of the session.
	PartSettings Reason = 1 << (numReasons + iota)
	// PartHash asks for a hash of all settings, which costs a sixth of the list.
	PartHash
	// PartDigest asks for a digest of what the database's objects are.
	PartDigest
	// PartDblink asks for connections that the extension dblink keeps.
	PartDblink
	// PartSlots asks for temporary replication slots.
	PartSlots
	// PartLearn reads the database's functions, and what uses them.
	PartLearn

	// PartsOthers are all that a session may leave but settings.
	PartsOthers = ReasonLock | ReasonTemp | ReasonCursor | ReasonPrepared | ReasonChannels
	// PartsAll are all that a session may leave.
	PartsAll = PartSettings | PartsOthers
)
