package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestALoginThatDerivesKeysHoldsNobodyUp logs in with a password whose secret
// takes long to check, and looks at another client's queries meanwhile.
func TestALoginThatDerivesKeysHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	secret := scramSecret(t, "secret")
	slow := strings.Replace(secret, "$4096:", "$10000000:", 1) // as many iterations as may be; no password fits, which is found out at the end
	w := startWeir(t, weirOptions{Top: "auth_type = \"password\"\nworkers = 1\nclient_login_timeout = 0\n", Tables: fmt.Sprintf(
		"[users.postgres]\npassword = \"pass\"\n[users.slow]\npassword = %q\n[users.quick]\npassword = %q", slow, secret)})
	if got := codeOf(t, tryLogin(t, w.DSN("user=quick", "password=wrong"))); got != "28P01" {
		t.Errorf("a wrong password: %q", got)
	}
	eventually(t, "the log tells of it", func() bool { return strings.Contains(w.Log(), "user=quick") })
	other := connect(t, w.DSN("password=pass"))
	must(t, other, "select 1")
	c := rawDial(t, w.Addr())
	c.Say(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "slow", "database": w.DB}})
	if m, ok := c.Next(t).(*pgproto3.AuthenticationCleartextPassword); !ok {
		t.Fatalf("%+v", m)
	}
	c.Say(t, &pgproto3.PasswordMessage{Password: "secret"})
	// A loop that did the work itself would answer two queries at most before.
	for range 5 {
		must(t, other, "select 1")
		if strings.Contains(w.Log(), "user=slow") {
			t.Fatal("the login ended before the other client's queries")
		}
	}
}
