package session

import (
	"strings"
	"testing"
	"unsafe"
)

// newListener is a client that listens to the channel a and is idle.
func newListener(t *testing.T) *rig {
	r := newRig(t, &transactionMode)
	for _, s := range listening("listen a", "a") {
		s.do(r)
		r.flags()
	}
	r.toClient = ""
	return r
}

// TestNotificationsAreBoundedInATransaction: a client that never ends its
// transaction has so many bytes wait and no more, and hears that there were.
func TestNotificationsAreBoundedInATransaction(t *testing.T) {
	r := newListener(t)
	r.client(query("begin"))
	r.lease()
	r.server(isShowing)
	long := []byte(notification("a", strings.Repeat("x", 7000)))
	small := []byte(notification("a", "1"))
	most := MaxNotes / noteSize(long)
	for range most + 10 {
		if !r.s.Notify(long, false, &r.o) {
			t.Fatal("a client in a transaction is to be ended")
		}
	}
	r.s.Notify(small, false, &r.o) // no gap
	r.took()
	r.toClient = ""
	r.server(complete("BEGIN") + ready('T'))
	if n := strings.Count(r.toClient, string(long)); n != 0 {
		t.Fatalf("%d notifications come within the transaction", n)
	}
	r.client(query("commit"))
	r.toClient = ""
	r.server(complete("COMMIT") + ready('I'))
	if n := strings.Count(r.toClient, string(long)); n != most {
		t.Errorf("%d notifications are passed on, want %d", n, most)
	}
	if !strings.HasSuffix(r.toClient, string(warnMissed)+ready('I')) {
		t.Errorf("they end with %s", show(r.toClient[max(0, len(r.toClient)-200):]))
	}
	r.s.Notify(small, false, &r.o)
	r.took()
	if !strings.HasSuffix(r.toClient, string(small)) {
		t.Error("the next one is not told")
	}
}

// TestNotificationsAreBoundedForOneThatDoesNotRead: a client that does not read
// has so many bytes wait, and is to be ended then.
func TestNotificationsAreBoundedForOneThatDoesNotRead(t *testing.T) {
	r := newListener(t)
	one := []byte(notification("a", strings.Repeat("x", 7000)))
	n := 0
	for r.s.Notify(one, true, &r.o) {
		n++
	}
	r.took()
	if n != MaxNotes/noteSize(one) || r.toClient != "" {
		t.Errorf("%d wait, %d bytes are sent", n, len(r.toClient))
	}
	for _, m := range r.s.extra.notes {
		if unsafe.SliceData(m) != unsafe.SliceData(one) {
			t.Fatal("a notification that waits was copied")
		}
	}
}

// TestNotificationsGoOnWhenTheClientReads: in their order, and some at a time.
func TestNotificationsGoOnWhenTheClientReads(t *testing.T) {
	r := newListener(t)
	const all = 100
	want := ""
	for i := range all {
		m := notification("a", strings.Repeat(string(rune('a'+i%26)), 5000))
		r.s.Notify([]byte(m), true, &r.o)
		want += m
	}
	r.took()
	for more, steps := true, 0; more; steps++ {
		before := len(r.toClient)
		more = r.s.NotesDrained(&r.o)
		r.took()
		if sent := len(r.toClient) - before; sent == 0 || sent > notesAtOnce+6000 {
			t.Fatalf("step %d sends %d bytes", steps, sent)
		}
	}
	next := notification("a", "next")
	r.s.Notify([]byte(next), false, &r.o)
	r.took()
	mustEqual(t, "to the client", r.toClient, want+next)
	if r.s.extra.noteBytes != 0 {
		t.Errorf("%d bytes are said to wait", r.s.extra.noteBytes)
	}
}
