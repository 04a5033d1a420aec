package integration

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// randomProgram ends outside of a block with nothing undone.
func randomProgram(r *rand.Rand, client, steps int) errandProgram {
	w := &programmer{r: r, client: client}
	for range steps {
		if r.IntN(5) == 0 {
			w.simple(w.own(w.hiddenStep()))
			continue
		}
		w.randomStep()
	}
	w.simple("rollback")
	w.simple("set session authorization default")
	w.view()
	w.simple("discard all")
	w.view()
	return w.program
}

// programmer writes the program of a client.
type programmer struct {
	r       *rand.Rand
	client  int
	program errandProgram
}

func (w *programmer) add(text string, messages []pgproto3.FrontendMessage) {
	w.program = append(w.program, errandStep{text, messages})
}
func (w *programmer) simple(text string) { w.add(text, say(query(text))) }
func (w *programmer) view()              { w.add("(view)", say(query(propertyView))) }

func (w *programmer) pick(words ...string) string { return words[w.r.IntN(len(words))] }

// own is a text about what the client has of its own.
func (w *programmer) own(text string) string {
	return strings.ReplaceAll(text, "NN", fmt.Sprint(w.client))
}

func (w *programmer) value() string     { return fmt.Sprintf("client %d, %d", w.client, w.r.IntN(100)) }
func (w *programmer) lock() string      { return fmt.Sprint(w.client*100 + w.r.IntN(3)) }
func (w *programmer) megabytes() string { return fmt.Sprint(5+w.r.IntN(20), "MB") }
func (w *programmer) statement() string { return w.own(w.pick(statementTexts...)) }

func (w *programmer) setting() (name, value string) {
	switch name = w.pick("work_mem", "search_path", "statement_timeout", "timezone", "datestyle", "my.one", "my.two", "role"); name {
	case "work_mem":
		return name, w.megabytes()
	case "statement_timeout":
		return name, fmt.Sprint(100+w.r.IntN(20), "s")
	case "search_path":
		return name, w.pick("pg_catalog", "public", "nowhere")
	case "timezone":
		return name, w.pick("Asia/Tokyo", "America/Lima", "UTC", "Mars")
	case "datestyle":
		return name, w.pick("German", "SQL, DMY", "ISO")
	case "role":
		return name, w.pick("pg_monitor", "pg_read_all_data", "none")
	}
	return name, w.value()
}

// unplanned is $1 as an integer whose value PostgreSQL does not look at before
// the statement runs: when it plans a statement anew is not the client's alone
// (docs/limits.md).
const unplanned = "($1::int + 0 * random())::int"

// statementTexts are what is prepared. NN is the client's number.
var statementTexts = []string{
	"select $1::int + 1", "select current_setting('work_mem') || $1", "select count(*) from mine where a = $1::int", "select 10 / " + unplanned,
	"select set_config('my.one', $1, false)", "selec $1", "select generate_series(1, $1::int + 2)",
	"select public.outer_NN($1)", "insert into public.table_NN values ($1) returning a", "select a || $1 from public.view_NN",
}

func (w *programmer) randomStep() {
	n := w.r.IntN(stepWeights)
	for _, k := range stepKinds {
		if n -= k.weight; n < 0 {
			k.write(w)
			return
		}
	}
}

// stepWeights is the sum of those of stepKinds.
var stepWeights = func() (sum int) {
	for _, k := range stepKinds {
		sum += k.weight
	}
	return sum
}()

// stepKinds are the kinds of steps, each as often as it weighs.
var stepKinds = []struct {
	weight int
	write  func(*programmer)
}{
	{12, func(w *programmer) {
		name, v := w.setting()
		w.simple("set " + w.pick("", "", "session ", "local ") + name + " = '" + v + "'")
	}},
	{4, func(w *programmer) {
		name, _ := w.setting()
		w.simple(w.pick("reset "+name, "set "+name+" to default", "reset all"))
	}},
	{4, func(w *programmer) {
		name, v := w.setting()
		w.simple("select set_config('" + name + "', '" + v + "', " + w.pick("true", "false", "false") + ")")
	}},
	{3, func(w *programmer) {
		v := w.megabytes()
		w.simple(w.pick("select public.sets('"+v+"')", "do $$ begin set work_mem = '"+v+"'; end $$", "do $$ begin perform set_config('work_mem', '"+v+"', false); raise exception 'undone'; end $$"))
	}},
	{8, func(w *programmer) {
		name, text := w.pick("a", "b", "c"), w.statement()
		w.add("Parse "+name+": "+text, say(parse(name, text), describe('S', name), sync_))
	}},
	{12, func(w *programmer) {
		name, v := w.pick("a", "b", "c"), fmt.Sprint(w.r.IntN(3))
		w.add("Bind "+name+" "+v, append(runs(name, v), sync_))
	}},
	{3, func(w *programmer) {
		name := w.pick("a", "b", "c")
		w.add("Close "+name, say(closeStatement(name), sync_))
	}},
	{4, func(w *programmer) {
		one, two, text := w.pick("a", "b"), w.pick("b", "c"), w.statement()
		w.add("pipeline: Bind "+one+", Close "+two+", Parse "+two+": "+text+", Bind "+two,
			join(runs(one, "1"), say(closeStatement(two), parse(two, text)), runs(two, "2"), say(sync_)))
	}},
	{6, func(w *programmer) {
		w.simple(w.pick("prepare p as select "+fmt.Sprint(w.client), "execute p", "deallocate p", "deallocate all", "deallocate "+w.pick("a", "b", "c"), "execute "+w.pick("a", "b")+"(1)", "prepare a as select 'sql'"))
	}},
	{6, func(w *programmer) {
		w.simple(w.pick("select pg_try_advisory_lock("+w.lock()+")", "select pg_advisory_unlock("+w.lock()+")", "select pg_advisory_xact_lock("+w.lock()+")", "select public.locks("+w.lock()+")", "select pg_advisory_unlock_all()"))
	}},
	{7, func(w *programmer) {
		w.simple(w.pick("create temp table mine (a int)", "drop table mine", "insert into mine values (1), (2)", "select count(*) from mine", "create temp table other (a int) on commit drop", "drop table if exists mine"))
	}},
	{4, func(w *programmer) {
		w.simple(w.pick("declare c cursor with hold for select generate_series(1, 5)", "fetch 2 from c", "close c", "close all"))
	}},
	{3, func(w *programmer) {
		channel := fmt.Sprintf("channel_%d", w.client)
		w.simple(w.pick("listen "+channel, "notify "+channel+", '"+w.value()+"'", "unlisten "+channel, "unlisten *"))
	}},
	{2, func(w *programmer) {
		text := w.pick("select $1::int + 1", "execute a(1)", "execute b(2)", "deallocate a")
		w.add("Parse unnamed: "+text, say(parse("", text), sync_))
	}},
	{2, func(w *programmer) {
		w.add("Bind unnamed", join(runs("", strings.Fields(w.pick("1", ""))...), say(sync_)))
	}},
	{8, func(w *programmer) {
		w.simple(w.pick("begin", "begin", "begin", "commit", "commit", "rollback", "savepoint s", "rollback to s", "release s", "select 1/0", "commit and chain", "begin; savepoint s; set my.two = '"+w.value()+"'; rollback to s; commit"))
	}},
	{2, func(w *programmer) {
		w.simple(w.pick("discard all", "discard plans", "discard temp", "discard sequences"))
	}},
	{5, func(w *programmer) {
		mem := w.megabytes()
		w.simple(w.pick("select 1; select 1/0; select 2", "set my.one = '"+w.value()+"'; select 1/0", "begin; set my.one = '"+w.value()+"'; select 1/0; commit",
			"set work_mem = '"+mem+"'; reset work_mem; show work_mem", "set local work_mem = '"+mem+"'; show work_mem", "begin; set local work_mem = '"+mem+"'; commit; show work_mem",
			"create temp table mine (a int); insert into mine values (5); select * from mine", "prepare p as select 1; execute p; deallocate p",
			"deallocate a; prepare a as select 'sql'; execute a", "deallocate all; prepare a as select 'sql'", "execute a(1); execute b(2)", "select 1; listen channel_"+fmt.Sprint(w.client)+"; select 1/0", ";"))
	}},
	{4, func(w *programmer) {
		name, what := w.pick("a", "b"), w.pick("p", "q")
		w.add("portal "+what+" of "+name, say(&pgproto3.Bind{DestinationPortal: what, PreparedStatement: name, Parameters: [][]byte{[]byte("1")}}, execute(what, 2), sync_))
	}},
	{3, func(w *programmer) {
		what := w.pick("p", "q")
		w.add("fetch of portal "+what, say(describe('P', what), execute(what, 1), sync_))
		w.add("close of portal "+what, say(closePortal(what), sync_))
	}},
	{2, func(w *programmer) {
		w.add("copy", say(query("copy mine from stdin"), data("1\n2\n"), []pgproto3.FrontendMessage{done, &pgproto3.CopyFail{Message: "no"}}[w.r.IntN(2)]))
	}},
	{2, func(w *programmer) {
		w.add("copy, extended",
			say(closeStatement("copy"), parse("copy", "copy mine from stdin"), bind("copy"), describe('P', ""), execute("", 0), data("1\n"+w.pick("", "x\n")), done, sync_))
	}},
	{3, func(w *programmer) {
		w.simple(w.pick("select public.keeps('"+w.value()+"')", "set session authorization default", "set session authorization pg_monitor", "set transaction isolation level serializable",
			"set session characteristics as transaction read only", "set session characteristics as transaction read write", "begin read only", "begin isolation level serializable",
			"set time zone interval '+02:00' hour to minute", "set names 'UTF8'", "show transaction_isolation", "copy mine to stdout", "declare d cursor for select generate_series(1, 3)", "fetch d"))
	}},
	{4, func(w *programmer) {
		one, two := w.pick("a", "b", "c"), w.pick("a", "b", "c")
		w.add("pipeline of three: Bind "+one+", failure, Bind "+two,
			join(runs(one, "1"), say(sync_), extended("select 1/0"), runs(two, "2"), say(sync_), runs(two, "3"), say(sync_)))
	}},
	{4, func(w *programmer) {
		one, two := w.pick("begin", "commit", "execute a(1)", "set my.one = '"+w.value()+"'", "select 1/0", "listen channel_"+fmt.Sprint(w.client)), w.pick("deallocate a", "rollback", "execute b(1)", "select set_config('my.two', '"+w.value()+"', false)", "discard all", "prepare p as select 1")
		w.add("two queries: "+one+" | "+two, say(query(one), query(two)))
	}},
	{3, func(w *programmer) {
		name, text := w.pick("a", "b"), w.statement()
		w.add("Parse "+name+" that waits: "+text, say(parse(name, text), sync_, query(w.pick("execute "+name+"(1)", "deallocate "+name, "select 1")), bind(name, "1"), execute("", 0), sync_))
	}},
	{5, (*programmer).view},
}

// hiddenStep is a statement whose text does not show what it leaves behind, or
// one that changes what such a statement does. NN is the client's number.
func (w *programmer) hiddenStep() string {
	value := w.megabytes()
	call := w.pick("select public.outer_NN('"+value+"')", "select * from public.view_NN", "insert into public.table_NN values ('"+value+"', 1)", "do $$ begin perform public.outer_NN('"+value+"'); end $$",
		"insert into public.table_NN values ('"+value+"', 1000)", "update public.table_NN set a = public.outer_NN(a) where false", "copy (select * from public.view_NN) to stdout")
	change := "create or replace function public.inner_NN(text) returns text language plpgsql as $f$ begin " + w.pick(
		"return 'nothing'", "return set_config('work_mem', $1, false)", "return set_config('work_mem', $1, true)", "return public.sets($1)", "return pg_try_advisory_lock(NN01)::text", "return pg_advisory_unlock(NN01)::text",
		"return set_config('my.one', $1, false)", "return set_config('my.two', 'client NN', false)", "return set_config('my.' || 'one', $1, false)", "perform set_config('my.one', $1, true); return public.keeps($1)",
		"create temp table if not exists mine (a int); return 'a table'", "return set_config('statement_timeout', '99s', false)", "execute 'set ' || 'statement_timeout = 98000'; return 'executed'", "return 1 / 0") + "; end $f$"
	switch w.r.IntN(10) {
	case 0, 1, 2:
		return change
	case 3:
		return w.pick("alter table public.table_NN disable trigger fires", "alter table public.table_NN enable trigger fires", "alter table public.table_NN alter a set default public.outer_NN('7MB')", "alter table public.table_NN alter a set default 'x'",
			"create or replace view public.view_NN as select public.outer_NN('9MB') as a", "create or replace view public.view_NN as select 'nothing'::text as a", "insert into public.table_NN default values")
	case 4:
		return change + "; " + call
	case 5:
		return "begin; savepoint s; " + call + "; " + w.pick("rollback to s", "release s") + "; commit"
	}
	return call
}
