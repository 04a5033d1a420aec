package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

const sampleInterval = 200 * time.Millisecond

// sample is one look from outside.
type sample struct {
	byServer      int    // client backends as pg_stat_activity has them
	byTable       int    // as the process table has them
	backendMemory memory // of them all; zero value if it was not asked for
	weirMemory    memory
}

// most keeps the highest of each figure.
func (s *sample) most(o sample) {
	s.byServer = max(s.byServer, o.byServer)
	s.byTable = max(s.byTable, o.byTable)
	s.backendMemory = s.backendMemory.most(o.backendMemory)
	s.weirMemory = s.weirMemory.most(o.weirMemory)
}

// memory is an amount of bytes, or not known.
type memory struct {
	bytes int64
	known bool
}

func (m memory) most(o memory) memory {
	if !o.known {
		return m
	}
	return memory{max(m.bytes, o.bytes), true}
}

// observer counts backends on a connection of its own, straight to PostgreSQL.
// It leaves out of the count who only observes: itself, and pgweir's census.
type observer struct {
	db   *cluster.Cluster
	weir *weir // nil as long as there is none
	conn *pgx.Conn
}

func newObserver(ctx context.Context, db *cluster.Cluster) (*observer, error) {
	o := &observer{db: db}
	return o, o.connect(ctx)
}

func (o *observer) connect(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, o.db.DSN("postgres")+"&application_name=pgweir+demo+observer")
	if err == nil {
		o.conn = conn
	}
	return err
}

func (o *observer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = o.conn.Close(ctx) // the server is about to go
}

// sample looks once. Memory costs a walk over the processes' page tables, so
// it is not asked for every time. A connection that was lost is opened again.
func (o *observer) sample(ctx context.Context, withMemory bool) (sample, error) {
	if o.conn.IsClosed() {
		if err := o.connect(ctx); err != nil {
			return sample{}, fmt.Errorf("asking pg_stat_activity: %w", err)
		}
	}
	// pgweir's census is another observer.
	const sql = `select count(*) filter (where not o), coalesce(array_agg(pid) filter (where o), '{}')
		from (select pid, pid = pg_backend_pid() or application_name = 'pgweir census' as o
			from pg_stat_activity where backend_type = 'client backend') as b`
	var s sample
	var observers []int32
	if err := o.conn.QueryRow(ctx, sql).Scan(&s.byServer, &observers); err != nil {
		return s, fmt.Errorf("asking pg_stat_activity: %w", err)
	}
	pids, err := o.db.BackendPIDs()
	if err != nil {
		return s, fmt.Errorf("reading the process table: %w", err)
	}
	pids = slices.DeleteFunc(pids, func(pid int) bool { return slices.Contains(observers, int32(pid)) })
	s.byTable = len(pids)
	if withMemory {
		s.backendMemory = memoryOf(pids)
		if o.weir != nil {
			s.weirMemory = memoryOf([]int{o.weir.process.PID()})
		}
	}
	return s, nil
}

// weirGone is closed when pgweir has ended; nil, which is never ready, while
// there is none.
func (o *observer) weirGone() <-chan struct{} {
	if o.weir == nil {
		return nil
	}
	return o.weir.process.Done()
}

// waitForNone waits until the last backend of the clients that have just left
// is gone.
func (o *observer) waitForNone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := o.sample(ctx, false)
		if err != nil {
			return err
		}
		if s.byServer == 0 && s.byTable == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d backends of clients that left do not end", max(s.byServer, s.byTable))
		case <-tick.C:
		}
	}
}
