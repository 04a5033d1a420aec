package integration

import (
	"strings"
	"testing"
)

// Through pgweir one backend is the listener's, so there is one more than for
// the other scenes.

func TestNotificationsReadTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: listenSchema, pool: 3}, append(ownNotificationScenes(), othersNotificationScenes()...))
}

// TestNotificationsReadTheSameWhenTheListenerKeepsItsBackend: listen = "pin".
func TestNotificationsReadTheSameWhenTheListenerKeepsItsBackend(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: listenSchema, pool: 4, top: `listen = "pin"`}, append(ownNotificationScenes(), othersNotificationScenes()...))
}

const listenSchema = `
create table log (id serial, word text);
create function tells() returns trigger language plpgsql as $$ begin perform pg_notify('log', new.word); return new; end $$;
create trigger tells after insert on log for each row execute function tells()`

// ownNotificationScenes are of a client that hears itself: such notifications
// come ahead of ReadyForQuery, and bear the process that the client knows as
// its own.
func ownNotificationScenes() []scene {
	heard := func(as int, text string) step { return step{say(query(text)), strings.Repeat("A", as) + "Z"} }
	scenes := []scene{
		{name: "a client hears itself", steps: []step{
			sql("notify c, 'nobody hears'"), sql("listen c"), heard(1, "notify c, 'hello'"), heard(1, "notify c"), heard(2, "begin; notify c, 'one'; notify c, 'two'; commit"), heard(1, "begin; notify c, 'same'; notify c, 'same'; commit"),
			sql("select 1"), heard(1, "select pg_notify('c', 'by function')"), {append(extended("select pg_notify('c', $1)", "extended"), sync_), "AZ"}, sql("notify other, 'nobody hears'"), sql("unlisten c"), sql("notify c, 'nobody hears'"), sql("select 1")},
			has: []string{"A our own"}},
		{name: "in blocks", steps: []step{
			sql("begin"), sql("listen c"), sql("notify c, 'own block'"), heard(1, "commit"), sql("begin"), sql("notify c, 'later'"), sql("select 'not yet'"), heard(1, "commit"), sql("begin"), sql("notify c, 'never'"), sql("rollback"), sql("begin"), sql("notify c, 'never'"), sql("select 1/0"), sql("commit"), heard(1, "notify c, 'last'"), sql("unlisten *")}},
		{name: "listen and unlisten in blocks", steps: []step{
			sql("begin"), sql("listen c"), sql("rollback"), sql("notify c, 'never'"), sql("begin"), sql("listen c"), sql("select pg_listening_channels()"), sql("select 1/0"), sql("rollback"), sql("notify c, 'never'"), sql("begin; listen c; commit"), heard(1, "notify c, 'now'"),
			sql("begin"), sql("unlisten c"), sql("rollback"), heard(1, "notify c, 'still'"), sql("begin; unlisten c; notify c, 'too late'; commit"), sql("notify c, 'never'"), sql("begin; listen c; unlisten c; commit"), sql("notify c, 'never'"), sql("begin; listen c; unlisten *; listen d; commit"), heard(1, "notify d, 'the last word counts'"), sql("notify c, 'never'"), sql("unlisten *")}},
		{name: "savepoints", steps: []step{
			sql("begin"), sql("listen c"), sql("savepoint s"), sql("listen d"), sql("rollback to s"), sql("commit"), sql("notify d, 'never'"), heard(1, "notify c, 'kept'"), sql("begin; savepoint s; unlisten c; rollback to s; commit"), heard(1, "notify c, 'still'"), sql("begin; savepoint s; listen d; release s; commit"), heard(1, "notify d, 'released'"),
			sql("begin"), sql("notify c, 'before'"), sql("savepoint s"), sql("notify c, 'undone'"), sql("rollback to s"), sql("notify c, 'after'"), heard(2, "commit"), sql("select pg_listening_channels() order by 1"), sql("unlisten *")}},
		{name: "channels are shown", steps: []step{
			sql("select count(*) from pg_listening_channels()"), sql("listen b"), sql(`listen "A channel"`), sql("listen b"), sql("select * from pg_listening_channels() order by 1"), sql("unlisten nowhere"), sql("unlisten b"), sql("select * from pg_listening_channels() order by 1"), sql("discard all"), sql("select * from pg_listening_channels() order by 1"), sql("listen d"), synced(extended("select pg_listening_channels()")), sql("unlisten *"), synced(extended("select pg_listening_channels()"))}},
		{name: "names of every kind", steps: []step{
			sql("LISTEN Mixed"), heard(1, "notify mixed, 'folded'"), heard(1, "notify MIXED"), sql(`notify "Mixed", 'another'`), sql(`listen "Quoted ""Name"", with; everything"`), heard(1, `notify "Quoted ""Name"", with; everything", 'x'`), sql(`listen "ünï©ødé"`), heard(1, `notify "ünï©ødé", '🐘'`),
			sql("listen " + strings.Repeat("n", 63)), heard(1, "notify "+strings.Repeat("n", 63)), sql("listen " + strings.Repeat("m", 70)), heard(1, "notify "+strings.Repeat("m", 63)+", 'cut'"), heard(1, "notify "+strings.Repeat("m", 80)+", 'cut too'"), sql(`listen ""`), sql("listen 'x'"), sql("listen"), sql("listen a.b"), sql("unlisten mixed; unlisten " + strings.Repeat("m", 90)), sql("select pg_listening_channels() order by 1"), sql("unlisten *")},
			has: []string{"42601", "42622"}},
		{name: "payloads of any length", steps: []step{
			sql("listen c"), heard(1, "notify c, '"+strings.Repeat("x", 7999)+"'"), sql("notify c, '" + strings.Repeat("x", 8000) + "'"), heard(1, "notify c, ''"), heard(1, "select pg_notify('c', null)"), heard(1, "select pg_notify('c', E'line\\nbreak')"), sql("select pg_notify('', 'x')"), sql("select pg_notify(repeat('c', 64), 'x')"), heard(100, "select count(pg_notify('c', i::text)) from generate_series(1, 100) i"), sql("unlisten *")},
			has: []string{"22023"}},
		{name: "several in one query", steps: []step{
			heard(1, "listen c; notify c, 'at once'"), sql("unlisten c; notify c, 'never'"), heard(1, "select 1; listen c; select 2; notify c, 'x'; select 3"), sql("notify c, 'undone'; select 1/0"), sql("unlisten *; select 1/0"), heard(1, "notify c, 'still'"), sql("unlisten c; listen d; unlisten d; listen e"), heard(1, "notify c; notify d; notify e, 'the only one'"), sql("unlisten *")}},
		{name: "the extended protocol", steps: []step{
			synced(extended("listen c")), {append(extended("notify c, 'x'"), sync_), "AZ"}, synced(extended("listen d"), extended("select 1/0")), sql("notify d, 'never'"), synced(extended("begin"), extended("listen d"), extended("commit")), {append(extended("notify d"), sync_), "AZ"},
			talk(parse("l", "listen e"), parse("u", "unlisten e"), parse("n", "select pg_notify('e', $1)"), sync_), synced(runs("l")), {join(runs("n", "x"), say(sync_)), "AZ"}, synced(runs("u")), synced(runs("n", "never")), {join(runs("l"), say(sync_), runs("n", "y"), say(sync_), runs("u"), say(sync_), runs("n", "never"), say(sync_)), "ZAZZZ"},
			synced(extended("unlisten *")), sql("select pg_listening_channels()")}},
		{name: "by a DO block", steps: []step{
			sql("listen log"), heard(1, "do $$ begin notify log, 'by do'; end $$"), sql("do $$ begin listen done; end $$"), heard(1, "notify done, 'x'"), sql("do $$ begin unlisten done; end $$"), sql("notify done, 'never'"), sql("select pg_listening_channels()")}},
		{name: "discards", steps: []step{
			sql("listen c"), sql("discard plans"), sql("discard temp"), sql("reset all"), heard(1, "notify c, 'still'"), sql("discard all"), sql("notify c, 'never'"), sql("select pg_listening_channels()")}},
		{name: "where it is not allowed", steps: []step{
			sql("begin; listen c; prepare transaction 'x'"), sql("rollback"), sql("begin read only"), sql("notify c"), sql("listen c"), sql("commit"), sql("unlisten *"), sql("begin"), sql("select 1/0"), sql("listen c"), sql("unlisten *"), sql("rollback"), sql("select pg_listening_channels()")}},
	}
	for i := range scenes {
		scenes[i].alone = true
	}
	return scenes
}

// othersNotificationScenes are of clients that hear each other.
func othersNotificationScenes() []scene {
	const zero, one, two = 0, 1, 2
	hears := func(n int) step { return step{nil, strings.Repeat("A", n)} }
	scenes := []scene{
		{name: "one hears the other", acts: acts(
			by(zero, sql("listen c")), by(one, sql("notify c, 'hello'")), by(zero, hears(1)), by(one, sql("select pg_notify('c', 'again')"), sql("begin; notify c, 'a'; notify c, 'b'; commit")), by(zero, hears(3), sql("select 1")),
			by(one, sql("begin; notify c, 'never'; rollback"), sql("notify d, 'never'"), sql("notify c, 'last'")), by(zero, hears(1), sql("unlisten c")), by(one, sql("notify c, 'never'")), by(zero, sql("select 1"), sql("listen c")), by(one, sql("notify c, 'anew'")), by(zero, hears(1), sql("select 1"))),
			has: []string{"A another's"}},
		{name: "all who listen hear it", acts: acts(
			by(zero, sql("listen c")), by(one, sql("listen c"), sql("listen d")), by(two, sql("notify c, 'to both'; notify d, 'to one'; notify e, 'to none'")), by(zero, hears(1)), by(one, hears(2)), by(zero, sql("unlisten *")), by(two, sql("notify c, 'to one'")), by(one, hears(1), step{say(query("notify c, 'own'")), "ZA"}, sql("discard all")), by(two, sql("notify c, 'to none'")), by(zero, sql("select 1")), by(one, sql("select 1")))},
		{name: "never within a transaction", acts: acts(
			by(zero, sql("listen c"), sql("begin")), by(one, sql("notify c, 'one'"), sql("notify c, 'two'")), by(zero, sql("select 'not yet'"), sql("select 1/0"), sql("select 'still not'"), step{say(query("rollback")), "ZAA"}, sql("select 'nothing more'"),
				sql("begin")), by(one, sql("notify c, 'three'")), by(zero, sql("select 'not yet'"), step{say(query("commit")), "ZA"}, sql("select 'nothing more'"))), has: []string{"not yet"}},
		{name: "what was sent before the listening began is not heard", acts: acts(
			by(one, sql("notify c, 'before'")), by(zero, sql("listen c")), by(one, sql("notify c, 'after'")), by(zero, hears(1), sql("unlisten c"), sql("begin"), sql("listen d")),
			by(one, sql("notify d, 'before the commit'")), by(zero, sql("commit")), by(one, sql("notify d, 'after the commit'")), by(zero, hears(1), sql("select 1")))},
		{name: "one goes, the other stays", acts: acts(
			by(zero, sql("listen c")), by(one, sql("listen c"), step{say(bye), "?"}), by(two, sql("notify c, 'to one'")), by(zero, hears(1), sql("select pg_listening_channels()")))},
		{name: "while it is idle between statements of a pipeline", acts: acts(
			by(zero, sql("listen c"), step{say(parse("a", "select 'a'"), sync_), "Z"}), by(one, sql("notify c, 'x'")), by(zero, hears(1), step{join(runs("a"), say(sync_), runs("a"), say(sync_)), "ZZ"}, sql("unlisten *")))},
		{name: "an order that is kept", acts: acts(
			by(zero, sql("listen c"), sql("listen d")), by(one, sql("do $$ begin for i in 1..50 loop perform pg_notify(case when i % 3 = 0 then 'd' else 'c' end, i::text); end loop; end $$"), sql("notify d, 'last'")), by(zero, hears(51), sql("select 1")))},
	}
	for i := range scenes {
		scenes[i].loose = true
	}
	return scenes
}
