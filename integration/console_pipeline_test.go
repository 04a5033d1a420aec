package integration

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAClientOfTheConsoleMayAskBeforeItIsAnswered: what comes with its StartupMessage
// is the console's to answer.
func TestAClientOfTheConsoleMayAskBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	for range 20 {
		c := rawDial(t, w.Addr())
		c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "postgres", "database": "pgweir"}})
		for range 3 {
			c.Send(&pgproto3.Query{String: "show version"})
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		for ready := 0; ready < 4; {
			switch m := c.Next(t).(type) {
			case *pgproto3.ReadyForQuery:
				ready++
			case *pgproto3.ErrorResponse:
				t.Fatal(m.Message)
			}
		}
		c.net.Close()
	}
}
