package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// packet puts the length before a code and a body.
func packet(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func wantCode(t testing.TB, err error, code string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error %v, want SQLSTATE %s", err, code)
	}
	return e
}

func TestDecodeStartupReadsEveryKindOneByteAtATime(t *testing.T) {
	key32 := bytes.Repeat([]byte{0xab}, 32)
	startup, err := AppendStartup(nil, Protocol32, []Param{{"user", "ann"}, {"options", ""}, {"_pq_.x", "é"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   []byte
		want Startup
	}{
		{startup, Startup{Version: Protocol32, Params: []Param{{"user", "ann"}, {"options", ""}, {"_pq_.x", "é"}}}},
		{packet(Protocol30, "\x00"), Startup{Version: Protocol30}},
		{packet(3<<16|9999, "\x00"), Startup{Version: 3<<16 | 9999}},
		{AppendSSLRequest(nil), Startup{Kind: KindSSLRequest, Version: sslRequestCode}},
		{packet(gssEncRequestCode, ""), Startup{Kind: KindGSSENCRequest, Version: gssEncRequestCode}},
		{AppendCancelRequest(nil, 7, []byte("abcd")), Startup{Kind: KindCancelRequest, PID: 7, Key: []byte("abcd")}},
		{AppendCancelRequest(nil, 1<<31, key32), Startup{Kind: KindCancelRequest, PID: 1 << 31, Key: key32}},
	} {
		in := append(slices.Clone(c.in), "what follows"...)
		for i := range len(c.in) {
			if _, n, err := DecodeStartup(in[:i]); n != 0 || err != nil {
				t.Fatalf("%q: %d bytes give n %d, %v", c.in, i, n, err)
			}
		}
		got, n, err := DecodeStartup(in)
		if err != nil || n != len(c.in) {
			t.Fatalf("%q: n %d, %v", c.in, n, err)
		}
		clear(in) // nothing may point into it
		if got.Kind != c.want.Kind || got.Version != c.want.Version || got.PID != c.want.PID ||
			!bytes.Equal(got.Key, c.want.Key) || !slices.Equal(got.Params, c.want.Params) {
			t.Errorf("%q: %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestDecodeStartupRefusesAsSoonAsItCan(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string // no shorter start of it may be refused
		code string
	}{
		{"length 0", "\x00\x00\x00\x00", CodeProtocolViolation},
		{"length 4", "\x00\x00\x00\x04", CodeProtocolViolation},
		{"length 7", "\x00\x00\x00\x07", CodeProtocolViolation},
		{"length above the limit", "\x00\x00\x27\x15", CodeProtocolViolation},
		{"length 2^31-1", "\x7f\xff\xff\xff", CodeProtocolViolation},
		{"negative length", "\xff\xff\xff\xff", CodeProtocolViolation},
		{"HTTP", "GET ", CodeProtocolViolation},
		{"protocol 2", "\x00\x00\x00\x09\x00\x02\x00\x00", CodeFeatureNotSupported},
		{"protocol 4", "\x00\x00\x00\x09\x00\x04\x00\x00", CodeFeatureNotSupported},
		{"unknown request", string(packet(1234<<16|5681, "")), CodeFeatureNotSupported},
		{"long SSLRequest", string(packet(sslRequestCode, "x"))[:8], CodeProtocolViolation},
		{"long GSSENCRequest", string(packet(gssEncRequestCode, "x"))[:8], CodeProtocolViolation},
		{"cancel without key", string(packet(cancelRequestCode, "1234"))[:8], CodeProtocolViolation},
		{"cancel with 3 bytes", string(packet(cancelRequestCode, "1234abc"))[:8], CodeProtocolViolation},
		{"cancel with 257 bytes", string(packet(cancelRequestCode, strings.Repeat("x", 261)))[:8], CodeProtocolViolation},
		{"no terminator", string(packet(Protocol30, "")), CodeProtocolViolation},
		{"name without end", string(packet(Protocol30, "user")), CodeProtocolViolation},
		{"value without end", string(packet(Protocol30, "user\x00ann")), CodeProtocolViolation},
		{"parameters without end", string(packet(Protocol30, "user\x00ann\x00")), CodeProtocolViolation},
		{"bytes after the end", string(packet(Protocol30, "user\x00ann\x00\x00x")), CodeProtocolViolation},
		{"empty name", string(packet(Protocol30, "\x00x\x00\x00")), CodeProtocolViolation},
	} {
		for i := range len(c.in) {
			if _, n, err := DecodeStartup([]byte(c.in[:i])); n != 0 || err != nil {
				t.Errorf("%s: %d bytes give n %d, %v", c.name, i, n, err)
			}
		}
		_, n, err := DecodeStartup([]byte(c.in))
		if e := wantCode(t, err, c.code); e.Severity != "FATAL" || n != 0 {
			t.Errorf("%s: %v, n %d", c.name, err, n)
		}
	}
}

func TestDecodeStartupTakesPacketsUpToTheLimit(t *testing.T) {
	value := strings.Repeat("x", MaxStartupPacket-4-len("user\x00\x00\x00"))
	b, err := AppendStartup(nil, Protocol30, []Param{{"user", value}})
	if err != nil || len(b) != MaxStartupPacket+4 {
		t.Fatal(len(b), err)
	}
	s, n, err := DecodeStartup(b)
	if got, _ := s.Get("user"); err != nil || n != len(b) || got != value {
		t.Fatal(n, err)
	}
	if b, err = AppendStartup([]byte("kept"), Protocol30, []Param{{"user", value + "x"}}); string(b) != "kept" {
		t.Errorf("dst became %q", b)
	}
	wantCode(t, err, CodeInvalidParameterValue)
}

func TestGetTakesTheLastOfParametersGivenTwice(t *testing.T) {
	s := Startup{Params: []Param{{"user", "a"}, {"USER", "c"}, {"user", "b"}}}
	if v, ok := s.Get("user"); v != "b" || !ok {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := s.Get("database"); v != "" || ok {
		t.Errorf("%q, %v", v, ok)
	}
}

func TestAppendStartupRefusesWhatThePacketCannotCarry(t *testing.T) {
	for _, p := range []Param{{"a\x00b", "c"}, {"a", "b\x00c"}, {"", "x"}} {
		b, err := AppendStartup([]byte("kept"), Protocol30, []Param{{"user", "x"}, p})
		if string(b) != "kept" {
			t.Errorf("dst became %q", b)
		}
		wantCode(t, err, CodeInvalidParameterValue)
	}
}

func FuzzDecodeStartup(f *testing.F) {
	f.Add(packet(Protocol30, "user\x00a\x00\x00"))
	f.Add(packet(Protocol32, "user\x00a\x00_pq_.x\x00y\x00\x00more"))
	f.Add(AppendCancelRequest(nil, 1, []byte("12345678")))
	f.Add(AppendSSLRequest(nil))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, n, err := DecodeStartup(b)
		if err != nil {
			if n != 0 {
				t.Fatal("bytes were taken in spite of an error")
			}
			wantFatal(t, err)
			return
		}
		if n == 0 {
			if len(b) > MaxStartupPacket+4 {
				t.Fatalf("%d bytes are not enough", len(b))
			}
			return
		}
		var again []byte
		switch s.Kind {
		case KindStartup:
			again, err = AppendStartup(nil, s.Version, s.Params)
		case KindCancelRequest:
			again = AppendCancelRequest(nil, s.PID, s.Key)
		case KindSSLRequest:
			again = AppendSSLRequest(nil)
		case KindGSSENCRequest:
			again = packet(gssEncRequestCode, "")
		}
		if err != nil || !bytes.Equal(again, b[:n]) {
			t.Fatalf("%q encodes as %q, %v", b[:n], again, err)
		}
		if _, n, err := DecodeStartup(b[:len(again)-1]); n != 0 || err != nil {
			t.Fatalf("one byte less gives n %d, %v", n, err)
		}
	})
}

// wantFatal checks that an error is one that can be sent to a peer whose
// connection ends.
func wantFatal(t testing.TB, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Severity != "FATAL" || len(e.Code) != 5 || e.Message == "" {
		t.Fatalf("%v is no FATAL *Error with an SQLSTATE", err)
	}
}
