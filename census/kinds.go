package census

// Kinds of processes, in the server's words (backend_type of pg_stat_activity),
// and two that it never lists.
const (
	postmaster       = "postmaster"
	logger           = "logger"
	checkpointer     = "checkpointer"
	backgroundWriter = "background writer"
	walwriter        = "walwriter"
	startup          = "startup"
	autovacuumWorker = "autovacuum worker"
	walsender        = "walsender"
	parallelWorker   = "parallel worker"
	clientBackend    = "client backend"
)

// roles say what a process of each kind does.
var roles = map[string]string{
	postmaster:                                "parent of all: accepts connections, starts a process for each, restarts what has crashed; runs no query itself",
	clientBackend:                             "serves one connection: parses, plans and runs its statements",
	logger:                                    "writes the server's messages to log files (logging_collector)",
	checkpointer:                              "writes all changed pages to disk at each checkpoint, so that recovery need not begin earlier",
	backgroundWriter:                          "writes changed pages to disk ahead of need, so that backends find clean buffers",
	walwriter:                                 "writes the write-ahead log to disk in the background, for asynchronous commits above all",
	startup:                                   "applies the write-ahead log: recovery after a crash, and for as long as it lives on a standby",
	"autovacuum launcher":                     "starts autovacuum workers where tables need them",
	autovacuumWorker:                          "vacuums and analyzes the tables of one database: reclaims dead rows, keeps statistics fresh",
	"logical replication launcher":            "starts a worker for each subscription",
	"logical replication worker":              "applies the changes of a subscription",
	"logical replication apply worker":        "applies the changes of a subscription",
	"logical replication parallel worker":     "applies a large transaction of a subscription beside the apply worker",
	"logical replication tablesync worker":    "copies a table of a subscription for the first time",
	"logical replication sequencesync worker": "copies the sequences of a subscription",
	parallelWorker:                            "computes a share of another backend's query, and ends with it",
	"archiver":                                "hands finished segments of the write-ahead log to archive_command or archive_library",
	"walreceiver":                             "receives the write-ahead log from the primary, on a standby",
	walsender:                                 "sends the write-ahead log to a standby, a backup or a subscriber",
	"walsummarizer":                           "notes which blocks changed in the write-ahead log, for incremental backups",
	"slotsync worker":                         "keeps logical replication slots of the primary up to date on a standby",
	"io worker":                               "reads pages for other processes (io_method = worker)",
	"stats collector":                         "gathers the statistics that pg_stat views show",
	"dead-end client backend":                 "tells a client that it is turned away, and ends",
	"standalone backend":                      "a single-user server",
}

const (
	roleCensus  = "pgweir's own census: asks for what is shown here"
	roleWorker  = "background worker of an extension, or of a kind that pgweir does not know"
	roleForked  = "just begun: it has not said yet what it is"
	roleHidden  = "hidden: the role that asks may not see what it is"
	roleUnknown = "unknown: the server does not tell what it is"
)

// role is what a process of a kind does; "" is a kind that is not known.
func role(kind string) string {
	if text, ok := roles[kind]; ok {
		return text
	}
	if kind == "" {
		return roleUnknown
	}
	return roleWorker
}

// order is that of a server's processes: those that are always there first, in
// the order in which they matter, then what comes and goes, then workers that
// we do not know, then client backends.
var order = func() map[string]int {
	ranks := map[string]int{}
	for i, kind := range []string{
		postmaster, logger, startup, checkpointer, backgroundWriter, walwriter, "walsummarizer", "archiver",
		"stats collector", "autovacuum launcher", "logical replication launcher", "walreceiver", "slotsync worker",
		"io worker", walsender, autovacuumWorker, "logical replication apply worker", "logical replication worker",
		"logical replication parallel worker", "logical replication tablesync worker",
		"logical replication sequencesync worker",
	} {
		ranks[kind] = i
	}
	ranks[parallelWorker] = unknownRank + 1
	ranks[clientBackend] = unknownRank + 2
	ranks[""] = unknownRank + 3
	return ranks
}()

// unknownRank is where kinds stand that we do not know.
const unknownRank = 1000

// rank is where a kind stands in that order.
func rank(kind string) int {
	if r, ok := order[kind]; ok {
		return r
	}
	return unknownRank
}
