package sizing

import (
	"strings"
	"testing"
	"time"

	"pgweir/config"
	"pgweir/status"
)

func demand(t *testing.T, text string) *config.Demand {
	t.Helper()
	c, err := config.Parse("config.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &c.Demand([]string{"alice", "bob"})[0]
}

func TestTheSumIsWrittenOut(t *testing.T) {
	d := demand(t, "[databases.app]\nhost='db'\npool_size=30\n[databases.web]\nhost='db'\nuser='web'\npool_size=10")
	limits := status.ServerLimits{MaxConnections: 100, SuperuserReserved: 3, Reserved: 2, Others: 20}
	for _, tc := range []struct {
		name   string
		change func(*status.ServerLimits)
		usable int
		fits   bool
		says   []string
	}{
		{"they fit", func(*status.ServerLimits) {}, 75, true,
			[]string{"can open 70 backends", "gives 75 (max_connections 100 − superuser_reserved_connections 3 − reserved_connections 2 − 20 of others)"}},
		{"just", func(l *status.ServerLimits) { l.Others = 25 }, 70, true, []string{"gives 70"}},
		{"not any more", func(l *status.ServerLimits) { l.Others = 26 }, 69, false, []string{"Too many: the pools can open 70 backends, but it gives 69"}},
		{"never below none", func(l *status.ServerLimits) { l.MaxConnections = 10 }, 0, false, []string{"gives 0"}},
		{"a role's limit", func(l *status.ServerLimits) { l.Roles = map[string]int{"alice": 29, "web": 10} }, 75, false,
			[]string{`the pools of user "alice" can open 30 backends, but the role has CONNECTION LIMIT 29`}},
		{"a database's", func(l *status.ServerLimits) { l.Databases = map[string]int{"app": 59} }, 75, false,
			[]string{`the pools of database "app" can open 60 backends, but it has CONNECTION LIMIT 59`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := limits
			tc.change(&l)
			got := Sum("db:5432", d, &l)
			if got.Server != "db:5432" || got.Wanted != 70 || got.Usable != tc.usable || got.Fits != tc.fits {
				t.Errorf("%+v", got)
			}
			for _, want := range tc.says {
				if !strings.Contains(got.Text, want) {
					t.Errorf("%q does not say %q", got.Text, want)
				}
			}
		})
	}
	if got := Sum("db:5432", d, &limits); !strings.HasSuffix(got.Text, "Besides, up to 10 replication connections, for which PostgreSQL has room of its own (max_wal_senders).") {
		t.Error(got.Text)
	}
	d.Replication = 0
	if got := Sum("db:5432", d, &limits); !strings.Contains(got.Text, "any number of replication connections") {
		t.Error(got.Text)
	}
	got := Sum("db:5432", d, nil)
	if got.Usable != -1 || !got.Fits || !strings.Contains(got.Text, "not known") {
		t.Errorf("without limits: %+v", got)
	}
}

// minutes is a history of n minutes, each as change makes it.
func minutes(n int, change func(i int, s *status.Sample)) status.History {
	var h status.History
	for i := range n {
		s := status.Sample{At: time.Unix(int64(i*60), 0), Waits: int64(1000 * i)}
		change(i, &s)
		h.Minutes = append(h.Minutes, s)
	}
	return h
}

func TestAdvice(t *testing.T) {
	waits := func(every int) status.History {
		return minutes(60, func(i int, s *status.Sample) {
			s.Active, s.WaitTime = 10, time.Duration(i)*2*time.Second
			if i%every == 0 {
				s.Waiting = 7
			}
		})
	}
	works := func(n int) func(int, *status.Sample) {
		return func(i int, s *status.Sample) { s.Active = min(n, i) }
	}
	for _, tc := range []struct {
		name      string
		size      int
		history   status.History
		do        string
		suggested int
		evidence  string
	}{
		{"nothing seen", 10, status.History{}, "keep", 10, "Nothing has been seen yet."},
		{"clients wait while all work", 10, waits(5), "grow", 15,
			"In 12 of the last 60 minutes clients waited while all 10 backends were at work: up to 7 at once, 2.0 ms each time on average."},
		{"no more than wait", 100, minutes(10, func(_ int, s *status.Sample) { s.Active, s.Waiting = 100, 3 }), "grow", 103, "up to 3 at once"},
		{"now and then is no reason", 10, waits(13), "keep", 10, "up to 10 of 10 backends were at work, and up to 7 clients waited"},
		{"they wait although some are idle", 11, waits(5), "keep", 11, "up to 10 of 11"},
		{"most never work", 10, minutes(60, works(4)), "shrink", 5,
			"In the last 60 minutes no client waited, and never more than 4 of 10 backends were at work."},
		{"none ever works", 10, minutes(60, works(0)), "shrink", 1, "never more than 0 of 10"},
		{"half of them and one", 10, minutes(60, works(6)), "keep", 10, "up to 6 of 10"},
		{"it is too early to say", 10, minutes(9, works(1)), "keep", 10, "Nothing has been seen yet."},
		{"one cannot be fewer", 1, minutes(60, works(0)), "keep", 1, "up to 0 of 1"},
		{"nor two that round up", 2, minutes(60, works(1)), "keep", 2, "never more than 1 of 2"},
		{"in the first minutes the seconds count", 2, status.History{Seconds: minutes(30, func(_ int, s *status.Sample) { s.Active, s.Waiting = 2, 1 }).Minutes},
			"grow", 3, "In 30 of the last 30 seconds"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Advise(&status.Pool{Database: "d", User: "u", Size: tc.size}, tc.history)
			if got.Do != tc.do || got.Size != tc.size || got.Suggested != tc.suggested || !strings.Contains(got.Evidence, tc.evidence) {
				t.Errorf("%+v\nwant %s to %d: %s", got, tc.do, tc.suggested, tc.evidence)
			}
		})
	}
}
