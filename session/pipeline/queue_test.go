package pipeline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func newQueue(entries string) *Queue {
	q := new(Queue)
	q.Clear()
	for _, e := range []byte(entries) {
		q.Push(Pending(e))
	}
	return q
}

func (q *Queue) text() string {
	b := []byte{}
	for _, e := range q.buf[q.head:] {
		b = append(b, byte(e))
	}
	return string(b)
}

func TestQueueKeepsTheOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	q := newQueue("")
	var want []Pending
	for range 100_000 {
		if n := rng.IntN(40); len(want) < n {
			e := Pending("QSFPBDEC"[rng.IntN(8)])
			q.Push(e)
			want = append(want, e)
		} else if len(want) > 0 {
			if q.First() != want[0] {
				t.Fatalf("first is %c, want %c", q.First(), want[0])
			}
			q.Pop()
			want = want[1:]
		}
		if q.Len() != len(want) || !slices.Equal(q.buf[q.head:], want) {
			t.Fatalf("%q is left, want %q", q.text(), want)
		}
	}
	if cap(q.buf) > 256 {
		t.Errorf("the queue was never longer than 40, and holds %d", cap(q.buf))
	}
}

func TestQueueOfNothing(t *testing.T) {
	q := newQueue("")
	if _, ended := q.SwallowSyncs(); q.First() != 0 || ended || q.OwesReady() || q.OwesClient() || q.Has('S') {
		t.Error("an empty queue holds something")
	}
	for range 8 { // to where its first memory ends
		q.Push('P')
	}
	for range 8 {
		q.Pop()
	}
	if _, ended := q.SwallowSyncs(); ended || q.Len() != 0 {
		t.Error("an empty queue holds something after use")
	}
}

func TestQueueGivesMemoryBack(t *testing.T) {
	q := newQueue("")
	for range 2 * keepQueue {
		q.Push('Q')
	}
	for range 2 * keepQueue {
		q.Pop()
	}
	q.Push('Q')
	if cap(q.buf) > keepQueue {
		t.Errorf("a queue that was long once keeps %d bytes", cap(q.buf))
	}
}

func TestQueueSkipsToTheSync(t *testing.T) {
	for _, c := range []struct {
		from, to      string
		synced, parse bool
		ops           int
	}{
		{"E", "", false, false, 0},
		{"ESQ", "SQ", true, false, 0},
		{"EPBES", "S", true, true, 0},
		{"EQFcP", "", false, true, 0},
		{"BESPS", "SPS", true, false, 0},
		{"pBES", "S", true, false, 0},
		{"NBES", "S", true, false, 1},
		{"emBEKMNSN", "SN", true, false, 5},
		{"myQ", "yQ", true, false, 1},
	} {
		q := newQueue(c.from)
		synced, parse, ops := q.Skip(false)
		if q.text() != c.to || synced != c.synced || parse != c.parse || ops != c.ops {
			t.Errorf("%s: %s, %v, %v, %d; want %s, %v, %v, %d", c.from, q.text(), synced, parse, ops, c.to, c.synced, c.parse, c.ops)
		}
	}
}

func TestQueueSwallowsTheSyncsOfACopy(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ended    bool
	}{
		{"E", "E", false},
		{"ES", "E", false},
		{"EScS", "ES", true},
		{"EcS", "ES", true},
		{"QSScScQ", "QScQ", true},
		{"QccQ", "QcQ", true},
	} {
		q := newQueue(c.from)
		syncs := strings.Count(c.from, "S") - strings.Count(c.to, "S")
		if n, ended := q.SwallowSyncs(); q.text() != c.to || ended != c.ended || n != syncs {
			t.Errorf("%s: %s, %v, %d; want %s, %v, %d", c.from, q.text(), ended, n, c.to, c.ended, syncs)
		}
	}
}
