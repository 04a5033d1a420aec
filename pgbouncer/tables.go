package pgbouncer

import (
	"fmt"
	"slices"
	"strconv"

	"pgweir/config"
)

// entry takes a line of [databases], [users] or [peers].
func (t *translator) entry(v *verdict) {
	i := slices.IndexFunc(tables, func(s section) bool { return s.name == v.section })
	sec := &tables[i]
	pairs, err := connString(v.value)
	switch {
	case err != nil:
		t.problem(v.at, "%s: %v", v.name(), err)
		return
	case sec.name == "databases" && v.key == "pgbouncer":
		t.problem(v.at, "%s: this name is the admin console's; no database can bear it", v.name())
		return
	case sec.name == "peers":
		t.peer(v, pairs)
		return
	}
	b := &block{table: []string{sec.table, v.key}, comments: v.comments}
	t.tables = append(t.tables, b)
	t.tree.Table(v.at, b.table...)
	values := t.words(b, v, sec, pairs)
	if sec.name == "databases" {
		t.database(b, v, values)
	}
}

// words takes the words of a connection string. It gives pgweir's values by name.
func (t *translator) words(b *block, v *verdict, sec *section, pairs []pair) map[string]any {
	values := map[string]any{}
	for i, p := range pairs {
		s := find(sec.settings, p.key)
		if s == nil {
			t.unknown(v.at, config.Quote(p.key)+" in "+v.name(), p.key, sec.settings)
			continue
		}
		name := v.name() + "." + s.name
		if again(pairs[i+1:], s, sec) {
			t.note(b, v.at, name, p.shown(), Note{Text: "Has no effect: it stands there again, and the last one counts."})
			continue
		}
		value, err := s.parse(p.value)
		switch {
		case err != nil:
			t.problem(v.at, "%s: %v", name, err)
		case s.fate >= process:
			t.without(b, v.at, s, name, p.shown(), value)
		default:
			t.word(b, v, s, name, p, value, values)
		}
	}
	return values
}

// again tells whether a later word is the same setting.
func again(rest []pair, s *setting, sec *section) bool {
	return slices.ContainsFunc(rest, func(p pair) bool {
		other := find(sec.settings, p.key)
		return other != nil && other.target() == s.target()
	})
}

// word takes one word that pgweir has a counterpart of.
func (t *translator) word(b *block, v *verdict, s *setting, name string, p pair, value any, values map[string]any) {
	n, isNumber := value.(int64)
	if s.name == "port" && n <= 0 {
		t.problem(v.at, "%s: %s is not a port (1 to 65535)", name, config.Quote(p.value))
		return
	}
	if isNumber && (n < 0 || n == 0 && s.inherits) {
		t.note(b, v.at, name, p.shown(), Note{Text: "The general setting holds, as in PgBouncer.", Moot: true})
		return
	}
	value, remark, err := t.convert(s, p.value, value)
	if err != nil {
		t.problem(v.at, "%s: %v", name, err)
		return
	}
	if isNumber && remark == "" && strconv.FormatInt(n, 10) != p.value {
		remark = fmt.Sprintf("%s there, which PgBouncer reads so", config.Printable(p.value))
		t.notes = append(t.notes, Note{At: v.at, Setting: name, Text: fmt.Sprintf("Read as %d, as PgBouncer does.", n)})
	}
	if s.name == "password" && valueOf(pairs(v), "user") == "" {
		t.note(b, v.at, name, p.shown(), Note{Text: "Has no effect without user, in PgBouncer neither.", Moot: true})
		return
	}
	if s.name == "auth_dbname" && t.effective("auth_user") == "" && valueOf(pairs(v), "auth_user") == "" {
		t.note(b, v.at, name, p.shown(), Note{Text: noAuthUser, Moot: true})
		return
	}
	values[s.target()] = value
	t.put(b, v.at, nil, s.target(), value, remark)
}

// pairs are the words of an entry whose connection string is well-formed.
func pairs(v *verdict) []pair {
	all, _ := connString(v.value)
	return all
}

// database adds what follows from other settings.
func (t *translator) database(b *block, v *verdict, values map[string]any) {
	if _, ok := values["host"]; !ok {
		t.socketOf(b, v)
	}
	if _, ok := values["user"]; !ok {
		t.keptUser(b, v)
	}
	t.databaseMinimum(b, v, values)
}

// socketOf has a database without a host reached where PgBouncer's own socket is.
func (t *translator) socketOf(b *block, v *verdict) {
	dir, given := t.set["unix_socket_dir"]
	switch {
	case dir != "":
		t.put(b, v.at, nil, "host", t.fromFolder(dir), "unix_socket_dir, as there is no host")
	case given:
		t.note(b, v.at, v.name()+".host", v.shown(), Note{
			Text: "There is no host, and unix_socket_dir is empty, so PgBouncer cannot connect. pgweir takes PostgreSQL's usual socket."})
	}
}

// keptUser has an earlier line's user: PgBouncer keeps it ("losing forced user").
func (t *translator) keptUser(b *block, v *verdict) {
	for _, it := range slices.Backward(v.before) {
		earlier, _ := connString(it.value)
		user := valueOf(earlier, "user")
		if user == "" {
			continue
		}
		t.put(b, v.at, nil, "user", user, "of "+where(it.at)+", which PgBouncer keeps")
		if password := valueOf(earlier, "password"); password != "" {
			t.put(b, v.at, nil, "password", password, "")
		}
		return
	}
}

// valueOf is the last value of a word; "" if it is not there.
func valueOf(all []pair, key string) (value string) {
	for _, p := range all {
		if p.key == key {
			value = p.value
		}
	}
	return value
}

// peer takes a line of [peers], which has no counterpart.
func (t *translator) peer(v *verdict, words []pair) {
	id, err := strconv.ParseUint(v.key, 10, 16)
	switch {
	case err != nil || id == 0:
		t.problem(v.at, "%s: the name of a peer is its peer_id, a number from 1 to 65535", v.name())
		return
	case valueOf(words, "host") == "":
		t.problem(v.at, "%s: a peer needs a host", v.name())
		return
	}
	for _, p := range words {
		if find(peers, p.key) == nil {
			t.unknown(v.at, config.Quote(p.key)+" in "+v.name(), p.key, peers)
			return
		}
	}
	t.note(&t.top, v.at, v.name(), "[peers] "+v.shown(), Note{Text: sentence("Has no counterpart.", noPeers)})
}

// poolSize is default_pool_size as pgweir has it.
func (t *translator) poolSize() int64 {
	n, err := number(t.effective("default_pool_size"))
	if err != nil || n <= 0 || n > noLimit {
		return noLimit
	}
	return n
}

// capMinimum takes the general min_pool_size, which a pool's size caps in PgBouncer.
func (t *translator) capMinimum(n int64) (any, string, error) {
	n = max(n, 0)
	if size := t.poolSize(); n > size {
		return size, fmt.Sprintf("%d in PgBouncer, capped by the pool's size", n), nil
	}
	return n, "", nil
}

// databaseMinimum caps the minimum of a database by its own size, and gives back what
// the general one has lost to a smaller default_pool_size.
func (t *translator) databaseMinimum(b *block, v *verdict, values map[string]any) {
	size := t.poolSize()
	if own, ok := values["pool_size"].(int64); ok {
		size = own
	}
	if own, ok := values["min_pool_size"].(int64); ok {
		if own > size {
			b.replace("min_pool_size", size, fmt.Sprintf("%d in PgBouncer, capped by the pool's size", own))
			t.tree.Set(size, v.at, append(slices.Clone(b.table), "min_pool_size")...)
		}
		return
	}
	asked, err := number(t.effective("min_pool_size"))
	if err == nil && asked > t.poolSize() && size > t.poolSize() {
		t.put(b, v.at, nil, "min_pool_size", min(asked, size), "the general one, which default_pool_size caps")
	}
}
