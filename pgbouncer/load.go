package pgbouncer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"pgweir/config"
)

// Loaded is a pgbouncer.ini as it is served.
type Loaded struct {
	Config  *config.Config
	Process Process
	Notes   []Note // in the order of the lines
	// Files are the file itself and what it includes, by %include.
	Files []string
}

// errNowhere ends PgBouncer's start too.
var errNowhere = errors.New("there is nowhere to listen: it and unix_socket_dir are empty")

// Load reads the file at path and all that it names. As in PgBouncer, relative paths
// start at the current folder. The error is config.Problems, unless that folder has gone.
func Load(path string) (*Loaded, error) {
	loaded, err := LoadDraft(path)
	if err != nil {
		return nil, err
	}
	return loaded, nil
}

// LoadDraft is to Load what config.LoadDraft is to config.Load. There is no configuration
// if the file was not read to its end.
func LoadDraft(path string) (*Loaded, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("the current folder: %w", err)
	}
	var files []string
	read := reading()
	t := translate(path, folder, func(path string) ([]byte, error) {
		files = append(files, path)
		return read(path)
	})
	loaded := &Loaded{Process: t.process, Notes: t.notes, Files: files}
	problems := append(t.problems, t.refused...)
	if !t.unfinished {
		loaded.Config, err = config.DraftFromTree(&t.tree)
		problems = append(problems, t.besides(problems, loaded.Config, err)...)
	}
	if len(problems) > 0 {
		problems.Sort()
		return loaded, problems
	}
	return loaded, nil
}

// besides are the problems of what the file has come to, without those that are there only
// because what has a known problem is not.
func (t *translator) besides(known config.Problems, c *config.Config, err error) (more config.Problems) {
	var found config.Problems
	if !errors.As(err, &found) && len(c.ListenAddr) == 0 && c.UnixSocketDir == "" {
		found = config.Problems{c.Fault(errNowhere, "listen_addr")}
	}
	for _, p := range found {
		if !slices.ContainsFunc(known, func(k config.Problem) bool { return explains(&k, &p) }) {
			more = append(more, p)
		}
	}
	return more
}

// explains tells whether a problem may be why there is another one: that has the name of
// its setting too, and of its database or user.
func explains(known, other *config.Problem) bool {
	name, _, _ := strings.Cut(known.Text, ":")
	table, setting := "", name
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		table, setting = name[:at], name[at+1:]
	}
	if slices.Contains(sections, table) { // the whole entry is at fault
		return strings.Contains(other.Text, name)
	}
	if s := find(general, setting); s != nil && table == "" {
		setting = s.target()
	}
	words := strings.FieldsFunc(other.Text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Contains(other.Text, table) && slices.Contains(words, setting)
}

// Imported is a pgbouncer.ini as a config.toml.
type Imported struct {
	Text  []byte
	Notes []Note // in the order of the lines
	// Refused are lines without which clients would be served in another way.
	Refused config.Problems
}

// Import makes a config.toml of the file at path, which does the same. Nothing that the
// file names but %include is read. The error is as Load's.
func Import(path string) (*Imported, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("the current folder: %w", err)
	}
	t := translate(path, folder, reading())
	return t.imported()
}

func (t *translator) imported() (*Imported, error) {
	if len(t.problems) > 0 {
		t.problems.Sort()
		return nil, t.problems
	}
	return &Imported{Text: t.text(), Notes: t.notes, Refused: t.refused}, nil
}

// sign is what a config.toml never has.
var sign = regexp.MustCompile(`(?m)^[ \t]*(\[pgbouncer\]|%include[ \t])`)

// Is tells whether the file at path is a pgbouncer.ini: by the name's end if it is .ini
// or .toml, else by a line [pgbouncer] or %include. One that cannot be read is none,
// nor is a pipe, whose content could not be read a second time.
func Is(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".ini":
		return true
	case ".toml":
		return false
	}
	data, err := config.ReadFile(path, maxFileBytes)
	return err == nil && sign.Match(bytes.ReplaceAll(data, []byte("\r"), nil))
}

// Explain has problems with names of PgBouncer's say what pgweir has in their place.
func Explain(problems config.Problems) {
	for i := range problems {
		p := &problems[i]
		table := ""
		switch len(p.Unknown) {
		case 0:
			continue
		case 3:
			table = p.Unknown[0]
		}
		name := p.Unknown[len(p.Unknown)-1]
		if text := counterpart(table, name); text != "" {
			p.Text, _, _ = strings.Cut(p.Text, "; ")
			p.Text += "; it is " + strings.TrimSpace(text)
		}
	}
}

// Matters are the notes of lines that ask for something that they do not get.
func Matters(notes []Note) []Note {
	return slices.DeleteFunc(slices.Clone(notes), func(n Note) bool { return n.Moot })
}
