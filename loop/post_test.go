package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEachPostIsCalledOnceAndInOrder(t *testing.T) {
	l := start(t, Options{})
	const posters, posts = 8, 3000
	next := make([]int, posters) // of the loop's thread
	var total atomic.Int64
	var wg sync.WaitGroup
	for i := range posters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range posts {
				l.Post(func() {
					if next[i] != k {
						t.Errorf("poster %d: post %d came as number %d", i, k, next[i])
					}
					next[i]++
					total.Add(1)
				})
				if k%100 == 0 {
					runtime.Gosched() // lets the loop fall asleep now and then
				}
			}
		}()
	}
	wg.Wait()
	eventually(t, "all posts are called", func() bool { return total.Load() == posters*posts })
}

func TestAPostWakesASleepingLoop(t *testing.T) {
	l := start(t, Options{})
	for range 200 {
		eventually(t, "the loop sleeps", l.sleeping.Load)
		before := time.Now()
		on(t, l, func() {})
		if d := time.Since(before); d > tickEvery/2 {
			// It may have been one slow moment of the machine; a loop that
			// is not woken is late every time.
			before = time.Now()
			on(t, l, func() {})
			if again := time.Since(before); again > tickEvery/2 {
				t.Fatalf("a post was called after %v, and another after %v", d, again)
			}
		}
	}
}

func TestAPostMayPost(t *testing.T) {
	l := start(t, Options{})
	done := make(chan struct{})
	l.Post(func() { l.Post(func() { l.Post(func() { close(done) }) }) })
	wait(t, done, "a post within a post is lost")
}

// TestWhatWasPostedBeforeBytesCameIsDoneBeforeThem: what is posted to a client's
// loop must not meet what the client says because of it.
func TestWhatWasPostedBeforeBytesCameIsDoneBeforeThem(t *testing.T) {
	l := start(t, Options{})
	order := make(chan string, 2)
	fd, peer := pair(t)
	c := &Conn{}
	c.Init(fd, &handler{received: func(_ *Conn, p []byte) int { order <- string(p); return len(p) }})
	on(t, l, func() {
		if err := l.Add(c); err != nil {
			t.Error(err)
		}
	})
	busy, done := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(busy); <-done })
	wait(t, busy, "the loop does not begin")
	l.Post(func() { order <- "posted" })
	if _, err := peer.Write([]byte("bytes")); err != nil {
		t.Fatal(err)
	}
	close(done)
	if first := wait(t, order, "nothing comes"); first != "posted" {
		t.Errorf("%q came first", first)
	}
	if second := wait(t, order, "only one comes"); second != "bytes" {
		t.Errorf("%q came second", second)
	}
	on(t, l, c.Close)
}

func TestTickComesThoughNothingHappens(t *testing.T) {
	ticks := make(chan time.Duration, 10)
	start(t, Options{Tick: func(now time.Duration) {
		select {
		case ticks <- now:
		default:
		}
	}})
	last := wait(t, ticks, "no tick")
	for range 3 {
		now := wait(t, ticks, "no tick")
		if now-last < tickEvery {
			t.Fatalf("a tick after %v", now-last)
		}
		last = now
	}
}

func TestTickComesThoughMuchHappens(t *testing.T) {
	var ticks atomic.Int32
	l := start(t, Options{Tick: func(time.Duration) { ticks.Add(1) }})
	fd, peer := pair(t)
	attach(t, l, fd, echo())
	write(t, peer, []byte("x"))
	for first := ticks.Load(); ticks.Load() < first+3; {
		write(t, peer, read(t, peer, 1))
	}
}

func TestTheLoopTellsTheTimeAndHowLongItSlept(t *testing.T) {
	l := start(t, Options{})
	atRest(t, l)
	on(t, l, func() {
		if l.Now() < l.Slept() || l.Now() > l.Elapsed() {
			t.Errorf("now %v, slept %v, elapsed %v", l.Now(), l.Slept(), l.Elapsed())
		}
		if d := time.Since(l.Time()); d < 0 || d > patience {
			t.Errorf("the loop's time is %v ago", d)
		}
	})
	awake, stop := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(awake); <-stop })
	<-awake
	before := l.Slept()
	l.Post(func() {
		if d := l.Slept() - before; d > 45*time.Millisecond {
			t.Errorf("a busy loop slept for %v", d)
		}
	})
	for begun := time.Now(); time.Since(begun) < 50*time.Millisecond; {
		runtime.Gosched()
	}
	close(stop)
	on(t, l, func() {})
}

func TestStopEndsRunAndPostsAfterItDoNoHarm(t *testing.T) {
	for range 100 {
		l, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		go l.Run()
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range 50 {
					l.Post(func() {})
				}
				l.Stop()
				l.Post(func() {})
			}()
		}
		wait(t, l.Done(), "the loop did not stop")
		wg.Wait()
		l.Post(func() { t.Error("called after the end") })
		l.Stop()
	}
}

func TestAConnectionOutlivesItsLoop(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	fd, peer := pair(t)
	c := new(Conn)
	c.Init(fd, echo())
	on(t, l, func() {
		if err := l.Add(c); err != nil {
			t.Error(err)
		}
	})
	l.Stop()
	wait(t, l.Done(), "the loop did not stop")
	conn, err := NetConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	own(t, conn)
	write(t, conn, []byte("still there"))
	same(t, read(t, peer, 11), []byte("still there"))
}
