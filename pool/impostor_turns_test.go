package pool

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// wrongTurn is what an impostor says at a turn instead of what belongs there.
type wrongTurn struct {
	name string
	says func(w io.Writer, nonce string)
	code string // of the error that a client gets
	why  string // what it says, in part
}

func bytesOf(p ...[]byte) func(io.Writer, string) {
	all := bytes.Join(p, nil)
	return func(w io.Writer, _ string) { w.Write(all) }
}

// hangsUp closes the impostor's end.
func hangsUp(w io.Writer, _ string) { w.(io.Closer).Close() }

// flood says one message again and again, more than a login may be long in all.
func flood(message []byte) func(io.Writer, string) {
	return func(w io.Writer, _ string) {
		many := bytes.Repeat(message, 1+(64<<10)/len(message))
		for sent := 0; sent < 2*maxLogin; sent += len(many) {
			if _, err := w.Write(many); err != nil {
				return
			}
		}
	}
}

// framed is a message of any type, with any length.
func framed(typ byte, length uint32, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{typ}, length), body...)
}

func message(typ byte, body string) []byte { return framed(typ, uint32(len(body)+4), body) }

// authentication is an Authentication message of any kind.
func authentication(kind uint32, more string) []byte {
	return message('R', string(binary.BigEndian.AppendUint32(nil, kind))+more)
}

const (
	badProtocol = wire.CodeProtocolViolation
	noLogin     = wire.CodeCannotConnect
	lost        = wire.CodeConnectionFailure
	unknown     = wire.CodeFeatureNotSupported
)

// nothingOfTheKind are wrong at every turn behind the startup packet. Ahead of
// AuthenticationOk nothing but an error may be said of the session.
func nothingOfTheKind() []wrongTurn {
	all := []wrongTurn{
		{"hangs up", hangsUp, lost, "closed the connection"},
		{"says nothing", bytesOf(), noLogin, "server_connect_timeout"},
		{"half a header", bytesOf([]byte{'R', 0, 0}), noLogin, "server_connect_timeout"},
		{"half a message", bytesOf(framed('R', 100, "abc")), noLogin, "server_connect_timeout"},
		{"HTTP", bytesOf([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")), badProtocol, "impossible length"},
		{"a length of 0", bytesOf(framed('R', 0, "")), badProtocol, "impossible length"},
		{"a length of 3", bytesOf(framed('R', 3, "")), badProtocol, "impossible length"},
		{"a length of 64 KB", bytesOf(framed('R', maxLoginMessage, "")), badProtocol, "impossible length"},
		{"a length of 2^31", bytesOf(framed('R', 1<<31, "")), badProtocol, "impossible length"},
		{"a length of 2^32-1", bytesOf(framed('R', 1<<32-1, "")), badProtocol, "impossible length"},
		{"an error without fields", bytesOf(message('E', "\x00")), badProtocol, "does not say why"},
		{"an error without an end", bytesOf(message('E', "SFATAL\x00C28000\x00Mno\x00")), badProtocol, "ErrorResponse"},
		{"an error with a field without an end", bytesOf(message('E', "SFATAL\x00C28000")), badProtocol, "ErrorResponse"},
		{"an empty error", bytesOf(message('E', "")), badProtocol, "ErrorResponse"},
		{"an error with more behind it", bytesOf(message('E', "C28000\x00\x00more")), badProtocol, "ErrorResponse"},
		{"an error of too many fields", bytesOf(message('E', strings.Repeat("xy\x00", 100)+"\x00")), badProtocol, "fields"},
		{"an error with a short SQLSTATE", bytesOf(message('E', "SFATAL\x00C28\x00Mno\x00\x00")), badProtocol, "no"},
		{"an error with an SQLSTATE that is none", bytesOf(message('E', "SFATAL\x00C\xff\n\"'<\x00Mno\x00\x00")), badProtocol, "no"},
		{"an error of another severity", bytesOf(message('E', "SPANIC\x00VPANIC\x00C53300\x00Mno\x00\x00")), "53300", "no"},
		{"a flood of notices", flood(wire.AppendNotice(nil, wire.Errorf("00000", "%s", strings.Repeat("x", 1000)))), badProtocol, "4 MB"},
		{"a flood of notices without content", flood(message('N', "")), badProtocol, "4 MB"},
	}
	for _, typ := range []byte("TDCGHWdcAIVn123tspQXFfPB\x00\xff") {
		all = append(all, wrongTurn{"a message of type " + string(rune(typ)), bytesOf(message(typ, "\x00\x00\x00\x00")), badProtocol, "of type"})
	}
	return all
}

// beforeOK are wrong as long as AuthenticationOk has not come.
func beforeOK() []wrongTurn {
	key := wire.AppendBackendKeyData(nil, 1, []byte{1, 2, 3, 4})
	return append(nothingOfTheKind(),
		wrongTurn{"a setting", bytesOf(wire.AppendParameterStatus(nil, "TimeZone", "UTC")), badProtocol, "before its AuthenticationOk"},
		wrongTurn{"a cancel key", bytesOf(key), badProtocol, "before its AuthenticationOk"},
		wrongTurn{"ReadyForQuery", bytesOf(wire.AppendReadyForQuery(nil, 'I')), badProtocol, "before its AuthenticationOk"},
	)
}

// outOfTurn are Authentication messages that may not come in the midst of SCRAM;
// AuthenticationOk and SCRAM's own are left out.
func outOfTurn() []wrongTurn {
	return []wrongTurn{
		{"the password in clear text", bytesOf(wire.AppendAuthCleartext(nil)), badProtocol, "out of turn"},
		{"md5", bytesOf(wire.AppendAuthMD5(nil, [4]byte{1, 2, 3, 4})), badProtocol, "out of turn"},
		{"SASL once more", bytesOf(wire.AppendAuthSASL(nil, wire.MechanismSCRAM)), badProtocol, "out of turn"},
		{"Kerberos", bytesOf(authentication(2, "")), unknown, "not supported"},
		{"GSS", bytesOf(authentication(wire.AuthGSS, "")), unknown, "not supported"},
		{"GSS, in its midst", bytesOf(authentication(wire.AuthGSSContinue, "token")), unknown, "not supported"},
		{"SSPI", bytesOf(authentication(wire.AuthSSPI, "")), unknown, "not supported"},
		{"a kind that is none", bytesOf(authentication(4711, "")), unknown, "not supported"},
		{"an Authentication message without a kind", bytesOf(message('R', "\x00\x00")), badProtocol, "Authentication"},
		{"AuthenticationOk with more in it", bytesOf(authentication(wire.AuthOK, "x")), badProtocol, "Authentication"},
		{"GSS with more in it", bytesOf(authentication(wire.AuthGSS, "x")), badProtocol, "Authentication"},
	}
}

var letIn = wire.AppendReadyForQuery(wire.AppendAuthOK(nil), 'I')

// TestAnImpostorGetsNothing: a server that does not behave like PostgreSQL, at any
// turn of a login, is refused. It is told no more than it was before that turn, and
// never the password; the client hears what is wrong; and the pool serves as soon as
// the server is PostgreSQL.
func TestAnImpostorGetsNothing(t *testing.T) {
	for _, c := range []struct {
		at    turn
		name  string
		wrong []wrongTurn
	}{
		{turnSSL, "answering the SSLRequest", answersToSSL()},
		{turnAsk, "asking for a password", asks()},
		{turnContinue, "in the midst of SCRAM", continues()},
		{turnFinal, "at the end of SCRAM", finals()},
		{turnOK, "behind SCRAM", oks()},
		{turnLetIn, "letting in", letsIn()},
		{turnSetUp, "answering pgweir's own questions", answersQuestions()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, wrong := range c.wrong {
				t.Run(wrong.name, func(t *testing.T) {
					t.Parallel()
					impostorIsRefused(t, c.at, wrong)
				})
			}
		})
	}
}

func impostorIsRefused(t *testing.T, at turn, wrong wrongTurn) {
	h, s := newHost(t), newImpostor(t, at, wrong.says)
	set := func(s *Settings) {
		s.Credentials = wire.Credentials{User: "user", Password: impostorPassword}
		s.AuthMethods = AuthSCRAM
		s.LoginRetry, s.Sharing = 0, SharedAsking
		if wrong.why == "server_connect_timeout" {
			s.ConnectTimeout = 500 * time.Millisecond
		}
	}
	if at == turnSSL {
		s.tls = serverTLS(t)
	}
	remote := &server{network: "tcp", addr: s.ln.Addr().String(), sessions: map[uint32]*serverSession{}}
	p := h.pool(remote, func(x *Settings) {
		set(x)
		if at == turnSSL {
			x.Address.TLS.Mode = TLSRequire
		}
	})
	k := h.taker(p)
	k.ask(p, nil)
	e := k.trouble(p)
	if e.Code != wrong.code || !strings.Contains(e.Message, wrong.why) {
		t.Errorf("the client gets %v, want %s %q", e, wrong.code, wrong.why)
	}
	if strings.Contains(e.Error()+e.Detail+e.Hint, impostorPassword) {
		t.Errorf("the client gets the password: %v", e)
	}
	eventually(t, "the slot is free", func() bool { return p.Counts().Opening+p.Counts().Closing == 0 })
	behind, all := s.behaves()
	if bytes.Contains(all, []byte(impostorPassword)) || bytes.Contains(all, []byte(wire.MD5Secret("user", impostorPassword)[3:])) {
		t.Errorf("the impostor has the password: %q", all)
	}
	if at == turnSSL && bytes.Contains(all, []byte("user\x00")) || at != turnSSL && len(behind) > 0 {
		t.Errorf("the impostor was told %q behind %q", behind, all)
	}
	if proofs := bytes.Count(all, []byte(",p=")); proofs > 0 && at < turnFinal {
		t.Errorf("the impostor has %d proofs", proofs)
	}

	p.Set(h.settings(remote, "user", func(x *Settings) {
		set(x)
		x.ConnectTimeout = patience
	}))
	h.giveBack(h.lease(p))
	if c := p.Counts(); c.Failure != nil || c.Idle != 1 || c.Opening+c.Lent+c.Closing+c.Waiting != 0 {
		t.Errorf("afterwards %+v", c)
	}
}

func answersToSSL() (all []wrongTurn) {
	const why = "TLS handshake"
	for name, behind := range map[string][]byte{
		"AuthenticationOk": letIn, "the question for the password": wire.AppendAuthCleartext(nil),
		"an error": wire.Fatalf("28000", "no").Append(nil), "a TLS record that is too long": {0x16, 3, 3, 0xff, 0xff},
		"TLS of no version": {0x16, 0x13, 0x37, 0, 1, 2}, "an alert": {0x15, 3, 3, 0, 2, 2, 40},
	} {
		all = append(all, wrongTurn{"S, and behind it " + name, bytesOf([]byte("S"), behind), noLogin, why})
	}
	for _, answer := range []string{"E", "s", "R", "G", "1", "\x00", "\xff", "EXno TLS today\x00\x00"} {
		all = append(all, wrongTurn{"answers " + answer, bytesOf([]byte(answer)), badProtocol, "to an SSLRequest"})
	}
	return append(all,
		wrongTurn{"N", bytesOf([]byte("N")), noLogin, "does not support TLS"},
		wrongTurn{"N, and behind it AuthenticationOk", bytesOf([]byte("N"), letIn), noLogin, "does not support TLS"},
		wrongTurn{"hangs up", hangsUp, lost, "closed the connection"},
		wrongTurn{"says nothing", bytesOf(), noLogin, "server_connect_timeout"},
		wrongTurn{"S, and half a TLS record", bytesOf([]byte("S"), []byte{0x16, 3, 3, 0, 200, 2}), noLogin, "server_connect_timeout"},
		wrongTurn{"S, and hangs up", func(w io.Writer, _ string) { w.Write([]byte("S")); hangsUp(w, "") }, noLogin, why},
	)
}

func asks() []wrongTurn {
	sasl := func(list string) func(io.Writer, string) { return bytesOf(authentication(wire.AuthSASL, list)) }
	all := append(beforeOK(), outOfTurn()[3:]...)
	return append(all,
		wrongTurn{"lets in at once", bytesOf(letIn), noLogin, "authentication method trust"},
		wrongTurn{"wants the password in clear text", bytesOf(wire.AppendAuthCleartext(nil)), noLogin, "authentication method password"},
		wrongTurn{"wants md5", bytesOf(wire.AppendAuthMD5(nil, [4]byte{1, 2, 3, 4})), noLogin, "authentication method md5"},
		wrongTurn{"wants md5 with a short salt", bytesOf(authentication(wire.AuthMD5, "abc")), badProtocol, "salt of 3"},
		wrongTurn{"wants md5 with a long salt", bytesOf(authentication(wire.AuthMD5, "abcdefgh")), badProtocol, "salt of 8"},
		wrongTurn{"wants the password, and says more", bytesOf(authentication(wire.AuthCleartext, "x")), badProtocol, "Authentication"},
		wrongTurn{"SCRAM in its midst", bytesOf(wire.AppendAuthSASLContinue(nil, []byte("r=x,s=eA==,i=4096"))), badProtocol, "out of turn"},
		wrongTurn{"SCRAM at its end", bytesOf(wire.AppendAuthSASLFinal(nil, []byte("v=eA=="))), badProtocol, "out of turn"},
		wrongTurn{"no mechanism", sasl("\x00"), badProtocol, "no list of mechanisms"},
		wrongTurn{"no list of mechanisms", sasl(""), badProtocol, "no end"},
		wrongTurn{"a mechanism without an end", sasl("SCRAM-SHA-256"), badProtocol, "no end"},
		wrongTurn{"a list without an end", sasl("SCRAM-SHA-256\x00"), badProtocol, "no end"},
		wrongTurn{"more behind the list", sasl("SCRAM-SHA-256\x00\x00x"), badProtocol, "no list of mechanisms"},
		wrongTurn{"very many mechanisms", sasl(strings.Repeat("X\x00", 100) + "SCRAM-SHA-256\x00\x00"), badProtocol, "more than 32"},
		wrongTurn{"unknown mechanisms", sasl("OAUTHBEARER\x00SCRAM-SHA-1\x00scram-sha-256\x00\x00"), unknown, "no SASL mechanism"},
		wrongTurn{"channel binding without TLS", sasl("SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"), noLogin, "without TLS"},
		wrongTurn{"SASL twice", bytesOf(authentication(wire.AuthSASL, "X\x00\x00"), authentication(wire.AuthSASL, "X\x00\x00")), unknown, "no SASL mechanism"},
	)
}

func continues() []wrongTurn {
	first := func(rest string) func(io.Writer, string) {
		return func(w io.Writer, nonce string) {
			w.Write(wire.AppendAuthSASLContinue(nil, []byte(strings.ReplaceAll(rest, "OURS", nonce))))
		}
	}
	all := append(beforeOK(), outOfTurn()...)
	for name, rest := range map[string]string{
		"nothing":                        "",
		"another nonce":                  "r=abcdefghijklmnopqrstuvwxyz,s=c2FsdA==,i=4096",
		"no more than our nonce":         "r=OURS,s=c2FsdA==,i=4096",
		"our nonce at the end":           "r=xOURS,s=c2FsdA==,i=4096",
		"a nonce that is cut":            "r=,s=c2FsdA==,i=4096",
		"a blank in the nonce":           "r=OURS x,s=c2FsdA==,i=4096",
		"a NUL in the nonce":             "r=OURS\x00x,s=c2FsdA==,i=4096",
		"no nonce":                       "s=c2FsdA==,i=4096",
		"no salt":                        "r=OURSx,i=4096",
		"an empty salt":                  "r=OURSx,s=,i=4096",
		"a salt that is not base64":      "r=OURSx,s=***,i=4096",
		"a salt in base64 without =":     "r=OURSx,s=c2FsdA,i=4096",
		"no iterations":                  "r=OURSx,s=c2FsdA==",
		"empty iterations":               "r=OURSx,s=c2FsdA==,i=",
		"0 iterations":                   "r=OURSx,s=c2FsdA==,i=0",
		"-1 iterations":                  "r=OURSx,s=c2FsdA==,i=-1",
		"10,000,001 iterations":          "r=OURSx,s=c2FsdA==,i=10000001",
		"2^64 iterations":                "r=OURSx,s=c2FsdA==,i=18446744073709551616",
		"iterations that are no number":  "r=OURSx,s=c2FsdA==,i=0x1000",
		"the attributes in other orders": "i=4096,s=c2FsdA==,r=OURSx",
		"an extension that is mandatory": "m=new,r=OURSx,s=c2FsdA==,i=4096",
		"the end":                        "v=c2FsdA==",
		"an error of SCRAM":              "e=other-error",
	} {
		all = append(all, wrongTurn{name, first(rest), badProtocol, "SCRAM"})
	}
	return append(all,
		wrongTurn{"a salt that is too long", first("r=OURSx,s=" + strings.Repeat("c2FsdA==", maxLoginMessage/8) + ",i=4096"), badProtocol, "impossible length"},
		wrongTurn{"AuthenticationOk", bytesOf(letIn), badProtocol, "out of turn"},
		wrongTurn{"SCRAM at its end", bytesOf(wire.AppendAuthSASLFinal(nil, []byte("v=eA=="))), badProtocol, "out of turn"},
	)
}

func finals() []wrongTurn {
	all := append(beforeOK(), outOfTurn()...)
	for name, c := range map[string]struct{ text, code, why string }{
		"nothing":                         {"", badProtocol, "signature expected"},
		"an empty signature":              {"v=", badProtocol, "signature expected"},
		"a short signature":               {"v=c2lnbmF0dXJl", badProtocol, "signature expected"},
		"a long signature":                {"v=" + base64.StdEncoding.EncodeToString(make([]byte, 64)), badProtocol, "signature expected"},
		"a signature that is not base64":  {"v=***", badProtocol, "signature expected"},
		"another attribute":               {"x=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), badProtocol, "signature expected"},
		"a wrong signature":               {"v=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), noLogin, "signature is wrong"},
		"a refusal in SCRAM's own words":  {"e=invalid-proof", noLogin, "refused the SCRAM exchange"},
		"a refusal that is anything else": {"e=\x1b[2J\xff", noLogin, "refused the SCRAM exchange"},
	} {
		// That it lets in behind it makes nothing better.
		all = append(all, wrongTurn{name, bytesOf(wire.AppendAuthSASLFinal(nil, []byte(c.text)), letIn), c.code, c.why})
	}
	return append(all,
		wrongTurn{"AuthenticationOk", bytesOf(letIn), badProtocol, "out of turn"},
		wrongTurn{"SCRAM in its midst", bytesOf(wire.AppendAuthSASLContinue(nil, []byte("r=x,s=eA==,i=4096"))), badProtocol, "out of turn"},
	)
}

func oks() []wrongTurn {
	return append(append(beforeOK(), outOfTurn()...),
		wrongTurn{"SCRAM at its end once more", bytesOf(wire.AppendAuthSASLFinal(nil, []byte("v=eA=="))), badProtocol, "out of turn"},
	)
}

func letsIn() []wrongTurn {
	key := func(n int) []byte { return message('K', "\x00\x00\x00\x01"+strings.Repeat("k", n)) }
	ready := wire.AppendReadyForQuery(nil, 'I')
	all := append(nothingOfTheKind(), outOfTurn()...)
	for name, body := range map[string]string{
		"of no strings": "", "of a string without an end": "TimeZone", "of one string": "TimeZone\x00", "of a value without an end": "TimeZone\x00UTC",
		"without a name": "\x00UTC\x00", "of three strings": "TimeZone\x00UTC\x00more\x00",
	} {
		all = append(all, wrongTurn{"a setting " + name, bytesOf(message('S', body), ready), badProtocol, "ParameterStatus"})
	}
	for name, status := range map[string]string{"in a transaction": "T", "in a failed one": "E", "in no state": "", "in two states": "II", "in another state": "\xff"} {
		all = append(all, wrongTurn{"is ready " + name, bytesOf(message('Z', status)), badProtocol, "ready for a query in state"})
	}
	for name, behind := range map[string][]byte{
		"a row": message('D', "\x00\x00"), "ReadyForQuery": ready, "a key": key(4), "the question for the password": wire.AppendAuthCleartext(nil),
	} {
		all = append(all, wrongTurn{name + " behind ReadyForQuery", bytesOf(ready, behind), badProtocol, "behind its ReadyForQuery"})
	}
	return append(all,
		wrongTurn{"AuthenticationOk once more", bytesOf(letIn), badProtocol, "out of turn"},
		wrongTurn{"half a key", bytesOf(key(0), ready), badProtocol, "BackendKeyData"},
		wrongTurn{"a key that is too long", bytesOf(key(300), ready), badProtocol, "BackendKeyData"},
		wrongTurn{"two keys", bytesOf(key(4), key(4), ready), badProtocol, "second BackendKeyData"},
		wrongTurn{"a flood of settings", flood(wire.AppendParameterStatus(nil, "x.y", strings.Repeat("z", 30_000))), badProtocol, "4 MB"},
		wrongTurn{"shot behind ReadyForQuery", bytesOf(ready, wire.Fatalf("53400", "shot").Append(nil)), "53400", "shot"},
		wrongTurn{"half a message behind ReadyForQuery", bytesOf(ready, []byte{'S', 0}), noLogin, "server_connect_timeout"},
	)
}

func answersQuestions() (all []wrongTurn) {
	ready := wire.AppendReadyForQuery(nil, 'I')
	for _, c := range nothingOfTheKind() {
		// What belongs to the answer of a query is no fault here.
		if typ, ok := strings.CutPrefix(c.name, "a message of type "); !ok || !strings.ContainsAny(typ, "TDCAI") {
			all = append(all, c)
		}
	}
	return append(all,
		wrongTurn{"the question for the password", bytesOf(wire.AppendAuthCleartext(nil), ready), badProtocol, "of type"},
		wrongTurn{"a key", bytesOf(wire.AppendBackendKeyData(nil, 1, []byte{1, 2, 3, 4}), ready), badProtocol, "of type"},
		wrongTurn{"a row that is none", bytesOf(message('D', "\xff\xff"), ready), badProtocol, "DataRow"},
		wrongTurn{"a flood of rows", flood(message('D', "\x00\x01\x00\x00\x00\x01x")), badProtocol, "4 MB"},
	)
}
