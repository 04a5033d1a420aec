package console

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pgweir/wire"
)

// SQLSTATEs that only the console needs (PostgreSQL's errcodes.txt).
const (
	codeObjectNotInState  = "55000"
	codeUndefinedObject   = "42704"
	codeLimitExceeded     = "54000"
	codeDuplicateName     = "42P05"
	codeDuplicatePortal   = "42P03"
	codeInvalidPortalName = "34000"
)

// A plan is a statement that has been understood. Nothing has been done yet:
// that is what Execute, or the end of planning in a Query, is for.
type plan struct {
	tag    string                                                    // of its CommandComplete
	needs  Access                                                    // whoever has less gets 42501
	table  table                                                     // what it shows; nil if it gives no rows
	there  table                                                     // the same as PgBouncer has it; nil if it is table
	run    func(Control) error                                       // what it does; nil if nothing
	wait   func(context.Context, Control, func(notice string)) error // in place of run: what it does, and may wait for
	limit  time.Duration                                             // of wait; 0 for none
	target string                                                    // the database that it is about; "" for none or all
	issued string                                                    // what Control.Issued is told; "" for nothing
	code   string                                                    // SQLSTATE of an error of run that brings none
	notice *wire.Error                                               // goes ahead of the CommandComplete
	status byte                                                      // transaction status from now on; 0 leaves it
}

// commands are what a statement may begin with.
var commands = []struct {
	name  string
	needs Access
	plan  func(statement) (plan, error)
}{
	{"show", Stats, planShow},
	{"select", Stats, planShow},
	{"set", Stats, planSet},
	{"reload", Admin, planReload},
	{"shutdown", Admin, planShutdown},
	{"kill_client", Admin, planKillClient},
	{"begin", Stats, transaction("BEGIN", 'T')},
	{"start", Stats, transaction("START TRANSACTION", 'T')},
	{"commit", Stats, transaction("COMMIT", 'I')},
	{"end", Stats, transaction("COMMIT", 'I')},
	{"rollback", Stats, transaction("ROLLBACK", 'I')},
	{"abort", Stats, transaction("ROLLBACK", 'I')},
	{"pause", Admin, planPause},
	{"resume", Admin, planResume},
	{"kill", Admin, planKill},
	{"suspend", Admin, planSuspend},
	{"reconnect", Admin, planReconnect},
	{"wait_close", Admin, planWaitClose},
	{"disable", Admin, planDisable},
	{"enable", Admin, planEnable},
	{"reconnect_clients", Admin, planReconnectClients},
}

// planFor understands a statement for a client with this access. Its errors are
// *wire.Error: 42601, 42501, 0A000, 22023.
func planFor(st statement, access Access, user string) (plan, error) {
	for _, t := range st.tokens {
		if !t.quoted && len(t.text) > 1 && t.text[0] == '$' {
			return plan{}, wire.Errorf(wire.CodeFeatureNotSupported,
				"the console takes no parameters: write the value in place of %s", clip(t.text))
		}
	}
	for _, c := range commands {
		if !st.tokens[0].is(c.name) {
			continue
		}
		if c.needs > access {
			return plan{}, denied(strings.ToUpper(c.name), user)
		}
		p, err := c.plan(st)
		if err == nil && p.needs > access {
			return plan{}, denied(st.rest(0), user)
		}
		p.needs = max(p.needs, c.needs)
		return p, err
	}
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.name
	}
	return plan{}, unknown("", st.tokens[0].text, names)
}

func denied(what, user string) error {
	return wire.Errorf(wire.CodeInsufficientPrivilege,
		"permission denied: user \"%s\" is not among admin_users, who may %s", clip(user), clip(what))
}

// unknown is the error for a name that is none of names.
func unknown(before, name string, names []string) error {
	e := wire.Errorf(wire.CodeSyntaxError, "unknown command \"%s\"; SHOW HELP lists them", clip(before+name))
	if near := nearest(strings.ToLower(name), names); near != "" {
		e.Hint = "Perhaps you mean " + strings.ToUpper(before+near) + "."
	}
	return e
}

// unexpected is the error for a token that has no place in its command.
func unexpected(t token) error {
	return wire.Errorf(wire.CodeSyntaxError, "syntax error at or near \"%s\"", clip(t.text))
}

// clip makes text of a client fit to be repeated in a message.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

func planReload(st statement) (plan, error) {
	if len(st.tokens) > 1 {
		return plan{}, unexpected(st.tokens[1])
	}
	return plan{tag: "RELOAD", issued: "RELOAD", wait: reload, code: wire.CodeConfigFileError}, nil
}

// reload reloads, which nothing gives up, and tells what has changed.
func reload(_ context.Context, c Control, tell func(notice string)) error {
	done, err := c.Reload()
	if err != nil {
		return err
	}
	for _, line := range done.Lines() {
		tell(line)
	}
	return nil
}

func planShutdown(st statement) (plan, error) {
	mode := ShutdownImmediate
	if len(st.tokens) > 1 {
		switch t := st.tokens[1]; {
		case t.is("wait_for_servers"):
			mode = WaitForServers
		case t.is("wait_for_clients"):
			mode = WaitForClients
		default:
			return plan{}, unknown("SHUTDOWN ", t.text, []string{"wait_for_servers", "wait_for_clients"})
		}
	}
	if len(st.tokens) > 2 {
		return plan{}, unexpected(st.tokens[2])
	}
	return plan{
		tag:    "SHUTDOWN",
		issued: strings.ToUpper(st.rest(0)),
		run:    func(c Control) error { return c.Shutdown(mode) },
		code:   codeObjectNotInState,
	}, nil
}

func planKillClient(st statement) (plan, error) {
	if len(st.tokens) < 2 {
		return plan{}, wire.Errorf(wire.CodeSyntaxError, "KILL_CLIENT needs the id of a client, as in the last column of SHOW CLIENTS")
	}
	if len(st.tokens) > 2 {
		return plan{}, unexpected(st.tokens[2])
	}
	id, err := strconv.ParseUint(st.tokens[1].text, 10, 64)
	if err != nil {
		return plan{}, wire.Errorf(wire.CodeInvalidParameterValue,
			"\"%s\" is not the id of a client; the last column of SHOW CLIENTS has it", clip(st.tokens[1].text))
	}
	return plan{
		tag:    "KILL_CLIENT",
		issued: "KILL_CLIENT " + strconv.FormatUint(id, 10),
		run:    func(c Control) error { return c.KillClient(id) },
		code:   codeUndefinedObject,
	}, nil
}

// transaction plans what drivers send around the statements of a program that
// did not ask for autocommit. There is nothing to begin or end, but a driver
// checks the status that it is told.
func transaction(tag string, status byte) func(statement) (plan, error) {
	return func(statement) (plan, error) { return plan{tag: tag, status: status}, nil }
}

// asError is an error of Control's as the client gets it: with its own SQLSTATE
// if it has one. Whatever its severity, the console goes on.
func asError(err error, code string) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		told := *e
		told.Severity, told.Localized = "ERROR", ""
		return &told
	}
	return wire.Errorf(code, "%s", err.Error())
}
