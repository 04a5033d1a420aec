package console

import (
	"fmt"

	"pgweir/status"
)

// engineRows are what SHOW STATE says of the event loops' engine.
func engineRows(e *status.Engine) []pair {
	rows := []pair{{"io_engine", e.Name}}
	if e.Reason != "" {
		rows = append(rows, pair{"io_engine_reason", readable(e.Reason)})
	}
	if e.Retreated > 0 {
		rows = append(rows, pair{"io_engine_retreated", fmt.Sprintf("%d of %d event loops", e.Retreated, e.Loops)})
	}
	return rows
}

// memTable is SHOW MEM, with PgBouncer's columns for caches: the buffers of io_uring.
var memTable = view[status.Engine]{
	rows: func(s *status.Snapshot) []status.Engine {
		if s.Engine.Buffers == 0 {
			return nil
		}
		return []status.Engine{s.Engine}
	},
	columns: []column[status.Engine]{
		text("name", func(*status.Engine) string { return "io_uring_buffers" }),
		int4("size", func(e *status.Engine) int { return e.BufferSize }),
		int4("used", func(e *status.Engine) int { return e.Buffers - e.BuffersFree }),
		int4("free", func(e *status.Engine) int { return e.BuffersFree }),
		int4("memtotal", func(e *status.Engine) int { return int(e.BufferBytes()) }),
		numeric("shortages", func(e *status.Engine) int64 { return e.Shortages }),
		int8("late_bytes", func(e *status.Engine) int64 { return e.LateBytes }),
	},
}
