package census

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"pgweir/health"
)

// All names are qualified, and the connection has a search_path of its own, so
// that nobody's functions and operators are called in place of the server's.

// factsQuery asks about the server and about ourselves. The archiver counts
// only where it runs.
const factsQuery = `
select pg_catalog.pg_backend_pid(),
       pg_catalog.current_setting('server_version'),
       pg_catalog.current_setting('cluster_name'),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.pg_postmaster_start_time(),
       current_user::pg_catalog.text,
       pg_catalog.current_database()::pg_catalog.text,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_catalog.current_setting('autovacuum'),
       r.archived_count, r.failed_count, r.last_archived_time, r.last_failed_time, r.last_failed_wal
from (select pg_catalog.current_setting('archive_mode') as mode) as s
left join pg_catalog.pg_stat_archiver as r
  on s.mode operator(pg_catalog.=) 'always' or s.mode operator(pg_catalog.=) 'on' and not pg_catalog.pg_is_in_recovery()`

// activityQuery asks about all processes. A statement is cut as bytes: one of
// a database with another encoding is not text here, and functions for text
// would refuse it.
const activityQuery = `
select a.pid, a.backend_type, a.usename::pg_catalog.text, a.datname::pg_catalog.text, a.application_name,
       a.state, a.wait_event_type, a.wait_event, a.state_change, a.backend_start, a.xact_start,
       pg_catalog.substring(pg_catalog.textsend(a.query), 1, 200),
       case when a.xact_start is not null
            then greatest(pg_catalog.age(a.backend_xid), pg_catalog.age(a.backend_xmin)) end
from pg_catalog.pg_stat_activity as a
where a.pid is not null`

// locksQuery asks for what waiting processes wait for and for whom. It is put
// only if somebody waits, and for the hundred who have waited longest: to find
// who is in the way, the server stops all work on locks for a moment.
const locksQuery = `
select w.pid, pg_catalog.pg_blocking_pids(w.pid), w.what, w.waitstart
from (
  select l.pid, l.waitstart,
         case
         when l.locktype operator(pg_catalog.=) 'relation' then pg_catalog.format('relation %s', n.name)
         when l.locktype operator(pg_catalog.=) 'extend' then pg_catalog.format('extension of relation %s', n.name)
         when l.locktype operator(pg_catalog.=) 'page' then pg_catalog.format('page %s of relation %s', l.page, n.name)
         when l.locktype operator(pg_catalog.=) 'tuple' then pg_catalog.format('tuple (%s,%s) of relation %s', l.page, l.tuple, n.name)
         when l.locktype operator(pg_catalog.=) 'transactionid' then pg_catalog.format('transactionid %s', l.transactionid)
         when l.locktype operator(pg_catalog.=) 'virtualxid' then pg_catalog.format('virtualxid %s', l.virtualxid)
         when l.locktype operator(pg_catalog.=) 'advisory' and l.objsubid operator(pg_catalog.=) 1 then
           pg_catalog.format('advisory lock %s', (l.classid::pg_catalog.int8 operator(pg_catalog.<<) 32) operator(pg_catalog.|) l.objid::pg_catalog.int8)
         when l.locktype operator(pg_catalog.=) 'advisory' then pg_catalog.format('advisory lock (%s, %s)', l.classid, l.objid)
         when l.locktype operator(pg_catalog.=) 'object' then pg_catalog.format('object %s of catalog %s', l.objid, l.classid::pg_catalog.regclass)
         else l.locktype end as what
  from pg_catalog.pg_locks as l
  left join lateral (
    select case when (l.database operator(pg_catalog.=) 0::pg_catalog.oid or l.database operator(pg_catalog.=) d.oid) and c.oid is not null
                then pg_catalog.format('%I.%I', s.nspname, c.relname)
                else pg_catalog.format('%s of database %s', l.relation,
                       coalesce((select o.datname::pg_catalog.text from pg_catalog.pg_database as o where o.oid operator(pg_catalog.=) l.database),
                                l.database::pg_catalog.text)) end as name
    from pg_catalog.pg_database as d
    left join pg_catalog.pg_class as c on c.oid operator(pg_catalog.=) l.relation
    left join pg_catalog.pg_namespace as s on s.oid operator(pg_catalog.=) c.relnamespace
    where d.datname operator(pg_catalog.=) pg_catalog.current_database()
  ) as n on l.relation is not null
  where not l.granted and l.pid is not null
  order by l.waitstart nulls last, l.pid
  limit 100
) as w`

// limitsQuery and the two behind it ask for what changes with configuration
// only. Superusers are bound by no limit of their role.
const (
	limitsQuery = `
select pg_catalog.current_setting('max_connections')::pg_catalog.int4,
       pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4,
       coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4`
	roleLimitsQuery = `
select rolname::pg_catalog.text, rolconnlimit from pg_catalog.pg_roles where rolconnlimit operator(pg_catalog.>=) 0 and not rolsuper`
	databaseLimitsQuery = `
select datname::pg_catalog.text, datconnlimit from pg_catalog.pg_database where datconnlimit operator(pg_catalog.>=) 0`
)

// facts are what the server says of itself and of our own connection.
type facts struct {
	pid                     int
	version, cluster        string
	standby                 bool
	started                 time.Time
	role, database          string
	privileged              bool
	autovacuum              string // "on" or "off"
	archiver                *health.Archiver
	max, superuser, reserve int // of the limits, which are asked for less often
	roles, databases        map[string]int
}

// row is one of pg_stat_activity.
type row struct {
	pid                         int
	kind                        string // "" if it is hidden from us
	user, database, application string
	state, waitType, waitEvent  string
	stateChange, begun, xact    time.Time
	query                       string
	age                         int64 // of its transaction's snapshot; 0 if it holds none
}

// ask asks about the server and its processes, in one go.
func ask(ctx context.Context, conn *pgx.Conn) (facts, []row, error) {
	var f facts
	var rows []row
	batch := &pgx.Batch{}
	batch.Queue(factsQuery).QueryRow(func(r pgx.Row) (err error) {
		f, err = scanFacts(r)
		return err
	})
	batch.Queue(activityQuery).Query(func(r pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(r, scanRow)
		return err
	})
	err := conn.SendBatch(ctx, batch).Close()
	return f, rows, err
}

func scanFacts(r pgx.Row) (facts, error) {
	var f facts
	var archived, failed *int64
	var lastArchived, lastFailed *time.Time
	var lastWAL *string
	err := r.Scan(&f.pid, &f.version, &f.cluster, &f.standby, &f.started, &f.role, &f.database, &f.privileged, &f.autovacuum,
		&archived, &failed, &lastArchived, &lastFailed, &lastWAL)
	if err != nil {
		return facts{}, err
	}
	f.version, _, _ = strings.Cut(f.version, " ") // what a distribution adds
	if archived != nil {
		f.archiver = &health.Archiver{
			Archived: *archived, Failed: value(failed),
			LastArchived: value(lastArchived), LastFailed: value(lastFailed), LastFailedWAL: value(lastWAL),
		}
	}
	return f, nil
}

func scanRow(r pgx.CollectableRow) (row, error) {
	var p row
	var kind, user, database, application, state, waitType, waitEvent *string
	var change, begun, xact *time.Time
	var query []byte
	var age *int64
	err := r.Scan(&p.pid, &kind, &user, &database, &application, &state, &waitType, &waitEvent,
		&change, &begun, &xact, &query, &age)
	if err != nil {
		return row{}, err
	}
	p.kind, p.state = clean(kind), clean(state)
	p.user, p.database, p.application = clean(user), clean(database), clean(application)
	p.waitType, p.waitEvent = clean(waitType), clean(waitEvent)
	p.stateChange, p.begun, p.xact = value(change), value(begun), value(xact)
	if p.kind != "" { // else it is "<insufficient privilege>"
		p.query = cut(query)
	}
	p.age = value(age)
	return p, nil
}

func value[T any](v *T) T {
	if v == nil {
		var none T
		return none
	}
	return *v
}

// clean makes text of what a server with any encoding has sent.
func clean(text *string) string { return strings.ToValidUTF8(value(text), "\uFFFD") }

// cut makes text of the first bytes of a statement, which may end within a
// character.
func cut(query []byte) string {
	for i := 1; i <= min(utf8.UTFMax-1, len(query)); i++ {
		if last := query[len(query)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				query = query[:len(query)-i]
			}
			break
		}
	}
	return strings.ToValidUTF8(string(query), "\uFFFD")
}

// askLocks asks who waits for a lock, for which, and for whom.
func askLocks(ctx context.Context, conn *pgx.Conn) ([]health.Blocked, error) {
	rows, err := conn.Query(ctx, locksQuery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (health.Blocked, error) {
		var b health.Blocked
		var by []int32
		var lock *string
		var since *time.Time
		err := r.Scan(&b.PID, &by, &lock, &since)
		for _, pid := range by {
			b.By = append(b.By, int(pid))
		}
		b.Lock, b.Since = clean(lock), value(since)
		return b, err
	})
}

// askLimits asks what bounds the number of backends.
func askLimits(ctx context.Context, conn *pgx.Conn, f *facts) error {
	f.roles, f.databases = map[string]int{}, map[string]int{}
	batch := &pgx.Batch{}
	batch.Queue(limitsQuery).QueryRow(func(r pgx.Row) error { return r.Scan(&f.max, &f.superuser, &f.reserve) })
	for query, into := range map[string]map[string]int{roleLimitsQuery: f.roles, databaseLimitsQuery: f.databases} {
		batch.Queue(query).Query(func(r pgx.Rows) error {
			var name string
			var limit int
			_, err := pgx.ForEachRow(r, []any{&name, &limit}, func() error {
				into[clean(&name)] = limit
				return nil
			})
			return err
		})
	}
	return conn.SendBatch(ctx, batch).Close()
}
