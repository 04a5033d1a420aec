package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestErrorsAreCountedBySQLSTATE(t *testing.T) {
	var tally tally
	add := func(n int, err error) {
		for range n {
			tally.add(fmt.Errorf("wrapped: %w", err))
		}
	}
	add(2, &pgconn.PgError{Code: "40001", Message: "could not serialize"})
	add(3, &pgconn.PgError{Code: "42601", Message: "syntax error"})
	tally.add(&pgconn.PgError{Code: "42601", Message: "another"})
	add(1, io.ErrUnexpectedEOF)
	add(1, &net.OpError{Op: "read", Err: syscall.ECONNRESET})
	add(1, context.DeadlineExceeded)
	add(1, errOpenTransaction)
	want := []ErrorCount{
		{"42601", "syntax error", 4},
		{"40001", "could not serialize", 2},
		{"connection", "the connection was closed", 2},
		{"other", "wrapped: the script has left its transaction open", 1},
		{"timeout", "no answer in time", 1},
	}
	got := tally.list()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	if tally.total() != 10 {
		t.Errorf("%d in all", tally.total())
	}
}

func TestWhoIsTurnedAwayIsToldFromWhoMeetsAnError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "53300", Message: "sorry, too many clients already"}, true},
		{fmt.Errorf("x: %w", &pgconn.PgError{Code: "53300", Message: `too many connections for role "app"`}), true},
		{&pgconn.PgError{Code: "08P01", Message: "no more connections allowed (max_client_conn)"}, true},
		{&pgconn.PgError{Code: "08P01", Message: "query_wait_timeout"}, false},
		{&pgconn.PgError{Code: "28P01", Message: "password authentication failed"}, false},
		{errors.New("no more connections allowed"), false},
	} {
		if got := tooMany(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
