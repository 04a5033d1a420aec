package pgbouncer

import (
	"fmt"
	"path/filepath"
	"strings"

	"pgweir/config"
)

// Process is what the file says of the process itself.
type Process struct {
	LogFile  string // "": none
	PIDFile  string // "": none
	User     string // of the operating system; "": whoever has started it
	ConfFile string // what a RELOAD reads; "": the same file
}

// translator makes pgweir's settings of PgBouncer's.
type translator struct {
	path   string // of the file, as it was given
	folder string // where relative paths start

	set      map[string]string // what [pgbouncer] says, where it counts
	tree     config.Tree
	process  Process
	notes    []Note
	refused  config.Problems // lines without which clients would be served in another way
	problems config.Problems
	// unfinished tells that the file was not read to its end.
	unfinished bool
	asks       bool // some auth_user asks servers
	comments   int  // lines of comments in the file

	top, defaults block
	tables        []*block
}

// translate reads the file at path.
func translate(path, folder string, read func(string) ([]byte, error)) *translator {
	r := readINI(path, read)
	t := &translator{path: path, folder: folder, set: map[string]string{}, problems: r.problems, comments: r.comments, unfinished: len(r.problems) > 0}
	t.tree.Path = path
	entries := judge(r.items)
	for _, v := range entries {
		if v.lost != "" {
			continue
		}
		switch v.section {
		case "pgbouncer":
			t.set[v.key] = v.value
			t.asks = t.asks || v.key == "auth_user" && v.value != ""
		case "databases":
			t.asks = t.asks || valueOf(pairs(v), "auth_user") != ""
		}
	}
	for _, v := range entries {
		switch {
		case v.lost != "":
			t.note(&t.top, v.at, v.name(), v.shown(), Note{Text: "Has no effect: " + v.lost + "."})
		case v.section == "pgbouncer":
			t.general(v)
		default:
			t.entry(v)
		}
	}
	t.writeDefaults()
	return t
}

// name is the setting of an entry for messages.
func (it *item) name() string {
	if it.section == "pgbouncer" {
		return config.Printable(it.key)
	}
	return it.section + "." + config.Printable(it.key)
}

// shown is the entry without a secret.
func (it *item) shown() string {
	value := it.value
	if it.section == "pgbouncer" {
		if s := find(general, it.key); s != nil && s.secret && value != "" {
			value = hidden
		}
		return config.Printable(it.key + " = " + value)
	}
	return config.Printable(it.key + " = " + masked(value))
}

const hidden = "********"

// masked is a connection string without its password.
func masked(text string) string {
	pairs, err := connString(text)
	if err != nil {
		return hidden
	}
	var out []string
	for _, p := range pairs {
		out = append(out, p.shown())
	}
	return strings.Join(out, " ")
}

func (p pair) shown() string {
	switch {
	case p.key == "password":
		return p.key + "=" + hidden
	case strings.ContainsAny(p.value, " '"):
		return p.key + "='" + strings.ReplaceAll(p.value, "'", "''") + "'"
	}
	return p.key + "=" + p.value
}

// effective is what a setting of [pgbouncer] is, by a line that counts or by default.
func (t *translator) effective(name string) string {
	if text, ok := t.set[name]; ok {
		return text
	}
	return find(general, name).def
}

// choice is effective for a kindChoice, as PgBouncer takes it.
func (t *translator) choice(name string) string { return strings.ToLower(t.effective(name)) }

func (t *translator) problem(at config.Place, format string, args ...any) {
	t.problems = append(t.problems, config.Problem{File: at.File, Line: at.Line, Text: fmt.Sprintf(format, args...)})
}

// note tells of a line that has no counterpart, in the imported file too.
func (t *translator) note(b *block, at config.Place, name, shown string, n Note) {
	n.At, n.Setting = at, name
	t.notes = append(t.notes, n)
	b.comment(shown, at, n.Text)
}

// put sets a value of pgweir's.
func (t *translator) put(b *block, at config.Place, comments []string, name string, value any, remark string) {
	t.tree.Set(escaped(value), at, append(append([]string{}, b.table...), name)...)
	b.lines = append(b.lines, line{comments: comments, key: name, value: value, remark: remark})
}

// escaped is a value as config takes it: ${ in a text is a reference to the
// environment there, and none in PgBouncer's file.
func escaped(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "${", "$${")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = escaped(v[i])
		}
		return out
	}
	return value
}

// general takes a line of [pgbouncer].
func (t *translator) general(v *verdict) {
	s := find(general, v.key)
	if s == nil {
		t.unknown(v.at, config.Quote(v.key), v.key, general)
		return
	}
	value, err := s.parse(v.value)
	if err != nil {
		t.problem(v.at, "%s: %v", s.name, err)
		return
	}
	shown := v.shown()
	if why := t.unread(s.name); why != "" && v.value != "" {
		t.note(&t.top, v.at, s.name, shown, Note{Text: why, Moot: true})
		return
	}
	if s.fate >= process {
		t.without(&t.top, v.at, s, s.name, shown, value)
		return
	}
	switch value, remark, err := t.convert(s, v.value, value); {
	case err != nil:
		t.problem(v.at, "%s: %v", s.name, err)
	case s.name == "auth_type" && value == "pam":
		t.refuse(&t.top, v.at, s, s.name, shown, withoutPAM())
	default:
		t.put(&t.top, v.at, v.comments, s.target(), value, remark)
	}
}

func (t *translator) unknown(at config.Place, what, name string, known []setting) {
	text := "unknown setting " + what
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].name
	}
	if near := config.Nearest(name, names); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	t.problem(at, "%s", text)
}

// unread says why PgBouncer does not look at a setting of [pgbouncer], where pgweir
// would; "" if it does.
func (t *translator) unread(name string) string {
	as := func(other string) string {
		return fmt.Sprintf("Not read by PgBouncer either, as %s is %s.", other, config.Printable(t.effective(other)))
	}
	switch method := t.choice("auth_type"); name {
	case "auth_dbname":
		if !t.asks {
			return noAuthUser
		}
	case "auth_hba_file", "auth_ident_file":
		if method != "hba" {
			return as("auth_type")
		}
	case "auth_ldap_options":
		if method != "ldap" {
			return as("auth_type")
		}
	case "client_tls_ca_file", "client_tls_cert_file", "client_tls_key_file",
		"client_tls_ciphers", "client_tls13_ciphers", "client_tls_protocols":
		if t.choice("client_tls_sslmode") == "disable" {
			return as("client_tls_sslmode")
		}
	case "server_tls_ca_file", "server_tls_cert_file", "server_tls_key_file",
		"server_tls_ciphers", "server_tls13_ciphers", "server_tls_protocols":
		if t.choice("server_tls_sslmode") == "disable" {
			return as("server_tls_sslmode")
		}
	}
	return ""
}

// without takes a setting that pgweir has no counterpart of.
func (t *translator) without(b *block, at config.Place, s *setting, name, shown string, value any) {
	moot := s.isDefault(value) || s.anyway != "" && s.is(s.anyway, value)
	switch s.fate {
	case process:
		t.ofProcess(s.name, value.(string))
		if !moot {
			b.comment(shown, at, "Not of the configuration: `pgweir serve` takes it from a pgbouncer.ini. "+s.note)
		}
	case later:
		t.note(b, at, name, shown, Note{Text: sentence("Not there yet, so it has no effect.", s.note), Moot: moot})
	case ignored:
		t.note(b, at, name, shown, Note{Text: sentence("Has no counterpart.", s.note), Moot: moot})
	case refused:
		if moot {
			t.note(b, at, name, shown, Note{Text: sentence("Has no counterpart.", s.note), Moot: true})
			return
		}
		t.refuse(b, at, s, name, shown, "")
	}
}

// withoutPAM says what holds in a config.toml in which auth_type = pam has no place.
func withoutPAM() string {
	method, _ := config.DefaultOf("auth_type")
	return "In the config.toml auth_type is " + method + ", its default: whose secret is in auth_file or in [users] logs in with the password, and nobody else."
}

// refuse takes a line without which clients would be served in another way; instead says
// what holds in a config.toml.
func (t *translator) refuse(b *block, at config.Place, s *setting, name, shown, instead string) {
	text := sentence(sentence("Has no counterpart, and `pgweir serve pgbouncer.ini` refuses it.", s.note), instead)
	t.note(b, at, name, shown, Note{Text: text})
	t.refused = append(t.refused, config.Problem{File: at.File, Line: at.Line,
		Text: name + ": " + sentence("pgweir has no counterpart, and does not start without it.", s.note)})
}

func sentence(first, more string) string { return strings.TrimSpace(first + " " + more) }

// isDefault tells whether a value is what PgBouncer does without the line.
func (s *setting) isDefault(value any) bool {
	if s.kind == kindLoose && s.def == "" {
		n := value.(int64)
		return n < 0 || n == 0 && s.inherits
	}
	return s.is(s.def, value)
}

// is tells whether a text is that value.
func (s *setting) is(text string, value any) bool {
	other, err := s.parse(text)
	return err == nil && fmt.Sprint(other) == fmt.Sprint(value)
}

func (t *translator) ofProcess(name, value string) {
	switch name {
	case "logfile":
		t.process.LogFile = t.fromFolder(value)
	case "pidfile":
		t.process.PIDFile = t.fromFolder(value)
	case "conffile":
		t.process.ConfFile = t.fromFolder(value)
	case "user":
		t.process.User = value
	}
}

// fromFolder is a path as PgBouncer takes it: a relative one starts at the current folder.
func (t *translator) fromFolder(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "@") {
		return path
	}
	return filepath.Join(t.folder, path)
}

// writeDefaults writes PgBouncer's defaults where pgweir's are others.
func (t *translator) writeDefaults() {
	for i := range general {
		s := &general[i]
		if _, given := t.set[s.name]; given || !s.written {
			continue
		}
		value, err := s.parse(s.def)
		if err == nil {
			value, _, err = t.convert(s, s.def, value)
		}
		if err != nil {
			panic("bug: the default of " + s.name + ": " + err.Error())
		}
		t.put(&t.defaults, config.Place{}, nil, s.target(), value, "")
	}
	t.put(&t.defaults, config.Place{}, []string{
		`# PgBouncer has no HTTP. pgweir's default is "127.0.0.1:9127", where its page and`,
		`# metrics are; pgbouncer_exporter has that port too.`}, "http_listen", "", "")
}
