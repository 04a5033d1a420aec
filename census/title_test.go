package census

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTitlesAreRead(t *testing.T) {
	for _, c := range []struct {
		text, cluster string
		want          title
	}{
		// Backends.
		{"postgres: app shop 127.0.0.1(40122) idle", "", title{kind: "client backend", user: "app", database: "shop", port: "40122", state: "idle"}},
		{"postgres: app shop [local] SELECT", "", title{kind: "client backend", user: "app", database: "shop", state: "active"}},
		{"postgres: app shop ::1(40122) idle in transaction", "", title{kind: "client backend", user: "app", database: "shop", port: "40122", state: "idle in transaction"}},
		{"postgres: app shop ::1(40122) idle in transaction (aborted)", "", title{kind: "client backend", user: "app", database: "shop", port: "40122", state: "idle in transaction (aborted)"}},
		{"postgres: app shop db.example.org(5) authentication", "", title{kind: "client backend", user: "app", database: "shop", port: "5", state: "starting"}},
		{"postgres: app shop 10.0.0.1(5) startup", "", title{kind: "client backend", user: "app", database: "shop", port: "5", state: "starting"}},
		{"postgres: app shop 10.0.0.1(5) UPDATE waiting", "", title{kind: "client backend", user: "app", database: "shop", port: "5", state: "active", wait: "Lock"}},
		{"postgres: app shop 10.0.0.1(5) <FASTPATH>", "", title{kind: "client backend", user: "app", database: "shop", port: "5", state: "fastpath function call"}},
		{"postgres: app shop [local]", "", title{kind: "client backend", user: "app", database: "shop"}},
		{"postgres: main: app shop [local] idle", "main", title{kind: "client backend", user: "app", database: "shop", state: "idle"}},
		{"postgres: a b: c: app shop [local] idle", "a b: c", title{kind: "client backend", user: "app", database: "shop", state: "idle"}},
		// Names with blanks cannot be told apart.
		{"postgres: two words also two [local] idle", "", title{kind: "client backend", state: "idle"}},
		// Without the cluster's name, user and database cannot either.
		{"postgres: main: app shop [local] idle", "", title{kind: "client backend", state: "idle"}},
		// Users who are called like processes.
		{"postgres: logger shop [local] idle", "", title{kind: "client backend", user: "logger", database: "shop", state: "idle"}},
		{"postgres: checkpointer shop 10.0.0.1(7) SELECT", "", title{kind: "client backend", user: "checkpointer", database: "shop", port: "7", state: "active"}},
		// Walsenders.
		{"postgres: walsender repl 10.0.0.2(5) streaming 0/3000148", "", title{kind: "walsender", user: "repl", port: "5", state: "active"}},
		{"postgres: a b: c: walsender repl shop [local] idle", "a b: c", title{kind: "walsender", user: "repl", database: "shop", state: "idle"}},
		{"postgres: walsender", "", title{kind: "walsender"}},
		// The rest.
		{"postgres: checkpointer", "", title{kind: "checkpointer"}},
		{"postgres: checkpointer ", "", title{kind: "checkpointer"}},
		{"postgres: a b: c: background writer ", "a b: c", title{kind: "background writer"}},
		{"postgres: a b: c: background writer ", "", title{kind: "background writer"}},
		{"postgres: main: startup recovering 000000010000000000000001", "", title{kind: "startup"}},
		{"postgres: startup waiting for 000000010000000000000002", "", title{kind: "startup"}},
		{"postgres: archiver last was 000000010000000000000001", "", title{kind: "archiver"}},
		{"postgres: archiver failed on 000000010000000000000001", "", title{kind: "archiver"}},
		{"postgres: walreceiver streaming 0/3000148", "", title{kind: "walreceiver"}},
		{"postgres: autovacuum launcher", "", title{kind: "autovacuum launcher"}},
		{"postgres: autovacuum worker shop", "", title{kind: "autovacuum worker", database: "shop"}},
		{"postgres: autovacuum worker my shop", "", title{kind: "autovacuum worker", database: "my shop"}},
		{"postgres: parallel worker for PID 4711", "", title{kind: "parallel worker"}},
		{"postgres: logical replication launcher", "", title{kind: "logical replication launcher"}},
		{"postgres: logical replication apply worker for subscription 16400", "", title{kind: "logical replication apply worker"}},
		{"postgres: logical replication worker for subscription 16400", "", title{kind: "logical replication worker"}},
		{"postgres: logical replication tablesync worker for subscription 16400 sync 16384", "", title{kind: "logical replication tablesync worker"}},
		{"postgres: io worker 2", "", title{kind: "io worker"}},
		{"postgres: slotsync worker", "", title{kind: "slotsync worker"}},
		{"postgres: stats collector", "", title{kind: "stats collector"}},
		{"postgres: logger", "", title{kind: "logger"}},
		// Words that only begin like one that we know.
		{"postgres: loggers of all", "", title{kind: "loggers of all"}},
		{"postgres: pg_cron launcher", "", title{kind: "pg_cron launcher"}},
		{"postgres: main: pg_cron launcher", "main", title{kind: "pg_cron launcher"}},
		// Not a title yet, or none at all.
		{"/usr/lib/postgresql/15/bin/postgres -D /tmp/data -p 5432", "", title{}},
		{"", "", title{}},
		{"postgres:", "", title{}},
	} {
		if got := decodeTitle(c.text, c.cluster); got != c.want {
			t.Errorf("%q in cluster %q: %+v, want %+v", c.text, c.cluster, got, c.want)
		}
	}
}

func TestTheClustersNameIsInEveryTitle(t *testing.T) {
	for _, c := range []struct {
		titles []string
		want   string
	}{
		{nil, ""},
		{[]string{"postgres: checkpointer "}, ""},
		{[]string{"postgres: app x: checkpointer [local] idle", "postgres: main: checkpointer "}, "main"},
		{[]string{"postgres: a b: c: logger ", "postgres: a b: c: walwriter "}, "a b: c"},
		{[]string{"/usr/bin/postgres: x: checkpointer"}, ""},
		{[]string{"postgres: : checkpointer"}, ""},
	} {
		if got := clusterName(c.titles); got != c.want {
			t.Errorf("%q: %q, want %q", c.titles, got, c.want)
		}
	}
}

func TestEveryKindHasARoleAndAPlace(t *testing.T) {
	for kind, text := range roles {
		if text == "" || strings.Contains(text, "\n") || role(kind) != text {
			t.Errorf("%s: %q", kind, text)
		}
	}
	for kind := range order {
		if _, known := roles[kind]; !known && kind != "" {
			t.Errorf("%s has a place and no role", kind)
		}
	}
	if role("pg_cron launcher") != roleWorker || role("") != roleUnknown {
		t.Error(role("pg_cron launcher"), role(""))
	}
	if rank(postmaster) != 0 || rank("pg_cron launcher") >= rank(parallelWorker) || rank(clientBackend) <= rank(parallelWorker) {
		t.Error("the order is wrong")
	}
}

// Whatever a title holds, what is made of it stands in it, and a title with
// the cluster's name reads as the same one without.
func FuzzTitle(f *testing.F) {
	f.Add("app shop 127.0.0.1(40122) idle", "main")
	f.Add("walsender repl [local] streaming 0/3", "")
	f.Add("a: b: checkpointer", "a: b")
	f.Add("autovacuum worker [local]", "x")
	f.Fuzz(func(t *testing.T, rest, cluster string) {
		text := titleBegin + rest
		got := decodeTitle(text, cluster)
		for _, part := range []string{got.user, got.database, got.port} {
			if !strings.Contains(text, part) {
				t.Errorf("%q: %q is not in it", text, part)
			}
		}
		if utf8.ValidString(text) && !utf8.ValidString(got.kind+got.state) {
			t.Errorf("%q: %+v", text, got)
		}
		if decodeTitle(text, cluster) != got {
			t.Errorf("%q reads differently the second time", text)
		}
		_ = clusterName([]string{text, rest, cluster})
		if cluster != "" && !strings.HasPrefix(rest, cluster+": ") {
			if named := decodeTitle(titleBegin+cluster+": "+rest, cluster); named != got {
				t.Errorf("%q in cluster %q: %+v, without %+v", rest, cluster, named, got)
			}
		}
	})
}
