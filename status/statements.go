package status

import "slices"

// Hidden stands in the place of a statement for those who may not read it, as in
// PostgreSQL's pg_stat_activity.
const Hidden = "<insufficient privilege>"

// WithoutStatements is the snapshot for those who may not read what the clients
// of others ask for: texts of statements have values in them, and passwords. s
// stays as it is.
func (s *Snapshot) WithoutStatements() *Snapshot {
	out := *s
	out.Pins, out.Leaks, out.Shapes = slices.Clone(s.Pins), slices.Clone(s.Leaks), slices.Clone(s.Shapes)
	for i := range out.Pins {
		hide(&out.Pins[i].Statement)
	}
	for i := range out.Leaks {
		hide(&out.Leaks[i].Statement)
	}
	for i := range out.Shapes {
		hide(&out.Shapes[i].Statement)
	}
	out.Censuses = slices.Clone(s.Censuses)
	for i, c := range out.Censuses {
		out.Censuses[i] = c.WithoutStatements()
	}
	return &out
}

// WithoutStatements is the census for those who may not read statements. c stays
// as it is.
func (c *Census) WithoutStatements() *Census {
	out := *c
	out.Processes = slices.Clone(c.Processes)
	for i := range out.Processes {
		hide(&out.Processes[i].Query)
	}
	return &out
}

// hide leaves what says nothing: a process without a statement has none for
// anybody.
func hide(statement *string) {
	if *statement != "" {
		*statement = Hidden
	}
}
