package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
)

// terminal is the program on a terminal of its own: what it writes is drawn as
// a terminal draws it.
type terminal struct {
	pty  *os.File
	done chan struct{} // closed when the program has ended
	err  error         // what it ended with; read it only after done

	mu     sync.Mutex
	raw    strings.Builder // all that it has written
	screen *screen
}

// onTerminal starts pgweir on a terminal of 80x24. env are further variables.
func onTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	return onTerminalOf(t, 80, 24, env, args...)
}

// onTerminalOf starts it on one of another size: one that is resized while the
// program starts may not be heard of.
func onTerminalOf(t *testing.T, cols, rows uint16, env []string, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=", "CI=", "COLORTERM=")
	cmd.Env = append(cmd.Env, env...)
	// If we end, the terminal hangs up, and the program ends too.
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: cols})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{pty: f, done: make(chan struct{}), screen: newScreen(int(cols), int(rows))}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			term.mu.Lock()
			term.raw.Write(buf[:n])
			term.screen.write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return // EIO: the program has gone
			}
		}
	}()
	go func() {
		<-read
		term.err = cmd.Wait()
		close(term.done)
	}()
	t.Cleanup(func() {
		select {
		case <-term.done:
		default:
			_ = cmd.Process.Kill()
			<-term.done
		}
		_ = f.Close()
	})
	return term
}

// text is the screen, without the blanks at the ends of its lines.
func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.screen.String()
}

// written is all that the program has written.
func (term *terminal) written() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.raw.String()
}

// press types keys once the program draws: before that, the terminal would
// make of them what it makes of lines.
func (term *terminal) press(t *testing.T, keys string) {
	t.Helper()
	eventually(t, "the program has taken the terminal", func() bool { return strings.Contains(term.written(), "\x1b[?1049h") })
	if _, err := term.pty.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// resize changes the size of the terminal.
func (term *terminal) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	term.mu.Lock()
	term.screen = newScreen(int(cols), int(rows))
	term.mu.Unlock()
	if err := pty.Setsize(term.pty, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		t.Fatal(err)
	}
}

// shows waits until the screen fits a regular expression, in which ^ and $ are
// the ends of lines.
func (term *terminal) shows(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	defer func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", term.text())
		}
	}()
	eventually(t, fmt.Sprintf("the screen has %s", pattern), func() bool { return re.MatchString(term.text()) })
}

// ended waits for the program's end and gives its error.
func (term *terminal) ended(t *testing.T) error {
	t.Helper()
	select {
	case <-term.done:
		return term.err
	case <-time.After(patience):
		t.Fatalf("it does not end:\n%s", term.text())
		return nil
	}
}

// screen is what a terminal makes of the sequences that move the cursor and
// clear; it leaves colours out. A character takes one cell.
type screen struct {
	cells    [][]rune
	row, col int
	pending  []byte // the beginning of a sequence or character
}

func newScreen(cols, rows int) *screen {
	s := &screen{cells: make([][]rune, rows)}
	for i := range s.cells {
		s.cells[i] = make([]rune, cols)
	}
	s.clear(0, rows)
	return s
}

func (s *screen) clear(from, to int) {
	for _, line := range s.cells[from:to] {
		for i := range line {
			line[i] = ' '
		}
	}
}

func (s *screen) String() string {
	var b strings.Builder
	for _, line := range s.cells {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

// sequence is one that the terminal obeys: CSI or OSC, or a single letter.
var sequence = regexp.MustCompile(`^\x1b(?:\[([0-9;?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])`)

func (s *screen) write(data []byte) {
	data = append(s.pending, data...)
	for len(data) > 0 {
		if data[0] == 0x1b {
			m := sequence.FindSubmatch(data)
			if m == nil {
				break // the rest of it is still to come
			}
			if len(m[2]) > 0 {
				s.obey(string(m[1]), m[2][0])
			}
			data = data[len(m[0]):]
			continue
		}
		if !utf8.FullRune(data) {
			break
		}
		r, n := utf8.DecodeRune(data)
		data = data[n:]
		s.put(r)
	}
	s.pending = append([]byte(nil), data...)
}

func (s *screen) put(r rune) {
	switch {
	case r == '\r':
		s.col = 0
	case r == '\n':
		if s.row == len(s.cells)-1 {
			s.cells = append(s.cells[1:], s.cells[0])
			s.clear(s.row, s.row+1)
		} else {
			s.row++
		}
	case r >= ' ':
		s.cells[s.row][min(s.col, len(s.cells[s.row])-1)] = r
		s.col++
	}
}

func (s *screen) obey(parameters string, final byte) {
	var n [2]int
	for i, p := range strings.SplitN(parameters, ";", 2) {
		n[i], _ = strconv.Atoi(p) // none is 0
	}
	switch final {
	case 'H':
		s.row, s.col = min(max(n[0], 1), len(s.cells))-1, min(max(n[1], 1), len(s.cells[0]))-1
	case 'A':
		s.row = max(0, s.row-max(n[0], 1))
	case 'B':
		s.row = min(len(s.cells)-1, s.row+max(n[0], 1))
	case 'K':
		line := s.cells[s.row]
		from := min(s.col, len(line))
		if n[0] == 2 {
			from = 0
		}
		for i := range line[from:] {
			line[from+i] = ' '
		}
	case 'J':
		if n[0] == 2 {
			s.clear(0, len(s.cells))
		} else if s.row+1 < len(s.cells) {
			s.clear(s.row+1, len(s.cells))
		}
	}
}
