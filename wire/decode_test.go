package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestDecodersRefuseMalformedBodies(t *testing.T) {
	parameterStatus := func(b []byte) error { _, _, err := DecodeParameterStatus(b); return err }
	keyData := func(b []byte) error { _, _, err := DecodeBackendKeyData(b); return err }
	authentication := func(b []byte) error { _, _, err := DecodeAuthentication(b); return err }
	mechanisms := func(b []byte) error { _, err := DecodeSASLMechanisms(b); return err }
	password := func(b []byte) error { _, err := DecodePassword(b); return err }
	initial := func(b []byte) error { _, _, err := DecodeSASLInitial(b); return err }
	negotiate := func(b []byte) error { _, _, _, err := DecodeNegotiateProtocolVersion(b); return err }
	parse := func(b []byte) error { _, _, _, err := DecodeParse(b); return err }
	bind := func(b []byte) error { _, _, _, err := DecodeBind(b); return err }
	describe := func(b []byte) error { _, _, err := DecodeDescribe(b); return err }
	execute := func(b []byte) error { _, _, err := DecodeExecute(b); return err }
	row := func(b []byte) error { return DecodeDataRow(b, func(int, []byte) {}) }
	columns := func(b []byte) error { return DecodeRowDescription(b, func([]byte, uint32, int32) {}) }
	for _, c := range []struct {
		name     string
		decode   func([]byte) error
		severity string
		bodies   []string
	}{
		{"ParameterStatus", parameterStatus, "FATAL", []string{"", "a", "a\x00", "a\x00b", "a\x00b\x00c", "\x00b\x00"}},
		{"BackendKeyData", keyData, "FATAL", []string{"", "1234", "1234abc", string(make([]byte, 261))}},
		{"Authentication", authentication, "FATAL", []string{"", "\x00\x00\x00", "\x00\x00\x00\x00x", "\x00\x00\x00\x05abc"}},
		{"AuthenticationSASL", mechanisms, "FATAL", []string{"", "\x00", "A", "A\x00", "A\x00\x00x",
			string(bytes.Repeat([]byte("A\x00"), maxSASLMechanisms+1)) + "\x00"}},
		{"PasswordMessage", password, "FATAL", []string{"", "a", "a\x00b", "a\x00\x00"}},
		{"SASLInitialResponse", initial, "FATAL", []string{"", "A", "A\x00", "A\x00\x00\x00\x00",
			"A\x00\x00\x00\x00\x01", "A\x00\x00\x00\x00\x00x", "A\x00\xff\xff\xff\xffx", "A\x00\xff\xff\xff\xfe"}},
		{"NegotiateProtocolVersion", negotiate, "FATAL", []string{"", "\x00\x03\x00\x00", "\x00\x03\x00\x00\x00\x00\x00\x01",
			"\x00\x03\x00\x00\x00\x00\x00\x01a", "\x00\x03\x00\x00\xff\xff\xff\xffa\x00", "\x00\x03\x00\x00\x00\x00\x00\x00a"}},
		{"DataRow", row, "FATAL", []string{"", "\x00", "\x00\x01", "\x00\x01\x00\x00\x00\x01", "\x00\x00x",
			"\x00\x01\xff\xff\xff\xfe", "\x00\x01\x00\x00\x00\x01ab", "\x00\x01\x7f\xff\xff\xff"}},
		{"RowDescription", columns, "FATAL", []string{"", "\x00", "\x00\x01", "\x00\x01a", "\x00\x01a\x00", "\x00\x01a\x0012345678901234567",
			"\x00\x01a\x001234567890123456789", "\x00\x00x", "\xff\xffa\x00123456789012345678"}},
		{"Parse", parse, "ERROR", []string{"", "a", "a\x00", "a\x00b\x00", "a\x00b\x00\x00", "a\x00b\x00\x00\x01", "a\x00b\x00\x00\x00x", "a\x00b\x00\xff\xff"}},
		{"Bind", bind, "ERROR", []string{"", "a", "a\x00", "a\x00b"}},
		{"Describe", describe, "ERROR", []string{"", "S", "Sa", "Xa\x00", "Sa\x00b"}},
		{"Execute", execute, "ERROR", []string{"", "a", "a\x00\x00\x00\x00", "a\x00\x00\x00\x00\x00\x00"}},
	} {
		for _, in := range c.bodies {
			var e *Error
			if err := c.decode([]byte(in)); !errors.As(err, &e) || e.Code != CodeProtocolViolation || e.Severity != c.severity {
				t.Errorf("%s %q: %v, want %s 08P01", c.name, in, err, c.severity)
			}
		}
	}
}

func TestNamesAreReadFromTheStartOfABody(t *testing.T) {
	parse := AppendParse(nil, "stmt", "select 1")[5:]
	bind := AppendBind(nil, "portal", "stmt")[5:]
	for i := range parse {
		name, ok := ParseName(parse[:i])
		if whole := i > len("stmt"); ok != whole || ok && string(name) != "stmt" {
			t.Errorf("%d bytes of Parse: %q, %v", i, name, ok)
		}
	}
	for i := range bind {
		name, ok := BindStatement(bind[:i])
		if whole := i > len("portal\x00stmt"); ok != whole || ok && string(name) != "stmt" {
			t.Errorf("%d bytes of Bind: %q, %v", i, name, ok)
		}
	}
}

func TestDecodersAndScanAllocateNothing(t *testing.T) {
	status := AppendParameterStatus(nil, "TimeZone", "UTC")[5:]
	key := AppendBackendKeyData(nil, 1, []byte("1234"))[5:]
	auth := AppendAuthOK(nil)[5:]
	parse := AppendParse(nil, "stmt", "select 1")[5:]
	bind := AppendBind(nil, "portal", "stmt")[5:]
	describe := AppendDescribeStatement(nil, "stmt")[5:]
	execute := AppendExecute(nil, "portal", 0)[5:]
	sql := []byte("SELECT set_config('a', E'b', true), \"c\" FROM t /* x */; SET x = $1; PREPARE TRANSACTION 'x'")
	for name, f := range map[string]func() bool{
		"ParameterStatus": func() bool { _, _, err := DecodeParameterStatus(status); return err == nil },
		"BackendKeyData":  func() bool { _, _, err := DecodeBackendKeyData(key); return err == nil },
		"Authentication":  func() bool { _, _, err := DecodeAuthentication(auth); return err == nil },
		"Parse":           func() bool { _, _, _, err := DecodeParse(parse); return err == nil },
		"Bind":            func() bool { _, _, _, err := DecodeBind(bind); return err == nil },
		"Describe":        func() bool { _, _, err := DecodeDescribe(describe); return err == nil },
		"Execute":         func() bool { _, _, err := DecodeExecute(execute); return err == nil },
		"ParseName":       func() bool { _, ok := ParseName(parse); return ok },
		"BindStatement":   func() bool { _, ok := BindStatement(bind); return ok },
		"Scan":            func() bool { return Scan(sql) == HintSet|HintLocal },
	} {
		if !f() {
			t.Errorf("%s fails", name)
		}
		if n := testing.AllocsPerRun(100, func() { f() }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func TestARowDescriptionIsReadColumnByColumn(t *testing.T) {
	b := AppendRowDescription(nil, []Column{{Name: "a", OID: 23, Size: 4}, {Name: "", OID: 4294967295, Size: -1}})
	binary.BigEndian.PutUint32(b[len(b)-6:], 12) // the last one's modifier
	var got []string
	err := DecodeRowDescription(b[5:], func(name []byte, oid uint32, modifier int32) {
		got = append(got, fmt.Sprintf("%s %d %d", name, oid, modifier))
	})
	if want := []string{"a 23 -1", " 4294967295 12"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// FuzzDecodeRowDescription: the columns that are read make up the body, and
// their names are part of it.
func FuzzDecodeRowDescription(f *testing.F) {
	f.Add(AppendRowDescription(nil, []Column{{Name: "a", OID: 23, Size: 4}, {Name: "", OID: 25, Size: -1}})[5:])
	f.Add([]byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		length, columns := 2, 0
		err := DecodeRowDescription(in, func(name []byte, oid uint32, modifier int32) {
			columns++
			end := length + len(name)
			if end+19 > len(in) || !bytes.Equal(name, in[length:end]) || binary.BigEndian.Uint32(in[end+7:]) != oid ||
				int32(binary.BigEndian.Uint32(in[end+13:])) != modifier {
				t.Fatalf("column %d is read as %q, %d, %d", columns, name, oid, modifier)
			}
			length = end + 19
		})
		if err == nil && (length != len(in) || columns != int(binary.BigEndian.Uint16(in))) {
			t.Fatalf("%d columns in %d bytes of %d", columns, length, len(in))
		}
	})
}

// FuzzDecodeDataRow: what is read makes up the body again, and is part of it.
func FuzzDecodeDataRow(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var again []byte
		columns := 0
		err := DecodeDataRow(in, func(i int, value []byte) {
			if i != columns {
				t.Fatalf("column %d after %d of them", i, columns)
			}
			columns++
			n := int32(len(value))
			if value == nil {
				n = -1
			}
			again = append(binary.BigEndian.AppendUint32(again, uint32(n)), value...)
		})
		if err != nil {
			wantFatal(t, err)
		} else if again = append(binary.BigEndian.AppendUint16(nil, uint16(columns)), again...); !bytes.Equal(again, in) {
			t.Fatalf("%q became %q", in, again)
		}
	})
}

// FuzzDecodeExtended covers Parse, Bind, Describe, Close and Execute.
func FuzzDecodeExtended(f *testing.F) {
	f.Add([]byte("name\x00select 1\x00\x00\x01\x00\x00\x00\x17"))
	f.Add([]byte("portal\x00name\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("Sname\x00"))
	f.Add([]byte("portal\x00\x00\x00\x00\x0a"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if name, query, oids, err := DecodeParse(in); err == nil {
			if n := len(name) + len(query) + len(oids) + 4; n != len(in) || len(oids)%4 != 0 {
				t.Fatalf("Parse: %d of %d bytes", n, len(in))
			}
			if short, ok := ParseName(in); !ok || !bytes.Equal(short, name) {
				t.Fatalf("ParseName gives %q, DecodeParse %q", short, name)
			}
		}
		portal, statement, rest, err := DecodeBind(in)
		if err == nil && len(portal)+len(statement)+len(rest)+2 != len(in) {
			t.Fatal("Bind: bytes are missing")
		}
		if short, ok := BindStatement(in); ok != (err == nil) || !bytes.Equal(short, statement) {
			t.Fatalf("BindStatement gives %q, DecodeBind %q", short, statement)
		}
		if kind, name, err := DecodeDescribe(in); err == nil {
			if again := append(append([]byte{kind}, name...), 0); !bytes.Equal(again, in) {
				t.Fatalf("Describe: %q became %q", in, again)
			}
		}
		if portal, maxRows, err := DecodeExecute(in); err == nil {
			if again := AppendExecute(nil, string(portal), maxRows)[5:]; !bytes.Equal(again, in) {
				t.Fatalf("Execute: %q became %q", in, again)
			}
		}
	})
}

func FuzzDecodeParameterStatus(f *testing.F) {
	f.Add([]byte("TimeZone\x00UTC\x00"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		name, value, err := DecodeParameterStatus(in)
		if err != nil {
			wantFatal(t, err)
		} else if again := AppendParameterStatus(nil, string(name), string(value))[5:]; !bytes.Equal(again, in) {
			t.Fatalf("%q became %q", in, again)
		}
	})
}

// FuzzDecodeAuthentication covers what both sides send during a login.
func FuzzDecodeAuthentication(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x05salt"))
	f.Add([]byte("SCRAM-SHA-256\x00\x00\x00\x00\x03abc"))
	f.Add([]byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"))
	f.Add([]byte("password\x00"))
	f.Add([]byte("\x00\x03\x00\x00\x00\x00\x00\x01_pq_.x\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if kind, rest, err := DecodeAuthentication(in); err != nil {
			wantFatal(t, err)
		} else if kind == AuthSASL {
			if names, err := DecodeSASLMechanisms(rest); err != nil {
				wantFatal(t, err)
			} else if again := AppendAuthSASL(nil, names...)[5:]; !bytes.Equal(again, in) {
				t.Fatalf("%q became %q", in, again)
			}
		}
		if mechanism, data, err := DecodeSASLInitial(in); err != nil {
			wantFatal(t, err)
		} else if data != nil {
			if again := AppendSASLInitialResponse(nil, mechanism, data)[5:]; !bytes.Equal(again, in) {
				t.Fatalf("%q became %q", in, again)
			}
		}
		if password, err := DecodePassword(in); err != nil {
			wantFatal(t, err)
		} else if again := AppendPassword(nil, password)[5:]; !bytes.Equal(again, in) {
			t.Fatalf("%q became %q", in, again)
		}
		if _, _, _, err := DecodeNegotiateProtocolVersion(in); err != nil {
			wantFatal(t, err)
		}
		if pid, key, err := DecodeBackendKeyData(in); err != nil {
			wantFatal(t, err)
		} else if again := AppendBackendKeyData(nil, pid, key)[5:]; !bytes.Equal(again, in) {
			t.Fatalf("%q became %q", in, again)
		}
	})
}
