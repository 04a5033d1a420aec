package authquery

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/auth"
)

// fakeServer is a made-up source: it knows secrets, and can be slow or away.
type fakeServer struct {
	mu      sync.Mutex
	secrets map[string]string
	wrong   map[string]error // by name: what is said instead
	away    error            // it cannot be reached
	hold    chan struct{}    // if not nil, questions wait for its end
	gone    chan struct{}    // if not nil, logins do
	asked   []string
	looked  []string        // for databases
	none    map[string]bool // databases that there are not
	noHome  error           // why "postgres" cannot be opened
	logins  []string        // databases that somebody has tried to open
	// password is what a login has to have, "" for any; shown are those that were tried.
	password string
	shown    []string
	id       string
	shape    auth.Shape
	tries    int // to open one
	opened   int // connections, all together
	open     int // now
}

func (s *fakeServer) set(f func(*fakeServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *fakeServer) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *fakeServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *fakeServer) connect(ctx context.Context, source Source, password string) (conn, error) {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone != nil {
		select {
		case <-gone:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.away != nil {
		return nil, s.away
	}
	s.logins = append(s.logins, source.Database)
	s.shown = append(s.shown, password)
	switch {
	case s.password != "" && password != s.password:
		return nil, &pgconn.PgError{Code: "28P01"}
	case s.none[source.Database]:
		return nil, &pgconn.PgError{Code: "3D000"}
	case source.Database == home.Database && s.noHome != nil:
		return nil, s.noHome
	}
	s.opened++
	s.open++
	return &fakeConn{fake: s, source: source}, nil
}

type fakeConn struct {
	fake   *fakeServer
	source Source
	ended  bool
}

func (c *fakeConn) server() (string, auth.Shape) { return c.fake.id, c.fake.shape }

func (c *fakeConn) exists(_ context.Context, database string) (bool, error) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	c.fake.looked = append(c.fake.looked, database)
	if c.fake.away != nil {
		c.ended = true
		return false, c.fake.away
	}
	return !c.fake.none[database], nil
}

func (c *fakeConn) ask(ctx context.Context, _, name string) (string, error) {
	s := c.fake
	s.mu.Lock()
	s.asked = append(s.asked, name)
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		c.ended = true
		return "", s.away
	}
	return s.secrets[name], s.wrong[name]
}

func (c *fakeConn) dead() bool { return c.ended }

func (c *fakeConn) close() { c.fake.set(func(s *fakeServer) { s.open-- }) }

// bench is an Asker with a made-up server and clock.
type bench struct {
	*Asker
	server *fakeServer
	mu     sync.Mutex
	clock  time.Time
	words  []string // of Failing and Works
}

var (
	source  = Source{Server: "s:1", Database: "d", User: "asker", Query: "q"}
	limits  = Limits{TTL: 30 * time.Second, Stale: 5 * time.Minute}
	home    = Source{Server: "s:1", Database: "postgres", User: "asker", Query: "q"}
	errAway = errors.New("it is away")
)

func newBench(t *testing.T) *bench {
	b := &bench{server: &fakeServer{secrets: map[string]string{}, wrong: map[string]error{}}, clock: time.Unix(1e9, 0)}
	b.Asker = New(Options{
		Failing: func(_ Source, err error) { b.say("failing: " + err.Error()) },
		Works:   func(Source) { b.say("works") },
	})
	b.Asker.open, b.Asker.now = b.server.connect, func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.clock
	}
	t.Cleanup(func() {
		b.Close()
		if n := b.server.connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return b
}

func (b *bench) say(word string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.words = append(b.words, word)
}

func (b *bench) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.words...)
}

// pass lets time pass, when all that was asked is answered.
func (b *bench) pass(t *testing.T, d time.Duration) {
	t.Helper()
	eventually(t, "no question is under way", func() bool {
		b.Asker.mu.Lock()
		defer b.Asker.mu.Unlock()
		return len(b.flights) == 0
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

type told struct {
	answer Answer
	err    error
}

// begin asks, and gives where the answer will come.
func (b *bench) begin(name string) <-chan told {
	got := make(chan told, 1)
	b.put(Question{Source: source, Name: name, Limits: limits}, got)
	return got
}

// put asks, and has the answer come there.
func (b *bench) put(q Question, got chan<- told) *Wait {
	a, wait, err := b.Ask(q, func(a Answer, err error) { got <- told{a, err} })
	if wait == nil {
		got <- told{a, err}
	}
	return wait
}

// ask asks and waits.
func (b *bench) ask(t *testing.T, name string) (Answer, error) {
	t.Helper()
	got := comes(t, b.begin(name))
	return got.answer, got.err
}

// comes waits for an answer.
func comes(t *testing.T, from <-chan told) told {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

// is asks, and compares the plain secret; "" for an unknown user.
func (b *bench) is(t *testing.T, name, want string) Answer {
	t.Helper()
	a, err := b.ask(t, name)
	got := ""
	if a.User != nil {
		got = a.User.Secret().Credentials(name).Password
	}
	if err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", name, got, err, want)
	}
	return a
}

// fails asks, and wants the error.
func (b *bench) fails(t *testing.T, name string, want error) {
	t.Helper()
	if a, err := b.ask(t, name); !errors.Is(err, want) || a.User != nil {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

// questionsAre wants the number of questions so far.
func (b *bench) questionsAre(t *testing.T, want int) {
	t.Helper()
	if got := b.server.questions(); got != want {
		t.Errorf("%d questions, want %d", got, want)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
