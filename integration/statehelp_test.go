package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A scene is what one client, or several in turn, say to PostgreSQL. It is
// played on direct connections first, then through pgweir in transaction mode
// with hardly any backends, and both must read the same. Through pgweir there
// is always a stranger who takes the backends in between, with settings and
// statements of its own under the same names, and, if the scene has one client
// only, a twin who plays the same scene at the same time.
type scene struct {
	name    string
	startup []string // names and values in turn, for every client
	// steps are one client's; acts are those of several. Only one is given.
	steps []step
	acts  []act
	// has are texts that must be in the direct transcript, so that the scene
	// shows what it is meant to show.
	has []string
	// alone: no twin, because what the scene does is seen in the database.
	alone bool
	// loose: notifications may come before or behind the other answers of
	// their step, and are written down behind them.
	loose bool
	// role is whose scene it is; "": the superuser's. superusers: it is for no
	// other.
	role       string
	superusers bool
}

func (s *scene) user() string {
	if s.role == "" {
		return "postgres"
	}
	return s.role
}

// act is a step of one of several clients.
type act struct {
	who int
	step
}

// by makes acts of one client's steps.
func by(who int, steps ...step) (acts []act) {
	for _, s := range steps {
		acts = append(acts, act{who, s})
	}
	return acts
}

func acts(parts ...[]act) (all []act) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// stage is what scenes are played on.
type stage struct {
	schema string // SQL that either database gets
	pool   int    // pool_size
	top    string // further lines of config.toml
	leaks  bool   // some of what the scenes do cannot be foreseen
	chunk  int    // if not 0: what PostgreSQL answers comes to pgweir in pieces of so many bytes
	// asShipped: the scenes are played a second time by an ordinary role, with
	// leak_check as it is shipped.
	asShipped bool
	role      string // "": the superuser
}

// ordinaryRole may make schemas in a test's database, and is a member of the
// roles that scenes become. bareRole is a member of none.
const ordinaryRole, bareRole = "ordinary", "bare"

// stageTop are the settings under test; they are the defaults but for
// leak_check, which asks every backend what was left in it.
const stageTop = "leak_check = 1.0\n"

// inBothSettings runs a test as the superuser with leak_check = 1, and as an
// ordinary role with leak_check as it is shipped.
func inBothSettings(t *testing.T, test func(t *testing.T, opts weirOptions)) {
	t.Helper()
	for name, opts := range map[string]weirOptions{"checked": {Top: stageTop}, "as shipped": {Top: "leak_check = 0.0\n", Role: ordinaryRole}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, opts)
		})
	}
}

// playScenes plays every scene directly and through pgweir.
func playScenes(t *testing.T, on stage, scenes []scene) {
	t.Helper()
	if on.asShipped {
		on.asShipped = false
		t.Run("as shipped", func(t *testing.T) {
			t.Parallel()
			shipped := on
			shipped.role, shipped.top, shipped.leaks = ordinaryRole, on.top+"\nleak_check = 0.0", false
			var left []scene
			for _, s := range scenes {
				if !s.superusers {
					s.role, s.has = ordinaryRole, nil
					left = append(left, s)
				}
			}
			playScenes(t, shipped, left)
		})
	}
	db := createDatabase(t, shared)
	on.ready(t, db)
	direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(shared.Port))
	want := make([]string, len(scenes))
	for i := range scenes {
		s := &scenes[i]
		want[i] = play(t, direct, db, s)
		for _, text := range s.has {
			if !strings.Contains(want[i], text) {
				t.Errorf("%s: the direct transcript has no %q:\n%s", s.name, text, tail(want[i], 3000))
			}
		}
	}
	top := on.top
	if !strings.Contains(top, "leak_check") {
		top += "\n" + stageTop
	}
	opts := weirOptions{Top: top, Database: fmt.Sprintf("pool_size = %d", on.pool)}
	if on.chunk > 0 {
		tap := newTap(t, shared.Port)
		tap.chunk = on.chunk
		opts.Database += fmt.Sprintf("\nport = %d", tap.port)
	}
	opts.Leaks, opts.Role = on.leaks, on.role
	w := startWeir(t, opts)
	execSQL(t, w.Direct(), on.schema+";")
	for i := range scenes {
		s := &scenes[i]
		t.Run(s.name, func(t *testing.T) {
			other := newStranger(t, w)
			for _, got := range playThrough(t, w, s, other) {
				if got, want := reportsSorted(got), reportsSorted(want[i]); got != want {
					t.Errorf("differs behind\n%s", differing(want, got))
				}
			}
		})
	}
}

// ready makes the schema in a database; it belongs to the role.
func (on *stage) ready(t *testing.T, db string) {
	t.Helper()
	user := on.role
	if user == "" {
		user = "postgres"
	} else {
		execSQL(t, dsn(shared.Port, db), "grant create on database "+db+" to "+user+"; grant create on schema public to "+user)
	}
	execSQL(t, dsn(shared.Port, db, "user="+user), on.schema+";")
}

// player is a client of a scene.
type player struct {
	transcriber
	status byte // of the last ReadyForQuery; 0 while answers are due
	at     int  // the next step
	loose  bool // of the scene
	gone   bool // the connection was closed
}

// stepDeadline is how long one step of a scene may take.
const stepDeadline = 2 * patience

func enter(t *testing.T, addr, db string, s *scene) *player {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(stepDeadline)); err != nil {
		t.Fatal(err)
	}
	p := &player{transcriber: transcriber{conn: conn, in: conn}, status: 'I', loose: s.loose}
	startup := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": s.user(), "database": db}}
	for i := 0; i < len(s.startup); i += 2 {
		startup.Parameters[s.startup[i]] = s.startup[i+1]
	}
	p.gone = !p.login(t, startup)
	return p
}

// do takes one step.
func (p *player) do(t *testing.T, st step) {
	t.Helper()
	p.at++
	if p.gone {
		return
	}
	fmt.Fprintf(&p.out, "-- step %d\n", p.at)
	if err := p.conn.SetDeadline(time.Now().Add(stepDeadline)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		p.send(t, st.say)
	}()
	defer func() { <-sent }()
	if len(st.say) > 0 {
		p.status = 0
	}
	until := st.until
	var heard [][]byte // notifications, if they are written down at the end
	heards := 0        // how many are waited for
	if p.loose {
		heards = strings.Count(until, "A")
		until = strings.ReplaceAll(until, "A", "")
	}
	for until != "" || len(heard) < heards {
		typ, body, ok := p.read(t)
		if !ok {
			p.gone, p.status = true, 'I'
			return
		}
		if typ == 'A' && p.loose {
			heard = append(heard, body)
			continue
		}
		switch typ {
		case 'E', 'N':
			body = withoutPlace(body)
		case 'T', 't':
			body = withoutOwnTypes(typ, body)
		case 'Z':
			p.status = body[0]
			if until != "Z" {
				p.status = 0
			}
		}
		p.write(typ, body)
		if until != "" && typ == until[0] {
			until = until[1:]
		}
	}
	for _, body := range heard {
		p.write('A', body)
	}
}

// free tells whether the client has nothing that keeps a backend, but for a pin.
func (p *player) free() bool { return p.status == 'I' }

// withoutPlace drops the place in the server's source from an error or notice:
// those that pgweir gives itself cannot have it.
func withoutPlace(body []byte) []byte {
	var kept []string
	for _, f := range strings.Split(string(body), "\x00") {
		if f != "" && !strings.ContainsRune("FLR", rune(f[0])) {
			kept = append(kept, f)
		}
	}
	return []byte(strings.Join(kept, "\x00"))
}

// withoutOwnTypes blanks the types that the scene itself has made, whose ids
// differ from database to database, in a RowDescription or a
// ParameterDescription (int16 parameters, each an int32 type).
func withoutOwnTypes(typ byte, body []byte) []byte {
	const firstNormalObjectID = 16384
	out := slices.Clone(body)
	for pos := 2; pos < len(out); {
		at := pos
		if typ == 'T' {
			pos += slices.Index(out[pos:], 0) + 1
			at = pos + 6
			pos += 18
		} else {
			pos += 4
		}
		if binary.BigEndian.Uint32(out[at:]) >= firstNormalObjectID {
			clear(out[at : at+4])
		}
	}
	return out
}

// play plays a scene on direct connections.
func play(t *testing.T, addr, db string, s *scene) string {
	t.Helper()
	if s.acts == nil {
		p := enter(t, addr, db, s)
		for _, st := range s.steps {
			p.do(t, st)
		}
		_ = p.conn.Close()
		return p.out.String()
	}
	return playActs(t, addr, db, s, func(bool) {})
}

// playActs plays a scene of several clients; each client's transcript follows
// the other's. between is told whether none of them holds a backend.
func playActs(t *testing.T, addr, db string, s *scene, between func(free bool)) string {
	t.Helper()
	var players []*player
	for _, a := range s.acts {
		for a.who >= len(players) {
			players = append(players, enter(t, addr, db, s))
		}
		players[a.who].do(t, a.step)
		free := true
		for _, p := range players {
			free = free && p.free()
		}
		between(free)
	}
	var all strings.Builder
	for i, p := range players {
		fmt.Fprintf(&all, "-- client %d\n%s", i, p.out.String())
		_ = p.conn.Close()
	}
	return all.String()
}

// playThrough plays a scene through pgweir and gives a transcript, or two.
func playThrough(t *testing.T, w *weir, s *scene, other *stranger) []string {
	t.Helper()
	if s.acts != nil {
		return []string{playActs(t, w.Addr(), w.DB, s, func(free bool) {
			if free {
				other.interfere(t)
			}
		})}
	}
	players := []*player{enter(t, w.Addr(), w.DB, s)}
	if !s.alone {
		players = append(players, enter(t, w.Addr(), w.DB, s))
	}
	defer func() {
		if t.Failed() {
			for i, p := range players {
				t.Logf("client %d has taken %d of %d steps; its status is %q", i, p.at, len(s.steps), p.status)
			}
		}
	}()
	for ended := 0; ended < len(players); {
		ended = 0
		for _, p := range players {
			other.interfere(t)
			// With one backend the others can do nothing while this one is
			// within a transaction.
			for first := true; p.at < len(s.steps) && (first || !p.free()); first = false {
				p.do(t, s.steps[p.at])
			}
			if p.at == len(s.steps) {
				ended++
			}
		}
	}
	var transcripts []string
	for _, p := range players {
		_ = p.conn.Close()
		transcripts = append(transcripts, p.out.String())
	}
	other.interfere(t)
	return transcripts
}

// stranger is a client that must neither see nor disturb any other.
type stranger struct {
	c     *rawConn
	role  string
	times int
}

// strangersView is what a session can see of the state in it.
const strangersView = `select concat_ws('|', current_setting('work_mem'), current_setting('search_path'), current_setting('statement_timeout'),
	current_setting('TimeZone'), current_setting('DateStyle'), current_setting('default_transaction_read_only'),
	current_user, session_user, coalesce(current_setting('my.var', true), ''),
	(select count(*) from pg_catalog.pg_cursors where is_holdable),
	(select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()),
	(select count(*) from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema()),
	(select count(*) from pg_catalog.pg_prepared_statements where from_sql))`

// strangersWant is what the stranger, who has set work_mem and search_path, is to see.
// Twice ROLE is its role.
const strangersWant = `5MB|pg_catalog, public|0|Asia/Tokyo|German, DMY|off|ROLE|ROLE||0|0|0|0`

func newStranger(t *testing.T, w *weir) *stranger {
	t.Helper()
	s := &stranger{role: w.Role(), c: rawLogin(t, w.Addr(), w.Role(), w.DB, "application_name", "stranger", "TimeZone", "Asia/Tokyo", "DateStyle", "German, DMY")}
	t.Cleanup(func() { _ = s.c.net.Close() })
	s.settle(t)
	return s
}

// settle makes the stranger's own state.
func (s *stranger) settle(t *testing.T) {
	t.Helper()
	s.say(t, "", query("set work_mem = '5MB'; set search_path = pg_catalog, public"))
	s.say(t, "", parse("a", "select 'stranger a', $1::int"), parse("p", "select 'stranger p'"), sync_)
}

// interfere uses the stranger's state, and looks for anybody else's. Now and
// then it throws its own away and makes it anew.
func (s *stranger) interfere(t *testing.T) {
	t.Helper()
	s.times++
	if s.times%5 == 0 {
		s.say(t, "", query("discard all"))
		s.say(t, "26000", bind("a", "7"), execute("", 0), sync_)
		s.settle(t)
	}
	s.say(t, "stranger a 7 stranger p", bind("a", "7"), execute("", 0), bind("p"), execute("", 0), sync_)
	s.say(t, "unnamed 8", parse("", "select 'unnamed', $1::int"), bind("", "8"), execute("", 0), sync_)
	s.say(t, strings.ReplaceAll(strangersWant, "ROLE", s.role), query(strangersView))
}

func (s *stranger) say(t *testing.T, want string, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	s.c.Say(t, messages...)
	if got := s.c.until(t, 'Z'); got != want {
		t.Errorf("the stranger got %q, want %q", got, want)
	}
}

func closeStatement(name string) *pgproto3.Close { return &pgproto3.Close{ObjectType: 'S', Name: name} }
func closePortal(name string) *pgproto3.Close    { return &pgproto3.Close{ObjectType: 'P', Name: name} }

// typed is a Parse with types of parameters.
func typed(name, text string, types ...uint32) *pgproto3.Parse {
	return &pgproto3.Parse{Name: name, Query: text, ParameterOIDs: types}
}

// run binds and executes a named statement as libpq does.
func runs(name string, params ...string) []pgproto3.FrontendMessage {
	return say(bind(name, params...), describe('P', ""), execute("", 0))
}

// synced is a step of messages with a Sync behind them.
func synced(parts ...[]pgproto3.FrontendMessage) step {
	return talk(append(join(parts...), sync_)...)
}

// many are steps in a row.
func many(parts ...[]step) (all []step) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// reportsSorted has the ParameterStatus messages that come together in the order
// of their names: in which order several come is PostgreSQL's own affair, and
// differs with what the backend has been through.
func reportsSorted(transcript string) string {
	lines := strings.Split(transcript, "\n")
	for i := 0; i < len(lines); i++ {
		n := i
		for n < len(lines) && strings.HasPrefix(lines[n], `S "`) {
			n++
		}
		slices.Sort(lines[i:n])
		i = max(i, n-1)
	}
	return strings.Join(lines, "\n")
}
