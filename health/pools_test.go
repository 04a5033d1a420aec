package health

import (
	"strings"
	"testing"
	"time"

	"pgweir/status"
)

// pooled is a snapshot of pools at some second.
func pooled(second int, all ...status.Pool) *status.Snapshot {
	return &status.Snapshot{At: time.Unix(1e9+int64(second), 0), Pools: all}
}

func TestWhatIsWrongWithPools(t *testing.T) {
	waits := func(change func(*status.Pool)) status.Pool {
		p := status.Pool{Database: "shop", User: "app", Size: 10, ServersActive: 10, ClientsWaiting: 3, MaxWait: 7 * time.Second}
		change(&p)
		return p
	}
	for _, c := range []struct {
		name     string
		pool     status.Pool
		id       string // "" for nothing
		severity status.Severity
		text     string
	}{
		{"at rest", status.Pool{Database: "shop", User: "app", Size: 10}, "", "", ""},
		{"a short wait", waits(func(p *status.Pool) { p.MaxWait = status.LongWait - 1 }), "", "", ""},
		{"a long wait", waits(func(p *status.Pool) { p.Pinned = 2 }), status.ClientsWait, status.Warning,
			"app@shop (the first of 3 clients for 7 s, with 10 of 10 backends at work, 2 of them pinned)"},
		{"a cap", waits(func(p *status.Pool) { p.ServersActive = 4 }), status.PoolStarved, status.Warning,
			"app@shop (4 of 10 backends, the first of 3 clients waits for 7 s)"},
		{"a login under way is no cap", waits(func(p *status.Pool) { p.ServersActive, p.ServersLogin = 4, 1 }), status.ClientsWait, status.Warning, "app@shop"},
		{"a pause", waits(func(p *status.Pool) { p.Paused = true }), "", "", ""},
		{"refused", waits(func(p *status.Pool) { p.ServersActive, p.Refusal = 0, "the database system is starting up" }), status.LoginsRefused,
			status.Critical, "app@shop (the database system is starting up)"},
		{"refused with backends", waits(func(p *status.Pool) { p.ServersActive, p.Refusal = 9, "too many" }), status.LoginsRefused, status.Warning, "too many"},
		{"refused, and nobody waits", status.Pool{Database: "shop", User: "app", Size: 10, Refusal: "no"}, status.LoginsRefused, status.Warning, "no"},
		{"a long query", status.Pool{Database: "shop", User: "app", OldestQuery: time.Minute}, status.LongQuery, status.Info, "app@shop (for 60 s)"},
		{"a very long query", status.Pool{Database: "shop", User: "app", OldestQuery: 11 * time.Minute}, status.LongQuery, status.Warning, "for 11 min"},
		{"the console", status.Pool{Database: "pgweir", User: "app", MaxWait: time.Hour, OldestQuery: time.Hour}, "", "", ""},
	} {
		got := NewPoolJudge().Judge(pooled(0, c.pool), nil)
		switch {
		case c.id == "" && len(got) == 0:
		case len(got) != 1 || got[0].ID != c.id || got[0].Severity != c.severity || !strings.Contains(got[0].Text, c.text) || got[0].Advice == "":
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestFailedWaitsAreToldForAMinute: of those before the first reading nothing is known.
func TestFailedWaitsAreToldForAMinute(t *testing.T) {
	j := NewPoolJudge()
	for _, step := range []struct {
		second      int
		late, shed  int64
		want, since string
	}{
		{0, 5, 5, "", ""}, {2, 5, 5, "", ""},
		{4, 6, 5, "app@shop (1 time)", "4"}, {30, 6, 7, "app@shop (3 times)", "4"}, {89, 6, 7, "app@shop (3 times)", "4"},
		{90, 6, 7, "", ""}, {92, 6, 8, "app@shop (1 time)", "92"},
	} {
		got := j.Judge(pooled(step.second, status.Pool{Database: "shop", User: "app", Totals: status.Totals{WaitsTimedOut: step.late, Shed: step.shed}}), nil)
		switch {
		case step.want == "" && len(got) == 0:
		case len(got) != 1 || got[0].ID != status.WaitsFailed || !strings.Contains(got[0].Text, step.want):
			t.Errorf("second %d: %+v", step.second, got)
		case got[0].Since.Sub(time.Unix(1e9, 0)).String() != (map[string]string{"4": "4s", "92": "1m32s"})[step.since]:
			t.Errorf("second %d: since %v", step.second, got[0].Since)
		}
	}
	j.Judge(pooled(93), nil)
	if len(j.failed)+len(j.lost) != 0 {
		t.Errorf("of a pool that has gone it remembers %v, %v", j.failed, j.lost)
	}
}

func TestPoolsTooLargeForTheirServersAreOneFinding(t *testing.T) {
	got := NewPoolJudge().Judge(pooled(0), []status.SizingSum{
		{Server: "a:1", Fits: true, Text: "A."}, {Server: "b:1", Text: "B."}, {Server: "c:1", Text: "C."},
	})
	if len(got) != 1 || got[0].ID != status.PoolsTooLarge || got[0].Text != "at b:1: B. at c:1: C." {
		t.Errorf("%+v", got)
	}
}
