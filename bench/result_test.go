package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// twoByThree is a result of three rounds, of which pgweir lacks the second.
func twoByThree() (*result, []*pooler) {
	poolers := []*pooler{{name: "pgbouncer"}, {name: "pgweir"}}
	w := work{name: "w", title: "some work", each: "query", figures: []figure{{"rate", "per s", true}, {"cpu", "CPU", false}}}
	r := newResult(w, poolers, 3)
	r.set(poolers[0], 0, measure{1000, 20})
	r.set(poolers[0], 1, measure{9000, 10})
	r.set(poolers[0], 2, measure{2000, 15})
	r.set(poolers[1], 0, measure{1500, 12})
	r.set(poolers[1], 2, measure{2200, 14})
	return r, poolers
}

func TestMedianLeavesTheValuesAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{9, 1, 5}, 5}, {[]float64{9, 1, 5, 6}, 5.5}, {[]float64{7}, 7}} {
		before := slices.Clone(c.values)
		if got, ok := median(c.values); !ok || got != c.want || !slices.Equal(c.values, before) {
			t.Errorf("%v: %v, %v", before, got, ok)
		}
	}
	if _, ok := median(nil); ok {
		t.Error("no values have a median")
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	r, _ := twoByThree()
	if got := r.ratios("pgweir", 0); !slices.Equal(got, []float64{1.5, 1.1}) {
		t.Errorf("got %v", got)
	}
	if got := r.ratios("pgbouncer", 1); !slices.Equal(got, []float64{1, 1, 1}) {
		t.Errorf("the yardstick's: %v", got)
	}
	r.rounds["pgbouncer"][0] = measure{0, 0}
	if got := r.ratios("pgweir", 0); !slices.Equal(got, []float64{1.1}) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestTableHasARowForEachPooler(t *testing.T) {
	r, _ := twoByThree()
	want := "w: some work; figures are for each query\n" +
		"             per s  ratio   CPU\n" +
		"  pgbouncer  2,000   1.00  15.0\n" +
		"  pgweir     1,850   1.30  13.0\n"
	if got := r.text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAPoolerAloneHasNoRatio(t *testing.T) {
	p := &pooler{name: "pgweir"}
	r := newResult(work{figures: []figure{rate}}, []*pooler{p}, 1)
	r.set(p, 0, measure{1})
	if got := r.columns(); slices.Contains(got, "ratio") {
		t.Errorf("columns %q", got)
	}
	if got := r.rows(); len(got) != 1 || !slices.Equal(got[0], []string{"pgweir", "1.00"}) {
		t.Errorf("rows %q", got)
	}
}

func TestAFailureIsShownAndIsOneOfTheReport(t *testing.T) {
	r, poolers := twoByThree()
	r.fail(poolers[1], errors.New("out of luck"))
	if got := r.text(); !strings.Contains(got, "pgweir     failed      -     -\n") || !strings.Contains(got, "pgweir failed: out of luck") {
		t.Errorf("got\n%s", got)
	}
	if err := (&report{results: []*result{r}}).failure(); err == nil || !strings.Contains(err.Error(), "w") {
		t.Errorf("the report's failure: %v", err)
	}
}

func TestMarkdownHasATableForEachWork(t *testing.T) {
	r, _ := twoByThree()
	got := (&report{facts: []string{"Machine: any"}, results: []*result{r}, packages: "BenchmarkX 1\n"}).markdown()
	for _, want := range []string{"- Machine: any\n", "\n| w | per s | ratio | CPU |\n|---|---:|---:|---:|\n| pgbouncer | 2,000 |", "```\nBenchmarkX 1\n```"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestNumbersShowThreeDigitsAtLeast(t *testing.T) {
	for v, want := range map[float64]string{0.123: "0.12", 12.34: "12.3", 999.4: "999", 1000: "1,000", 12345678: "12,345,678"} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
