package secrets

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"pgweir/config"
)

const (
	tick = 250 * time.Millisecond
	// lookEvery is how often files are read: their contents are compared, not their
	// times, of which a file system may have too few.
	lookEvery = 2 * time.Second
	// renewEvery is how often a command is run for passwords that PostgreSQL refuses.
	renewEvery = time.Second
	// The pauses after runs that failed.
	firstPause, lastPause = time.Second, 30 * time.Second
)

// Store keeps what the sources of a configuration give. Its methods may be called on
// any goroutine; those that wait say so.
type Store struct {
	log     *slog.Logger
	changed func()
	ctx     context.Context
	cancel  context.CancelFunc
	runs    sync.WaitGroup // commands

	mu   sync.Mutex // guards held and what is in the entries
	held Set
}

// Set are the sources of one configuration, by SecretSource.Key.
type Set map[string]*entry

// entry is one source.
type entry struct {
	source  config.SecretSource
	value   config.Secret
	failing bool
	pause   time.Duration // after the last failure
	due     time.Time     // when it is to be run, or looked at, by itself; zero for never
	begun   time.Time     // when that was begun last
	renewed time.Time     // when it was begun last for a secret that was refused
	busy    chan struct{} // closed when what is under way is done; nil if nothing is
	pending config.Secret // what the file held at the last look, if it was another: it may just be being written
}

// New makes a store without sources. changed is called, on a goroutine of its own,
// whenever a source gives another secret.
func New(log *slog.Logger, changed func()) *Store {
	s := &Store{log: log, changed: changed, held: Set{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends Keep and commands that run, and returns when these have ended. It does not
// wait for files, whose disk may not answer, nor for long.
func (s *Store) Close() {
	s.mu.Lock() // no command is begun after it
	s.cancel()
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.runs.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(2 * lingering):
	}
}

// Prepare makes a Set of sources. Commands that have given nothing yet are run, and
// waited for.
func (s *Store) Prepare(sources []config.SecretSource) Set {
	set := Set{}
	var runs []<-chan struct{}
	s.mu.Lock()
	for _, source := range sources {
		key := source.Key()
		e := s.held[key]
		if e == nil {
			e = &entry{source: source, due: time.Now().Add(lookEvery)}
		}
		if source.File == "" && e.value == "" {
			runs = append(runs, s.begin(e, false))
		}
		set[key] = e
	}
	s.mu.Unlock()
	for _, run := range runs {
		<-run
	}
	return set
}

// Commit puts a Set in force, which was prepared of these sources.
func (s *Store) Commit(set Set, sources []config.SecretSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range sources {
		e := set[source.Key()]
		if source.File != "" { // it has just been read
			e.value, e.pending, e.failing = source.Read, "", false
		} else if e.source.TTL != source.TTL && !e.failing {
			e.due = refresh(e.begun, source.TTL)
		}
		e.source = source
	}
	s.held = set
}

// Value is what a source of a Set gives now; "" if nothing yet.
func (s *Store) Value(set Set, source *config.SecretSource) config.Secret {
	if source.File != "" {
		return source.Read
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return set[source.Key()].value
}

// Now is what the source of a key gives now, in the Set in force.
func (s *Store) Now(key string) config.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.held[key]; e != nil {
		return e.value
	}
	return ""
}

// Renew gives another secret in place of one that PostgreSQL has refused; false if
// the source has no other. It may wait as long as the command runs.
func (s *Store) Renew(key string, refused config.Secret) (config.Secret, bool) {
	s.mu.Lock()
	e := s.held[key]
	if e == nil {
		s.mu.Unlock()
		return "", false
	}
	if e.value == refused && (e.busy != nil || time.Since(e.renewed) >= renewEvery) {
		e.renewed = time.Now()
		busy := s.begin(e, true)
		s.mu.Unlock()
		<-busy
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	return e.value, e.value != refused && e.value != ""
}

// Keep runs and looks when it is time, until Close.
func (s *Store) Keep() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-t.C:
			s.mu.Lock()
			for _, e := range s.held {
				if !e.due.IsZero() && !now.Before(e.due) && e.busy == nil {
					s.begin(e, false)
				}
			}
			s.mu.Unlock()
		}
	}
}

// begin asks the source, on a goroutine, unless that is under way. The channel is
// closed when it is done. atOnce takes a file as it is. The lock is held.
func (s *Store) begin(e *entry, atOnce bool) <-chan struct{} {
	if e.busy != nil {
		return e.busy
	}
	done := make(chan struct{})
	e.busy, e.begun = done, time.Now()
	source := e.source
	command := source.File == "" && s.ctx.Err() == nil
	if command {
		s.runs.Add(1)
	}
	go func() {
		defer close(done)
		if command {
			defer s.runs.Done()
		}
		var value config.Secret
		var err error
		if source.File != "" {
			value, err = config.ReadSecretFile(source.File)
		} else {
			value, err = Run(s.ctx, &source)
		}
		if s.ctx.Err() != nil {
			return
		}
		if s.settle(e, value, err, atOnce) {
			go s.changed()
		}
	}()
	return done
}

// settle takes what a source has given, and tells whether that is another secret
// than before, and the source is in force.
func (s *Store) settle(e *entry, value config.Secret, err error, atOnce bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.busy = nil
	file := e.source.File != ""
	if err != nil {
		e.pending = ""
		s.failed(e, err)
		return false
	}
	if e.failing {
		s.log.Warn("the source of a password works again", "setting", e.source.Setting)
	}
	e.failing, e.pause = false, 0
	if file {
		e.due = e.begun.Add(lookEvery)
	} else {
		e.due = refresh(e.begun, e.source.TTL)
	}
	if value == e.value {
		e.pending = ""
		return false
	}
	if file && !atOnce && value != e.pending {
		e.pending = value
		return false
	}
	e.value, e.pending = value, ""
	if file {
		s.log.Info("a new password has been taken", "setting", e.source.Setting)
	}
	return s.held[e.source.Key()] == e
}

// failed notes a failure, which is told of once. What there was serves on.
func (s *Store) failed(e *entry, err error) {
	now := time.Now()
	e.pause = min(max(firstPause, 2*e.pause), lastPause)
	e.due = now.Add(e.pause)
	if e.source.File != "" {
		e.due = now.Add(lookEvery)
	}
	if e.failing {
		return
	}
	e.failing = true
	serves := "the last one serves"
	if e.value == "" {
		serves = "there is none yet"
	}
	s.log.Warn("the source of a password fails; "+serves, "setting", e.source.Setting, "err", err)
}

// refresh is when a command that was begun at a time is to be run again: ahead of the
// end of what it gave.
func refresh(begun time.Time, ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return begun.Add(ttl - ttl/5)
}
