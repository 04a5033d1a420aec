package pool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"
)

// TestRandomListenersHearWhatTheyAskedFor has subscribers come, change their
// minds and go, while the listening backend is killed, logins fail, and clients
// use the rest of the pool. What is heard must be what was asked for last, each
// call is answered once, and no more backends may be there than are allowed.
func TestRandomListenersHearWhatTheyAskedFor(t *testing.T) {
	for _, seed := range []uint64{1, 2, uint64(time.Now().UnixNano())} {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { randomListeners(t, seed) })
	}
}

// modelEar knows what it may hear.
type modelEar struct {
	t     testing.TB
	calls atomic.Int64 // of Listen
	ends  atomic.Int64 // of done

	mu    sync.Mutex
	may   []string
	heard map[string]int
}

func (x *modelEar) Notify(m []byte) {
	channel, payload, _ := strings.Cut(string(m[9:len(m)-1]), "\x00")
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.may, channel) {
		x.t.Errorf("heard of %q, having asked for %q", channel, x.may)
	}
	x.heard[channel+" "+payload]++
}

func (x *modelEar) Missed() {}

// listen asks for channels; the answer comes over the channel.
func (x *modelEar) listen(l *Listener, channels []string) chan *wire.Error {
	over := make(chan *wire.Error, 1)
	x.calls.Add(1)
	l.Listen(x, channels, func(e *wire.Error) {
		x.ends.Add(1)
		if e == nil {
			x.mu.Lock()
			x.may = channels
			x.mu.Unlock()
		}
		over <- e
	})
	return over
}

// changesItsMind asks for other channels, and leaves, or waits for the answer or
// not. It is false if none comes.
func (x *modelEar) changesItsMind(l *Listener, rng *rand.Rand) bool {
	var want []string
	for range rng.IntN(4) {
		want = append(want, randomChannel(rng))
	}
	over := x.listen(l, want)
	switch rng.IntN(8) {
	case 0:
		l.Leave(x)
	case 1: // does not wait for the answer
	default:
		select {
		case <-over:
		case <-time.After(patience):
			return false
		}
	}
	return true
}

func randomChannel(rng *rand.Rand) string { return fmt.Sprint("c", rng.IntN(12)) }

func randomListeners(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	h, s, n, p := listenPool(t, func(s *Settings) {
		s.Size, s.MaxDatabase, s.LoginRetry = 3, 3, time.Millisecond
	})
	s.late = time.Millisecond
	s.refuse = refuseOneIn(4 + rng.IntN(6))
	l := p.Listener()
	l.linger, l.rest = 2*time.Millisecond, 0

	stopJudging := every(200*time.Microsecond, func() {
		p.Upkeep(1)
		c := p.Counts()
		if k := c.Opening + c.Idle + c.Lent + c.Closing + c.Listening; k > 3 || k < 0 {
			t.Errorf("%d backends in a pool of 3: %+v", k, c)
		}
		if k := h.budget.Database("db"); k > 3 || k < 0 {
			t.Errorf("%d backends of the database, at most 3", k)
		}
	})
	noise := rand.New(rand.NewPCG(seed, 1000))
	stopNoise := every(100*time.Microsecond, func() { n.notify(randomChannel(noise), "noise") })
	stopKilling := every(3*time.Millisecond, n.kill)

	var work sync.WaitGroup
	var ears []*modelEar
	for i := range 20 {
		x := &modelEar{t: t, heard: map[string]int{}}
		ears = append(ears, x)
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
		work.Go(func() {
			for range 300 {
				if !x.changesItsMind(l, rng) {
					t.Errorf("seed %d: no answer: %+v, %+v", seed, l.Status(), p.Counts())
					return
				}
			}
		})
	}
	for range 4 {
		work.Go(func() {
			for range 300 {
				k := h.taker(p)
				k.ask(p, nil)
				select {
				case b := <-k.got:
					h.giveBack(b)
				case <-k.no:
				case <-time.After(patience):
					t.Errorf("seed %d: neither served nor refused: %+v", seed, p.Counts())
					return
				}
			}
		})
	}
	work.Wait()
	stopKilling()
	stopNoise()
	stopJudging()

	s.set(func(s *server) { s.refuse = nil })
	hearTheLast(t, l, n, ears)
	for _, x := range ears {
		if calls, ends := x.calls.Load(), x.ends.Load(); calls != ends {
			t.Errorf("%d calls and %d answers", calls, ends)
		}
	}
	if _, most := s.counts(); most > 3 {
		t.Errorf("%d processes at once", most)
	}
	st := l.Status()
	t.Logf("%d logins, %d losses, %d notifications", len(s.logins()), st.Losses, st.Notifications)
}

// hearTheLast has each listen to a channel with others and to one of its own, and
// hear once what is said there.
func hearTheLast(t *testing.T, l *Listener, n *bulletin, ears []*modelEar) {
	for i, x := range ears {
		final := []string{fmt.Sprint("c", i%12), fmt.Sprint("own", i)}
		eventually(t, "it listens", func() bool { return <-x.listen(l, final) == nil })
	}
	for i := range ears {
		n.notify(fmt.Sprint("c", i%12), fmt.Sprint("last", i))
		n.notify(fmt.Sprint("own", i), "last")
	}
	over := make(chan struct{})
	l.Sync(func() { close(over) })
	<-over
	for i, x := range ears {
		x.mu.Lock()
		for _, want := range []string{fmt.Sprintf("c%d last%d", i%12, i), fmt.Sprintf("own%d last", i)} {
			if x.heard[want] != 1 {
				t.Errorf("%q was heard %d times", want, x.heard[want])
			}
		}
		x.mu.Unlock()
	}
}
