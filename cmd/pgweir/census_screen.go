package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"pgweir/status"
)

// screen is where censuses are shown: on a terminal each takes the place of the
// one before, elsewhere they stand one below the other.
type screen struct {
	out      *os.File
	terminal bool
	begun    bool
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, terminal: term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"}
}

// shape is what the terminal has room for now; elsewhere there is no end.
func (s *screen) shape() shape {
	sh := shape{lines: utf8Locale()}
	if s.terminal {
		sh.width, _, _ = term.GetSize(int(s.out.Fd())) // 0 if it cannot tell
		sh.colours = os.Getenv("NO_COLOR") == ""
	}
	return sh
}

// redraw shows a census, or why there is none. All of it is one write, and what
// was there is overwritten and not cleared first, so nothing flickers.
func (s *screen) redraw(c *status.Census, why error) error {
	sh := s.shape()
	text := ""
	if why != nil {
		text = shorten("pgweir: "+printable(why.Error()), sh.width) + "\n\n"
	}
	if s.terminal {
		if _, height, err := term.GetSize(int(s.out.Fd())); err == nil {
			sh.height = height - 1 - strings.Count(text, "\n")
		}
	}
	if c != nil {
		text += drawCensus(c, sh)
	}
	if !s.terminal {
		if s.begun {
			text = "\n" + text
		}
		s.begun = true
		_, err := io.WriteString(s.out, text)
		return err
	}
	from := "\x1b[H"
	if !s.begun {
		from, s.begun = "\x1b[2J\x1b[H", true
	}
	_, err := io.WriteString(s.out, from+strings.ReplaceAll(text, "\n", "\x1b[K\n")+"\x1b[J")
	return err
}

// utf8Locale tells whether the terminal is likely to show more than ASCII.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			return strings.Contains(strings.ToUpper(strings.ReplaceAll(value, "-", "")), "UTF8")
		}
	}
	return false
}
