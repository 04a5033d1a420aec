package main

import (
	"strings"
	"testing"
)

func TestAnswerIsFollowedHoweverItIsCut(t *testing.T) {
	const login = "R\x00\x00\x00\x08\x00\x00\x00\x00" + "S\x00\x00\x00\x09a\x00b\x00\x00" + "K\x00\x00\x00\x0c12345678"
	const end = "Z\x00\x00\x00\x05I"
	for size := 1; size <= len(login+end); size++ {
		var a answer
		for rest := login + end; rest != ""; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			ready, err := a.feed([]byte(piece))
			if err != nil || ready != (rest == "") {
				t.Fatalf("in pieces of %d, %d bytes before the end: ready %v, %v", size, len(rest), ready, err)
			}
		}
	}
}

func TestAnswerReportsWhatTheServerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"an error":      {"E\x00\x00\x00\x2aSFATAL\x00VFATAL\x00C53300\x00Mtoo many of you\x00\x00", "FATAL: too many of you (53300)"},
		"a password":    {"R\x00\x00\x00\x08\x00\x00\x00\x03", "trust"},
		"a tiny length": {"Z\x00\x00\x00\x03", "length 3"},
		"a huge length": {"D\x7f\xff\xff\xff", "length 2147483647"},
	} {
		var a answer
		_, err := a.feed([]byte(c.bytes))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
