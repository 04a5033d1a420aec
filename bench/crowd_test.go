package main

import (
	"testing"
	"time"
)

func TestWaitsGiveQuantilesToThreeDigits(t *testing.T) {
	w := newWaits()
	for i := 1; i <= 1000; i++ {
		w.add(time.Duration(i) * time.Millisecond)
	}
	for percent, want := range map[float64]time.Duration{50: 500 * time.Millisecond, 99: 990 * time.Millisecond, 100: time.Second} {
		if got := w.at(percent); got < want-want/500 || got > want+want/500 {
			t.Errorf("p%v is %v, want %v", percent, got, want)
		}
	}
}

// A query that begins at the end of the measurement may take answerDeadline; the
// least is a microsecond.
func TestWaitsTakeTheLongestAndTheShortestThatCanBe(t *testing.T) {
	w := newWaits()
	w.add(0)
	if got := w.at(100); got != time.Microsecond {
		t.Errorf("the shortest is %v", got)
	}
	w.add((answerDeadline + 1) * time.Second)
	if got, want := w.at(100), (answerDeadline+1)*time.Second; got < want {
		t.Errorf("the longest is %v, want %v", got, want)
	}
}

func TestCrowdKnowsItsLeastAndMostServedClient(t *testing.T) {
	c, err := newCrowd(newWaits(), []int{4, 0, 3}, 9, time.Second)
	if err != nil || c.least != 0 || c.most != 4 || c.answers != 9 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := newCrowd(newWaits(), []int{0, 0}, 2, time.Second); err == nil {
		t.Error("no error where no query counts")
	}
}
