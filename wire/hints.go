package wire

// Hints says which session state the statements of a text may touch. A hint
// that is set may be wrong: it comes from words, not from a parse tree. One
// that is not set can be relied on, but for what functions and DO blocks of
// the server do inside.
type Hints uint64

const (
	// HintSet: SET of a setting of the session, SET ROLE and SET SESSION
	// AUTHORIZATION included; not SET LOCAL, SET TRANSACTION, SET CONSTRAINTS.
	HintSet Hints = 1 << iota
	// HintSetConfig: a call of set_config whose third argument is not just true.
	HintSetConfig
	// HintReset: RESET.
	HintReset
	// HintDiscard: DISCARD.
	HintDiscard
	// HintAdvisoryLock: an advisory lock that outlives its transaction.
	HintAdvisoryLock
	// HintAdvisoryUnlock: pg_advisory_unlock, _shared and _all.
	HintAdvisoryUnlock
	// HintTemp: a temporary table, view or sequence, or the schema pg_temp.
	HintTemp
	// HintHold: a cursor WITH HOLD.
	HintHold
	// HintListen: LISTEN.
	HintListen
	// HintUnlisten: UNLISTEN.
	HintUnlisten
	// HintPrepare: PREPARE of a statement, not PREPARE TRANSACTION.
	HintPrepare
	// HintDeallocate: DEALLOCATE.
	HintDeallocate
	// HintLoad: LOAD of a library.
	HintLoad
	// HintDo: DO.
	HintDo
	// HintCall: CALL.
	HintCall
	// HintSequence: lastval, currval or setseed; nextval is none.
	HintSequence
	// HintDblink: a function of the extension dblink, which keeps connections.
	HintDblink
	// HintClose: CLOSE of a cursor.
	HintClose
	// HintDrop: DROP, of a temporary table perhaps.
	HintDrop
	// HintDDL: CREATE or ALTER; DROP has a hint of its own.
	HintDDL
	// HintExecute: EXECUTE of a prepared statement; not GRANT EXECUTE, but the
	// EXECUTE FUNCTION of a trigger is one.
	HintExecute
	// HintShowsPrepared: the view or function that shows prepared statements.
	HintShowsPrepared
	// HintShowsChannels: pg_listening_channels.
	HintShowsChannels
	// HintNotify: NOTIFY or pg_notify.
	HintNotify
	// HintFunction: a name is known to leave something behind. Scan knows no
	// names and never sets it.
	HintFunction
	// HintExplicit: BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT,
	// SAVEPOINT or RELEASE.
	HintExplicit
	// HintCancelBackend: pg_cancel_backend.
	HintCancelBackend
	// HintTerminateBackend: pg_terminate_backend.
	HintTerminateBackend
	// HintMeaning: SET, RESET or set_config, for the session or the transaction,
	// of a setting that says what names mean and with which rights: role,
	// session_authorization, search_path, session_replication_role,
	// row_security; or of one whose name cannot be read.
	HintMeaning
	// HintCatalog: CREATE or ALTER, but not of something temporary; and what else
	// changes what names mean to others, or what may be said of them: SELECT INTO,
	// IMPORT FOREIGN SCHEMA, GRANT, REVOKE and REASSIGN OWNED.
	HintCatalog
	// HintFetch: FETCH or MOVE, which run a query that another statement has.
	HintFetch
	// HintLocal: SET LOCAL, and a call of set_config whose third argument is
	// just true.
	HintLocal
	// HintBackendPID: pg_backend_pid.
	HintBackendPID
	// HintProcess: what stays in the backend's process, and nothing takes back: a
	// backup, a replication slot that may be temporary, a replication origin; and
	// LOAD within the body of a function.
	HintProcess
)

// CallerHints are two bits that Scan never sets: callers may give them a meaning
// of their own.
const CallerHints Hints = 3 << 62

// escapedNameHints are those that a name may give that cannot be read.
const escapedNameHints = HintSetConfig | HintAdvisoryLock | HintTemp | HintSequence | HintDblink |
	HintShowsPrepared | HintShowsChannels | HintNotify |
	HintCancelBackend | HintTerminateBackend | HintBackendPID | HintMeaning
