package pgbouncer

import (
	"fmt"
	"strconv"
	"strings"

	"pgweir/config"
)

// block is a part of the config.toml that is written.
type block struct {
	table    []string // nil: the top level
	comments []string // of the file that is read
	lines    []line
}

// line is a setting, or only comments.
type line struct {
	comments []string
	key      string // "": none
	value    any
	remark   string
}

// width is how long a line of comments may be.
const width = 90

// comment says what becomes of a line that is not written.
func (b *block) comment(shown string, at config.Place, text string) {
	out := []string{fmt.Sprintf("#! %s   (%s)", shown, where(at))}
	b.lines = append(b.lines, line{comments: append(out, wrapped("#    ", text)...)})
}

// replace changes the value of a line.
func (b *block) replace(key string, value any, remark string) {
	for i := range b.lines {
		if b.lines[i].key == key {
			b.lines[i].value, b.lines[i].remark = value, remark
		}
	}
}

func wrapped(prefix, text string) (out []string) {
	row := prefix
	for _, word := range strings.Fields(text) {
		if len(row) > len(prefix) && len(row)+1+len(word) > width {
			out = append(out, row)
			row = prefix
		}
		if len(row) > len(prefix) {
			row += " "
		}
		row += word
	}
	return append(out, row)
}

// text is the config.toml.
func (t *translator) text() []byte {
	var w strings.Builder
	head := fmt.Sprintf("Made of %s by `pgweir import`. It does what PgBouncer 1.25 does with that file; docs/migration.md says where pgweir differs. A line that begins with #! has no counterpart here. ", config.Printable(t.path))
	if n := t.commentsLeft(); n > 0 {
		head += fmt.Sprintf("Comments above settings have come along, others (%d lines) have not.", n)
	}
	for _, row := range wrapped("# ", head) {
		fmt.Fprintln(&w, row)
	}
	fmt.Fprintln(&w, "#")
	for _, row := range wrapped("# ", `What a client leaves behind in transaction mode follows it to its next backend (session_state = "track"). PgBouncer's way is session_state = "off".`) {
		fmt.Fprintln(&w, row)
	}
	fmt.Fprintln(&w)
	t.top.write(&w)
	fmt.Fprintln(&w, "\n# PgBouncer's defaults, where pgweir's are others.")
	t.defaults.write(&w)
	for _, b := range t.tables {
		fmt.Fprintln(&w)
		b.write(&w)
	}
	return []byte(w.String())
}

// commentsLeft are the lines of comments that are not written.
func (t *translator) commentsLeft() int {
	n := t.comments
	for _, b := range append([]*block{&t.top}, t.tables...) {
		n -= len(b.comments)
		for i := range b.lines {
			if b.lines[i].key != "" {
				n -= len(b.lines[i].comments)
			}
		}
	}
	return n
}

func (b *block) write(w *strings.Builder) {
	for _, c := range b.comments {
		fmt.Fprintln(w, asComment(c))
	}
	if b.table != nil {
		fmt.Fprintf(w, "[%s.%s]\n", b.table[0], config.KeyOf(b.table[1]))
	}
	for i := range b.lines {
		l := &b.lines[i]
		for _, c := range l.comments {
			fmt.Fprintln(w, asComment(c))
		}
		if l.key == "" {
			continue
		}
		fmt.Fprintf(w, "%s = %s", config.KeyOf(l.key), tomlValue(l.value))
		if l.remark != "" {
			fmt.Fprintf(w, " # %s", l.remark)
		}
		fmt.Fprintln(w)
	}
}

// asComment is a comment of the file that is read, as TOML has it.
func asComment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if strings.HasPrefix(text, ";") {
		text = "#" + text[1:]
	}
	return text
}

func tomlValue(value any) string {
	switch v := value.(type) {
	case string:
		return config.TextOf(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		out := make([]string, len(v))
		for i := range v {
			out[i] = tomlValue(v[i])
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	panic("bug: unknown type of a value")
}
