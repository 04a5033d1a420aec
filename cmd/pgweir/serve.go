package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pgweir/census"
	"pgweir/config"
	"pgweir/console"
	"pgweir/pgbouncer"
	"pgweir/proxy"
	"pgweir/status"
	"pgweir/telemetry"
	"pgweir/web"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// gcPercent keeps the heap close to what is alive: an idle client should cost
// its few hundred bytes and not much more. On the path of a query nothing is
// allocated; it is logins that make garbage.
const gcPercent = 75

// lastLines is how long the end waits for the log's last lines to be taken.
const lastLines = time.Second

// lastTelemetry is how long the end waits for the last figures to be sent by
// OpenTelemetry, and then for the last spans.
const lastTelemetry = 2 * time.Second

func newServeCmd() *cobra.Command {
	var path string
	var watch bool
	cmd := &cobra.Command{
		Use:   "serve [pgbouncer.ini]",
		Short: "Accept clients and pool their connections",
		Long: `Accept clients and pool their connections.

The configuration is a config.toml, or PgBouncer's own file: pgbouncer.ini with all
that it names. A link to this program by the name pgbouncer takes PgBouncer's options.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := configPath(cmd, path, args)
			if err != nil {
				return err
			}
			from := newSource(path)
			from.watch = watch
			return serve(serveOptions{from: from, logs: os.Stderr})
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "config.toml", "the configuration file")
	cmd.Flags().BoolVar(&watch, "watch", false, "reload when the configuration's files have changed, as watch_config")
	return cmd
}

// serveOptions say how the program serves.
type serveOptions struct {
	from *source
	logs io.Writer // nil: none but the logfile
	user string    // whom to become; "": as the file says
	// config is the file as it has been read; nil if it has not been.
	config *config.Config
}

// serve runs to the end of the pooler.
func serve(o serveOptions) error {
	if o.config == nil {
		c, err := o.from.load()
		if err != nil {
			return err
		}
		o.config = c
	}
	process := o.from.process()
	if err := becomeUser(cmp.Or(o.user, process.User)); err != nil {
		return err
	}
	logs, file, err := openLogs(o.logs, process.LogFile)
	if err != nil {
		return err
	}
	removePID, err := writePID(process.PIDFile)
	if err == nil {
		defer removePID()
		err = o.run(logs, file)
	}
	if err != nil && file != nil {
		// Whoever has started the program tells of the error; nobody may listen there.
		newLogger(file, o.config.LogFormat, slog.LevelError).Error("pgweir cannot start", "err", err)
	}
	return err
}

// run serves with logs that are open; file is the logfile, nil if there is none.
func (o *serveOptions) run(logs io.Writer, file *logFile) error {
	c := o.config
	level := new(slog.LevelVar)
	setLevel(level, c.LogLevel)
	lines := newLogLines(logs)
	log := newLogger(lines, c.LogFormat, level)
	go lines.run(func(lost int) { log.Warn("lines of the log were lost: nobody took them", "lines", lost) })
	defer lines.Close(lastLines)
	// Who reads the log may end: that must not end pgweir. It is not ignored, for then
	// a password_command would ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	o.from.warn(log)

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	raiseFileLimit(log, c.MaxClientConn+c.MaxLogins) // a TLS handshake has a copy

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)

	front := &frontDesk{log: log, level: level, from: o.from, file: file, process: o.from.process(), manager: newServiceManager(), stop: make(chan stopRequest, 1), hangups: make(chan struct{}, 1)}
	watcher := census.NewWatcher(front.censusSettings())
	sent := telemetry.New(version, log)
	defer within(lastTelemetry, sent.CloseTraces)
	options := proxy.Options{Version: version, Log: log, Console: front, Load: front.load, InForce: front.follow, AuthLogins: authLogins, Censuses: watcher.Censuses}
	if sent.Traces() {
		options.Tracer = sent
	}
	p, err := front.start(signals, c, options)
	if errors.Is(err, errGivenUp) {
		log.Info("pgweir has stopped before it was ready")
		return nil
	}
	if err != nil {
		return err
	}
	front.proxy, front.sent = p, sent

	http, err := openHTTP(c, log)
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	sent.Metrics(web.Registry(p, version, http.accessGuard()))
	ctx, cancel := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	helpers.Go(func() { watcher.Run(ctx) })
	if http != nil {
		helpers.Go(func() { http.serve(ctx, p) })
		helpers.Go(func() { http.follow(ctx) })
	}
	go front.reload()
	go front.watch(ctx) // not waited for at the end: its disk may not answer
	log.Info("pgweir is ready", "version", version, "pid", os.Getpid(), "io_engine", p.Engine())
	tellParent(nil)
	front.tellManager(front.manager.ready())
	helpers.Go(func() { front.manager.keepAlive(ctx, p.LoopsAnswer, front.tellManager) })
	front.heed(signals, cancel)
	return nil
}

// within calls do, and ends what that is given after a while.
func within(limit time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	do(ctx)
}

// frontDesk is what the console and the signals ask for things.
type frontDesk struct {
	log   *slog.Logger
	level *slog.LevelVar
	from  *source
	file  *logFile // nil: the log is in none
	// process is as the file said it at the start.
	process pgbouncer.Process
	manager serviceManager
	proxy   *proxy.Proxy
	sent    *telemetry.Telemetry
	stop    chan stopRequest
	// hangups has what the next reload is for: all that come while another is under
	// way are one more.
	hangups chan struct{}
	applied atomic.Int64 // configurations that came into force since the start
}

type stopRequest struct{ mode console.ShutdownMode }

// errGivenUp is that a signal has ended the start.
var errGivenUp = errors.New("the start was given up")

// start makes the proxy, for which commands that passwords come from may have to be
// waited for, unless a signal ends that.
func (f *frontDesk) start(signals <-chan os.Signal, c *config.Config, o proxy.Options) (p *proxy.Proxy, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Start = ctx
	made := make(chan struct{})
	go func() {
		defer close(made)
		p, err = proxy.New(c, o)
	}()
	for {
		select {
		case <-made:
			return p, err
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				f.hangUp()
				continue
			case syscall.SIGUSR1, syscall.SIGUSR2:
				f.log.Warn("a signal is not heeded before the start is over", "signal", s.String())
				continue
			}
			f.log.Info("a signal ends the start", "signal", s.String())
			cancel()
			<-made
			return nil, errGivenUp
		}
	}
}

// tellManager logs what has come of a word to the service manager.
func (f *frontDesk) tellManager(err error) {
	if err != nil {
		f.log.Warn("the service manager cannot be told", "err", err)
	}
}

// heed does what signals and the console ask for until the proxy has ended. A
// drain that has come to its end ends the helpers first.
func (f *frontDesk) heed(signals <-chan os.Signal, endHelpers func()) {
	p := f.proxy
	stopping := false
	for {
		select {
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				f.hangUp()
			case s == syscall.SIGUSR1:
				go f.pause()
			case s == syscall.SIGUSR2:
				f.resume()
			case s == syscall.SIGQUIT:
				f.log.Warn("SIGQUIT, ending at once")
				f.tellManager(f.manager.stopping())
				f.close()
				return
			case stopping:
				f.log.Warn("second signal, ending at once", "signal", s.String())
				f.close()
				return
			default:
				stopping = true
				f.tellManager(f.manager.stopping())
				p.Drain(p.Config().ShutdownTimeout)
			}
		case r := <-f.stop:
			f.tellManager(f.manager.stopping())
			switch r.mode {
			case console.ShutdownImmediate:
				f.close()
				return
			case console.WaitForClients:
				p.AwaitClients()
			default:
				stopping = true
				p.Drain(p.Config().ShutdownTimeout)
			}
		case <-p.Stopped():
			endHelpers()
			f.close()
			f.log.Info("pgweir has stopped")
			return
		}
	}
}

// close ends the proxy at once. The figures can be read no longer then.
func (f *frontDesk) close() {
	within(lastTelemetry, f.sent.CloseMetrics)
	f.proxy.Close()
}

// Welcome and Serve are for proxy.Console.

func (f *frontDesk) Welcome(dst []byte, database string) []byte {
	return console.Welcome(dst, database, version)
}

func (f *frontDesk) Serve(conn net.Conn, c proxy.ConsoleClient) error {
	access := func() console.Access {
		switch r := c.Rights(); {
		case r.Admin:
			return console.Admin
		case r.Read:
			return console.Stats
		}
		return console.None
	}
	return console.Serve(conn, console.Client{User: c.User, Database: c.Database, Access: access}, consoleControl{f.proxy, f, c})
}

// consoleControl is for console.Control.
type consoleControl struct {
	*proxy.Proxy
	desk   *frontDesk
	client proxy.ConsoleClient
}

func (c consoleControl) Canceled() <-chan struct{} { return c.client.Cancels }

func (c consoleControl) Issued(command string) {
	c.desk.log.Info("a command on the console", "user", c.client.User, "command", command)
}

func (c consoleControl) Snapshot(d status.Detail) *status.Snapshot {
	s := c.Proxy.Snapshot(d)
	for _, row := range pgbouncer.Shown(c.Config().Settings()) {
		s.PgBouncerConfig = append(s.PgBouncerConfig, status.Setting(row))
	}
	return s
}

func (c consoleControl) Shutdown(mode console.ShutdownMode) error {
	select {
	case c.desk.stop <- stopRequest{mode}:
		return nil
	default:
		return errors.New("already shutting down")
	}
}

// Set changes a setting. On database pgbouncer it may have PgBouncer's name, and a value
// as PgBouncer writes it.
func (c consoleControl) Set(key, value string) error {
	if c.client.Database == "pgbouncer" {
		var err error
		if key, value, err = pgbouncer.Setting(key, value); err != nil {
			return err
		}
	}
	return c.Proxy.Set(key, value)
}

func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func setLevel(v *slog.LevelVar, name string) {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) == nil {
		v.Set(l)
	}
}

// raiseFileLimit asks for as many descriptors as the clients and backends may
// need, and says so if they cannot be had.
func raiseFileLimit(log *slog.Logger, clients int) {
	need := uint64(clients) + 1000
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) != nil || lim.Cur >= need {
		return
	}
	want := lim
	want.Cur = min(need, lim.Max)
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &want) != nil || want.Cur < need {
		log.Warn("fewer file descriptors than max_client_conn may need", "have", want.Cur, "need", need)
	}
}
