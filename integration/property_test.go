package integration

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// propertySeeds are always run, and one more that nobody has chosen.
var propertySeeds = []uint64{1, 2, 3}

// TestRandomProgramsReadTheSameWithAndWithoutPgweir gives many clients of three
// roles random programs that make, use and end session state of every kind, and
// change what their own functions, views and triggers do. Each program is run on
// a direct connection; then all of them at once through pgweir on few backends,
// with leak_check = 1 and as it is shipped.
// What a client is answered must be the same: it never loses its own state, and
// never sees another's, whose values bear the other's number.
//
// PGWEIR_TEST_SEED repeats a run.
func TestRandomProgramsReadTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	seeds := append([]uint64{uint64(time.Now().UnixNano())}, propertySeeds...)
	if s := os.Getenv("PGWEIR_TEST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for i, seed := range seeds {
		name := fmt.Sprint("seed ", seed)
		if i == 0 {
			name = "any seed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("PGWEIR_TEST_SEED=%d", seed)
			runRandomPrograms(t, seed)
		})
	}
}

// propertyRoles are the clients' in turn: the superuser, one that may become
// others, and one that may not.
var propertyRoles = []string{"postgres", ordinaryRole, bareRole}

const propertyClients, propertySteps = 15, 120

func runRandomPrograms(t *testing.T, seed uint64) {
	programs := make([]errandProgram, propertyClients)
	for i := range programs {
		programs[i] = randomProgram(rand.New(rand.NewPCG(seed, uint64(i))), i, propertySteps)
	}
	var (
		answers = make([][]string, propertyClients)
		db      = createDatabase(t, shared)
		failed  = make([]error, propertyClients)
	)
	readyForPrograms(t, db)
	direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(shared.Port))
	runAll := func(addr, db string, check func(client, step int, answer string) error) {
		var all sync.WaitGroup
		for i, p := range programs {
			all.Go(func() {
				failed[i] = runProgram(addr, db, propertyRoles[i%len(propertyRoles)], p, func(n int, a string) error { return check(i, n, a) })
			})
		}
		all.Wait()
		for i, err := range failed {
			if err != nil {
				t.Errorf("seed %d, client %d: %v", seed, i, err)
			}
		}
	}
	runAll(direct, db, func(client, _ int, answer string) error {
		answers[client] = append(answers[client], answer)
		return nil
	})
	if t.Failed() {
		return
	}
	for _, leakCheck := range []string{"1.0", "0.0"} {
		w := startWeir(t, weirOptions{
			Top:      "leak_check = " + leakCheck + "\nmax_prepared_statements = 5",
			Database: fmt.Sprintf("pool_size = %d", propertyClients/len(propertyRoles)+1),
			Tables:   "[users." + strings.Join(propertyRoles, "]\n[users.") + "]\n",
			Leaks:    true,
		})
		readyForPrograms(t, w.DB)
		runAll(w.Addr(), w.DB, func(client, step int, answer string) error {
			want := answers[client][step]
			if answer == want {
				return nil
			}
			return fmt.Errorf("with leak_check %s, step %d differs%s\n%s", leakCheck, step, programs[client].before(step), differing(want, answer))
		})
	}
}

// readyForPrograms makes in a database what the programs find: for each client
// two functions, of which one calls the other, a view and a table with a trigger
// that come to them. All belong to the client's role.
func readyForPrograms(t *testing.T, db string) {
	t.Helper()
	execSQL(t, dsn(shared.Port, db), "grant create on schema public to public; "+propertySchema)
	for i := range propertyClients {
		execSQL(t, dsn(shared.Port, db, "user="+propertyRoles[i%len(propertyRoles)]), strings.ReplaceAll(propertyOwn, "NN", fmt.Sprint(i)))
	}
}

// propertyOwn is what a client has of its own; NN is its number.
const propertyOwn = `
create function public.inner_NN(text) returns text language plpgsql as $$ begin return 'nothing'; end $$;
create function public.outer_NN(text) returns text language sql as $$ select public.inner_NN($1) $$;
create view public.view_NN as select public.outer_NN('8MB') as a;
create table public.table_NN (a text default 'x', b int check (b < 1000));
create function public.fires_NN() returns trigger language plpgsql as $$ begin perform public.outer_NN(new.a); return new; end $$;
create trigger fires before insert on public.table_NN for each row execute function public.fires_NN()`

// unplanned is $1 as an integer whose value PostgreSQL does not look at before
// the statement runs: when it plans a statement anew is not the client's alone
// (docs/limits.md).
const unplanned = "($1::int + 0 * random())::int"

type errandProgram []errandStep

// before is the last steps up to one.
func (p errandProgram) before(step int) string {
	var b strings.Builder
	for i := max(0, step-25); i <= step; i++ {
		fmt.Fprintf(&b, "\n  %3d %s", i, p[i].text)
	}
	return b.String()
}

const propertySchema = `
create function sets(text) returns text language plpgsql as $$ begin return set_config('work_mem', $1, false); end $$;
create function keeps(text) returns text language plpgsql set work_mem = '3MB' as $$ begin perform set_config('my.one', $1, false); return current_setting('work_mem'); end $$;
create function locks(bigint) returns boolean language plpgsql as $$ begin return pg_try_advisory_lock($1); end $$`

// propertyView shows all state that a session can have.
const propertyView = `select session_user, current_setting('default_transaction_read_only'), current_setting('work_mem'), current_setting('search_path'), current_setting('statement_timeout'), current_setting('TimeZone'), current_setting('DateStyle'),
	current_user, coalesce(current_setting('my.one', true), ''), coalesce(current_setting('my.two', true), ''),
	(select string_agg(name, ',' order by name) from pg_catalog.pg_cursors where is_holdable),
	(select string_agg(objid::text, ',' order by objid) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()),
	(select string_agg(relname, ',' order by relname) from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema() and relkind = 'r'),
	(select string_agg(name, ',' order by name) from pg_catalog.pg_prepared_statements where from_sql)`

// errandStep is messages and how they read.
type errandStep struct {
	text string
	say  []pgproto3.FrontendMessage
}

// randomProgram ends outside of a block with nothing undone.
func randomProgram(r *rand.Rand, client, steps int) (program errandProgram) {
	view := func() { program = append(program, errandStep{"(view)", say(query(propertyView))}) }
	simple := func(text string) { program = append(program, errandStep{text, say(query(text))}) }
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	value := func() string { return fmt.Sprintf("client %d, %d", client, r.IntN(100)) }
	lock := func() string { return fmt.Sprint(client*100 + r.IntN(3)) }
	setting := func() (name, val string) {
		switch name = pick("work_mem", "search_path", "statement_timeout", "timezone", "datestyle", "my.one", "my.two", "role"); name {
		case "work_mem":
			return name, fmt.Sprint(5+r.IntN(20), "MB")
		case "statement_timeout":
			return name, fmt.Sprint(100+r.IntN(20), "s")
		case "search_path":
			return name, pick("pg_catalog", "public", "nowhere")
		case "timezone":
			return name, pick("Asia/Tokyo", "America/Lima", "UTC", "Mars")
		case "datestyle":
			return name, pick("German", "SQL, DMY", "ISO")
		case "role":
			return name, pick("pg_monitor", "pg_read_all_data", "none")
		}
		return name, value()
	}
	texts := []string{"select $1::int + 1", "select current_setting('work_mem') || $1", "select count(*) from mine where a = $1::int", "select 10 / " + unplanned, "select set_config('my.one', $1, false)", "selec $1", "select generate_series(1, $1::int + 2)"}
	own := func(text string) string { return strings.ReplaceAll(text, "NN", fmt.Sprint(client)) }
	texts = append(texts, own("select public.outer_NN($1)"), own("insert into public.table_NN values ($1) returning a"), own("select a || $1 from public.view_NN"))
	for range steps {
		if r.IntN(5) == 0 {
			simple(own(hiddenStep(r, pick)))
			continue
		}
		switch n := r.IntN(125); {
		case n < 12:
			name, v := setting()
			simple("set " + pick("", "", "session ", "local ") + name + " = '" + v + "'")
		case n < 16:
			name, _ := setting()
			simple(pick("reset "+name, "set "+name+" to default", "reset all"))
		case n < 20:
			name, v := setting()
			simple("select set_config('" + name + "', '" + v + "', " + pick("true", "false", "false") + ")")
		case n < 23:
			v := fmt.Sprint(5+r.IntN(20), "MB")
			simple(pick("select public.sets('"+v+"')", "do $$ begin set work_mem = '"+v+"'; end $$", "do $$ begin perform set_config('work_mem', '"+v+"', false); raise exception 'undone'; end $$"))
		case n < 31:
			name, text := pick("a", "b", "c"), texts[r.IntN(len(texts))]
			program = append(program, errandStep{"Parse " + name + ": " + text, say(parse(name, text), describe('S', name), sync_)})
		case n < 43:
			name, v := pick("a", "b", "c"), fmt.Sprint(r.IntN(3))
			program = append(program, errandStep{"Bind " + name + " " + v, append(runs(name, v), sync_)})
		case n < 46:
			name := pick("a", "b", "c")
			program = append(program, errandStep{"Close " + name, say(closeStatement(name), sync_)})
		case n < 50:
			one, two, text := pick("a", "b"), pick("b", "c"), texts[r.IntN(len(texts))]
			program = append(program, errandStep{"pipeline: Bind " + one + ", Close " + two + ", Parse " + two + ": " + text + ", Bind " + two,
				join(runs(one, "1"), say(closeStatement(two), parse(two, text)), runs(two, "2"), say(sync_))})
		case n < 56:
			simple(pick("prepare p as select "+fmt.Sprint(client), "execute p", "deallocate p", "deallocate all", "deallocate "+pick("a", "b", "c"), "execute "+pick("a", "b")+"(1)", "prepare a as select 'sql'"))
		case n < 62:
			simple(pick("select pg_try_advisory_lock("+lock()+")", "select pg_advisory_unlock("+lock()+")", "select pg_advisory_xact_lock("+lock()+")", "select public.locks("+lock()+")", "select pg_advisory_unlock_all()"))
		case n < 69:
			simple(pick("create temp table mine (a int)", "drop table mine", "insert into mine values (1), (2)", "select count(*) from mine", "create temp table other (a int) on commit drop", "drop table if exists mine"))
		case n < 73:
			simple(pick("declare c cursor with hold for select generate_series(1, 5)", "fetch 2 from c", "close c", "close all"))
		case n < 76:
			channel := fmt.Sprintf("channel_%d", client)
			simple(pick("listen "+channel, "notify "+channel+", '"+value()+"'", "unlisten "+channel, "unlisten *"))
		case n < 78:
			text := pick("select $1::int + 1", "execute a(1)", "execute b(2)", "deallocate a")
			program = append(program, errandStep{"Parse unnamed: " + text, say(parse("", text), sync_)})
		case n < 80:
			program = append(program, errandStep{"Bind unnamed", join(runs("", strings.Fields(pick("1", ""))...), say(sync_))})
		case n < 88:
			simple(pick("begin", "begin", "begin", "commit", "commit", "rollback", "savepoint s", "rollback to s", "release s", "select 1/0", "commit and chain", "begin; savepoint s; set my.two = '"+value()+"'; rollback to s; commit"))
		case n < 90:
			simple(pick("discard all", "discard plans", "discard temp", "discard sequences"))
		case n < 95:
			mem := fmt.Sprint(5+r.IntN(20), "MB")
			simple(pick("select 1; select 1/0; select 2", "set my.one = '"+value()+"'; select 1/0", "begin; set my.one = '"+value()+"'; select 1/0; commit",
				"set work_mem = '"+mem+"'; reset work_mem; show work_mem", "set local work_mem = '"+mem+"'; show work_mem", "begin; set local work_mem = '"+mem+"'; commit; show work_mem",
				"create temp table mine (a int); insert into mine values (5); select * from mine", "prepare p as select 1; execute p; deallocate p",
				"deallocate a; prepare a as select 'sql'; execute a", "deallocate all; prepare a as select 'sql'", "execute a(1); execute b(2)", "select 1; listen channel_"+fmt.Sprint(client)+"; select 1/0", ";"))
		case n < 99:
			name, what := pick("a", "b"), pick("p", "q")
			program = append(program, errandStep{"portal " + what + " of " + name, say(&pgproto3.Bind{DestinationPortal: what, PreparedStatement: name, Parameters: [][]byte{[]byte("1")}}, execute(what, 2), sync_)})
		case n < 102:
			what := pick("p", "q")
			program = append(program, errandStep{"fetch of portal " + what, say(describe('P', what), execute(what, 1), sync_)},
				errandStep{"close of portal " + what, say(closePortal(what), sync_)})
		case n < 104:
			program = append(program, errandStep{"copy", say(query("copy mine from stdin"), data("1\n2\n"), []pgproto3.FrontendMessage{done, &pgproto3.CopyFail{Message: "no"}}[r.IntN(2)])})
		case n < 106:
			program = append(program, errandStep{"copy, extended",
				say(closeStatement("copy"), parse("copy", "copy mine from stdin"), bind("copy"), describe('P', ""), execute("", 0), data("1\n"+pick("", "x\n")), done, sync_)})
		case n < 109:
			simple(pick("select public.keeps('"+value()+"')", "set session authorization default", "set session authorization pg_monitor", "set transaction isolation level serializable",
				"set session characteristics as transaction read only", "set session characteristics as transaction read write", "begin read only", "begin isolation level serializable",
				"set time zone interval '+02:00' hour to minute", "set names 'UTF8'", "show transaction_isolation", "copy mine to stdout", "declare d cursor for select generate_series(1, 3)", "fetch d"))
		case n < 113:
			one, two := pick("a", "b", "c"), pick("a", "b", "c")
			program = append(program, errandStep{"pipeline of three: Bind " + one + ", failure, Bind " + two,
				join(runs(one, "1"), say(sync_), extended("select 1/0"), runs(two, "2"), say(sync_), runs(two, "3"), say(sync_))})
		case n < 117:
			one, two := pick("begin", "commit", "execute a(1)", "set my.one = '"+value()+"'", "select 1/0", "listen channel_"+fmt.Sprint(client)), pick("deallocate a", "rollback", "execute b(1)", "select set_config('my.two', '"+value()+"', false)", "discard all", "prepare p as select 1")
			program = append(program, errandStep{"two queries: " + one + " | " + two, say(query(one), query(two))})
		case n < 120:
			name, text := pick("a", "b"), texts[r.IntN(len(texts))]
			program = append(program, errandStep{"Parse " + name + " that waits: " + text, say(parse(name, text), sync_, query(pick("execute "+name+"(1)", "deallocate "+name, "select 1")), bind(name, "1"), execute("", 0), sync_)})
		default:
			view()
		}
	}
	simple("rollback")
	simple("set session authorization default")
	view()
	simple("discard all")
	view()
	return program
}

// hiddenStep is a statement whose text does not show what it leaves behind, or
// one that changes what such a statement does. NN is the client's number.
func hiddenStep(r *rand.Rand, pick func(...string) string) string {
	value := fmt.Sprint(5+r.IntN(20), "MB")
	call := pick("select public.outer_NN('"+value+"')", "select * from public.view_NN", "insert into public.table_NN values ('"+value+"', 1)", "do $$ begin perform public.outer_NN('"+value+"'); end $$",
		"insert into public.table_NN values ('"+value+"', 1000)", "update public.table_NN set a = public.outer_NN(a) where false", "copy (select * from public.view_NN) to stdout")
	change := "create or replace function public.inner_NN(text) returns text language plpgsql as $f$ begin " + pick(
		"return 'nothing'", "return set_config('work_mem', $1, false)", "return set_config('work_mem', $1, true)", "return public.sets($1)", "return pg_try_advisory_lock(NN01)::text", "return pg_advisory_unlock(NN01)::text",
		"return set_config('my.one', $1, false)", "return set_config('my.two', 'client NN', false)", "return set_config('my.' || 'one', $1, false)", "perform set_config('my.one', $1, true); return public.keeps($1)",
		"create temp table if not exists mine (a int); return 'a table'", "return set_config('statement_timeout', '99s', false)", "execute 'set ' || 'statement_timeout = 98000'; return 'executed'", "return 1 / 0") + "; end $f$"
	switch r.IntN(10) {
	case 0, 1, 2:
		return change
	case 3:
		return pick("alter table public.table_NN disable trigger fires", "alter table public.table_NN enable trigger fires", "alter table public.table_NN alter a set default public.outer_NN('7MB')", "alter table public.table_NN alter a set default 'x'",
			"create or replace view public.view_NN as select public.outer_NN('9MB') as a", "create or replace view public.view_NN as select 'nothing'::text as a", "insert into public.table_NN default values")
	case 4:
		return change + "; " + call
	case 5:
		return "begin; savepoint s; " + call + "; " + pick("rollback to s", "release s") + "; commit"
	}
	return call
}

// runProgram runs a program and hands on the answer to each of its steps.
func runProgram(addr, db, role string, p errandProgram, check func(step int, answer string) error) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	login, err := talkOnce(conn, r, 0, say(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": role, "database": db}}))
	if err != nil {
		return err
	}
	for i, s := range p {
		answer, err := talkOnce(conn, r, login.self, s.say)
		if err != nil {
			return fmt.Errorf("step %d%s\n%w", i, p.before(i), err)
		}
		if err := check(i, reportsSorted(answer.text)); err != nil {
			return err
		}
	}
	return nil
}

type answer struct {
	text string
	self uint32 // of BackendKeyData
}

// varying is what differs from connection to connection: the name of the
// temporary schema, and the schema of a PL/pgSQL function in a CONTEXT, which a
// backend names or not as it seemed right when it compiled the function.
var varying = regexp.MustCompile(`pg_temp_\d+|PL/pgSQL function public\.`)

// talkOnce sends messages and reads up to the last ReadyForQuery.
func talkOnce(conn net.Conn, r *bufio.Reader, self uint32, messages []pgproto3.FrontendMessage) (a answer, err error) {
	var b []byte
	for _, m := range messages {
		if b, err = m.Encode(b); err != nil {
			return a, err
		}
	}
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return a, err
	}
	if _, err := conn.Write(b); err != nil {
		return a, err
	}
	ends := 0
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.StartupMessage:
			ends++
		}
	}
	tr := transcriber{self: self}
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return a, fmt.Errorf("%w; before that:\n%s", err, tr.out.String())
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n < 4 || n > maxAnswer {
			return a, fmt.Errorf("a message of type %q and length %d", head[0], n)
		}
		body := make([]byte, n-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return a, err
		}
		switch head[0] {
		case 'K':
			a.self = binary.BigEndian.Uint32(body)
			continue
		case 'E', 'N':
			body = withoutPlace(body)
		}
		tr.write(head[0], body)
		if head[0] != 'Z' {
			continue
		}
		if ends--; ends == 0 {
			a.text = varying.ReplaceAllStringFunc(tr.out.String(), func(s string) string {
				return strings.TrimSuffix(strings.TrimRight(s, "0123456789"), "public.")
			})
			return a, nil
		}
	}
}
