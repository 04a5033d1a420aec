package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxConfigBytes bounds a configuration file; real ones have a few kilobytes.
const maxConfigBytes = 4 << 20

// Load reads the file at path, the auth_file and the TLS files that it names.
// The error is Problems if the file could be read.
func Load(path string) (*Config, error) { return whole(LoadDraft(path)) }

// LoadDraft is Load, but has a configuration beside Problems too, nil only if the file is
// not TOML: for who looks for more faults in the files that it names. Settings that are
// at fault have their defaults in it.
func LoadDraft(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	return parse(path, data)
}

// whole is a configuration without faults.
func whole(c *Config, err error) (*Config, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// reason is err without the operation and path that package os puts before it.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// Parse reads data as the file at path: path stands in messages, and relative
// paths in data start at its folder. The files that data names are read. The
// error is always Problems.
func Parse(path string, data []byte) (*Config, error) { return whole(parse(path, data)) }

func parse(path string, data []byte) (*Config, error) {
	if len(data) > maxConfigBytes {
		return nil, Problems{{File: path, Text: fmt.Sprintf("larger than %d bytes", maxConfigBytes)}}
	}
	// A mark that some editors put at the start, and that TOML does not allow.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))

	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, Problems{syntaxProblem(path, data, err)}
	}
	c, err := read(path, tree, keyLines(data))
	if err == nil {
		c.strays = findStrays(path, tree, c.lines, data)
	}
	return c, err
}

// read makes a configuration of what TOML gave. There is one beside an error too.
func read(path string, tree map[string]any, lines lineIndex) (*Config, error) {
	p := &parser{
		config: &Config{Path: path, Databases: map[string]*Database{}, Users: map[string]*User{}},
		lines:  lines,
	}
	p.top(tree)
	p.finish()
	p.config.lines, p.config.tree = p.lines, &treeOf{tree}
	if len(p.problems) > 0 {
		p.problems.Sort()
		return p.config, p.problems
	}
	return p.config, nil
}

// parser gathers the configuration and what is wrong with it.
type parser struct {
	config   *Config
	lines    lineIndex
	problems Problems
}

// problem notes that something is wrong at the key with this path.
func (p *parser) problem(path []string, format string, args ...any) {
	place := p.lines.at(path)
	p.problems = append(p.problems, Problem{
		File: cmp.Or(place.File, p.config.Path),
		Line: place.Line,
		Text: fmt.Sprintf(format, args...),
	})
}

// given reports whether the file has a top-level setting of this name.
func (p *parser) given(name string) bool { return p.lines.of([]string{name}) != 0 }

// top takes the whole file: settings, [databases.NAME] and [users.NAME].
func (p *parser) top(tree map[string]any) {
	rest := map[string]any{}
	for name, raw := range tree {
		switch name {
		case "databases":
			p.databases(raw)
		case "users":
			p.users(raw)
		default:
			rest[name] = raw
		}
	}
	readTable(p, nil, rest, settings, p.config)
}

func (p *parser) databases(raw any) {
	tables, ok := raw.(map[string]any)
	if !ok {
		p.problem([]string{"databases"}, "databases: must be tables, one [databases.NAME] for each database")
		return
	}
	for name, raw := range tables {
		path := []string{"databases", name}
		if !p.entry(path, raw) {
			continue
		}
		if IsConsole(name) {
			p.problem(path, "%s: this name is the admin console's; no database can bear it", dotted(path))
			continue
		}
		db := &Database{Name: name}
		readTable(p, path, raw.(map[string]any), databaseSettings, db)
		if db.DBName == "" && name != "*" {
			db.DBName = name
		}
		p.config.Databases[name] = db
	}
}

func (p *parser) users(raw any) {
	tables, ok := raw.(map[string]any)
	if !ok {
		p.problem([]string{"users"}, "users: must be tables, one [users.NAME] for each user")
		return
	}
	for name, raw := range tables {
		path := []string{"users", name}
		if !p.entry(path, raw) {
			continue
		}
		user := &User{Name: name}
		readTable(p, path, raw.(map[string]any), userSettings, user)
		p.config.Users[name] = user
	}
}

// entry reports whether raw is a table that can be a database or user of that
// name; if not, it notes why.
func (p *parser) entry(path []string, raw any) bool {
	name := path[1]
	if name == "" || strings.ContainsRune(name, 0) {
		p.problem(path, "%s: not a name that PostgreSQL could know", dotted(path))
		return false
	}
	if _, ok := raw.(map[string]any); ok {
		return true
	}
	if known(name, settings) {
		p.problem(path, "%s stands in the table [%s]; it belongs at the top of the file, before the first [table]", name, path[0])
		return false
	}
	p.problem(path, "%s: must be a table; write [%s] and its settings below it", dotted(path), dotted(path))
	return false
}

// readTable puts each key of table into its field of target, after the
// defaults, and notes what is unknown or wrong.
func readTable[T any](p *parser, path []string, table map[string]any, known []setting[T], target *T) {
	byName := make(map[string]*setting[T], len(known))
	for i := range known {
		s := &known[i]
		byName[s.name] = s
		if s.also != "" {
			byName[s.also] = s
		}
		if s.def == nil {
			continue
		}
		value, err := s.parse(s.def)
		if err != nil {
			panic("bug: the default of " + s.name + ": " + err.Error())
		}
		store(s.at(target), value)
	}
	for name, raw := range table {
		keyPath := append(path[:len(path):len(path)], name)
		s, ok := byName[name]
		if !ok {
			p.problem(keyPath, "%s", unknown(path, name, raw, names(known)))
			if _, isTable := raw.(map[string]any); !isTable {
				p.problems[len(p.problems)-1].Unknown = keyPath
			}
			continue
		}
		if _, both := table[s.name]; both && name == s.also {
			p.problem(keyPath, "%s is another name for %s, which is set as well", dotted(keyPath), s.name)
			continue
		}
		p.setting(keyPath, &s.spec, raw, s.at(target))
	}
}

// setting puts what stands at a key into its field.
func (p *parser) setting(path []string, s *spec, raw any, field any) {
	raw, references, err := fromEnvironment(raw)
	if err != nil {
		p.problem(path, "%s: %s", dotted(path), err)
		return
	}
	if len(references) > 0 {
		raw = s.number(raw)
	}
	value, err := s.parse(raw)
	switch {
	case raw == "" && len(references) > 0 && (s.kind.secret() || strings.HasPrefix(s.name, "password_")): // no password is another thing
		p.problem(path, "%s: %s stands for nothing: the variable is empty", dotted(path), strings.Join(references, " and "))
	case err != nil && s.kind.secret():
		p.problem(path, "%s: %s", dotted(path), s.wanted()) // the value is not to be shown
	case err != nil && len(references) > 0: // nor what a variable holds
		p.problem(path, "%s: what %s stands for is not right here; it is a %s", dotted(path), strings.Join(references, " and "), s.describe())
	case err != nil:
		p.problem(path, "%s: %s", dotted(path), err)
	default:
		store(field, value)
		if secret, ok := value.(Secret); ok && len(references) == 0 && secret.opens() && (s.name != ldapOptions || strings.Contains(string(secret), "ldapbindpasswd")) {
			p.config.holdsSecret = true
		}
	}
}

func names[T any](list []setting[T]) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].name
	}
	sort.Strings(out)
	return out
}

func known[T any](name string, list []setting[T]) bool {
	for i := range list {
		if list[i].name == name || list[i].also == name && name != "" {
			return true
		}
	}
	return false
}
