package pgbouncer

import "pgweir/config"

// fate is what becomes of a setting of PgBouncer's.
type fate uint8

const (
	// same: pgweir has it under the same name.
	same fate = iota
	// renamed: pgweir has it under the name in to.
	renamed
	// process: `pgweir serve pgbouncer.ini` does it. In a config.toml it is left to who
	// starts the program.
	process
	// later: pgweir has none yet. When config knows the name (to, or the same), the row
	// is to lose this word, and a test says so.
	later
	// ignored: it has no effect, and nothing is lost by that but what the note says.
	ignored
	// refused: without it clients would be served in another way than they ask for, so
	// a file in which it is set to anything but its default is not served.
	refused
)

// setting is one of PgBouncer's.
type setting struct {
	name    string
	kind    kind
	choices []string
	// def is PgBouncer's default, as one would write it; "" is none, or an empty text.
	def  string
	fate fate
	to   string // pgweir's name, if it is another
	// anyway is a value of which pgweir does what it asks for; "" if there is none but
	// the default, of which nobody needs to be told either.
	anyway string
	// written: pgweir's default is another, so that PgBouncer's is written out.
	written bool
	// least and most bound the value here; what is beyond is taken for the bound. With
	// both 0 there are none.
	least, most int64
	// none, if it is not 0, takes the place of 0 and of what is below it: "no limit".
	none int64
	// milli: the number is milliseconds of a duration. Without it a kindNumber is a
	// duration in seconds if inSeconds is set.
	milli, inSeconds bool
	// inherits: 0 means that the general setting holds. Of settings in tables only;
	// what is below 0 means that always.
	inherits bool
	secret   bool
	// note says what differs, or why there is none, in one or more sentences.
	note string
}

// target is pgweir's name.
func (s *setting) target() string {
	if s.to != "" {
		return s.to
	}
	return s.name
}

// section is a section of the file with its settings.
type section struct {
	name     string // PgBouncer's
	table    string // in a config.toml; "" is the top level
	settings []setting
}

var tables = []section{
	{"pgbouncer", "", general},
	{"databases", "databases", databases},
	{"users", "users", users},
	{"peers", "peers", peers},
}

// find is the setting of a section with this name.
func find(list []setting, name string) *setting {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// Note is what has become of a line that has no counterpart, or another than one
// would think.
type Note struct {
	At config.Place
	// Setting is the name, with the table that it stands in: "databases.shop.user".
	Setting string
	// Text is a sentence or more about it, without its value.
	Text string
	// Moot: the line asks for nothing that pgweir does not do anyway.
	Moot bool
}
