package top

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"

	"pgweir/top/quiet"
)

func init() { quiet.Restore() }

// Options say what to watch, and how.
type Options struct {
	URL     string // where / of pgweir's HTTP is, as "http://127.0.0.1:9127"
	Token   string // for it; "": none
	TLS     *tls.Config
	Console string // DSN of the console, in libpq's form; "": do without
	// Interval is between two readings, from 0.1 seconds to an hour.
	Interval time.Duration
	View     string // "processes", "clients", "pools" or "findings"
	Out      io.Writer
	// Batch writes plain tables, as it is done where Out is no terminal:
	// Iterations of them, 0 for without end.
	Batch      bool
	Iterations int
}

// Views are the names for Options.View.
func Views() []string {
	return []string{processTable.name, clientTable.name, poolTable.name, findingTable.name}
}

// Run shows what Options say until somebody quits, or ctx ends. An error says
// that the options make no sense, that the terminal failed or, with plain
// tables, that pgweir did not answer at the last.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	s := &source{}
	var err error
	if s.http, err = newHTTPReader(o.URL); err != nil {
		return err
	}
	s.http.prove(o.Token, o.TLS)
	if o.Console != "" {
		if s.console, err = newConsole(o.Console); err != nil {
			return err
		}
	}
	defer s.Close()
	if o.Batch || !fullScreen(o.Out) {
		return runBatch(ctx, s, o)
	}
	return runScreen(ctx, s, o)
}

func (o *Options) check() error {
	if err := checkInterval(o.Interval); err != nil {
		return err
	}
	if o.Iterations < 0 {
		return fmt.Errorf("the number of iterations must not be below 0, but is %d", o.Iterations)
	}
	for _, name := range Views() {
		if o.View == name {
			if name == clientTable.name && o.Console == "" && o.Batch {
				return errors.New("the clients are shown by pgweir's console: it needs --console")
			}
			return nil
		}
	}
	return fmt.Errorf("there is no view %q, but: %s", o.View, strings.Join(Views(), ", "))
}

// shownURL is the URL without a password.
func (o *Options) shownURL() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	return clean(u.Redacted())
}

// fullScreen tells whether out is a terminal whose cursor can be moved.
func fullScreen(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	name := os.Getenv("TERM")
	return name != "" && name != "dumb"
}

func runScreen(ctx context.Context, s Source, o Options) error {
	// Whatever is asked when somebody quits need not be waited for.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(ctx, s, o, newPainter(o.Out))
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithAltScreen(), tea.WithOutput(o.Out)).Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return nil // by a signal
	}
	return err
}
