package session

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"testing"
	"pgweir/cluster"
	"pgweir/wire"
)

var codeRE = regexp.MustCompile(`\x00C(.....)\x00`)

func norm(stream string) (out []string) {
	all, rest := frames(stream)
	started := false
	for _, m := range all {
		switch m[0] {
		case 'E', 'N':
			out = append(out, string(m[0])+codeRE.FindStringSubmatch(m)[1])
		case 'T', 'G', 'H', 't':
			out = append(out, m[:1])
		case 'S':
			out = append(out, "S "+fmt.Sprintf("%q", m[5:]))
		default:
			out = append(out, fmt.Sprintf("%c%q", m[0], m[5:]))
		}
		_ = started
	}
	if rest != "" {
		out = append(out, "rest")
	}
	// sort runs of S
	for i := 0; i < len(out); i++ {
		for j := i + 1; j < len(out) && out[i][0] == 'S' && out[j][0] == 'S'; j++ {
			if out[j] < out[i] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return
}

func TestDiff(t *testing.T) {
	p, err := cluster.Find("")
	if err != nil { t.Fatal(err) }
	c, err := cluster.Start(context.Background(), p, cluster.Options{})
	if err != nil { t.Fatal(err) }
	defer c.Close()
	conv := func(script string, first bool) string {
		nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
		if err != nil { t.Fatal(err) }
		defer nc.Close()
		body := "\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00TimeZone\x00UTC\x00\x00"
		n := len(body) + 4
		nc.Write([]byte(string([]byte{0, 0, byte(n >> 8), byte(n)}) + body))
		go nc.Write([]byte(script + terminate))
		b, _ := io.ReadAll(nc)
		s := string(b)
		i := strings.Index(s, "Z\x00\x00\x00\x05I")
		return s[i+6:]
	}
	conv(query("create table t (a int)"), true)
	bad := 0
	for seed := range uint64(12000) {
		g := &script{rng: rand.New(rand.NewPCG(seed, 2)), name: fmt.Sprintf("c%d", seed), state: seed%2 == 0, blocks: seed%3 > 0, named: true, slow: true}
		var all []string
		for range 2 + g.rng.IntN(8) {
			all = append(all, g.burst()...)
		}
		all = append(all, syncing)
		script := strings.Join(all, "")
		b := newBackend(startVars)
		b.bare = true
		b.in = script
		for b.next() {
		}
		got, want := norm(b.out), norm(conv(script, false))
		ok := strings.Join(got, "\n") == strings.Join(want, "\n")
		if !ok {
			bad++
			i := 0
			for i < len(got) && i < len(want) && got[i] == want[i] { i++ }
			t.Errorf("seed %d\nscript %s\nmodel[%d] %v\n   pg[%d] %v", seed, show(script), i, got[min(i,len(got)):], i, want[min(i,len(want)):])
			if bad > 3 { return }
		}
	}
	_ = wire.HeaderLen
}
