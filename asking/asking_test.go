package asking

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestAnErrorIsToldInOneLine(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, c := range []struct {
		err         error
		state, want string
	}{
		{fmt.Errorf("a:\n\tb: %w", &pgconn.PgError{Severity: "FATAL", Message: "no", Code: "28P01"}), "28P01", "no (SQLSTATE 28P01)"},
		{fmt.Errorf("a: %w", context.DeadlineExceeded), "", "no answer in time"},
		{fmt.Errorf("a:\n\tb: %w", &net.DNSError{Err: "no such host", Name: "h"}), "", "lookup h: no such host"},
		{fmt.Errorf("a:\n\tb: %w\n\tc: %w", refused, refused), "", "dial tcp: connection refused"},
		{errors.New("a:\n\tb"), "", "a: b"},
	} {
		got := Shortened(c.err)
		if got.Error() != c.want || SQLState(got) != c.state || !errors.Is(got, c.err) {
			t.Errorf("%q is told as %q with %q", c.err, got, SQLState(got))
		}
	}
}
