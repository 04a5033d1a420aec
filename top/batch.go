package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// runBatch writes a plain table for each reading, with all rows and columns at
// their full width. A reading that fails is said, and the next one tried.
func runBatch(ctx context.Context, s Source, o Options) error {
	m := newModel(ctx, s, o, newPainter(io.Discard))
	wantClients := m.current == clientsView
	if wantClients && !m.console {
		return errors.New("the clients are shown by pgweir's console: it needs --console")
	}
	for i := 1; ; i++ {
		r := s.Read(ctx, wantClients)
		if ctx.Err() != nil {
			return nil
		}
		m.take(r)
		err := m.batchError(r)
		last := i == o.Iterations
		if last && err != nil {
			return err
		}
		text := fmt.Sprintf("pgweir top  %s: %v\n", clock(r.At), err)
		if err == nil {
			text = m.plainTable()
		}
		if !last {
			text += "\n"
		}
		if _, err := io.WriteString(o.Out, text); err != nil {
			return err
		}
		if last {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.Interval):
		}
	}
}

// batchError is why there is no table to write. A census is not needed for the
// pools, nor the console for the processes.
func (m *model) batchError(r *Reading) error {
	err := r.HTTPErr
	switch m.current {
	case processesView, findingsView:
		err = errors.Join(err, r.CensusErr)
	case clientsView:
		err = errors.Join(err, r.ConsoleErr)
	}
	if err == nil {
		return nil
	}
	return errors.New(clean(err.Error()))
}

// plainTable is the head and the table as text, without colours.
func (m *model) plainTable() string {
	var b strings.Builder
	for _, l := range m.head() {
		b.WriteString(l.text + "\n")
	}
	v := m.view()
	widths := v.layout(0)
	titles := row{cells: make([]cell, len(v.columns))}
	for i := range v.columns {
		titles.cells[i] = cell{text: v.title(i)}
	}
	b.WriteString("\n" + strings.TrimRight(v.line(&titles, widths, nil), " ") + "\n")
	for i := range v.rows {
		b.WriteString(strings.TrimRight(v.line(&v.rows[i], widths, nil), " ") + "\n")
	}
	return b.String()
}
