package passwords

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// server takes one password, and notes what it was shown.
type server struct {
	takes string
	code  string // of its refusals
	shown []string
}

func (s *server) open(password string) error {
	s.shown = append(s.shown, password)
	if password == s.takes {
		return nil
	}
	return &pgconn.PgError{Code: s.code}
}

func (s *server) was(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.shown, want) {
		t.Errorf("tried %q, want %q", s.shown, want)
	}
	s.shown = nil
}

func TestTheNextPasswordIsTriedAndRemembered(t *testing.T) {
	s, l := &server{takes: "new", code: "28P01"}, Login{}
	list := List{Known: []string{"old", "new"}, Renew: func() (string, bool) { t.Error("renewed"); return "", false }}
	if err := l.Try(t.Context(), list, s.open); err != nil {
		t.Error(err)
	}
	s.was(t, "old", "new")
	if err := l.Try(t.Context(), list, s.open); err != nil {
		t.Error(err)
	}
	s.was(t, "new")
}

func TestTheSourceIsAskedOnceWhenAllAreRefused(t *testing.T) {
	s, l, renewed := &server{takes: "newest", code: "28000"}, Login{}, 0
	list := List{Known: []string{"old"}, Renew: func() (string, bool) { renewed++; return "newer", true }}
	if err := l.Try(t.Context(), list, s.open); !IsRefused(err) {
		t.Error(err)
	}
	s.was(t, "old", "newer")
	if renewed != 1 || l.HasOther(list) || l.HasOther(List{Known: []string{"newer"}}) || !l.HasOther(List{Known: []string{"newest"}}) {
		t.Errorf("renewed %d times, refused %q", renewed, l.refused)
	}
	s.takes = "newer"
	if err := l.Try(t.Context(), list, s.open); err != nil || l.HasOther(List{Known: []string{"x"}}) {
		t.Error(err)
	}
}

func TestOtherFailuresEndTheTry(t *testing.T) {
	s, l := &server{takes: "new", code: "3D000"}, Login{}
	if err := l.Try(t.Context(), List{Known: []string{"old", "new"}}, s.open); err == nil || IsRefused(err) {
		t.Error(err)
	}
	s.was(t, "old")
	away := errors.New("away")
	if err := l.Try(t.Context(), List{}, func(string) error { return away }); err != away || l.HasOther(List{Known: []string{"x"}}) {
		t.Error(err)
	}
}

func TestARenewalIsNotWaitedForLongerThanAllowed(t *testing.T) {
	s, l, hold := &server{takes: "new", code: "28P01"}, Login{}, make(chan struct{})
	defer close(hold)
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Try(ctx, List{Renew: func() (string, bool) { cancel(); <-hold; return "new", true }}, s.open)
	if !IsRefused(err) {
		t.Error(err)
	}
	s.was(t, "")
}
