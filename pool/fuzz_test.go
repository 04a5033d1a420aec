package pool

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// scripted is a connection to a server whose words are known beforehand.
type scripted struct {
	net.Conn
	words []byte
	told  []byte
}

// ours stands in the words for the client's nonce, and is as long.
const ours = "OUROUROUROUROUROUROUROUR"

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.words) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1], s.words) // no faster, for what is not read yet may have the nonce in it
	s.words = s.words[n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	s.told = append(s.told, p...)
	if _, nonce, ok := bytes.Cut(p, []byte("n=,r=")); ok && len(nonce) == len(ours) {
		s.words = bytes.ReplaceAll(s.words, []byte(ours), nonce)
	}
	return len(p), nil
}

func (s *scripted) SetDeadline(time.Time) error { return nil }

// FuzzLogin has a server say anything during a login.
func FuzzLogin(f *testing.F) {
	ready := wire.AppendReadyForQuery(nil, 'I')
	in := wire.AppendBackendKeyData(wire.AppendParameterStatus(wire.AppendAuthOK(nil), "client_encoding", "UTF8"), 1, []byte("key!"))
	f.Add(slices.Concat(in, ready, ready, ready))
	row := message('D', "\x00\x04\x00\x00\x00\x07trigger\x00\x00\x00\x00\x00\x00\x00\x12set x.y to 1; reset\x00\x00\x00\x00")
	f.Add(slices.Concat(in, ready, message('D', "\x00\x01\x00\x00\x00\x010"), message('C', "SHOW\x00"), ready, row, ready))
	f.Add(slices.Concat(wire.AppendAuthMD5(nil, [4]byte{1, 2, 3, 4}), in, ready))
	f.Add(wire.AppendAuthCleartext(nil))
	f.Add(wire.AppendAuthSASLContinue(wire.AppendAuthSASL(nil, wire.MechanismSCRAM), []byte("r="+ours+"x,s=c2FsdA==,i=4096")))
	f.Add(wire.AppendAuthSASLFinal(wire.AppendAuthSASLContinue(wire.AppendAuthSASL(nil, wire.MechanismSCRAM), []byte("r="+ours+"x,s=c2FsdA==,i=4096")), []byte("v=eA==")))
	f.Add(wire.Fatalf("28000", "no").Append(wire.AppendNotice(nil, wire.Errorf("00000", "hello"))))
	key := make([]byte, sha256.Size) // so that the iterations that the server asks for cost nothing
	params := []wire.Param{{Name: "search_path", Value: "a"}, {Name: "options", Value: "-c x.y=1"}}
	f.Fuzz(func(t *testing.T, words []byte) {
		settings := Settings{
			Credentials: wire.Credentials{User: "user", Password: "", MD5: wire.MD5Secret("user", "geheim"), ClientKey: key, ServerKey: key},
			AuthMethods: AuthTrust | AuthMD5 | AuthSCRAM, Sharing: SharedCarrying,
		}
		conn := &scripted{words: bytes.Clone(words)}
		l := loginConn{conn: conn, r: bufio.NewReader(conn), settings: &settings}
		b, err := l.run(params, []wire.Param{exempt})
		if err == nil {
			err = l.setUp(b, params)
		}
		if err == nil && !bytes.Contains(words, wire.AppendAuthOK(nil)) {
			t.Fatal("let in without AuthenticationOk")
		}
		var e *wire.Error
		if err != nil && (!errors.As(err, &e) || !isSQLState(e.Code) || e.Message == "") {
			t.Fatalf("%v is no error with an SQLSTATE", err)
		}
		if bytes.Contains(conn.told, []byte(settings.Credentials.MD5[3:])) {
			t.Fatal("the MD5 secret itself was given away")
		}
		if n := bytes.Count(conn.told, []byte("p\x00\x00\x00")); n > 2 {
			t.Fatalf("%d messages of an authentication", n)
		}
	})
}

// FuzzOptions splits the startup parameter "options"; its words, with every blank
// and backslash escaped, are the same words.
func FuzzOptions(f *testing.F) {
	f.Add(`-c a=b --search-path=x\ y -cgeqo=off \\`)
	f.Add(`-c a=b -c c=d\ \\ e=f`)
	f.Add("-c")
	f.Add("\\")
	f.Fuzz(func(t *testing.T, options string) {
		words := optionWords(options)
		var again strings.Builder
		for _, word := range words {
			again.WriteByte(' ')
			for _, c := range []byte(word) {
				again.Write([]byte{'\\', c})
			}
		}
		if got := optionWords(again.String()); !slices.Equal(got, words) {
			t.Fatalf("%q: %q, then %q", options, words, got)
		}
		pairs, ok := settingPairs([]wire.Param{{Name: "OPTIONS", Value: options}})
		if len(pairs) > len(words) || ok && len(words) > 0 && len(pairs) == 0 {
			t.Fatalf("%q: %q has the settings %q", options, words, pairs)
		}
		without := KeepOptions(options, func(name string) bool { return name != "a" })
		want := slices.DeleteFunc(pairs, func(p wire.Param) bool { return p.Name == "a" })
		if left, only := optionPairs(without); ok && (!only || !slices.Equal(left, want)) {
			t.Fatalf("%q without a is %q, which has %q", options, without, left)
		}
	})
}

// FuzzMatchName compares names of certificates with hosts: what matches has the same
// labels, but for a first one that is an asterisk.
func FuzzMatchName(f *testing.F) {
	f.Add("*.example.com", "db.example.com")
	f.Add("*.com", "com")
	f.Add("db\x00.evil", "db")
	f.Add("*", "db")
	f.Fuzz(func(t *testing.T, name, host string) {
		if !matchName(name, host) {
			return
		}
		names, hosts := strings.Split(name, "."), strings.Split(host, ".")
		if len(names) != len(hosts) || strings.Contains(name, "\x00") {
			t.Fatalf("%q matches %q", name, host)
		}
		for i := range names {
			if !equalFold(names[i], hosts[i]) && (i > 0 || names[i] != "*" || hosts[i] == "") {
				t.Fatalf("%q matches %q", name, host)
			}
		}
	})
}
