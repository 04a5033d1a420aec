package session

import (
	"slices"
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/session/proof"
	"pgweir/wire"
)

// database is what the backends of a test say when they are asked.
type database struct {
	settings string   // a hash of them is told
	list     []string // rows of the settings that are listed
	left     []string // rows about all else
	digest   string
	objects  []string // rows of the objects
}

// aDatabase has one function that anybody knows of, and nothing is left in its
// backends.
func aDatabase() *database {
	return &database{
		settings: "as at first", list: []string{nobodyElse()}, digest: "1",
		objects: []string{row("g", "work_mem", ""), row("g", follow.NameRole, "")},
	}
}

// answer is what is said to a question.
func (d *database) answer(question string) string {
	var rows []string
	if strings.Contains(question, "pg_get_ruledef") {
		return says(d.objects...)
	}
	if strings.Contains(question, "SELECT 'e'") {
		rows = append(rows, row("e", "", d.settings))
	}
	if strings.Contains(question, "SELECT 'd'") {
		rows = append(rows, row("d", "", d.digest))
	}
	if strings.Contains(question, "WHEN context OPERATOR") {
		rows = append(rows, d.list...)
	}
	if strings.Contains(question, "pg_locks") {
		rows = append(append(rows, d.left...), left("n", "0"))
	}
	return says(rows...)
}

// topics names what questions are about, one letter each: d for the digest, o for
// the objects, h for the hash of the settings, s for their list, l for the rest.
func topics(questions string) (topics string) {
	all, _ := frames(questions)
	for _, q := range all {
		for _, k := range []struct{ letter, text string }{
			{"o", "pg_get_ruledef"}, {"d", "SELECT 'd'"}, {"h", "SELECT 'e'"}, {"s", "WHEN context OPERATOR"}, {"l", "pg_locks"},
		} {
			if strings.Contains(q, k.text) {
				topics += k.letter
			}
		}
	}
	return topics
}

// catalogRig is a client of a pool with a catalog, in which the settings of a new
// backend are expected and the objects are known.
func catalogRig(t *testing.T, d *database, change ...func(*Config)) *rig {
	config := transactionMode
	config.Catalog, config.Shared = new(Catalog), new(Shared)
	for _, f := range change {
		f(&config)
	}
	r := newMember(t, &config)
	if got := r.runs(d, "select 'x'"); got != "dohlshl" && got != "dohls" {
		t.Fatalf("at first the backend is asked about %s", got)
	}
	r.flags()
	return r
}

// member is another client of the same pool.
func (r *rig) member() *rig { return newMember(r.t, r.s.config) }

// runs has the client run statements, each in a Query, and the backend answer
// what it is asked then. It returns the kinds of the questions.
func (r *rig) runs(d *database, sql ...string) (asked string) {
	r.t.Helper()
	tx := byte('I')
	for _, text := range sql {
		r.toServer, r.toClient = "", ""
		r.client(query(text))
		if r.need {
			r.need = false
			r.lease()
			if strings.Contains(r.toServer, guard) {
				r.server(complete("SET") + complete("SET") + complete("RESET") + ready('I'))
			}
		}
		r.toServer = ""
		tag := "SELECT 1"
		switch word, _, _ := strings.Cut(text, " "); word {
		case "begin":
			tx, tag = 'T', "BEGIN"
		case "commit", "rollback":
			if strings.Contains(text, " to ") {
				break
			}
			tx, tag = 'I', strings.ToUpper(word)
		case "fails":
			r.server(failure("22012", "division by zero") + ready(tx))
			continue
		}
		r.server(complete(tag) + ready(tx))
	}
	return r.answersAll(d)
}

// answersAll has the backend answer until it is asked no more.
func (r *rig) answersAll(d *database) (asked string) {
	r.t.Helper()
	for range 20 {
		question := r.toServer
		r.toServer = ""
		switch {
		case topics(question) != "":
			asked += topics(question)
			r.server(d.answer(question))
		case question != "":
			r.server(complete("DISCARD ALL") + ready('I'))
		case len(r.learn) > 0 || r.await:
			r.learnt()
		default:
			return asked
		}
	}
	r.t.Fatal("it does not end")
	return ""
}

// calls has the client call f and the backend answer, which is then asked.
func (r *rig) calls() {
	r.t.Helper()
	r.client(query("select f(1)"))
	r.flags()
	r.lease()
	r.toServer = ""
	r.server(complete("SELECT 1") + ready('I'))
}

// lookThrough has the objects looked through that were read.
func (r *rig) lookThrough() {
	for _, o := range r.learn {
		o.Learn()
	}
}

// learnt has it done, and the client told.
func (r *rig) learnt() {
	r.lookThrough()
	r.learn, r.await = nil, false
	r.s.CatalogKnown(&r.o)
	r.took()
	r.again()
}

// ended takes the flags of a lease that has ended.
func (r *rig) ended(want string) {
	r.t.Helper()
	if got := r.flags(); got != want {
		r.t.Fatalf("flags %q, want %q", got, want)
	}
}

func TestAShapeIsAskedAboutAsItsRunsDouble(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	others := r.member()
	for i, want := range []string{"dhl", "hl", "", "hl", "", "", "", "hl", ""} {
		on := r
		if i%2 == 1 {
			on = others
		}
		if got := on.runs(d, "select f(1)"); got != want {
			t.Errorf("run %d: asked about %q, want %q", i+1, got, want)
		}
		on.ended("release")
	}
	if n := r.s.config.Shared.Counts.Unproven.Load(); n != 5 {
		t.Errorf("%d questions are counted, want 5 with the one before", n)
	}
}

// prove has statements run five times, so that the sixth is not asked about.
func (r *rig) prove(d *database, sql ...string) {
	r.t.Helper()
	for range 4 {
		r.runs(d, sql...)
		r.flags()
	}
	if asked := r.runs(d, sql...); asked != "" {
		r.t.Fatalf("%q is not proven: %s", sql, asked)
	}
	r.flags()
}

// asksAgain has them run, and tells whether anything is asked about them.
func (r *rig) asksAgain(d *database, sql ...string) bool {
	r.t.Helper()
	defer r.flags()
	return r.runs(d, sql...) != ""
}

func TestWhatNamesMeanIsPartOfWhatIsProven(t *testing.T) {
	for _, c := range []struct {
		first, second []string
		again         bool
	}{
		{[]string{"select f(1)"}, []string{"select f(2)"}, false},
		{[]string{"select f(1)"}, []string{"select f(1.5)"}, true},
		{[]string{"select f(1)"}, []string{"begin", "set local search_path = a", "select f(1)", "commit"}, true},
		{[]string{"select f(1)"}, []string{"begin", "set local role joe", "select f(1)", "commit"}, true},
		{[]string{"begin", "set local search_path = a", "select f(1)", "commit"}, []string{"begin", "set local search_path = b", "select f(1)", "commit"}, true},
		{[]string{"begin", "set local role a", "select f(1)", "commit"}, []string{"begin", "set local role a", "select f(1)", "commit"}, false},
		{[]string{"begin", "set local work_mem = 1", "select f(1)", "commit"}, []string{"begin", "set local work_mem = 2", "select f(1)", "commit"}, false},
		{[]string{"begin", "declare c cursor for select 1", "fetch c", "commit"}, []string{"begin", "declare c cursor for select f(1)", "fetch c", "commit"}, true},
	} {
		d := aDatabase()
		r := catalogRig(t, d)
		r.prove(d, c.first...)
		r.flags()
		// What differs is proven by itself, so that only the rest can be asked about.
		for range 20 {
			if n := len(c.second); n > 2 {
				rest := slices.Clone(c.second)
				rest[n-2] = "select 'x'"
				r.runs(d, rest...)
				r.flags()
			}
		}
		if got := r.asksAgain(d, c.second...); got != c.again {
			t.Errorf("%q behind %q is asked about: %v", c.second, c.first, got)
		}
	}
}

func TestTheRoleOfAnotherClientIsAnotherContext(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	r.prove(d, "select f(1)")
	r.flags()
	for _, v := range []wire.Param{{Name: follow.NameRole, Value: "joe"}, {Name: "search_path", Value: "a"}, {Name: "row_security", Value: "off"}} {
		other := r.member()
		other.s.settings = follow.NewSettings([]wire.Param{v})
		other.link.settings = other.s.settings
		d.list = []string{nobodyElse(), setting(v.Name, v.Value)}
		if !other.asksAgain(d, "select f(1)") {
			t.Errorf("with %v nothing is asked", v)
		}
	}
	d.list = []string{nobodyElse(), setting("work_mem", "1")}
	other := r.member()
	other.s.settings = follow.NewSettings([]wire.Param{{Name: "work_mem", Value: "1"}})
	other.link.settings = other.s.settings
	if !other.asksAgain(d, "select f(1)") {
		t.Error("nothing is asked where the function may set to something else what is the same here")
	}
}

func TestWhatFailsOrIsRolledBackProvesNothing(t *testing.T) {
	for _, sql := range [][]string{
		{"begin", "select f(1)", "rollback"}, {"begin", "select f(1)", "fails", "rollback"}, {"fails"},
		{"begin", "select f(1)", "rollback to a", "commit"}, {"do $$ begin end $$"},
	} {
		d := aDatabase()
		r := catalogRig(t, d)
		for range 20 {
			if !r.asksAgain(d, sql...) {
				t.Fatalf("%q is proven", sql)
			}
		}
	}
}

func TestDDLMakesAllUnprovenUntilTheDigest(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	other := r.member()
	r.prove(d, "select f(1)")
	r.flags()
	r.prove(d, "select 'ddl'")
	for i, digest := range []string{"1", "2"} {
		d.digest = digest
		r.client(query("create function f() returns int language sql as ''"))
		r.flags()
		r.lease()
		r.toServer = ""
		r.server(complete("CREATE FUNCTION") + ready('I'))
		if r.s.config.Catalog.Certain() || !strings.Contains(topics(r.toServer), "d") {
			t.Fatal("DDL changes nothing")
		}
		// Another client asks for a digest of its own, and awaits what comes of it.
		if got := other.runs(d, "select f(2)"); !strings.Contains(got, "d") {
			t.Errorf("another client's backend is asked about %q meanwhile", got)
		}
		other.flags()
		r.answersAll(d)
		r.flags()
		if !r.s.config.Catalog.Certain() {
			t.Error("it is not certain after the digest")
		}
		if got := r.s.config.Catalog.Generation(); got != uint64(1+i) {
			t.Errorf("generation %d", got)
		}
	}
	if !r.asksAgain(d, "select f(1)") {
		t.Error("in another generation it is still proven")
	}
}

// TestALeaseThatOutlastsAGeneration is asked about: what ran may have been what
// the new one has.
func TestALeaseThatOutlastsAGeneration(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	r.prove(d, "begin", "select f(1)", "commit")
	r.flags()
	r.runs(d, "begin", "select f(1)")
	c := r.s.config.Catalog
	c.Due()
	reading, _ := c.TakeDigest()
	c.Digested(reading, "2")
	c.Learn([]proof.Row{{Kind: 'g', Name: "work_mem"}}, c.Generation())
	if got := r.runs(d, "commit"); !strings.Contains(got, "l") {
		t.Errorf("it is asked about %q", got)
	}
}

func TestLeavingWhileTheBackendIsAsked(t *testing.T) {
	for stage, want := range map[string]string{"digest": "release", "objects": "release", "catalog": "release", "answer": "release"} {
		d := aDatabase()
		r := waitingRig(t, d, stage)
		r.s.Gone(&r.o)
		r.took()
		for range 5 {
			if r.toServer != "" {
				r.answersAll(d)
			}
		}
		if got := strings.ReplaceAll(r.flags(), " end", ""); got != want {
			t.Errorf("while it waits for the %s, the client goes: %s", stage, got)
		}
		r.lookThrough()
		if r.s.config.Catalog.Reads() {
			t.Errorf("%s: somebody reads the objects who has gone", stage)
		}
	}
}

// waitingRig is of the first client of all, which has called f, and whose session
// waits for something.
func waitingRig(t *testing.T, d *database, stage string) *rig {
	t.Helper()
	config := transactionMode
	config.Catalog = new(Catalog)
	r := newRig(t, &config)
	r.calls()
	r.reach(d, stage)
	return r
}

// reach goes on until a session waits for something.
func (r *rig) reach(d *database, stage string) {
	r.t.Helper()
	for _, s := range []struct{ stage, asked string }{{"digest", "d"}, {"objects", "o"}, {"catalog", ""}, {"answer", "hl"}} {
		if got := topics(r.toServer); got != s.asked {
			r.t.Fatalf("while it waits for the %s, the backend is asked about %q", s.stage, got)
		}
		if s.stage == stage {
			return
		}
		question := r.toServer
		r.toServer = ""
		if s.stage == "catalog" {
			r.learnt()
		} else {
			r.server(d.answer(question))
		}
	}
}

func TestABackendThatGoesWhileItIsAsked(t *testing.T) {
	for _, stage := range []string{"digest", "objects", "catalog", "answer"} {
		d := aDatabase()
		r := waitingRig(t, d, stage)
		r.s.Lost(&r.o)
		r.took()
		// What the function has left, if anything, has gone with it.
		if got := r.flags(); got != "drop end" || r.s.awaits() {
			t.Errorf("%s: %q", stage, got)
		}
		r.lookThrough()
		if r.s.config.Catalog.Reads() {
			t.Errorf("%s: somebody reads the objects on a backend that has gone", stage)
		}
	}
}

// TestABackendThatGoesWhileItIsAskedForOthers: nothing of the client's is lost,
// and it does not notice.
func TestABackendThatGoesWhileItIsAskedForOthers(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	r.prove(d, "select f(1)")
	r.s.config.Catalog.Due()
	r.calls()
	if got := topics(r.toServer); got != "dhl" {
		t.Fatalf("asked about %q", got)
	}
	r.s.Lost(&r.o)
	r.took()
	r.ended("drop")
	r.runs(d, "select f(1)")
	r.ended("release")
}

func TestFailuresOfQuestionsWithACatalog(t *testing.T) {
	canceled := failure("57014", "canceling statement due to user request") + ready('I')
	failed := failure("53200", "out of memory") + ready('I')
	for _, stage := range []string{"digest", "objects", "answer"} {
		for _, c := range []struct{ name, answer string }{{"a cancel", canceled}, {"a failure", failed}} {
			d := aDatabase()
			r := waitingRig(t, d, stage)
			r.toServer = ""
			r.server(c.answer)
			asked := r.answersAll(d)
			if got := r.flags(); got != "release" || !strings.Contains(asked, "l") {
				t.Errorf("%s while it waits for the %s: asked about %q, then %q", c.name, stage, asked, got)
			}
		}
	}
}

func TestAQuestionThatFailsForEverPins(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	r.calls()
	for range maxTries + 3 {
		if r.toServer == "" {
			break
		}
		r.toServer = ""
		r.server(canceledQuestion)
	}
	r.ended("pinned: unknown")
	r.client(query("select f(1)"))
	r.toServer = ""
	r.server(complete("SELECT 1") + ready('I'))
	r.answersAll(d)
	r.ended("release unpinned")
}

func TestSettingsThatAreNotAsExpectedAreListed(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	d.settings, d.list = "others", []string{nobodyElse(), setting("work_mem", "64")}
	if got := r.runs(d, "select f(1)"); got != "dhls" {
		t.Errorf("asked about %q", got)
	}
	r.ended("release")
	if v, _ := r.s.Settings().Get("work_mem"); v != "64" {
		t.Errorf("the client has %v", r.s.Settings().All())
	}
	sh := r.s.config.Shared.Shapes.All()
	if !slices.ContainsFunc(sh, func(s *proof.Shape) bool { return s.Text() == "select f(1)" && s.Standing() == proof.Leaves }) {
		t.Error("the shape is not convicted")
	}
	if n := r.s.config.Shared.Counts.Found.Load(); n != 1 {
		t.Errorf("%d findings are counted", n)
	}
	// A client with this setting is another case, and what is as it was costs no list.
	for i, want := range []string{"hl", "hl", "", "hl", ""} {
		if got := r.runs(d, "select f(1)"); got != want {
			t.Errorf("run %d behind it: it is asked about %q, want %q", i+1, got, want)
		}
		r.ended("release")
	}
	// Another backend gets what a trigger has left to the client.
	r.link = newLink()
	r.client(query("select 'x'"))
	r.flags()
	r.toServer = ""
	if r.lease(); !strings.Contains(r.toServer, `SET "work_mem" = '64'`) {
		t.Errorf("another backend is told %s", show(r.toServer))
	}
}

// TestWhatIsFoundAndNotCarriedIsNotExpected: a backend that has it is not like
// one that has nothing.
func TestWhatIsFoundAndNotCarriedIsNotExpected(t *testing.T) {
	for _, c := range []struct{ row, then string }{
		{row("w", "log_min_messages", "debug1"), "pinned: setting"},
		{setting(nameIdleTimeout, "5000"), "release"},
	} {
		d := aDatabase()
		r := catalogRig(t, d)
		d.settings, d.list = "others", []string{nobodyElse(), c.row}
		r.runs(d, "select f(1)")
		r.ended(c.then)
		other := r.member()
		if got := other.runs(d, "select f(1)"); !strings.Contains(got, "s") {
			t.Errorf("what another client's backend has of %s is expected: %q", show(c.row), got)
		}
		other.ended(c.then)
	}
}

// TestSettingsOfExtensionsAreRemembered: those that occur in the database no
// more, and those that only the client has.
func TestSettingsOfExtensionsAreRemembered(t *testing.T) {
	d := aDatabase()
	d.objects = append(d.objects, row("f", "g", "begin set my.x = 1; end"))
	r := catalogRig(t, d)
	d.settings, d.list = "others", []string{nobodyElse(), row("k", "my.x", "1")}
	r.runs(d, "select f(1)")
	r.flags()
	if v, _ := r.s.Settings().Get("my.x"); v != "1" {
		t.Fatalf("the client has %v", r.s.Settings().All())
	}
	r.s.extra.customs = []string{"my.own"}
	r.s.settings = follow.NewSettings(append(r.s.settings.All(), wire.Param{Name: "my.own", Value: "2"}))
	r.link.settings = r.s.settings
	d.digest, d.objects = "2", d.objects[:2]
	r.s.config.Catalog.Due()
	r.calls()
	for topics(r.toServer) != "hl" {
		question := r.toServer
		r.toServer = ""
		if question == "" {
			r.learnt()
			continue
		}
		r.server(d.answer(question))
	}
	if !strings.Contains(r.toServer, "my.x") || !strings.Contains(r.toServer, "my.own") {
		t.Errorf("the hash is of %.300s", r.toServer)
	}
}

// TestWhatRanBeforeTheObjectsWereRead: a function may have set what nobody knows.
func TestWhatRanBeforeTheObjectsWereRead(t *testing.T) {
	d := aDatabase()
	d.objects = append(d.objects, row("f", "f", "begin perform set_config(name, 'x', false); end"))
	config := transactionMode
	config.Catalog = new(Catalog)
	r := newRig(t, &config)
	r.runs(d, "select f(1)")
	r.ended("pinned: setting")
	if other := r.member(); other.runs(d, "select 'x'") == "" || other.flags() != "release" {
		t.Error("a client that has not run it is pinned as well")
	}
}

// TestTwoClientsAtTheBeginning: both have a digest, and the second one awaits
// what the first one reads.
func TestTwoClientsAtTheBeginning(t *testing.T) {
	d := aDatabase()
	config := transactionMode
	config.Catalog, config.Shared = new(Catalog), new(Shared)
	a, b := newMember(t, &config), newMember(t, &config)
	for _, r := range []*rig{a, b} {
		r.calls()
		if got := topics(r.toServer); got != "d" {
			t.Fatalf("asked about %q", got)
		}
	}
	for _, r := range []*rig{a, b} {
		question := r.toServer
		r.toServer = ""
		r.server(d.answer(question))
	}
	if topics(a.toServer) != "o" || b.toServer != "" || !b.await || !b.s.awaits() {
		t.Fatalf("the first one's backend is asked about %q, the other's %q", topics(a.toServer), topics(b.toServer))
	}
	b.s.CatalogKnown(&b.o) // it is told too early
	if b.took(); b.toServer != "" || !b.s.awaits() {
		t.Fatal("it does not wait for what is read")
	}
	for _, r := range []*rig{a, b} {
		if got := r.answersAll(d); !strings.Contains(got, "hl") {
			t.Errorf("asked about %q", got)
		}
		r.ended("release")
	}
}

// TestLeavingInABlock: what has run may be another function than the one that is
// proven, and so the backend is cleaned.
func TestLeavingInABlock(t *testing.T) {
	for _, changed := range []bool{false, true} {
		d := aDatabase()
		r := catalogRig(t, d)
		r.prove(d, "begin", "select f(1)", "commit")
		r.runs(d, "begin", "select f(1)")
		if changed {
			r.s.config.Catalog.Changed()
		}
		r.s.Gone(&r.o)
		r.took()
		if got := strings.Contains(r.toServer, "DISCARD ALL"); got != changed {
			t.Errorf("the objects may have changed: %v, and the backend is told %s", changed, show(r.toServer))
		}
	}
}

// TestDDLOfAClientThatGoes makes all unproven as well.
func TestDDLOfAClientThatGoes(t *testing.T) {
	ddl := query("create function f() returns int language sql as ''")
	answer := complete("CREATE FUNCTION") + ready('I')
	for name, goes := range map[string]func(*rig){
		"it goes before the answer": func(r *rig) { r.s.Gone(&r.o) },
		"it has said Terminate":     func(r *rig) { r.client(terminate); r.server(answer) },
		"its backend goes":          func(r *rig) { r.s.Lost(&r.o) },
		"it discards all":           func(r *rig) { r.server(answer); r.server(complete("DISCARD ALL") + ready('I')) },
	} {
		r := catalogRig(t, aDatabase())
		r.client(ddl)
		if name == "it discards all" {
			r.client(query("discard all"))
		}
		r.flags()
		r.lease()
		goes(r)
		if r.s.config.Catalog.Certain() {
			t.Errorf("%s: nothing has changed", name)
		}
	}
}

// TestLeakCheckOfWhatIsProven finds nothing, and what it finds is told.
func TestLeakCheckOfWhatIsProven(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d, func(c *Config) { c.LeakCheck = 1 })
	for range 10 {
		if got := r.runs(d, "select f(1)"); !strings.Contains(got, "l") {
			t.Errorf("asked about %q", got)
		}
		r.ended("release")
	}
	if n := r.s.config.Shared.Counts.Sampled.Load(); n != 8 {
		t.Errorf("%d samples, want all but the runs 1 and 2, since each clean answer puts the next question off", n)
	}
	d.left = []string{left("l")}
	r.runs(d, "select f(1)")
	if r.leak != ReasonLock {
		t.Errorf("%v has leaked", r.leak)
	}
}

// TestAPipelineDoesNotBlurWhatNamesMean: a statement behind the end of a block, in
// the same write, runs under another search_path than the block.
func TestAPipelineDoesNotBlurWhatNamesMean(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	for range 4 {
		r.runs(d, "begin", "set local search_path = b", "select g()", "commit")
		r.flags()
	}
	r.client(query("begin") + query("set local search_path = b") + query("commit") + query("select g()"))
	r.lease()
	r.toServer = ""
	r.server(complete("BEGIN") + ready('T') + complete("SET") + ready('T') + complete("COMMIT") + ready('I') + complete("SELECT 1") + ready('I'))
	if topics(r.toServer) == "" {
		t.Error("nothing is asked")
	}
}

// TestARefusedParseTakesTheUnnamedStatementAway: what is bound behind it is not the
// one before, under the other one's name.
func TestARefusedParseTakesTheUnnamedStatementAway(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d, func(c *Config) { c.Listen = ListenReject })
	r.client(parse("", "set search_path = x") + syncing)
	r.lease()
	r.server(parsed + ready('I'))
	r.answersAll(d)
	r.flags()
	r.client(parse("", "listen a") + syncing)
	r.lease()
	r.server(failure("26000", `prepared statement "`+refusedName+`" does not exist`) + ready('I'))
	r.answersAll(d)
	r.flags()
	r.toServer = ""
	r.client(bind("", "") + execute("", 0) + syncing)
	r.lease()
	mustEqual(t, "the backend is told", r.toServer, closing("S", "")+bind("", "")+execute("", 0)+syncing)
}

// TestAStatementUnderTheClientsOwnNameIsNoEvidence: it has no shape.
func TestAStatementUnderTheClientsOwnNameIsNoEvidence(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	for i := range 5 {
		r.toServer = ""
		r.client(query("begin"))
		r.lease()
		r.server(complete("BEGIN") + ready('T'))
		r.client(query("prepare p as select 1"))
		r.server(complete("PREPARE") + ready('T'))
		r.client(parse("a", "select anything()") + bind("", "a") + execute("", 0) + closing("S", "a") + syncing)
		r.server(parsed + bound + row("1") + complete("SELECT 1"))
		r.server(closed + ready('T'))
		r.client(query("deallocate p"))
		r.server(complete("DEALLOCATE") + ready('T'))
		r.client(query("commit"))
		r.toServer = ""
		r.server(complete("COMMIT") + ready('I'))
		if got := topics(r.toServer); !strings.Contains(got, "hl") {
			t.Errorf("run %d: asked about %q", i+1, got)
		}
		r.answersAll(d)
		r.flags()
	}
}

// TestWhatIsHeldHasNotRun: a question that comes ahead of it says nothing about it.
func TestWhatIsHeldHasNotRun(t *testing.T) {
	d := aDatabase()
	r := catalogRig(t, d)
	r.runs(d, "select f(0)")
	r.flags()
	r.client(parse("a", "select f(1)") + syncing + bind("", "a") + execute("", 0) + syncing)
	r.lease()
	runs := func() uint64 {
		for _, sh := range r.s.config.Shared.Shapes.All() {
			if sh.Text() == "select f(0)" {
				return sh.Runs()
			}
		}
		return 0
	}
	if n := runs(); n != 1 {
		t.Errorf("the Bind waits, and %d runs are counted", n)
	}
}
