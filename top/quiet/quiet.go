// Package quiet keeps a library of top's from questioning the terminal when
// the program starts, whatever the subcommand is: the question puts escape
// sequences into the output of `pgweir serve`, takes what somebody has typed
// ahead, and holds the start up for 5 seconds if the terminal does not answer,
// as that of a container does.
//
// bubbletea asks while it is initialized, and leaves it when TERM is "dumb".
// So TERM says that until package top, which is initialized after bubbletea,
// calls Restore. This package comes before bubbletea by the rule of the
// language: the packages that can be initialized are in order of their import
// paths, this one can as soon as os can, and bubbletea also needs regexp, whose
// path comes after ours. So it must import nothing but os.
package quiet

import "os"

var term, set = os.LookupEnv("TERM")

func init() {
	// It fails for a bad name only.
	_ = os.Setenv("TERM", "dumb")
}

// Restore puts TERM back as it was when the program started.
func Restore() {
	if set {
		_ = os.Setenv("TERM", term)
	} else {
		_ = os.Unsetenv("TERM")
	}
}
