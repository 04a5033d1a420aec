package console

import (
	"strings"

	"pgweir/status"
	"pgweir/wire"
)

// fixed are settings of a PostgreSQL session that drivers ask for, or set, when
// they connect: PgBouncer's five, and more that libpq, pgjdbc and others ask for.
// Here each has one value, and setting it changes nothing.
var fixed = []struct{ name, value string }{
	{"client_encoding", "UTF8"},
	{"datestyle", "ISO, MDY"},
	{"timezone", "GMT"},
	{"standard_conforming_strings", "on"},
	{"default_transaction_isolation", "read committed"},
	{"transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"transaction_read_only", "off"},
	{"in_hot_standby", "off"},
	{"integer_datetimes", "on"},
	{"intervalstyle", "postgres"},
	{"is_superuser", "on"},
	{"max_identifier_length", "63"},
	{"search_path", "public"},
	{"server_encoding", "UTF8"},
}

// ignored are further settings that drivers set and nobody asks for.
var ignored = []string{"application_name", "bytea_output", "client_min_messages", "extra_float_digits",
	"idle_in_transaction_session_timeout", "lock_timeout", "row_security", "statement_timeout"}

// Welcome appends the ParameterStatus messages of a console login: PgBouncer's
// (admin_setup in admin.c), and integer_datetimes, which older drivers look
// for. database is what the client is connected to; version is pgweir's own,
// "0.1.0", of which server_version becomes "0.1.0/pgweir".
func Welcome(dst []byte, database, version string) []byte {
	for _, p := range [...]struct{ name, value string }{
		{"server_version", dialectOf(database).serverVersion(version)},
		{"client_encoding", "UTF8"},
		{"server_encoding", "UTF8"},
		{"DateStyle", "ISO, MDY"},
		{"TimeZone", "GMT"},
		{"standard_conforming_strings", "on"},
		{"integer_datetimes", "on"},
		{"is_superuser", "on"},
	} {
		dst = wire.AppendParameterStatus(dst, p.name, p.value)
	}
	return dst
}

// fixedValue is the value of a fixed setting; names know no case.
func fixedValue(name string) (value string, ok bool) {
	for _, f := range fixed {
		if strings.EqualFold(f.name, name) {
			return f.value, true
		}
	}
	return "", false
}

func isIgnored(name string) bool {
	if _, ok := fixedValue(name); ok {
		return true
	}
	for _, n := range ignored {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// planShow plans SHOW name, and SELECT name, which stands for it.
func planShow(st statement) (plan, error) {
	verb := strings.ToUpper(st.tokens[0].text)
	if len(st.tokens) < 2 {
		return plan{}, wire.Errorf(wire.CodeSyntaxError, "%s needs a name; SHOW HELP lists them", verb)
	}
	if len(st.tokens) == 4 && st.tokens[1].is("transaction") && st.tokens[2].is("isolation") && st.tokens[3].is("level") {
		const name = "transaction_isolation"
		value, _ := fixedValue(name)
		return plan{tag: "SHOW", table: settingTable(name, value)}, nil
	}
	if len(st.tokens) > 2 {
		if verb == "SELECT" {
			return plan{}, unknown("", st.rest(0), nil)
		}
		return plan{}, unexpected(st.tokens[2])
	}
	name := st.tokens[1].text
	if strings.EqualFold(name, "help") {
		return plan{tag: "SHOW", notice: help()}, nil
	}
	if value, ok := fixedValue(name); ok {
		return plan{tag: "SHOW", table: settingTable(strings.ToLower(name), value)}, nil
	}
	if strings.EqualFold(name, "server_version") {
		return plan{tag: "SHOW", table: ours.serverVersionTable(), there: pgbouncers.serverVersionTable()}, nil
	}
	names := []string{"help"}
	for _, t := range tables {
		if strings.EqualFold(t.name, name) {
			p := plan{tag: "SHOW", table: t.table, there: t.there}
			if t.name == "fds" {
				p.needs = Admin
			}
			return p, nil
		}
		names = append(names, t.name)
	}
	return plan{}, unknown(verb+" ", name, names)
}

func settingTable(name, value string) table {
	return view[string]{
		rows:    func(*status.Snapshot) []string { return []string{value} },
		columns: []column[string]{text(name, func(v *string) string { return *v })},
	}
}

// planSet plans SET name = value, SET name TO value, and the forms of
// PostgreSQL's that change nothing here: NAMES, TIME ZONE, TRANSACTION and
// SESSION CHARACTERISTICS.
func planSet(st statement) (plan, error) {
	done := plan{tag: "SET"}
	i := 1
	if len(st.tokens) > 3 && (st.tokens[1].is("session") || st.tokens[1].is("local")) {
		i++
	}
	if len(st.tokens) <= i+1 {
		return plan{}, wire.Errorf(wire.CodeSyntaxError, "SET needs a name and a value: SET key = value")
	}
	key := st.tokens[i]
	switch {
	case key.is("names"), key.is("transaction"), key.is("characteristics"),
		key.is("time") && st.tokens[i+1].is("zone"):
		return done, nil
	case key.mark:
		return plan{}, unexpected(key)
	}
	if by := st.tokens[i+1]; by.quoted || by.text != "=" && !by.is("to") {
		return plan{}, unexpected(by)
	}
	if len(st.tokens) <= i+2 {
		return plan{}, wire.Errorf(wire.CodeSyntaxError, "SET %s needs a value", clip(key.text))
	}
	if isIgnored(key.text) {
		return done, nil
	}
	// A single token stands for itself; a value of more, such as a list, is
	// taken as it was written.
	value := st.tokens[i+2].text
	if len(st.tokens) > i+3 {
		value = st.rest(i + 2)
	}
	return plan{
		tag:    "SET",
		needs:  Admin,
		issued: "SET " + clip(strings.ToLower(key.text)), // the value may be a secret, by mistake
		run:    func(c Control) error { return c.Set(strings.ToLower(key.text), value) },
		code:   wire.CodeInvalidParameterValue,
	}, nil
}

// help is what SHOW HELP says. PgBouncer says it in a NOTICE, which psql prints.
func help() *wire.Error {
	var b strings.Builder
	for i, t := range tables {
		switch {
		case i == 0:
			b.WriteString("\n\tSHOW HELP|")
		case i%6 == 0:
			b.WriteString("\n\tSHOW ")
		default:
			b.WriteString("|")
		}
		b.WriteString(strings.ToUpper(t.name))
	}
	b.WriteString("\n\tSET key = value" +
		"\n\tRELOAD" +
		"\n\tDISABLE db" +
		"\n\tENABLE db" +
		"\n\tPAUSE [db] [WITHIN time]" +
		"\n\tRESUME [db]" +
		"\n\tSUSPEND" +
		"\n\tKILL [db]" +
		"\n\tRECONNECT [db]" +
		"\n\tWAIT_CLOSE [db]" +
		"\n\tRECONNECT_CLIENTS [db] [OVER time]" +
		"\n\tKILL_CLIENT id" +
		"\n\tSHUTDOWN" +
		"\n\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS")
	return &wire.Error{Severity: "NOTICE", Code: "00000", Message: "Console usage", Detail: b.String()}
}
