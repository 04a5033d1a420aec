package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

// body checks that b is one whole message of a type and returns its body.
func body(t testing.TB, b []byte, typ byte) []byte {
	t.Helper()
	if len(b) < 5 || b[0] != typ || int(binary.BigEndian.Uint32(b[1:]))+1 != len(b) {
		t.Fatalf("%q is not one message %q", b, typ)
	}
	return b[5:]
}

func TestErrorIsWrittenInPostgreSQLsOrderOfFields(t *testing.T) {
	e := Fatalf(CodeInvalidPassword, "no %s", "way")
	if got, want := e.Error(), "FATAL: no way (SQLSTATE 28P01)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want := "SFATAL\x00VFATAL\x00C28P01\x00Mno way\x00\x00"
	if got := body(t, e.Append(nil), 'E'); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	e = Errorf(CodeSyntaxError, "m")
	e.Detail, e.Hint = "d", "h"
	want = "SERROR\x00VERROR\x00C42601\x00Mm\x00Dd\x00Hh\x00\x00"
	if got := body(t, AppendNotice(nil, e), 'N'); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrorDropsNULsInsteadOfBreakingTheMessage(t *testing.T) {
	e := &Error{Severity: "ER\x00ROR", Code: "0\x000000", Message: "a\x00b\x00", Detail: "\x00", Hint: "x\x00",
		Extra: []ErrorField{{'W', "\x00w"}, {0, "no type"}}}
	got, err := DecodeError(body(t, e.Append(nil), 'E'))
	want := &Error{Severity: "ERROR", Code: "00000", Message: "ab", Hint: "x",
		Extra: []ErrorField{{'W', "w"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestErrorOfAServerGoesOnAsItCame(t *testing.T) {
	for _, in := range []string{
		"SFATAL\x00VFATAL\x00C28000\x00Mrole \"ab\" does not exist\x00Fmiscinit.c\x00L768\x00RInitializeSessionUserId\x00\x00",
		"SFEHLER\x00VERROR\x00C42703\x00MSpalte fehlt\x00Dd\x00Hh\x00P8\x00\x00",
	} {
		e, err := DecodeError([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, e.Append(nil), 'E'); string(got) != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestDecodeErrorTakesSeverityFromOldServersToo(t *testing.T) {
	e, err := DecodeError([]byte("SFATAL\x00C28000\x00Mm\x00\x00"))
	if err != nil || e.Severity != "FATAL" || e.Localized != "" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestDecodeErrorRefusesMalformedBodies(t *testing.T) {
	for _, in := range []string{
		"", "M", "Mno end", "Mm\x00", "Mm\x00\x00x", strings.Repeat("Xx\x00", maxErrorFields+1) + "\x00",
	} {
		_, err := DecodeError([]byte(in))
		wantCode(t, err, CodeProtocolViolation)
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add([]byte("SERROR\x00VERROR\x00C42601\x00Mm\x00Dd\x00Hh\x00P8\x00\x00"))
	f.Add([]byte("\x00"))
	f.Add([]byte("SS\x00VV\x00WW\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := DecodeError(in)
		if err != nil {
			wantFatal(t, err)
			ErrorCode(in)
			return
		}
		if code := ErrorCode(in); (len(code) > 0) && e.Code == "" {
			t.Fatalf("the code of %q is %q", in, code)
		}
		if bytes.IndexByte([]byte(e.Error()), 0) >= 0 {
			t.Fatal("a NUL got through")
		}
		again, err := DecodeError(body(t, e.Append(nil), 'E'))
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}

func TestTheCodeOfAnErrorIsFound(t *testing.T) {
	whole := string(body(t, Errorf(CodeSyntaxError, "no").Append(nil), 'E'))
	for _, c := range []struct{ in, want string }{
		{whole, CodeSyntaxError},
		{whole[:len(whole)-4], CodeSyntaxError}, // the end is missing
		{whole[:10], ""},
		{"", ""}, {"\x00", ""}, {"C", ""}, {"C42601", ""}, {"Mno\x00\x00C42601\x00", ""},
	} {
		if got := ErrorCode([]byte(c.in)); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}
