package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wellFormed fails if a page is not: every element closed, every attribute quoted.
func wellFormed(t *testing.T, page string) (elements map[string]int) {
	t.Helper()
	elements = map[string]int{}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return elements
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, page)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
}

// elsewhere is what makes a browser fetch something.
var elsewhere = regexp.MustCompile(`(?i)https?:|//|\bsrc\s*=|\bhref\s*=|url\(|@import|<script|<link|<iframe`)

func TestThePageIsWellFormedAndNeedsNothingElse(t *testing.T) {
	r, poolers := twoByThree()
	failed := newResult(works()[0], poolers, 1)
	failed.fail(poolers[0], errors.New("no <b>luck</b> & no backend"))
	page, err := (&report{facts: []string{`Machine: <any> & "all"`}, results: []*result{r, failed}, packages: "BenchmarkX 1 < 2"}).page()
	if err != nil {
		t.Fatal(err)
	}
	elements := wellFormed(t, string(page))
	if found := elsewhere.FindString(string(page)); found != "" {
		t.Errorf("the page has %q", found)
	}
	// A point for each round of both figures, a plot for each figure of both works.
	if elements["circle"] != 10 || elements["svg"] != 2+len(failed.work.figures) || elements["table"] != 2 || elements["b"] != 0 {
		t.Errorf("elements: %v", elements)
	}
	if !strings.Contains(string(page), "no &lt;b&gt;luck&lt;/b&gt; &amp; no backend") {
		t.Error("the failure is not there")
	}
}

func TestAPageElsewhereIsSeen(t *testing.T) {
	for _, bad := range []string{`<img src="x"/>`, `<a href="x">`, "https://x", "url(x)", `<script>`} {
		if !elsewhere.MatchString(bad) {
			t.Errorf("%q is not seen", bad)
		}
	}
}

func TestScalesHaveTheHighestValueOnThemAndFewSteps(t *testing.T) {
	for _, v := range []float64{1e-7, 0.013, 0.9, 1, 1.2, 1.21, 2.5, 3, 6, 6.1, 9.99, 10, 37_123, 1e9} {
		end, step := scale(v)
		if n := end / step; end < v || end > 2*v+step || n < 1 || n > 7 {
			t.Errorf("%v: to %v by %v", v, end, step)
		}
	}
	if end, step := scale(0); end != 1 || step != 1 {
		t.Errorf("0: to %v by %v", end, step)
	}
}

func TestResultsAreNotKeptInTheTree(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(here, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{here, filepath.Join(here, "not", "there"), filepath.Join(link, "not-there"), ".."} {
		if _, err := openResults(dir); err == nil || !strings.Contains(err.Error(), "source tree") {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, dir := range []string{filepath.Join(here, "not"), filepath.Join(here, "not-there")} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was made", dir)
		}
	}
}
