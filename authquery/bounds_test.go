package authquery

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/auth"
)

// at is the question for a user in a database of a server.
func at(server, database, name string) Question {
	s := source
	s.Server, s.Database = server, database
	return Question{Source: s, Name: name, Limits: limits}
}

// held has questions wait until the function is called.
func (b *bench) held() (release func()) {
	hold := make(chan struct{})
	b.server.set(func(s *fakeServer) { s.hold = hold })
	return func() {
		b.server.set(func(s *fakeServer) { s.hold = nil })
		close(hold)
	}
}

// fill asks for n users, all of them without an answer yet.
func (b *bench) fill(t *testing.T, n int, server, database string) (waits []*Wait) {
	t.Helper()
	for i := range n {
		_, w, err := b.Ask(at(server, database, fmt.Sprint("u", i)), func(Answer, error) {})
		if w == nil {
			t.Fatalf("question %d of %s: %v", i, server, err)
		}
		waits = append(waits, w)
	}
	return waits
}

// busy tells whether a question is refused for the number of the others.
func (b *bench) busy(q Question) bool {
	_, w, err := b.Ask(q, func(Answer, error) {})
	return w == nil && errors.Is(err, errBusy)
}

func TestASourceThatIsSlowTakesNoQuestionsFromAnother(t *testing.T) {
	b := newBench(t)
	defer b.held()()
	b.fill(t, maxPerSource, "s:1", "d1")
	if !b.busy(at("s:1", "d1", "one more")) {
		t.Error("a source has no bound")
	}
	b.fill(t, maxPerServer-maxPerSource-1, "s:1", "d2")
	if b.busy(at("s:1", "d3", "another")) {
		t.Error("a database of the server cannot be asked")
	}
	if !b.busy(at("s:1", "d3", "one more")) || !b.busy(at("s:1", "d4", "one more")) {
		t.Error("a server has no bound")
	}
	if b.busy(at("s:2", "d1", "another")) {
		t.Error("another server cannot be asked")
	}
}

func TestServersThatAreSlowLeaveEveryOtherItsShare(t *testing.T) {
	b := newBench(t)
	defer b.held()()
	for i := range maxQuestions / maxPerSource {
		b.fill(t, maxPerSource, fmt.Sprint("s:", i), "d")
	}
	if !b.busy(at("s:0", "other", "one more")) {
		t.Error("there is no bound in all")
	}
	b.fill(t, fairShare, "s:new", "d")
	if !b.busy(at("s:new", "d", "one more")) {
		t.Error("there is no bound in all for a new server")
	}
}

func TestWhoLeavesTakesTheQuestionAlong(t *testing.T) {
	b := newBench(t)
	release := b.held()
	first := b.begin("first")
	eventually(t, "the first is asked", func() bool { return b.server.questions() == 1 })
	waits := b.fill(t, maxPerSource-1, "s:1", "d")
	another, stays, err := b.Ask(at("s:1", "d", "u0"), func(Answer, error) {})
	if stays == nil {
		t.Fatal(another, err)
	}
	for _, w := range waits {
		w.Leave()
		w.Leave() // once more changes nothing
	}
	b.Asker.mu.Lock()
	left, pending := len(b.flights), b.servers["s:1"].pending
	b.Asker.mu.Unlock()
	if left != 2 || pending != 2 { // the one that is asked, and u0 of the other
		t.Errorf("%d flights, %d pending", left, pending)
	}
	release()
	comes(t, first)
	b.pass(t, 0)
	b.questionsAre(t, 2)
	stays.Leave() // there is nothing left to leave
}

func TestAQuestionThatIsPutIsAnsweredThoughNobodyWaits(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	release := b.held()
	_, w, _ := b.Ask(at("s:1", "d", "ann"), func(Answer, error) { t.Error("told") })
	eventually(t, "it is asked", func() bool { return b.server.questions() == 1 })
	w.Leave()
	release()
	b.pass(t, 0)
	b.is(t, "ann", "one")
	b.questionsAre(t, 1)
}

func TestAllDatabasesOfAServerPauseTogether(t *testing.T) {
	b := newBench(t)
	b.server.away = errAway
	tries := func() int { b.server.mu.Lock(); defer b.server.mu.Unlock(); return b.server.tries }
	got := make(chan told, 100)
	for i := range 50 {
		b.put(at("s:1", fmt.Sprint("d", i), "ann"), got)
	}
	for range 50 {
		if a := comes(t, got); !errors.Is(a.err, errAway) {
			t.Error(a.err)
		}
	}
	// Those that were begun before the first had failed may have tried too.
	was := tries()
	for range 5 {
		b.put(at("s:1", "d99", "ann"), got)
		comes(t, got)
	}
	if n := tries(); n != was {
		t.Errorf("%d tries in the pause", n-was)
	}
	b.put(at("s:2", "d", "ann"), got)
	comes(t, got)
	if n := tries(); n != was+1 {
		t.Errorf("another server was tried %d times", n-was)
	}
	b.pass(t, openPauseMax)
	b.server.set(func(s *fakeServer) { s.away = nil })
	b.put(at("s:1", "d3", "ann"), got)
	if a := comes(t, got); a.err != nil {
		t.Error(a.err)
	}
	b.put(at("s:1", "d4", "ann"), got)
	if a := comes(t, got); a.err != nil {
		t.Errorf("the pause is not over: %v", a.err)
	}
}

func TestAPauseGrowsUpToItsBound(t *testing.T) {
	now := time.Unix(1e9, 0)
	var p pause
	var all []time.Duration
	for range 10 {
		p.fail(now, errAway, time.Second, 5*time.Second)
		all = append(all, p.until.Sub(now))
	}
	for i, most := range []time.Duration{1, 2, 4, 5, 5, 5} {
		if most *= time.Second; all[i] > most || all[i] < most*3/4 {
			t.Errorf("pause %d is %v", i, all[i])
		}
	}
	if len(slices.Compact(all[3:])) == 1 {
		t.Errorf("nothing is random in %v", all)
	}
	if p.refuses(now) != errAway || p.refuses(now.Add(5*time.Second)) != nil {
		t.Error("it does not last, or does not end")
	}
}

func TestTheLogHasOneWordForAServer(t *testing.T) {
	b := newBench(t)
	b.server.away = errAway
	got := make(chan told, 100)
	ask := func(n int) {
		for i := range n {
			b.put(at("s:1", fmt.Sprint("d", i), "ann"), got)
			comes(t, got)
		}
	}
	ask(20)
	b.pass(t, time.Minute)
	ask(20)
	b.server.set(func(s *fakeServer) { s.away = nil })
	b.pass(t, time.Minute)
	ask(19) // but one
	b.pass(t, 0)
	if got := b.said(); !slices.Equal(got, []string{"failing: it is away"}) {
		t.Errorf("%q", got)
	}
	ask(20)
	b.pass(t, 0)
	if got := b.said(); !slices.Equal(got, []string{"failing: it is away", "works"}) {
		t.Errorf("%q", got)
	}
}

func TestSoManyServersAreRemembered(t *testing.T) {
	b := newBench(t)
	got := make(chan told, 1)
	for i := range 2 * maxServers {
		b.put(at(fmt.Sprint("s:", i), "d", "ann"), got)
		comes(t, got)
		b.pass(t, 0)
	}
	b.Asker.mu.Lock()
	defer b.Asker.mu.Unlock()
	if n := len(b.servers); n > maxServers {
		t.Errorf("%d servers", n)
	}
	for i := range 2 * maxModels {
		b.modelsOf(fmt.Sprint("id", i), auth.Shape{})
	}
	if n := len(b.Asker.models); n != maxModels {
		t.Errorf("%d models", n)
	}
}

func TestModelsOutliveTheConnectionAndAreTheServers(t *testing.T) {
	b := newBench(t)
	b.server.id = "the server"
	got := make(chan told, 1)
	models := func(server, database string) *auth.Models {
		b.put(at(server, database, "nobody"), got)
		return comes(t, got).answer.Models
	}
	first := models("s:1", "d")
	for i := range 2 * maxLines {
		models("s:1", fmt.Sprint("d", i))
	}
	b.pass(t, limits.TTL)
	if models("s:1", "d") != first || models("replica:1", "d") != first {
		t.Error("a server has new models")
	}
	b.server.set(func(s *fakeServer) { s.id = "" })
	if one, two := models("s:3", "d"), models("s:4", "d"); one == first || one == two {
		t.Error("servers have models in common")
	}
}

func TestTheSameSecretIsTheSameUser(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	before := b.is(t, "ann", "one")
	b.pass(t, limits.TTL)
	if again := b.is(t, "ann", "one"); again.User != before.User || again.Serial == before.Serial {
		t.Error("its keys are derived once more")
	}
}

// madeUp is a question of a client that has chosen the database.
func madeUp(database, name string) Question {
	q := at("s:1", database, name)
	q.Home = &home
	return q
}

func TestNamesOfDatabasesThatClientsMakeUpOpenNothing(t *testing.T) {
	b := newBench(t)
	b.server.none, b.server.secrets["ann"] = map[string]bool{}, "one"
	got := make(chan told, 1)
	b.put(madeUp("real", "ann"), got)
	if a := comes(t, got); a.err != nil || a.answer.User == nil || a.answer.NoDatabase || a.answer.Source.Database != "real" {
		t.Fatalf("%+v", a)
	}
	for i := range 200 {
		name := fmt.Sprint("x", i)
		b.server.set(func(s *fakeServer) { s.none[name] = true })
		for _, user := range []string{"ann", "nobody"} {
			b.put(madeUp(name, user), got)
			a := comes(t, got)
			if a.err != nil || (a.answer.User != nil) != (user == "ann") || !a.answer.NoDatabase || a.answer.Source != home {
				t.Fatalf("%+v", a)
			}
		}
	}
	b.pass(t, 0)
	if !slices.Equal(b.server.logins, []string{"postgres", "real"}) {
		t.Errorf("logins to %q", b.server.logins)
	}
	b.questionsAre(t, 3) // about ann in one, and about both at home
	if s := b.Stats(); len(s.Sources) != 2 || len(b.said()) != 0 || s.Counts.Failures != 0 || s.Cached.Plain+s.Cached.Unknown != 3 {
		t.Errorf("%+v, %q", s, b.said())
	}
	looked := len(b.server.looked)
	b.put(madeUp("real", "other"), got)
	if a := comes(t, got); a.err != nil || len(b.server.looked) != looked {
		t.Errorf("%+v; a database that is connected to is looked for", a)
	}
}

func TestADatabaseThatIsGoneOrNewIsSeen(t *testing.T) {
	b := newBench(t)
	b.server.none = map[string]bool{"new": true}
	got := make(chan told, 1)
	missing := func(database string) bool {
		b.put(madeUp(database, "ann"), got)
		a := comes(t, got)
		if a.err != nil {
			t.Error(a.err)
		}
		b.pass(t, limits.TTL)
		return a.answer.NoDatabase
	}
	if !missing("new") || missing("old") {
		t.Error("what there is at first")
	}
	b.server.set(func(s *fakeServer) { s.none = map[string]bool{"old": true} })
	b.Vacate("s:1", []string{"old"})
	eventually(t, "it has left the database", func() bool { return b.server.connections() == 1 })
	if missing("new") || !missing("old") {
		t.Error("what there is afterwards")
	}
	if s := b.said(); len(s) != 0 {
		t.Errorf("%q", s)
	}
}

// TestWithoutAHomeNamesThatAreMadeUpAreFewLogins, and push out nobody.
func TestWithoutAHomeNamesThatAreMadeUpAreFewLogins(t *testing.T) {
	for _, code := range []string{"3D000", "28000", "55000"} {
		b := newBench(t)
		b.server.noHome, b.server.none = &pgconn.PgError{Code: code}, map[string]bool{}
		got := make(chan told, 1)
		for i := range maxLines - 1 {
			b.put(at("s:1", fmt.Sprint("d", i), "ann"), got)
			comes(t, got)
		}
		b.pass(t, 0)
		was := b.server.connections()
		for i := range 100 {
			name := fmt.Sprint("x", i)
			b.server.set(func(s *fakeServer) { s.none[name] = true })
			b.put(madeUp(name, "ann"), got)
			if a := comes(t, got); a.answer.User != nil || i == 0 && (a.err != nil || !a.answer.NoDatabase) {
				t.Fatalf("%+v", a)
			}
		}
		b.pass(t, 0)
		tried := 0
		for _, name := range b.server.logins {
			if b.server.none[name] {
				tried++
			}
		}
		if n := b.server.connections(); tried != 1 || n != was {
			t.Errorf("%s: %d logins, %d connections of %d", code, tried, n, was)
		}
		if s := b.Stats(); len(s.Sources) > maxLines {
			t.Errorf("%d sources", len(s.Sources))
		}
		b.pass(t, guessPauseMax)
		b.put(madeUp("real", "ann"), got)
		if a := comes(t, got); a.err != nil || a.answer.NoDatabase {
			t.Errorf("%s: a database that there is: %+v", code, a)
		}
		if s := b.said(); len(s) != 0 {
			t.Errorf("%s: %q", code, s)
		}
	}
}

func TestThereIsABoundOnGuesses(t *testing.T) {
	b := newBench(t)
	b.server.noHome = &pgconn.PgError{Code: "3D000"}
	got := make(chan told, 100)
	b.put(madeUp("x", "ann"), got) // home's pause begins
	comes(t, got)
	gone := make(chan struct{})
	b.server.set(func(s *fakeServer) { s.gone = gone })
	for i := range maxGuesses {
		b.put(madeUp(fmt.Sprint("x", i), "ann"), got)
	}
	b.put(madeUp("one more", "ann"), got)
	if a := comes(t, got); !errors.Is(a.err, errBusy) {
		t.Errorf("%+v", a)
	}
	close(gone)
	for range maxGuesses {
		comes(t, got)
	}
}
