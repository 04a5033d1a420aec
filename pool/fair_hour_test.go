package pool

import (
	"fmt"
	"testing"
	"time"
)

// The time of these tests is simulated; see fairRun.

func TestTwoPoolsShareACapByTheirWeightsForAnHour(t *testing.T) {
	logins := fairRun(t, 8, time.Hour,
		&load{user: "one", weight: 1, clients: 20, busy: 300 * time.Millisecond, want: 2},
		&load{user: "three", weight: 3, clients: 12, busy: 300 * time.Millisecond, want: 6})
	if logins > 100 {
		t.Errorf("%d logins, and nothing has changed after the first moment", logins)
	}
}

func TestFivePoolsOfUnequalDemandAndWeightShareACapForAnHour(t *testing.T) {
	logins := fairRun(t, 10, time.Hour,
		&load{user: "little", weight: 4, clients: 1, busy: 600 * time.Millisecond, want: 1},
		&load{user: "one", weight: 1, clients: 20, busy: 400 * time.Millisecond, want: 1.125},
		&load{user: "one more", weight: 1, clients: 9, busy: time.Second, want: 1.125},
		&load{user: "two", weight: 2, clients: 15, busy: 600 * time.Millisecond, want: 2.25},
		&load{user: "four", weight: 4, clients: 30, busy: 800 * time.Millisecond, want: 4.5})
	if logins > 3600 {
		t.Errorf("%d logins, more than one a second", logins)
	}
}

func TestWhatIsLeftOverGoesRound(t *testing.T) {
	logins := fairRun(t, 10, 10*time.Minute,
		&load{user: "a", weight: 1, clients: 10, busy: 300 * time.Millisecond, want: 10. / 3},
		&load{user: "b", weight: 1, clients: 20, busy: 300 * time.Millisecond, want: 10. / 3},
		&load{user: "c", weight: 1, clients: 30, busy: 300 * time.Millisecond, want: 10. / 3})
	if logins > 600 {
		t.Errorf("%d logins, more than one a second", logins)
	}
}

func TestTenPoolsUnderACapOfFourTakeTurns(t *testing.T) {
	var loads []*load
	for _, user := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		loads = append(loads, &load{user: user, weight: 1, clients: 3, busy: 50 * time.Millisecond, want: 0.4})
	}
	logins := fairRun(t, 4, 3*time.Minute, loads...)
	for _, l := range loads {
		if l.longest > 5*time.Second {
			t.Errorf("%s was starved for %v", l.user, l.longest)
		}
	}
	if logins > 20*180 {
		t.Errorf("%d logins, more than 20 a second", logins)
	}
}

func TestAPoolTakesAllAsLongAsNobodyElseWantsAny(t *testing.T) {
	fairRun(t, 6, 10*time.Minute,
		&load{user: "early", weight: 1, clients: 20, busy: 100 * time.Millisecond, want: 4.5},
		&load{user: "late", weight: 1, clients: 20, busy: 100 * time.Millisecond, from: 5 * time.Minute, want: 3})
}

func TestAPoolThatWantsSomeNowAndThenIsServedAndTheOtherHasTheRest(t *testing.T) {
	now := &load{user: "now and then", weight: 1, clients: 1, busy: 100 * time.Millisecond, rest: 10 * time.Second}
	logins := fairRun(t, 4, 20*time.Minute,
		&load{user: "busy", weight: 1, clients: 20, busy: 100 * time.Millisecond, want: 3.8}, now)
	if now.longest > 2*time.Second || now.served < 50 {
		t.Errorf("one was served %d times, and has waited for %v", now.served, now.longest)
	}
	if logins > 1200 {
		t.Errorf("%d logins, more than one a second", logins)
	}
}

// TestManyPoolsThatWantOneNowAndThenDoNotOpenOneForEachQuery: there are three times as
// many as backends, and seldom more of them at work at a time than there are.
func TestManyPoolsThatWantOneNowAndThenDoNotOpenOneForEachQuery(t *testing.T) {
	var loads []*load
	for i := range 30 {
		loads = append(loads, &load{user: fmt.Sprintf("now and then %d", i), weight: 1, clients: 2,
			busy: 20 * time.Millisecond, rest: 100 * time.Millisecond})
	}
	logins := fairRun(t, 10, 20*time.Second, loads...)
	if logins > 80*20 {
		t.Errorf("%d logins, more than 80 a second", logins)
	}
	for _, l := range loads {
		if l.longest > 2*time.Second {
			t.Errorf("%s was starved for %v", l.user, l.longest)
		}
	}
}
