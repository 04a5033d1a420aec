package proof

import "testing"

// answered has a digest asked for and answered.
func answered(t *testing.T, c *Catalog, digest string) Verdict {
	t.Helper()
	for range maxTicks + 1 {
		c.Due()
		if r, ok := c.TakeDigest(); ok {
			return c.Digested(r, digest)
		}
	}
	t.Fatal("no digest is due")
	return 0
}

func TestACatalogSaysThatItFailsUntilItIsKnown(t *testing.T) {
	var c Catalog
	failing := func(want bool, when string) {
		t.Helper()
		if c.Failing() != want {
			t.Errorf("%s: failing is %v", when, !want)
		}
		if want && c.Certain() {
			t.Errorf("%s: what fails is certain", when)
		}
	}
	failing(false, "before anybody has tried")
	answered(t, &c, "")
	failing(true, "after a digest that failed")
	if v := answered(t, &c, "a"); v != Read {
		t.Fatalf("the first digest leads to %v", v)
	}
	failing(true, "before the objects are read")
	c.Learn(nil, c.Generation()+1)
	c.Learn(nil, c.Generation())
	failing(true, "after a reading that failed")
	if v := answered(t, &c, "a"); v != Read {
		t.Fatalf("the digest after a reading that failed leads to %v", v)
	}
	c.Learn([]Row{{Kind: rowName, Name: "work_mem"}}, c.Generation())
	failing(false, "after a reading")
	answered(t, &c, "")
	failing(true, "after a digest that failed, later")
	if v := answered(t, &c, "a"); v != Same {
		t.Fatalf("the same digest leads to %v", v)
	}
	failing(false, "after a digest that is the same")
	if !c.Certain() {
		t.Error("what is known again is uncertain")
	}
}
