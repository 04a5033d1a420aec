package proof

import (
	"sync"
	"testing"
)

var someRows = []Row{{Kind: rowName, Name: "work_mem"}}

// digested has a digest asked for and answered.
func digested(t *testing.T, c *Catalog, digest string, want Verdict) Reading {
	t.Helper()
	r, ok := c.TakeDigest()
	if !ok {
		t.Fatal("no digest is due")
	}
	if got := c.Digested(r, digest); got != want {
		t.Fatalf("the verdict over %q is %d, want %d", digest, got, want)
	}
	return r
}

// known is a catalog whose objects have been read under the digest "a".
func known(t *testing.T) *Catalog {
	c := &Catalog{}
	digested(t, c, "a", Read)
	c.Learn(someRows, c.Generation())
	if !c.Certain() || c.Wants() || c.Knowledge() == nil {
		t.Fatal("what has been read is not known")
	}
	return c
}

// waits tells whether somebody who awaits the catalog waits, and what it waits
// for.
func waits(c *Catalog) (over <-chan struct{}, wait bool) {
	ch := make(chan struct{})
	var once sync.Once
	c.Await(func() { once.Do(func() { close(ch) }) })
	select {
	case <-ch:
		return ch, false
	default:
		return ch, true
	}
}

func TestNothingIsCertainBeforeTheObjectsAreRead(t *testing.T) {
	c := &Catalog{}
	if c.Certain() || !c.Wants() || c.Knowledge() != nil || c.Generation() != 0 {
		t.Fatal("a new catalog knows something")
	}
	r, _ := c.TakeDigest()
	if _, again := c.TakeDigest(); !again {
		t.Error("nobody knows anything, and the first digest is not asked for by all")
	}
	if _, wait := waits(c); wait {
		t.Error("nobody reads, and it is waited for")
	}
	if c.Reads() {
		t.Error("somebody reads already")
	}
	if got := c.Digested(r, "a"); got != Read || c.Certain() || c.Generation() != 1 {
		t.Fatalf("the verdict is %d", got)
	}
	over, wait := waits(c)
	if !wait {
		t.Fatal("who awaits what is read does not wait")
	}
	c.Learn(someRows, 1)
	<-over
	if !c.Certain() || c.Wants() {
		t.Error("it is not certain after that")
	}
}

func TestADigestAsBeforeChangesNothing(t *testing.T) {
	c := known(t)
	k, g := c.Knowledge(), c.Generation()
	if _, ok := c.TakeDigest(); ok {
		t.Fatal("a digest is due at once")
	}
	c.Due()
	if !c.Wants() || !c.Certain() {
		t.Fatal("a digest that is due makes uncertain, or is not wanted")
	}
	digested(t, c, "a", Same)
	if c.Knowledge() != k || c.Generation() != g || c.Wants() {
		t.Error("it has changed something")
	}
}

func TestADigestThatDiffersHasTheObjectsRead(t *testing.T) {
	c := known(t)
	c.Due()
	digested(t, c, "b", Read)
	if c.Generation() != 2 || c.Knowledge() != nil || c.Certain() {
		t.Error("what was known before is still held for true")
	}
	c.Learn(someRows, 2)
	if !c.Certain() {
		t.Error("it is not known anew")
	}
}

func TestADigestThatFailsLeavesItUncertain(t *testing.T) {
	c := known(t)
	c.Due()
	digested(t, c, "", Same)
	if c.Certain() || c.Generation() != 1 {
		t.Fatal("it is certain, or another generation")
	}
	if _, ok := c.TakeDigest(); ok {
		t.Error("it is asked for again at once")
	}
	c.Due()
	if digested(t, c, "a", Same); !c.Certain() {
		t.Error("the next one does not make it certain")
	}
}

// TestAChangeWhileADigestIsUnderWay: only a digest that was asked for afterwards
// makes certain.
func TestAChangeWhileADigestIsUnderWay(t *testing.T) {
	c := known(t)
	c.Changed()
	if c.Certain() {
		t.Fatal("it is certain after a change")
	}
	r, _ := c.TakeDigest()
	c.Changed()
	if c.Digested(r, "a") != Same || c.Certain() || !c.Wants() {
		t.Fatal("a digest from before the change makes certain")
	}
	if digested(t, c, "a", Same); !c.Certain() {
		t.Error("the next one does not")
	}
}

func TestTwoReaders(t *testing.T) {
	c := known(t)
	c.Due()
	first, _ := c.TakeDigest()
	c.Changed()
	second, _ := c.TakeDigest()
	if c.Digested(first, "b") != Read || c.Digested(second, "b") != Wait {
		t.Fatal("both read, or none")
	}
	over, _ := waits(c)
	c.Changed()
	if digested(t, c, "c", Read); c.Generation() != 3 {
		t.Fatalf("generation %d", c.Generation())
	}
	c.Learn(someRows, 2) // the first reader comes late
	if c.Knowledge() != nil {
		t.Fatal("what was read under another generation is held for true")
	}
	select {
	case <-over:
		t.Fatal("it was awaited, and somebody reads")
	default:
	}
	c.Learn(someRows, 3)
	<-over
	if !c.Certain() {
		t.Error("it is not certain")
	}
}

// TestAReaderThatGoes has another one read after a while, and nobody waits for
// longer.
func TestAReaderThatGoes(t *testing.T) {
	c := &Catalog{}
	digested(t, c, "a", Read)
	over, _ := waits(c)
	for range maxTicks {
		c.Due()
		if _, ok := c.TakeDigest(); ok {
			t.Fatal("a digest is due while somebody reads")
		}
	}
	c.Due()
	<-over
	digested(t, c, "a", Read)
	if c.Generation() != 2 {
		t.Errorf("generation %d", c.Generation())
	}
	c.Learn(someRows, 1)
	if c.Certain() {
		t.Error("the one that went is heard")
	}
	c.Learn(someRows, 2)
	if !c.Certain() {
		t.Error("it is not certain")
	}
}

// TestAReaderThatGivesUp has another one read at once.
func TestAReaderThatGivesUp(t *testing.T) {
	c := &Catalog{}
	digested(t, c, "a", Read)
	over, _ := waits(c)
	c.GiveUp(c.Generation() - 1)
	if !c.Reads() {
		t.Fatal("one of another generation has given up")
	}
	c.GiveUp(c.Generation())
	<-over
	digested(t, c, "a", Read)
	c.Learn(someRows, c.Generation())
	if c.GiveUp(c.Generation()); !c.Certain() {
		t.Error("what is known is given up")
	}
}

func TestReadingThatFailsIsTriedLessAndLessOften(t *testing.T) {
	c := &Catalog{}
	for _, ticks := range []int{0, 2, 4, 8, 16, maxTicks, maxTicks, maxTicks, maxTicks, maxTicks} {
		c.set(digestDue)
		digested(t, c, "a", Read)
		over, _ := waits(c)
		c.Learn(nil, c.Generation())
		<-over
		if c.Certain() || c.Knowledge() != nil {
			t.Fatal("something is known after a failure")
		}
		if ticks == 0 {
			if !c.wantsDigest() {
				t.Fatal("it is not tried again at once, the first time")
			}
			continue
		}
		for range ticks {
			if c.Due(); c.wantsDigest() {
				t.Fatalf("it is tried before %d calls of Due", ticks)
			}
		}
		if c.Due(); !c.wantsDigest() {
			t.Fatalf("it is not tried again after %d calls of Due", ticks)
		}
	}
	digested(t, c, "a", Read)
	c.Learn(someRows, c.Generation())
	if c.failures != 0 || c.ticks != 0 || !c.Certain() {
		t.Error("the failures count after a success")
	}
}

// TestCatalogIsUsedByMany: whoever awaits it is called, once.
func TestCatalogIsUsedByMany(t *testing.T) {
	var c Catalog
	var all, waiters sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 200 {
				if i%10 == g {
					c.Changed()
				}
				c.Due()
				if r, ok := c.TakeDigest(); ok {
					g := string(rune('a' + i/50))
					if c.Digested(r, g) == Read {
						c.Learn(someRows, c.Generation())
					}
				}
				waiters.Add(1)
				c.Await(waiters.Done)
				c.Certain()
				c.Knowledge()
			}
		})
	}
	all.Wait()
	for range maxTicks + 1 {
		c.Due() // a generation that nobody reads any more is given up
	}
	waiters.Wait()
}

// TestSettingsAreRememberedAcrossGenerations: a backend may have one that occurs
// nowhere any more.
func TestSettingsAreRememberedAcrossGenerations(t *testing.T) {
	c := &Catalog{}
	for _, digest := range []string{"a", "b", "c"} {
		c.Due()
		digested(t, c, digest, Read)
		c.Learn([]Row{function("f", "begin set my."+digest+" = 1; end")}, c.Generation())
	}
	if got := c.Knowledge().Settings; got != "{my.c,my.b,my.a}" {
		t.Errorf("asked for are %s", got)
	}
}

func TestWhatMayHaveChangedTheObjectsCountsAtOnce(t *testing.T) {
	c := &Catalog{}
	if c.Settled() {
		t.Error("it is settled before anybody has looked")
	}
	c = known(t)
	edition := c.Edition()
	moved := func(what string, settled bool) {
		t.Helper()
		if c.Edition() <= edition {
			t.Errorf("%s does not count", what)
		}
		if edition = c.Edition(); c.Settled() != settled {
			t.Errorf("behind %s it is settled: %v", what, c.Settled())
		}
	}
	if !c.Settled() {
		t.Error("it is not settled when a digest has come")
	}
	c.Changed()
	moved("a change", false)
	digested(t, c, "b", Read)
	moved("another digest", true)
	c.Learn(someRows, c.Generation())
	r, _ := c.TakeDigest()
	c.Due()
	if !c.Settled() || c.Edition() != edition {
		t.Error("a second later it is not settled")
	}
	c.Due()
	if c.Settled() {
		t.Error("nobody has looked for two seconds, and it is settled")
	}
	c.Digested(r, "b")
	if c.Settled() {
		t.Error("what was looked at two seconds ago settles it")
	}
	digested(t, c, "b", Same)
	if !c.Settled() || c.Edition() != edition {
		t.Error("a digest as before does not settle it, or counts")
	}
	for range 2 { // also while nobody is to look for a while
		c.ticks = 5
		c.Due()
	}
	if c.Settled() {
		t.Error("it is settled as long as nobody looks")
	}
}
