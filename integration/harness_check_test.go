package integration

import "testing"

func TestAQueryThroughPgweirReachesTheDatabaseOfTheTest(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	conn := connect(t, w.DSN())
	if got := ask(t, conn, "select current_database()"); got != w.DB {
		t.Errorf("in database %s, want %s", got, w.DB)
	}
	if n := len(w.Backends(t)); n != 1 {
		t.Errorf("%d backends", n)
	}
}
