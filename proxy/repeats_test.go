package proxy

import (
	"fmt"
	"testing"
	"time"
)

func TestALineAboutWhatLastsIsSaidOnceInAWhile(t *testing.T) {
	var r repeats
	now := time.Now()
	note := func(key string, want bool, wantUnsaid int) {
		t.Helper()
		if say, unsaid := r.Note(key, now); say != want || unsaid != wantUnsaid {
			t.Errorf("%s: %v, %d unsaid", key, say, unsaid)
		}
	}
	note("a", true, 0)
	note("b", true, 0)
	now = now.Add(repeatAfter - 1)
	note("a", false, 0)
	note("a", false, 0)
	now = now.Add(1)
	note("a", true, 2)
	note("a", false, 0)
	note("b", true, 0)
	r.Forget()
	note("a", true, 0)
}

func TestLinesBeyondTheBoundAreOne(t *testing.T) {
	var r repeats
	now := time.Now()
	for i := range maxRepeats {
		r.Note(fmt.Sprint(i), now)
	}
	said := 0
	for i := range 10 {
		if say, _ := r.Note(fmt.Sprint("more", i), now); say {
			said++
		}
	}
	if said != 1 || len(r.said) > maxRepeats+1 {
		t.Errorf("%d lines of 10 were said, %d are kept", said, len(r.said))
	}
	now = now.Add(repeatAfter)
	if say, _ := r.Note("later", now); !say || len(r.said) > 2 {
		t.Errorf("later %v, %d are kept", say, len(r.said))
	}
}
