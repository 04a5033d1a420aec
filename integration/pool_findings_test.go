package integration

import (
	"strings"
	"testing"
)

// TestClientsThatWaitForLongAreAFinding on the console and the page, and a line of the log;
// those that are refused in the end are another one.
func TestClientsThatWaitForLongAreAFinding(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "query_wait_timeout = \"9s\"", Database: "pool_size = 1"})
	holder, waiter := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, holder, "begin; select 1")
	refused := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(t.Context(), "select 1")
		refused <- err
	}()
	w.Says(t, "msg=finding id=clients_wait severity=warning server=pgweir", 1)
	if _, page := get(t, w, "/"); !strings.Contains(page, "Clients wait for a backend: "+w.Role()+"@"+w.DB) || strings.Contains(page, "everything is well") {
		t.Error("the page does not say so")
	}
	if err := <-refused; sqlState(err) != "53300" {
		t.Errorf("the wait ends with %v", err)
	}
	w.Says(t, "msg=finding id=waits_failed severity=warning server=pgweir", 1)
	if n := rowsWith(show(t, connect(t, w.Console()), "show findings"), "id", "waits_failed"); n != 1 {
		t.Errorf("SHOW FINDINGS has it %d times", n)
	}
}
