// Package demo measures what pgweir saves, in front of the user's eyes: on a
// throwaway PostgreSQL a number of clients run queries, first straight, then
// through pgweir, while PostgreSQL itself and the process table are asked how
// many backends there are and what they cost.
//
// It starts pgweir as a program of its own and looks at it from outside only,
// like any operator; it knows nothing of how pgweir works.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pgweir/cluster"
)

// Options of a demonstration.
type Options struct {
	PGBin   string        // folder of PostgreSQL's programs; "" looks for them
	Program string        // the pgweir binary, which must know `serve -c FILE`
	Clients int           // how many clients
	Pool    int           // pool_size
	Phase   time.Duration // how long each of the two measurements takes
	Once    bool          // end after the comparison
	Out     io.Writer     // redrawn in place if it is a terminal
}

// spareConnections is what max_connections has beyond the clients: the
// superuser's reserve, the observer, and a few for whoever wants to look.
const spareConnections = 20

func (o Options) check() error {
	switch {
	case o.Clients < 1 || o.Clients > 10_000:
		return fmt.Errorf("clients: %d is out of range (1 to 10000)", o.Clients)
	case o.Pool < 1 || o.Pool > o.Clients:
		return fmt.Errorf("pool: %d is out of range (1 to the number of clients, %d)", o.Pool, o.Clients)
	case o.Phase < time.Second || o.Phase > time.Hour:
		return fmt.Errorf("seconds: %v is out of range (1 to 3600)", o.Phase.Seconds())
	}
	return nil
}

// Run shows the demonstration. It returns nil if it was run to its end and the
// backends never exceeded the pool and no client met an error; without Once the
// end is that of ctx. Whatever happens, when it returns no process and no file
// is left.
func Run(ctx context.Context, opts Options) (err error) {
	if err := opts.check(); err != nil {
		return err
	}
	view := newView(opts.Out)
	programs, err := cluster.Find(opts.PGBin)
	if err != nil {
		return err
	}
	view.print("pgweir demo", fmt.Sprintf("PostgreSQL %s from %s, %d clients, a pool of %d",
		programs.Version, programs.Dir, opts.Clients, opts.Pool))
	db, err := cluster.Start(ctx, programs, cluster.Options{Settings: map[string]string{
		"max_connections": strconv.Itoa(opts.Clients + spareConnections),
	}})
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() {
		closeErr := db.Close()
		if err = errors.Join(err, closeErr); closeErr == nil {
			view.print("", "Stopped; nothing is left behind.")
		}
	}()
	eye, err := prepare(ctx, db)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer eye.close()
	direct, err := measureAndStop(ctx, stage{
		number: 1, title: fmt.Sprintf("%d clients straight to PostgreSQL", opts.Clients),
		dsn: dsn(db.Port), opts: opts, eye: eye, view: view,
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	// Only now: an idle pgweir may keep backends ready, which would be counted
	// among those of the direct clients.
	weir, err := startWeir(ctx, opts, db)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, weir.stop()) }()
	eye.weir = weir
	pooled, err := measure(ctx, stage{
		number: 2, title: fmt.Sprintf("the same %d through pgweir", opts.Clients),
		dsn: dsn(weir.port), opts: opts, eye: eye, view: view,
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	defer pooled.load.stop()
	view.print(table(direct, pooled.figures)...)
	view.print("", sentence(direct, pooled.figures))
	verdict := judge(direct, pooled.figures, opts.Pool)
	if opts.Once {
		return verdict
	}
	if verdict != nil {
		view.print("", "But: "+verdict.Error())
	}
	// Only now: it takes a backend, which is none of the clients'.
	if err := weir.takeCensuses(opts); err != nil {
		return errors.Join(verdict, err)
	}
	view.print(invitation(weir)...)
	return errors.Join(verdict, stay(ctx, pooled.load, eye, weir, view))
}

// prepare makes what the clients find, and an observer who no longer sees those
// that have made it.
func prepare(ctx context.Context, db *cluster.Cluster) (*observer, error) {
	if err := fill(ctx, db); err != nil {
		return nil, err
	}
	eye, err := newObserver(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := eye.waitForNone(ctx); err != nil {
		eye.close()
		return nil, err
	}
	return eye, nil
}

// interrupted says in the user's words why an error came about: a Ctrl-C makes
// whatever was under way fail.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func invitation(w *weir) []string {
	return []string{
		"",
		fmt.Sprintf("The %d clients go on. Meanwhile, from another terminal:", w.clients),
		"",
		fmt.Sprintf("  a query     psql -h 127.0.0.1 -p %d -U %s %s", w.port, role, database),
		fmt.Sprintf("  the console psql -h 127.0.0.1 -p %d -U %s pgweir -c 'SHOW SAVINGS'", w.port, role),
		fmt.Sprintf("  a browser   http://127.0.0.1:%d/", w.httpPort),
		fmt.Sprintf("  a terminal  pgweir top --url http://127.0.0.1:%d/", w.httpPort),
		fmt.Sprintf("  PostgreSQL  psql -h 127.0.0.1 -p %d -U postgres %s", w.db.Port, database),
		fmt.Sprintf("  the log     %s", filepath.Join(w.db.Dir, logName)),
		"",
		"Ctrl-C ends all of it.",
		"",
	}
}

// stay keeps the clients running until ctx ends, which is the good end. It goes
// on when PostgreSQL starts its backends anew because one has crashed, but not
// without a postmaster.
func stay(ctx context.Context, l *load, eye *observer, w *weir, view *view) error {
	tick := time.NewTicker(view.stayInterval())
	defer tick.Stop()
	view.begin()
	defer view.end()
	window := l.measure()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.process.Done():
			return w.died()
		case <-eye.db.Done():
			return errors.New("the postmaster has ended")
		case <-tick.C:
		}
		s, err := eye.sample(ctx, true)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			view.end()
			view.print("   " + strings.ReplaceAll(err.Error(), "\n", " "))
			view.begin()
			continue
		}
		view.live(picture{load: l, window: window, sample: s, label: "pooled", progress: "until Ctrl-C"})
		window = l.measure()
	}
}
