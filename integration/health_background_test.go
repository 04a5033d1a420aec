package integration

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/cluster"
)

// TestABackgroundProcessThatEndsAgainAndAgainIsToldOf: the postmaster waits
// for five seconds before it starts this one anew, so it is first found missing,
// and then found to come and go.
func TestABackgroundProcessThatEndsAgainAndAgainIsToldOf(t *testing.T) {
	t.Parallel()
	const kind = "logical replication launcher"
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	direct := connect(t, w.Direct())
	findings(t, w)
	// Ended is only what the census has seen: it cannot tell of others.
	found := func(id string) func() bool {
		return func() bool {
			_, body := get(t, w, "/census")
			c := parseCensus(t, body)
			for _, p := range c.Processes {
				if or(p.Kind) == kind {
					must(t, direct, fmt.Sprintf("select pg_terminate_backend(%d)", p.PID))
				}
			}
			for _, f := range c.Findings {
				if f.ID == id && f.Severity == "warning" && strings.Contains(f.Text, kind) {
					return true
				}
			}
			return false
		}
	}
	eventuallyWithin(t, 2*noticed, "it is found missing", found("process_missing"))
	isOver(t, w, "process_missing")
	eventuallyWithin(t, 4*noticed, "it is found to come and go", found("process_restarting"))
}
