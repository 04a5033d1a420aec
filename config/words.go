package config

// The words of messages, for readers of other formats.

// Quote puts v in quotes, with what a terminal must not see escaped, and cut short if it
// is long.
func Quote(v string) string { return quote(v) }

// Printable is v as it is, unless that would break the line.
func Printable(v string) string { return printable(v) }

// Reason is err without the operation and path that package os puts before it.
func Reason(err error) error { return reason(err) }

// Dotted is the name of a setting by its path, as it stands in messages.
func Dotted(path ...string) string { return dotted(path) }
