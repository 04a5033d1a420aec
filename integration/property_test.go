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
