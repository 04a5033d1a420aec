package census

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/asking"
	"pgweir/health"
	"pgweir/passwords"
	"pgweir/proctable"
	"pgweir/status"
)

// Target is a server to be read.
type Target struct {
	Host          string // as status.CensusServer.Host
	Network, Addr string // as net.Dial takes them
	ConnString    string // libpq's keywords or URL; "": nobody may ask
	// Passwords are those that the user may have just now, asked for at each login;
	// nil for the one in ConnString. A new one does not end the connection.
	Passwords func() passwords.List
	// Encryption is how its connections are encrypted; nil for as ConnString says.
	Encryption Encryption
	// Dial is how it is connected to; nil for as the system does.
	Dial asking.Dial
	// Seeds are process ids of backends of ours there, to find the postmaster
	// by if nobody may ask; nil if there are none, as when the server is not
	// on this machine.
	Seeds func() []int
}

// Encryption says how the connections of a login are encrypted. Values must be
// comparable: a server with another one is read anew.
type Encryption interface{ Apply(*pgx.ConnConfig) error }

// Ours tells which backends are this pgweir's just now, of all servers.
type Ours func() []status.Backend

// Options of a Reader.
type Options struct {
	// AllMemory measures the memory of every process at every reading,
	// whatever it costs; otherwise there is a bound on the time that goes into
	// it, and what is shown may be some readings old.
	AllMemory bool
}

// limitsEvery is how old the limits of the configuration may be.
const limitsEvery = time.Minute

// maxSeeds is how many seeds are looked at.
const maxSeeds = 3

// Reader reads one server, again and again. It keeps one connection there. It
// is not for several goroutines at a time.
type Reader struct {
	target Target
	line   line
	facts  facts     // as last told, with the limits
	asked  time.Time // when the limits were told
	table  *table    // nil: not of this machine, or not found yet
	out    bool      // it was looked for on this machine, and is not there
	memory budget
	// backend is our own, in the table; zero if the table was not found by it.
	backend proctable.Process
}

// NewReader makes a reader; nothing is opened before the first Read.
func NewReader(target Target, opts Options) *Reader {
	return &Reader{target: target, line: line{connString: target.ConnString, passwords: target.Passwords, encryption: target.Encryption, dial: target.Dial}, memory: budget{unlimited: opts.AllMemory}}
}

// Close gives the connection back.
func (r *Reader) Close() { r.line.close() }

// answer is what the server has said in one reading.
type answer struct {
	rows    []row
	blocked []health.Blocked
}

// Read reads the server once. It returns within seconds, whatever the server
// does: what could not be read is unknown, and Evidence.Err says why.
func (r *Reader) Read(ctx context.Context, ours Ours) health.Evidence {
	e := health.Evidence{Asked: r.target.ConnString != ""}
	var a *answer
	if e.Asked {
		a, e.Err = r.ask(ctx)
		e.Code = asking.SQLState(e.Err)
	}
	if a != nil {
		e.Reaches = true
		r.locateByBackend(a)
	} else {
		e.Reaches = r.knock(ctx, e.Code != "")
	}
	now := time.Now()
	asked := a.pids()
	if r.table != nil {
		if err := r.table.read(now, asked); err != nil {
			r.table = nil // it cannot be read any more
		}
	}
	if t := r.table; t != nil {
		t.learn(a)
		e.OSStates = map[int]byte{}
		for pid, p := range t.entries {
			e.OSStates[pid] = p.State
		}
		if t.alive {
			e.OSStates[t.own.PID] = t.own.State
		}
	}
	e.Census = r.census(now, a, r.oursHere(ours), e.Reaches)
	r.explain(&e, a)
	return e
}

func (a *answer) pids() []int {
	if a == nil {
		return nil
	}
	pids := make([]int, len(a.rows))
	for i := range a.rows {
		pids[i] = a.rows[i].pid
	}
	return pids
}

// ask puts the questions. A connection that was kept from the last reading may
// have died with the server, or been closed by it: then there is one more try.
func (r *Reader) ask(ctx context.Context) (*answer, error) {
	for {
		reused, err := r.line.open(ctx)
		if err != nil {
			return nil, err
		}
		a, err := r.question(ctx)
		if err == nil {
			return a, nil
		}
		r.line.close()
		if !reused || ctx.Err() != nil || isTimeout(err) {
			return nil, asking.Shortened(err)
		}
	}
}

func (r *Reader) question(ctx context.Context) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn := r.line.conn
	f, rows, err := ask(ctx, conn)
	if err != nil {
		return nil, err
	}
	a := &answer{rows: rows}
	if slices.ContainsFunc(rows, func(p row) bool { return p.waitType == "Lock" }) {
		if a.blocked, err = askLocks(ctx, conn); err != nil {
			return nil, err
		}
	}
	old := r.facts
	f.max, f.superuser, f.reserve, f.roles, f.databases = old.max, old.superuser, old.reserve, old.roles, old.databases
	if f.max == 0 || !f.started.Equal(old.started) || time.Since(r.asked) >= limitsEvery {
		if err := askLimits(ctx, conn, &f); err != nil {
			return nil, err
		}
		r.asked = time.Now()
	}
	r.facts = f
	return a, nil
}

// locateByBackend makes sure that the table is that of the server that has
// just answered. That is found out once for each connection: later the clock
// may have been set.
func (r *Reader) locateByBackend(a *answer) {
	conn := r.line.conn
	if t := r.table; t != nil && r.backend.PID == r.facts.pid && r.backend.Parent == t.postmaster.PID && t.lives() {
		if p, err := proctable.Read(r.backend.PID); err == nil && same(p, r.backend) {
			return
		}
	}
	r.backend = proctable.Process{}
	i := slices.IndexFunc(a.rows, func(p row) bool { return p.pid == r.facts.pid })
	if i < 0 || !isHere(conn.PgConn().Conn().RemoteAddr()) {
		r.table, r.out = nil, true
		return
	}
	backend, pm, ok := byBackend(self{
		pid: r.facts.pid, user: conn.Config().User, database: r.facts.database,
		port: portOf(conn.PgConn().Conn().LocalAddr()), began: a.rows[i].begun, cluster: r.facts.cluster,
	})
	if !ok {
		r.table, r.out = nil, true
		return
	}
	if r.table == nil || !same(r.table.postmaster, pm) {
		r.table = newTable(pm, &r.memory)
	}
	r.backend, r.table.cluster = backend, r.facts.cluster
}

// knock tells whether the port or socket accepts a connection, and looks for
// the postmaster without the server's help unless one is known that lives.
// answered: the server has refused us, so it is there.
func (r *Reader) knock(ctx context.Context, answered bool) bool {
	dial := r.target.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, asking.ConnectTimeout)
	defer cancel()
	conn, err := dial(ctx, r.target.Network, r.target.Addr)
	if err == nil {
		defer conn.Close()
	}
	if t := r.table; t == nil || !t.lives() {
		if err == nil {
			r.seek(conn)
		}
	}
	return answered || err == nil
}

// seek looks for the postmaster behind a connection. Without a process to find it by,
// nobody knows where it is.
func (r *Reader) seek(conn net.Conn) {
	if !isHere(conn.RemoteAddr()) {
		r.out = true
		return
	}
	pm, ok := byPeer(conn)
	if !ok {
		seeds := r.seeds()
		pm, ok = bySeeds(seeds)
		r.out = len(seeds) > 0
	}
	if ok {
		r.table = newTable(pm, &r.memory)
		r.facts = facts{} // they were another server's, or this one's before it began anew
	}
}

// whereabouts are what has been found out by now.
func (r *Reader) whereabouts() status.Whereabouts {
	switch {
	case r.table != nil:
		return status.Here
	case r.out:
		return status.Elsewhere
	}
	return status.Unlocated
}

func (r *Reader) seeds() []int {
	if r.target.Seeds == nil {
		return nil
	}
	pids := r.target.Seeds()
	return pids[:min(len(pids), maxSeeds)]
}

// oursHere are our backends at this server, by pid.
func (r *Reader) oursHere(ours Ours) map[int]status.Backend {
	here := map[int]status.Backend{}
	if ours == nil {
		return here
	}
	for _, b := range ours() {
		if b.Host == r.target.Host {
			here[b.PID] = b
		}
	}
	return here
}
