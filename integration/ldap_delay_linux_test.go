package integration

import (
	"fmt"
	"testing"

	"pgweir/ldaptest"
)

// TestWrongLDAPPasswordsAreHeldAsOthersAre, and it is no wrong password if no server has
// said so.
func TestWrongLDAPPasswordsAreHeldAsOthersAre(t *testing.T) {
	t.Parallel()
	server := startLDAP(t, ldaptest.Options{})
	w := startWeir(t, weirOptions{
		Top: "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nlogin_failure_delay = \"1h\"\nlogin_failure_delay_max = \"1h\"",
		Files: map[string]string{"hba.conf": "local all all trust\nhost all bob all ldap " + fmt.Sprintf(ldapMade, 1) +
			"\nhost all all all ldap " + fmt.Sprintf(ldapMade, server.Port) + "\n"},
	})
	for range 6 { // nobody is there to say that it is wrong
		if got := refusedAs(t, w, "bob", "bob's"); got != "28P01" {
			t.Errorf("bob: %q", got)
		}
	}
	for range 5 {
		if got := refusedAs(t, w, "ann", "wrong"); got != "28P01" {
			t.Errorf("ann: %q", got)
		}
	}
	wrongs(t, w, "127.0.0.1", "ann", 1)
	eventually(t, "ann is not told, and bob was", func() bool { return metric(t, w, "pgweir_logins_delayed") == 1 })
	if got := len(server.Binds()); got != 6 {
		t.Errorf("the server was sent %d passwords", got)
	}
}
