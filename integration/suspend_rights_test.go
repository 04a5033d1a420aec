package integration

import "testing"

// TestASuspensionLastsAsLongAsAnybodyMayEndIt: who may say so now, whatever they might do
// when they logged in.
func TestASuspensionLastsAsLongAsAnybodyMayEndIt(t *testing.T) {
	t.Parallel()
	admin := func(user string) weirOptions {
		return weirOptions{
			Top:    "admin_users = [\"" + user + "\"]\nstats_users = [\"postgres\", \"promoted\", \"later\"]",
			Tables: "[users.postgres]\n[users.promoted]\n[users.later]",
		}
	}
	w := startWeir(t, admin("postgres"))
	demoted, first, second := connect(t, w.Console()), connect(t, w.Console("user=promoted")), connect(t, w.Console("user=later"))
	w.Rewrite(t, admin("promoted"))
	must(t, demoted, "RELOAD")

	must(t, first, "SUSPEND")
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Says(t, "the suspension has ended", 1) // those who stay may only read

	w.Rewrite(t, admin("later"))
	reloadBySignal(t, w)
	must(t, second, "SUSPEND")
	if err := demoted.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one client is left", func() bool { return len(show(t, second, "show clients")) == 1 })
	if state := rowOf(t, show(t, second, "show state"), "key", "suspended")["value"]; state != "yes" {
		t.Errorf("suspended: %s, and one is there who may end it", state)
	}
	must(t, second, "SET admin_users = nobody")
	w.Says(t, "the suspension has ended", 2)
	servedWithin(t, connect(t, w.DSN()), patience)
}
