package auth

import (
	"errors"
	"testing"

	"pgweir/wire"
)

func TestAPasswordForSomebodyElseToCheckWaitsForTheVerdict(t *testing.T) {
	asked := func(password string) (*Exchange, bool, error) {
		x := AskPassword("ann")
		if got, want := string(x.Start(nil)), string(wire.AppendAuthCleartext(nil)); got != want {
			t.Errorf("the client is asked with %q", got)
		}
		if x.Derives() {
			t.Error("nothing is derived here")
		}
		_, done, err := x.Receive(nil, append([]byte(password), 0))
		return x, done, err
	}
	x, done, err := asked("geheim")
	if password, waits := x.Given(); done || err != nil || password != "geheim" || !waits || x.Password() != "" {
		t.Errorf("%v, %v; %q, %v; %q before the verdict", done, err, password, waits, x.Password())
	}
	if err := x.Verdict(true); err != nil || x.Password() != "geheim" {
		t.Errorf("%v, %q", err, x.Password())
	}
	wrong := func(err error) bool {
		var e *wire.Error
		return errors.As(err, &e) && e.Code == wire.CodeInvalidPassword && e.Message == `password authentication failed for user "ann"`
	}
	x, _, _ = asked("geheim")
	if err := x.Verdict(false); !wrong(err) || x.Password() != "" {
		t.Errorf("%v, %q", err, x.Password())
	}
	if _, done, err := x.Receive(nil, []byte("geheim\x00")); done || !wrong(err) {
		t.Errorf("another try: %v, %v", done, err)
	}
	x, done, err = asked("")
	if _, waits := x.Given(); done || !wrong(err) || waits {
		t.Errorf("an empty password: %v, %v, %v", done, err, waits)
	}
	x, _, _ = asked("geheim")
	if _, done, err := x.Receive(nil, []byte("geheim\x00")); done || err == nil {
		t.Errorf("two passwords: %v, %v", done, err)
	}
}
