package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSharesAreWeightedMaxMin checks what defines them: no cap is exceeded, and who
// has less than it wants is under a full cap where nobody has more for its weight,
// but for what that one is sure of.
func TestSharesAreWeightedMaxMin(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		claims, groups := randomClaims(rng)
		share(claims, groups)
		for _, g := range groups {
			if n := fairSum(g); n > float64(g.most)+slack {
				t.Fatalf("seed %d: %.3f of at most %d", seed, n, g.most)
			}
		}
		for _, c := range claims {
			if c.fair < float64(c.wants)-slack && !slices.ContainsFunc(c.groups, func(g *group) bool { return binds(g, c) }) {
				t.Fatalf("seed %d: %+v has less than it could", seed, c)
			}
		}
		round(claims, groups)
		for _, g := range groups {
			n := 0
			for _, c := range g.members {
				n += c.due
			}
			if n > g.most {
				t.Fatalf("seed %d: %d are due, of at most %d", seed, n, g.most)
			}
		}
	}
}

// binds tells whether a group is why a claim has no more.
func binds(g *group, c *claim) bool {
	if fairSum(g) < float64(g.most)-10*slack {
		return false
	}
	for _, d := range g.members {
		if d.fair/d.weight > c.fair/c.weight+10*slack && d.fair > float64(d.least)+slack {
			return false
		}
	}
	return true
}

func fairSum(g *group) (sum float64) {
	for _, c := range g.members {
		sum += c.fair
	}
	return sum
}

func randomClaims(rng *rand.Rand) (claims []*claim, groups []*group) {
	for range 1 + rng.IntN(4) {
		groups = append(groups, &group{most: 1 + rng.IntN(30)})
	}
	for range 1 + rng.IntN(12) {
		c := &claim{weight: float64(1 + rng.IntN(5)), wants: rng.IntN(12)}
		c.least = min(c.wants, 1+rng.IntN(2))
		for _, g := range groups {
			if rng.IntN(2) == 0 {
				g.members = append(g.members, c)
				c.groups = append(c.groups, g)
			}
		}
		claims = append(claims, c)
	}
	return claims, groups
}

func TestAThousandPoolsUnderNestedCapsHaveAllOfThem(t *testing.T) {
	all := &group{most: 1500}
	groups := []*group{all}
	var claims []*claim
	for i := range 1000 {
		if i%10 == 0 {
			groups = append(groups, &group{most: 12})
		}
		c := &claim{weight: float64(1 + i%3), wants: 5, least: 1, has: i % 3, groups: []*group{all, groups[len(groups)-1]}}
		for _, g := range c.groups {
			g.members = append(g.members, c)
		}
		claims = append(claims, c)
	}
	began := time.Now()
	share(claims, groups)
	round(claims, groups)
	plan(claims, groups)
	t.Log(time.Since(began))
	if fairSum(all) > 1500+slack || fairSum(all) < 1190 {
		t.Errorf("%.1f are shared out", fairSum(all))
	}
}
