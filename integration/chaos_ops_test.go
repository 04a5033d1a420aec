package integration

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// operation is something that befalls pgweir.
type operation struct {
	name string
	do   func(h *chaos, t *testing.T)
}

// gentleOperations have no client notice anything but a wait.
var gentleOperations = []operation{
	{"pause", func(h *chaos, t *testing.T) { h.paused(t, func() { h.hold() }) }},
	{"pause, restart", func(h *chaos, t *testing.T) {
		h.say(t, "PAUSE")
		h.restart(t, cluster.Fast)
		h.say(t, "RESUME")
	}},
	{"pause, reload", func(h *chaos, t *testing.T) { h.paused(t, func() { h.reload(t); h.hold() }) }},
	{"pause, reconnect", func(h *chaos, t *testing.T) { h.paused(t, func() { h.say(t, "RECONNECT"); h.hold() }) }},
	{"pause within", func(h *chaos, t *testing.T) {
		target := h.target()
		if h.try("PAUSE "+target+" WITHIN '2ms'") == nil {
			h.hold()
			h.say(t, "RESUME "+target)
		}
	}},
	{"reconnect", func(h *chaos, t *testing.T) { h.say(t, "RECONNECT "+h.target()) }},
	{"reconnect, wait", func(h *chaos, t *testing.T) { h.say(t, "RECONNECT "+h.target()); h.say(t, "WAIT_CLOSE") }},
	{"reload", func(h *chaos, t *testing.T) { h.reload(t) }},
	{"suspend", func(h *chaos, t *testing.T) { h.say(t, "SUSPEND"); h.hold(); h.say(t, "RESUME") }},
	{"nothing", func(h *chaos, t *testing.T) { h.hold() }},
}

// roughOperations may end whoever has a backend, or is in.
var roughOperations = []operation{
	{"terminate one", func(h *chaos, t *testing.T) { h.terminate(t, "order by random() limit 1") }},
	{"terminate all", func(h *chaos, t *testing.T) { h.terminate(t, "") }},
	{"kill -9", func(h *chaos, t *testing.T) {
		if pids, err := h.pg.BackendPIDs(); err == nil && len(pids) > 0 {
			_ = syscall.Kill(pids[h.random.IntN(len(pids))], syscall.SIGKILL)
		}
	}},
	{"restart", func(h *chaos, t *testing.T) { h.restart(t, cluster.Fast) }},
	{"restart at once", func(h *chaos, t *testing.T) { h.restart(t, cluster.Immediate) }},
	{"away", func(h *chaos, t *testing.T) { h.away(t, func() { h.hold() }) }},
	{"away, pause", func(h *chaos, t *testing.T) { h.away(t, func() { h.paused(t, func() { h.hold() }) }) }},
	{"away, reload", func(h *chaos, t *testing.T) { h.away(t, func() { h.reload(t) }) }},
	{"away, reconnect", func(h *chaos, t *testing.T) { h.away(t, func() { h.say(t, "RECONNECT") }) }},
	{"away, suspend", func(h *chaos, t *testing.T) {
		h.away(t, func() { h.say(t, "SUSPEND"); h.hold(); h.say(t, "RESUME") })
	}},
	{"away, kill", func(h *chaos, t *testing.T) { h.away(t, func() { h.kill(t) }) }},
	{"pause, away", func(h *chaos, t *testing.T) {
		target := h.target()
		h.say(t, "PAUSE "+target)
		h.away(t, func() { h.hold(); h.say(t, "RESUME "+target); h.hold() })
	}},
	{"suspend, terminate", func(h *chaos, t *testing.T) { h.say(t, "SUSPEND"); h.terminate(t, ""); h.hold(); h.say(t, "RESUME") }},
	{"kill", func(h *chaos, t *testing.T) { h.kill(t) }},
	{"disable", func(h *chaos, t *testing.T) {
		target := h.databases[h.random.IntN(3)]
		h.say(t, "DISABLE "+target)
		h.hold()
		h.say(t, "ENABLE "+target)
	}},
	{"reconnect clients", func(h *chaos, t *testing.T) { h.say(t, "RECONNECT_CLIENTS OVER '10ms'") }},
}

// roughStates are operations that leave everything held up.
var roughStates = []operation{
	{"nothing", func(h *chaos, t *testing.T) {}},
	{"paused", func(h *chaos, t *testing.T) { h.say(t, "PAUSE "+h.target()) }},
	{"pausing", func(h *chaos, t *testing.T) {
		go func() { _ = h.try("PAUSE") }()
	}},
	{"killed", func(h *chaos, t *testing.T) { h.say(t, "KILL "+h.target()) }},
	{"suspended", func(h *chaos, t *testing.T) { h.say(t, "SUSPEND") }},
	{"away", func(h *chaos, t *testing.T) { _ = h.pg.Stop(cluster.Fast) }},
	{"away and paused", func(h *chaos, t *testing.T) { _ = h.pg.Stop(cluster.Immediate); h.say(t, "PAUSE") }},
	{"paused and away", func(h *chaos, t *testing.T) { h.say(t, "PAUSE"); _ = h.pg.Stop(cluster.Fast) }},
	{"away and suspended", func(h *chaos, t *testing.T) { _ = h.pg.Stop(cluster.Fast); h.say(t, "SUSPEND") }},
}

// operate does the next operation.
func (h *chaos) operate(t *testing.T) {
	ops := gentleOperations
	if !h.gentle && h.random.IntN(2) == 0 {
		ops = roughOperations
	}
	op := ops[h.random.IntN(len(ops))]
	h.did("%s", op.name)
	op.do(h, t)
	if h.random.IntN(2) == 0 {
		h.hold()
	}
}

// calm ends the chaos.
func (h *chaos) calm(t *testing.T) {
	h.did("calm")
	h.w.Rewrite(t, h.options(0))
	h.say(t, "RELOAD")
}

// hold lasts for some moments.
func (h *chaos) hold() {
	linger(context.Background(), time.Duration(h.random.IntN(60))*time.Millisecond)
}

// target is a database, or all.
func (h *chaos) target() string {
	return append([]string{"", ""}, h.databases...)[h.random.IntN(5)]
}

func (h *chaos) try(command string) error {
	h.did("  %s", command)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	err := runSQL(ctx, h.console, command)
	if err != nil {
		h.did("  %v", worded(err))
	}
	return err
}

func (h *chaos) say(t *testing.T, command string) {
	t.Helper()
	if err := h.try(command); err != nil {
		h.fault("%s: %s; pools: %v", command, worded(err), h.pools())
		h.lost(t)
	}
}

// pools is SHOW POOLS, over another connection.
func (h *chaos) pools() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, h.w.Console())
	if err != nil {
		return err.Error()
	}
	defer conn.Close(ctx)
	var b strings.Builder
	for _, sql := range []string{"show pools", "show servers"} {
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			return err.Error()
		}
		for _, row := range results[0].Rows {
			b.WriteByte('\n')
			for i, f := range results[0].FieldDescriptions {
				if v := string(row[i]); v != "0" && v != "" {
					fmt.Fprintf(&b, "%s=%s ", f.Name, v)
				}
			}
		}
	}
	return b.String()
}

// lost ends the test: the console does not work.
func (h *chaos) lost(t *testing.T) {
	t.Helper()
	for _, op := range h.history {
		t.Log(op)
	}
	t.Fatal(h.faults)
}

func (h *chaos) paused(t *testing.T, during func()) {
	target := h.target()
	h.say(t, "PAUSE "+target)
	during()
	h.say(t, "RESUME "+target)
}

func (h *chaos) reload(t *testing.T) {
	v := h.random.IntN(chaosVariations)
	if h.gentle {
		v = h.random.IntN(chaosGentle)
	}
	h.did("  variation %d", v)
	h.w.Rewrite(t, h.options(v))
	h.say(t, "RELOAD")
}

func (h *chaos) restart(t *testing.T, mode cluster.StopMode) { h.stopped(t, mode, func() {}) }

func (h *chaos) away(t *testing.T, during func()) {
	h.stopped(t, []cluster.StopMode{cluster.Fast, cluster.Immediate}[h.random.IntN(2)], during)
}

func (h *chaos) stopped(t *testing.T, mode cluster.StopMode, during func()) {
	if err := h.pg.Stop(mode); err != nil {
		h.fault("PostgreSQL does not stop: %v", err)
		h.lost(t)
	}
	during()
	if err := h.pg.Restart(); err != nil {
		h.fault("PostgreSQL does not start: %v", err)
		h.lost(t)
	}
}

// kill ends all clients of a database, and has those go on that come again.
func (h *chaos) kill(t *testing.T) {
	target := h.target()
	h.say(t, "KILL "+target)
	h.hold()
	h.say(t, "RESUME "+target)
}

func (h *chaos) terminate(t *testing.T, which string) {
	conn, err := pgx.Connect(t.Context(), h.pg.DSN("postgres"))
	if err != nil {
		return // it recovers from a crash
	}
	defer conn.Close(context.Background())
	_ = runSQL(t.Context(), conn, "select pg_terminate_backend(pid) from pg_stat_activity where usename in ('ann', 'bob') "+which)
}
