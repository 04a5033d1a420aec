package fault

import "testing"

func TestProblemsAreALineEachInTheOrderOfTheirFiles(t *testing.T) {
	ps := Problems{{File: "b", Line: 1, Text: "x"}, {File: "a", Line: 10, Text: "x"}, {File: "a", Line: 9, Text: "z"}, {File: "a", Line: 9, Text: "y"}, {File: "a", Text: "all of it"}}
	ps.Sort()
	const want = "a: all of it\na:9: y\na:9: z\na:10: x\nb:1: x"
	if got := ps.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
