package top

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"psql 15":             "psql 15",
		"Zürich → 東京":         "Zürich → 東京",
		"\x1b[31mred":         `\x1b[31mred`,
		"\u009b31m":           `\u009b31m`,
		"a\nb\tc\rd\x00\x7f":  `a\nb\tc\x0dd\x00\x7f`,
		"\xffbad\xc3":         `\xffbad\xc3`,
		"\u202eexe\u2066":     `\u202eexe\u2066`,
		"\u00a0\u200b\u2028":  `\u00a0\u200b\u2028`,
		"\U000e0001":          `\U000e0001`,
		"e\u0301":             "e\u0301",
		"\ufffd is replaced?": "\ufffd is replaced?",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	long := clean(strings.Repeat("長", maxText))
	if len(long) > maxText+8 || !strings.HasSuffix(long, "長 ...") {
		t.Errorf("a long text has %d bytes and ends with %q", len(long), long[len(long)-10:])
	}
}

func TestFitAndCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		w     int
		right bool
		want  string
	}{
		{"abc", 5, false, "abc  "}, {"abc", 5, true, "  abc"}, {"abcdef", 4, false, "abc+"}, {"abc", 3, true, "abc"},
		{"日本語", 6, false, "日本語"}, {"日本語", 5, false, "日本+"}, {"日本語", 4, false, "日+ "}, {"日本語", 1, false, "+"}, {"abc", 0, false, ""},
		{"e\u0301e\u0301e\u0301", 3, false, "e\u0301e\u0301e\u0301"},
	} {
		if got := fit(c.in, c.w, c.right); got != c.want {
			t.Errorf("fit(%q, %d) = %q, want %q", c.in, c.w, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in   string
		w    int
		want string
	}{
		{"", 5, ""}, {"a bc def", 4, "a bc|def"}, {"a bc  def", 4, "a bc| def"}, {"with --flag so", 8, "with|--flag|so"},
		{"abcdefgh", 3, "abc|def|gh"}, {"日本語", 4, "日本|語"}, {"日本a", 1, "+|+|a"}, {"a b", 1, "a|b"},
	} {
		if got := strings.Join(wrap(c.in, c.w), "|"); got != c.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.in, c.w, got, c.want)
		}
	}
}

func TestNumbersAsText(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 999: "999B", 1000: "1.0K", 1 << 20: "1.0M", 100 << 20: "100M", 1023 << 20: "1.0G", 1<<63 - 1: "8.0E"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", 2*time.Hour + 7*time.Minute: "2h07m",
		49 * time.Hour: "2d01h", 100 * 24 * time.Hour: "100d", 1<<63 - 1: "106751d",
	} {
		if got := ageText(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0:00.00", 1999 * time.Millisecond: "0:01.99", 61 * time.Second: "1:01.00", 59999 * time.Millisecond: "0:59.99",
		100 * time.Minute: "1h40m", 1000 * time.Hour: "1000h00m",
	} {
		if got := cpuText(d); got != want {
			t.Errorf("%v of CPU is %q, want %q", d, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, s string, w int) {
		w = 1 + w&0xff
		c := clean(s)
		if !utf8.ValidString(c) || clean(c) != c && len(c) <= maxText {
			t.Fatalf("clean(%q) = %q, and clean of that is %q", s, c, clean(c))
		}
		if got := fit(c, w, false); width(got) != w {
			t.Fatalf("fit(%q, %d) = %q takes %d columns", c, w, got, width(got))
		}
		for _, line := range wrap(c, w) {
			if width(line) > w {
				t.Fatalf("wrap(%q, %d) has %q", c, w, line)
			}
		}
	})
}
