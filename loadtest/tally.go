package loadtest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrorCount is how often clients met one kind of error.
type ErrorCount struct {
	Code  string // SQLSTATE, or "connection", "timeout" or "other"
	Text  string // the first one's message
	Count int64
}

// tally counts errors by SQLSTATE.
type tally struct {
	mu    sync.Mutex
	kinds map[string]*ErrorCount
}

// add counts an error and gives how many of its kind there were.
func (t *tally) add(err error) int64 {
	code := codeOf(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := t.kinds[code]
	if kind == nil {
		if t.kinds == nil {
			t.kinds = map[string]*ErrorCount{}
		}
		kind = &ErrorCount{Code: code, Text: reason(err)}
		t.kinds[code] = kind
	}
	kind.Count++
	return kind.Count
}

func (t *tally) total() (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range t.kinds {
		n += kind.Count
	}
	return n
}

// list has the most frequent first.
func (t *tally) list() []ErrorCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []ErrorCount
	for _, kind := range t.kinds {
		all = append(all, *kind)
	}
	slices.SortFunc(all, func(a, b ErrorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return all
}

// errOpenTransaction is counted for a script that ends within a transaction.
var errOpenTransaction = errors.New("the script has left its transaction open")

// codeOf is the SQLSTATE of an error, or what stands for it.
func codeOf(err error) string {
	var e *pgconn.PgError
	var netErr net.Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, errOpenTransaction):
		return "other"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		return "connection"
	}
	return "other"
}

// reason is an error in the words that matter to the user: what the server
// said, or what became of the connection.
func reason(err error) string {
	var e *pgconn.PgError
	var system syscall.Errno
	var lookup *net.DNSError
	switch {
	case errors.As(err, &e):
		return e.Message
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return "nothing is listening there"
	case errors.As(err, &lookup):
		return lookup.Error()
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return err.Error()
}

// tooMany tells whether a login failed because the server, or the pooler, lets
// no more clients in. PgBouncer has a SQLSTATE of its own for that.
func tooMany(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "53300" || strings.Contains(e.Message, "no more connections allowed")
}
