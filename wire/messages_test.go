package wire

import (
	"bytes"
	"slices"
	"testing"
)

func TestEveryMessageIsWrittenByteByByteAsTheProtocolSays(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 32)
	for _, c := range []struct {
		name string
		got  []byte
		typ  byte
		body string
	}{
		{"AuthOK", AppendAuthOK(nil), 'R', "\x00\x00\x00\x00"},
		{"AuthCleartext", AppendAuthCleartext(nil), 'R', "\x00\x00\x00\x03"},
		{"AuthMD5", AppendAuthMD5(nil, [4]byte{1, 2, 3, 4}), 'R', "\x00\x00\x00\x05\x01\x02\x03\x04"},
		{"AuthSASL", AppendAuthSASL(nil, "A", "B"), 'R', "\x00\x00\x00\x0aA\x00B\x00\x00"},
		{"AuthSASLContinue", AppendAuthSASLContinue(nil, []byte("x")), 'R', "\x00\x00\x00\x0bx"},
		{"AuthSASLFinal", AppendAuthSASLFinal(nil, []byte("x")), 'R', "\x00\x00\x00\x0cx"},
		{"Password", AppendPassword(nil, "p\x00w"), 'p', "pw\x00"},
		{"SASLInitialResponse", AppendSASLInitialResponse(nil, "A", []byte("xy")), 'p', "A\x00\x00\x00\x00\x02xy"},
		{"SASLResponse", AppendSASLResponse(nil, []byte("xy")), 'p', "xy"},
		{"ParameterStatus", AppendParameterStatus(nil, "a\x00b", "c\x00"), 'S', "ab\x00c\x00"},
		{"BackendKeyData", AppendBackendKeyData(nil, 258, []byte("abcd")), 'K', "\x00\x00\x01\x02abcd"},
		{"BackendKeyData 3.2", AppendBackendKeyData(nil, 1<<31, long), 'K', "\x80\x00\x00\x00" + string(long)},
		{"ReadyForQuery", AppendReadyForQuery(nil, 'T'), 'Z', "T"},
		{"NegotiateProtocolVersion", AppendNegotiateProtocolVersion(nil, 2, []string{"_pq_.x"}), 'v', "\x00\x03\x00\x02\x00\x00\x00\x01_pq_.x\x00"},
		{"Query", AppendQuery(nil, "select 1\x00"), 'Q', "select 1\x00"},
		{"Terminate", AppendTerminate(nil), 'X', ""},
		{"Sync", AppendSync(nil), 'S', ""},
		{"Parse", AppendParse(nil, "n", "q"), 'P', "n\x00q\x00\x00\x00"},
		{"Bind", AppendBind(nil, "p", "s"), 'B', "p\x00s\x00\x00\x00\x00\x00\x00\x00"},
		{"Describe", AppendDescribeStatement(nil, "s"), 'D', "Ss\x00"},
		{"Execute", AppendExecute(nil, "p", 10), 'E', "p\x00\x00\x00\x00\x0a"},
		{"Close", AppendCloseStatement(nil, "s"), 'C', "Ss\x00"},
		{"RowDescription", AppendRowDescription(nil, []Column{{"c", 25, -1}}), 'T',
			"\x00\x01c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"},
		{"DataRow", AppendDataRow(nil, [][]byte{[]byte("ab"), nil, {}}), 'D', "\x00\x03\x00\x00\x00\x02ab\xff\xff\xff\xff\x00\x00\x00\x00"},
		{"CommandComplete", AppendCommandComplete(nil, "SHOW"), 'C', "SHOW\x00"},
		{"EmptyQueryResponse", AppendEmptyQueryResponse(nil), 'I', ""},
		{"ParseComplete", AppendParseComplete(nil), '1', ""},
		{"BindComplete", AppendBindComplete(nil), '2', ""},
		{"CloseComplete", AppendCloseComplete(nil), '3', ""},
		{"NoData", AppendNoData(nil), 'n', ""},
		{"ParameterDescription", AppendParameterDescription(nil, []uint32{25}), 't', "\x00\x01\x00\x00\x00\x19"},
		{"PortalSuspended", AppendPortalSuspended(nil), 's', ""},
	} {
		if got := body(t, c.got, c.typ); string(got) != c.body {
			t.Errorf("%s: %q, want %q", c.name, got, c.body)
		}
	}
	if got := AppendReadyForQuery([]byte("kept"), 'I'); string(got) != "keptZ\x00\x00\x00\x05I" {
		t.Errorf("after other bytes: %q", got)
	}
}

func TestWhatIsAppendedDecodesToTheSame(t *testing.T) {
	name, value, err := DecodeParameterStatus(AppendParameterStatus(nil, "TimeZone", "UTC")[5:])
	if err != nil || string(name) != "TimeZone" || string(value) != "UTC" {
		t.Errorf("ParameterStatus: %q %q %v", name, value, err)
	}
	pid, key, err := DecodeBackendKeyData(AppendBackendKeyData(nil, 1<<31+1, []byte("12345678"))[5:])
	if err != nil || pid != 1<<31+1 || string(key) != "12345678" {
		t.Errorf("BackendKeyData: %d %q %v", pid, key, err)
	}
	for _, c := range []struct {
		msg  []byte
		kind uint32
		rest string
	}{
		{AppendAuthOK(nil), AuthOK, ""},
		{AppendAuthCleartext(nil), AuthCleartext, ""},
		{AppendAuthMD5(nil, [4]byte([]byte("salt"))), AuthMD5, "salt"},
		{AppendAuthSASLContinue(nil, []byte("x")), AuthSASLContinue, "x"},
		{AppendAuthSASLFinal(nil, []byte("x")), AuthSASLFinal, "x"},
	} {
		if kind, rest, err := DecodeAuthentication(c.msg[5:]); err != nil || kind != c.kind || string(rest) != c.rest {
			t.Errorf("Authentication: %d %q %v", kind, rest, err)
		}
	}
	_, rest, _ := DecodeAuthentication(AppendAuthSASL(nil, "A", "B")[5:])
	if names, err := DecodeSASLMechanisms(rest); err != nil || !slices.Equal(names, []string{"A", "B"}) {
		t.Errorf("mechanisms: %q %v", names, err)
	}
	if password, err := DecodePassword(AppendPassword(nil, "pw")[5:]); err != nil || password != "pw" {
		t.Errorf("password: %q %v", password, err)
	}
	for _, data := range []string{"", "x"} {
		m, got, err := DecodeSASLInitial(AppendSASLInitialResponse(nil, "A", []byte(data))[5:])
		if err != nil || m != "A" || string(got) != data || got == nil {
			t.Errorf("SASLInitialResponse: %q %q %v", m, got, err)
		}
	}
	if _, data, err := DecodeSASLInitial([]byte("A\x00\xff\xff\xff\xff")); data != nil || err != nil {
		t.Errorf("SASLInitialResponse without data: %q %v", data, err)
	}
	n, q, oids, err := DecodeParse([]byte("n\x00q\x00\x00\x02\x00\x00\x00\x19\x00\x00\x00\x17"))
	if err != nil || string(n) != "n" || string(q) != "q" || string(oids) != "\x00\x00\x00\x19\x00\x00\x00\x17" {
		t.Errorf("Parse: %q %q %q %v", n, q, oids, err)
	}
	portal, statement, rest, err := DecodeBind(AppendBind(nil, "p", "s")[5:])
	if err != nil || string(portal) != "p" || string(statement) != "s" || string(rest) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("Bind: %q %q %q %v", portal, statement, rest, err)
	}
	kind, n, err := DecodeDescribe(AppendCloseStatement(nil, "s")[5:])
	if err != nil || kind != 'S' || string(n) != "s" {
		t.Errorf("Close: %q %q %v", kind, n, err)
	}
	portal, maxRows, err := DecodeExecute(AppendExecute(nil, "p", 1<<31)[5:])
	if err != nil || string(portal) != "p" || maxRows != 1<<31 {
		t.Errorf("Execute: %q %d %v", portal, maxRows, err)
	}
	version, unknown, names, err := DecodeNegotiateProtocolVersion(AppendNegotiateProtocolVersion(nil, 2, []string{"a", "b"})[5:])
	if err != nil || version != Protocol32 || unknown != 2 || string(names) != "a\x00b\x00" {
		t.Errorf("NegotiateProtocolVersion: %x %d %q %v", version, unknown, names, err)
	}
}

func TestFrequentMessagesAppendWithoutAllocating(t *testing.T) {
	buf := make([]byte, 0, 1024)
	columns := []Column{{"a", 25, -1}, {"b", 20, 8}}
	row := [][]byte{[]byte("x"), nil}
	e := Errorf(CodeSyntaxError, "m")
	if n := testing.AllocsPerRun(100, func() {
		b := AppendRowDescription(buf, columns)
		b = AppendDataRow(b, row)
		b = AppendCommandComplete(b, "SHOW")
		b = AppendQuery(b, "select 1")
		b = AppendParameterStatus(b, "a", "b")
		b = e.Append(b)
		AppendReadyForQuery(b, 'I')
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
