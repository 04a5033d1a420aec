package console

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pgweir/wire"
)

// The commands of PgBouncer's that hold clients or backends up, and what belongs to them.

// maxWait bounds the times that commands take.
const maxWait = 365 * 24 * time.Hour

// target is what follows such a command: a database, "" for all, and a time behind a
// word, 0 for none.
type target struct {
	database string
	time     time.Duration
}

// planTarget understands COMMAND [database] [word time]; word is "" where there is no time.
func planTarget(st statement, word string) (target, error) {
	var t target
	rest := st.tokens[1:]
	if len(rest) > 0 && (word == "" || !rest[0].is(word)) {
		if rest[0].mark || rest[0].text == "" {
			return t, unexpected(rest[0])
		}
		t.database, rest = rest[0].text, rest[1:]
	}
	switch {
	case len(rest) == 0:
		return t, nil
	case word == "" || !rest[0].is(word):
		return t, unexpected(rest[0])
	case len(rest) == 1:
		return t, wire.Errorf(wire.CodeSyntaxError, "%s needs a time, such as '30s'", strings.ToUpper(word))
	case len(rest) > 2:
		return t, unexpected(rest[2])
	}
	var err error
	t.time, err = parseTime(rest[1].text)
	return t, err
}

// parseTime reads a time as the configuration has them: "30s", "5m", "1h" or a number of
// seconds.
func parseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, numErr := strconv.ParseFloat(text, 64); numErr == nil {
		d, err = 0, nil
		if seconds > 0 && seconds <= maxWait.Seconds() {
			d = time.Duration(seconds * float64(time.Second))
		}
	}
	if err != nil || d <= 0 || d > maxWait {
		return 0, wire.Errorf(wire.CodeInvalidParameterValue,
			"\"%s\" is not a time; write '30s', '5m', '1h' or a number of seconds", clip(text))
	}
	return d, nil
}

// issued is the command as it is logged.
func (t target) issued(command, word string) string {
	if t.database != "" {
		command += " " + strconv.Quote(clip(t.database))
	}
	if t.time > 0 {
		command += " " + word + " " + t.time.String()
	}
	return command
}

func planPause(st statement) (plan, error) {
	t, err := planTarget(st, "within")
	return plan{
		tag: "PAUSE", issued: t.issued("PAUSE", "WITHIN"), limit: t.time, target: t.database, code: wire.CodeProtocolViolation,
		wait: func(ctx context.Context, c Control, tell func(string)) error { return c.Pause(ctx, t.database, tell) },
	}, err
}

func planWaitClose(st statement) (plan, error) {
	t, err := planTarget(st, "")
	return plan{
		tag: "WAIT_CLOSE", issued: t.issued("WAIT_CLOSE", ""), target: t.database, code: wire.CodeProtocolViolation,
		wait: func(ctx context.Context, c Control, _ func(string)) error { return c.WaitClose(ctx, t.database) },
	}, err
}

func planSuspend(st statement) (plan, error) {
	if len(st.tokens) > 1 {
		return plan{}, unexpected(st.tokens[1])
	}
	return plan{
		tag: "SUSPEND", issued: "SUSPEND", code: wire.CodeProtocolViolation,
		wait: func(ctx context.Context, c Control, _ func(string)) error { return c.Suspend(ctx) },
	}, nil
}

func planResume(st statement) (plan, error) { return planFirm(st, "RESUME", Control.Resume) }

func planKill(st statement) (plan, error) { return planFirm(st, "KILL", Control.Kill) }

func planReconnect(st statement) (plan, error) { return planFirm(st, "RECONNECT", Control.Reconnect) }

func planDisable(st statement) (plan, error) { return planOne(st, "DISABLE", Control.Disable) }

func planEnable(st statement) (plan, error) { return planOne(st, "ENABLE", Control.Enable) }

// planFirm plans a command that waits for nothing.
func planFirm(st statement, tag string, do func(Control, string) error) (plan, error) {
	t, err := planTarget(st, "")
	return plan{
		tag: tag, issued: t.issued(tag, ""), target: t.database, code: wire.CodeProtocolViolation,
		run: func(c Control) error { return do(c, t.database) },
	}, err
}

// planOne is planFirm for a command that is about one database.
func planOne(st statement, tag string, do func(Control, string) error) (plan, error) {
	if len(st.tokens) == 1 {
		return plan{}, wire.Errorf(wire.CodeProtocolViolation, "a database is required")
	}
	return planFirm(st, tag, do)
}

func planReconnectClients(st statement) (plan, error) {
	t, err := planTarget(st, "over")
	return plan{
		tag: "RECONNECT_CLIENTS", issued: t.issued("RECONNECT_CLIENTS", "OVER"), target: t.database, code: wire.CodeProtocolViolation,
		wait: func(_ context.Context, c Control, tell func(string)) error {
			n, err := c.ReconnectClients(t.database, t.time)
			if err == nil {
				tell(fmt.Sprintf("%d clients are asked to connect anew, when they are at rest", n))
			}
			return err
		},
	}, err
}
