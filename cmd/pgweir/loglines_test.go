package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestALogThatNobodyReadsHoldsUpNobodyAndTellsWhatWasLost(t *testing.T) {
	r, w := io.Pipe()
	l := newLogLines(w)
	go l.run(func(lost int) { fmt.Fprintf(l, "lost %d\n", lost) })
	line := strings.Repeat("x", 1023) + "\n"
	const lines = 4 * maxLogBytes / 1024
	for range lines {
		if n, err := io.WriteString(l, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	read, lost := 0, 0
	for in := bufio.NewScanner(r); lost == 0 && in.Scan(); {
		if _, err := fmt.Sscanf(in.Text(), "lost %d", &lost); err != nil {
			read++
		}
	}
	// One Write may be under way with what had come before the queue was full.
	if read < maxLogBytes/1024 || read > 2*maxLogBytes/1024 || read+lost != lines {
		t.Errorf("%d lines were read and %d lost, of %d", read, lost, lines)
	}
	go func() { _, _ = io.WriteString(l, "the last\n"); l.Close(time.Minute); _ = w.Close() }()
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "the last\n" {
		t.Errorf("%q, %v", rest, err)
	}
	_, _ = io.WriteString(l, "too late\n")
	l.Close(time.Minute)
}

func TestTheEndDoesNotWaitForALogThatNobodyReads(t *testing.T) {
	_, w := io.Pipe()
	l := newLogLines(w)
	go l.run(func(int) {})
	_, _ = io.WriteString(l, "nobody reads this\n")
	l.Close(time.Millisecond)
}
