package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgweir/wire"
)

const md5Secret = "md50123456789abcdef0123456789abcdef" // of no known password

// usersBy are Users who log in by one method.
type usersBy struct {
	*Users
	method Method
}

func (u usersBy) Begin(name string) *Exchange { return u.Users.Begin(u.method, name) }

func mustUsers(t testing.TB, method Method, entries ...Entry) usersBy {
	t.Helper()
	u, err := New(entries)
	if err != nil {
		t.Fatal(err)
	}
	return usersBy{u, method}
}

// login plays a client with this password against an Exchange. It returns the
// kinds of Authentication messages that the client saw.
func login(t testing.TB, x *Exchange, user, password string) (kinds []uint32, err error) {
	t.Helper()
	var client *wire.SCRAMClient
	out, done := x.Start(nil), false
	for {
		if len(out) == 0 {
			if !done {
				t.Fatal("neither a message nor done")
			}
			return kinds, nil
		}
		if out[0] != 'R' || int(binary.BigEndian.Uint32(out[1:]))+1 != len(out) {
			t.Fatalf("not one Authentication message: %q", out)
		}
		kind, rest, err := wire.DecodeAuthentication(out[5:])
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind)
		var msg []byte
		switch kind {
		case wire.AuthCleartext:
			msg = wire.AppendPassword(nil, password)
		case wire.AuthMD5:
			msg = wire.AppendPassword(nil, wire.MD5Response(wire.MD5Secret(user, password), [4]byte(rest)))
		case wire.AuthSASL:
			client = wire.NewSCRAMClient(password, wire.SCRAMNonce())
			msg = wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, client.First())
		case wire.AuthSASLContinue:
			final, err := client.Continue(rest)
			if err != nil {
				t.Fatal(err)
			}
			msg = wire.AppendSASLResponse(nil, final)
		case wire.AuthSASLFinal:
			if err := client.Final(rest); err != nil {
				t.Fatal(err)
			}
			if !done {
				t.Fatal("the final message does not end the exchange")
			}
			return kinds, nil
		}
		if out, done, err = x.Receive(nil, msg[5:]); err != nil {
			return kinds, err
		}
	}
}

func TestLoginSucceedsWithTheRightPasswordAsPgBouncerWouldAllow(t *testing.T) {
	plain, md5 := "pässword", wire.MD5Secret("ann", "pässword")
	scram := wire.DeriveSCRAMSecret("pässword", []byte("salt of 16 bytes"), 4096).String()
	type outcome struct {
		first uint32
		ok    bool
	}
	for _, c := range []struct {
		method Method
		secret string
		want   outcome
	}{
		{Plain, plain, outcome{wire.AuthCleartext, true}},
		{Plain, md5, outcome{wire.AuthCleartext, true}},
		{Plain, scram, outcome{wire.AuthCleartext, true}},
		{Plain, "", outcome{wire.AuthCleartext, false}},
		{MD5, plain, outcome{wire.AuthMD5, true}},
		{MD5, md5, outcome{wire.AuthMD5, true}},
		{MD5, scram, outcome{wire.AuthSASL, true}},
		{MD5, "", outcome{wire.AuthMD5, false}},
		{SCRAM, plain, outcome{wire.AuthSASL, true}},
		{SCRAM, md5, outcome{wire.AuthSASL, false}},
		{SCRAM, scram, outcome{wire.AuthSASL, true}},
		{SCRAM, "", outcome{wire.AuthSASL, false}},
	} {
		u := mustUsers(t, c.method, Entry{Name: "ann", Secret: c.secret})
		for _, password := range []string{"pässword", "wrong", "", c.secret} {
			x := u.Begin("ann")
			kinds, err := login(t, x, "ann", password)
			if kinds[0] != c.want.first {
				t.Errorf("%v, %.10q: asked for %d, want %d", c.method, c.secret, kinds[0], c.want.first)
			}
			want := c.want.ok && password == "pässword"
			if want != (err == nil) {
				t.Errorf("%v, %.10q, password %.10q: %v", c.method, c.secret, password, err)
			}
			if err != nil {
				wantRefusal(t, err, "ann")
			}
			if clear := x.Password(); (clear != "") != (want && c.method == Plain) || clear != "" && clear != password {
				t.Errorf("%v, %.10q: Password() is %q", c.method, c.secret, clear)
			}
			key := x.ClientKey()
			if (key != nil) != (want && kinds[0] == wire.AuthSASL && c.secret == scram) {
				t.Errorf("%v, %.10q: ClientKey() is %x", c.method, c.secret, key)
			}
		}
	}
}

func wantRefusal(t *testing.T, err error, user string) {
	t.Helper()
	var e *wire.Error
	want := fmt.Sprintf("password authentication failed for user %q", user)
	if !errors.As(err, &e) || e.Severity != "FATAL" || e.Code != wire.CodeInvalidPassword || e.Message != want {
		t.Errorf("refused with %v, want FATAL 28P01 %s", err, want)
	}
}

func TestAnMD5ResponseOfTheNameAsItWasSentCountsToo(t *testing.T) {
	for _, c := range []struct {
		name, secret, sent, of, password string
		in                               bool
	}{
		{"cut", "secret", "cut and more", "cut and more", "secret", true},
		{"cut", "secret", "cut and more", "cut", "secret", true},
		{"cut", "secret", "cut and more", "cut and else", "secret", false},
		{"cut", "secret", "cut and more", "cut and more", "wrong", false},
		{"cut", "", "cut and more", "cut and more", "", false},
		{"unknown", "secret", "unknown and more", "unknown and more", "secret", false},
	} {
		users, err := New([]Entry{{Name: "cut", Secret: c.secret}})
		if err != nil {
			t.Fatal(err)
		}
		x := users.Begin(MD5, c.name)
		x.Sent(c.sent)
		out := x.Start(nil)
		_, salt, err := wire.DecodeAuthentication(out[wire.HeaderLen:])
		if err != nil {
			t.Fatal(err)
		}
		response := wire.AppendPassword(nil, wire.MD5Response(wire.MD5Secret(c.of, c.password), [4]byte(salt)))
		if _, in, err := x.Receive(nil, response[wire.HeaderLen:]); in != c.in || (err == nil) != c.in {
			t.Errorf("%+v: %v, %v", c, in, err)
		}
	}
}

func TestClientKeyOpensAServerThatStoresTheSameSecret(t *testing.T) {
	secret := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096)
	u := mustUsers(t, SCRAM, Entry{Name: "ann", Secret: secret.String()})
	x := u.Begin("ann")
	if _, err := login(t, x, "ann", "pw"); err != nil {
		t.Fatal(err)
	}
	if stored := sha256.Sum256(x.ClientKey()); !bytes.Equal(stored[:], secret.StoredKey) {
		t.Fatal("the client's key is not the stored key's")
	}
	s, _ := u.Secret("ann")
	client := wire.NewSCRAMClientKeys(x.ClientKey(), s.Credentials("ann").ServerKey, "abc")
	server := wire.NewSCRAMServer(secret, "def")
	first, err := server.First(client.First())
	if err != nil {
		t.Fatal(err)
	}
	final, err := client.Continue(first)
	if err != nil {
		t.Fatal(err)
	}
	last, _, err := server.Final(final)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Final(last); err != nil {
		t.Fatal(err)
	}
}

func refused(x *Exchange) *Exchange {
	x.Refuse()
	return x
}

// TestARefusedClientRunsTheCourseOfAWrongPassword: whatever it proves.
func TestARefusedClientRunsTheCourseOfAWrongPassword(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096).String()
	for _, secret := range []string{"pw", wire.MD5Secret("ann", "pw"), scram} {
		u := mustUsers(t, MD5, Entry{Name: "ann", Secret: secret})
		want, wrong := login(t, u.Begin("ann"), "ann", "other")
		for _, password := range []string{"pw", "other"} {
			got, err := login(t, refused(u.Users.Begin(MD5, "ann")), "ann", password)
			if err == nil || err.Error() != wrong.Error() || !slices.Equal(got, want) {
				t.Errorf("%.10q: course %v, %v, want %v, %v", secret, got, err, want, wrong)
			}
		}
		_, unknown := login(t, refused(u.Users.Begin(MD5, "bob")), "bob", "pw")
		if unknown == nil || strings.ReplaceAll(unknown.Error(), "bob", "ann") != wrong.Error() {
			t.Errorf("an unknown user reads %v", unknown)
		}
	}
}

func TestAnUnknownUserRunsTheCourseOfAKnownOne(t *testing.T) {
	scram := func(iterations int) string {
		return wire.DeriveSCRAMSecret("x", []byte("salt of 16 bytes"), iterations).String()
	}
	for _, c := range []struct {
		method  Method
		secrets []string
		course  string // of every unknown user
	}{
		{Plain, []string{"a", md5Secret, scram(4096)}, "[3]"},
		{MD5, nil, "[5]"},
		{MD5, []string{"", ""}, "[5]"},
		{MD5, []string{"a", md5Secret}, "[5]"},
		{MD5, []string{scram(4096)}, "[10 11]"},
		{SCRAM, nil, "[10 11]"},
		{SCRAM, []string{"a", md5Secret, scram(4096)}, "[10 11]"},
	} {
		var entries []Entry
		for i, s := range c.secrets {
			entries = append(entries, Entry{Name: fmt.Sprint("known", i), Secret: s})
		}
		u := mustUsers(t, c.method, entries...)
		for _, name := range []string{"zoe", "yan", "xi"} {
			for _, password := range []string{"", "x", "unknown"} {
				kinds, err := login(t, u.Begin(name), name, password)
				if fmt.Sprint(kinds) != c.course {
					t.Errorf("%v %v: course %v, want %s", c.method, c.secrets, kinds, c.course)
				}
				if err == nil {
					t.Fatalf("%v: unknown user %s is in", c.method, name)
				}
				wantRefusal(t, err, name)
			}
		}
	}
}

func TestUnknownUsersAreAskedInTheProportionOfKnownOnes(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("x", []byte("salt of 16 bytes"), 777).String()
	u := mustUsers(t, MD5, Entry{Name: "a", Secret: "plain"}, Entry{Name: "b", Secret: scram}, Entry{Name: "c", Secret: scram}, Entry{Name: "d", Secret: scram}, Entry{Name: "e", Secret: ""})
	count := 0
	for i := range 2000 {
		name := fmt.Sprint("stranger", i)
		x, y := u.Begin(name), u.Begin(name)
		if x.method != y.method {
			t.Fatalf("%s is asked for %v, then for %v", name, x.method, y.method)
		}
		if x.method == SCRAM {
			count++
			if n := x.user.scram()[0].Iterations; n != 777 {
				t.Fatalf("%s sees %d iterations, known users 777", name, n)
			}
		}
	}
	if count < 1400 || count > 1600 { // 1500 expected, standard deviation 19
		t.Errorf("%d of 2000 unknown users are asked for SCRAM, want about 1500", count)
	}
}

// saltOf runs a SCRAM exchange up to the server's first message.
func saltOf(t *testing.T, u usersBy, name string) string {
	t.Helper()
	x := u.Begin(name)
	x.Start(nil)
	out, _, err := x.Receive(nil, wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, []byte("n,,n=,r=abc"))[5:])
	if err != nil {
		t.Fatal(err)
	}
	_, salt, ok := strings.Cut(string(out), ",s=")
	if !ok {
		t.Fatalf("no salt in %q", out)
	}
	return salt
}

func TestSaltsAreStablePerUserAndOverReloads(t *testing.T) {
	u := mustUsers(t, SCRAM, Entry{Name: "plain", Secret: "secret"}, Entry{Name: "md5", Secret: md5Secret})
	again := mustUsers(t, SCRAM, Entry{Name: "plain", Secret: "changed"})
	seen := map[string]string{}
	for _, name := range []string{"plain", "md5", "stranger", "stranger2"} {
		salt := saltOf(t, u, name)
		if s := saltOf(t, u, name); s != salt {
			t.Errorf("%s: salt %s, then %s", name, salt, s)
		}
		if s := saltOf(t, again, name); s != salt {
			t.Errorf("%s: salt %s, after a reload %s", name, salt, s)
		}
		if other, ok := seen[salt]; ok {
			t.Errorf("%s and %s have the same salt", name, other)
		}
		if len(salt) != len("AAAAAAAAAAAAAAAAAAAAAA==,i=4096") || !strings.HasSuffix(salt, ",i=4096") {
			t.Errorf("%s: salt and iterations look unlike PostgreSQL's: %s", name, salt)
		}
		seen[salt] = name
	}
}

func TestReceiveRefusesWhatIsOutOfPlaceOrMalformed(t *testing.T) {
	scram := mustUsers(t, SCRAM, Entry{Name: "ann", Secret: "pw"})
	md5 := mustUsers(t, MD5, Entry{Name: "ann", Secret: "pw"})
	initial := func(data string) string {
		return string(wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, []byte(data))[5:])
	}
	for _, c := range []struct {
		users  usersBy
		bodies []string
		code   string
	}{
		{md5, []string{""}, wire.CodeProtocolViolation},
		{md5, []string{"no end"}, wire.CodeProtocolViolation},
		{md5, []string{"a\x00b\x00"}, wire.CodeProtocolViolation},
		{md5, []string{"\x00"}, wire.CodeInvalidPassword},
		{scram, []string{""}, wire.CodeProtocolViolation},
		{scram, []string{"pw\x00"}, wire.CodeProtocolViolation},
		{scram, []string{"SCRAM-SHA-256-PLUS\x00\x00\x00\x00\x00"}, wire.CodeProtocolViolation},
		{scram, []string{"SCRAM-SHA-256\x00\x7f\xff\xff\xffn,,n=,r=a"}, wire.CodeProtocolViolation},
		{scram, []string{"SCRAM-SHA-256\x00\x80\x00\x00\x00"}, wire.CodeProtocolViolation},
		{scram, []string{initial("p=tls-unique,,n=,r=a")}, wire.CodeProtocolViolation},
		{scram, []string{initial("n,a=bob,n=,r=a")}, wire.CodeFeatureNotSupported},
		{scram, []string{initial("n,,n=,r=a"), ""}, wire.CodeProtocolViolation},
		{scram, []string{initial("n,,n=,r=a"), "c=biws,r=a,p=AAAA"}, wire.CodeProtocolViolation},
		{scram, []string{"SCRAM-SHA-256\x00\xff\xff\xff\xff", "x"}, wire.CodeProtocolViolation},
	} {
		x := c.users.Begin("ann")
		x.Start(nil)
		for i, body := range c.bodies {
			_, done, err := x.Receive(nil, []byte(body))
			last := i == len(c.bodies)-1
			var e *wire.Error
			if done || last != (err != nil) || last && (!errors.As(err, &e) || e.Code != c.code || e.Severity != "FATAL") {
				t.Errorf("%q, message %d: done %v, %v; want %s", c.bodies, i, done, err, c.code)
			}
		}
		if _, done, err := x.Receive(nil, []byte("pw\x00")); err == nil || done {
			t.Errorf("%q: goes on after an error", c.bodies)
		}
	}
}

func TestASCRAMClientMaySendItsFirstMessageAfterAnEmptyChallenge(t *testing.T) {
	x := mustUsers(t, SCRAM, Entry{Name: "ann", Secret: "pw"}).Begin("ann")
	x.Start(nil)
	out, _, err := x.Receive(nil, []byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"))
	if want := wire.AppendAuthSASLContinue(nil, nil); err != nil || !bytes.Equal(out, want) {
		t.Fatalf("%q, %v; want %q", out, err, want)
	}
	client := wire.NewSCRAMClient("pw", "abc")
	out, _, err = x.Receive(nil, client.First())
	if err != nil {
		t.Fatal(err)
	}
	final, err := client.Continue(out[9:])
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := x.Receive(nil, final); !done || err != nil {
		t.Fatal(done, err)
	}
}

func TestManyLoginsAtOnceShareOneDerivation(t *testing.T) {
	u := mustUsers(t, SCRAM, Entry{Name: "ann", Secret: "pw"}, Entry{Name: "bob", Secret: "pw2"})
	var wg sync.WaitGroup
	wg.Go(u.Warm)
	for range 8 {
		wg.Go(func() {
			if _, err := login(t, u.Begin("ann"), "ann", "pw"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if a, b := u.known["ann"].scram(), u.known["ann"].scram(); &a[0].Salt[0] != &b[0].Salt[0] {
		t.Error("the secret was derived twice")
	}
}

func FuzzExchangeReceive(f *testing.F) {
	f.Add(uint8(MD5), []byte("md5x\x00"), []byte{})
	f.Add(uint8(Plain), []byte("wrong\x00"), []byte("x"))
	f.Add(uint8(SCRAM), []byte("SCRAM-SHA-256\x00\x00\x00\x00\x0an,,n=,r=ab"), []byte("c=biws,r=ab,p=AAAA"))
	f.Add(uint8(SCRAM), []byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"), []byte("n,,n=,r=ab"))
	f.Add(uint8(SCRAM), []byte("SCRAM-SHA-256-PLUS\x00\x00\x00\x00\x1fp=tls-server-end-point,,n=,r=ab"), []byte("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws,r=ab,p=AAAA"))
	f.Add(uint8(SCRAM), []byte("SCRAM-SHA-256\x00\x00\x00\x00\x0ay,,n=,r=ab"), []byte("c=eSws,r=ab,p=AAAA"))
	secret := wire.DeriveSCRAMSecret("a password nobody sends", []byte("salt of 16 bytes"), 1).String()
	var users []usersBy
	for _, method := range []Method{Plain, MD5, SCRAM} {
		users = append(users, mustUsers(f, method, Entry{Name: "ann", Secret: secret}, Entry{Name: "bob", Secret: md5Secret}))
	}
	f.Fuzz(func(t *testing.T, method uint8, first, second []byte) {
		for _, channel := range [][]byte{nil, endPoint} {
			for _, name := range []string{"ann", "bob", "stranger"} {
				x := users[int(method)%len(users)].Begin(name)
				x.Bind(channel)
				x.Start(nil)
				for _, body := range [][]byte{first, second} {
					_, done, err := x.Receive(nil, body)
					if done {
						t.Fatalf("%s is in without the password", name)
					}
					var e *wire.Error
					if err != nil && (!errors.As(err, &e) || e.Severity != "FATAL" || len(e.Code) != 5) {
						t.Fatalf("%v is no FATAL error with an SQLSTATE", err)
					}
				}
			}
		}
	})
}

func TestWhatDerivesKeysIsToldBefore(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("secret", []byte("salt of 16 bytes"), 2).String()
	first := func(x *Exchange) []byte {
		return wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, wire.NewSCRAMClient("secret", wire.SCRAMNonce()).First())[5:]
	}
	for _, c := range []struct {
		method Method
		secret string
		want   bool
	}{
		{Plain, "secret", false}, {Plain, wire.MD5Secret("ann", "secret"), false}, {Plain, scram, true},
		{MD5, "secret", false}, {MD5, wire.MD5Secret("ann", "secret"), false}, {MD5, scram, false},
		{SCRAM, "secret", true}, {SCRAM, scram, false}, {SCRAM, wire.MD5Secret("ann", "secret"), false},
	} {
		u := mustUsers(t, c.method, Entry{Name: "ann", Secret: c.secret})
		x := u.Begin("ann")
		x.Bind(endPoint) // changes nothing
		x.Start(nil)
		if got := x.Derives(); got != c.want {
			t.Errorf("%v, %.10q: %v", c.method, c.secret, got)
		}
		// An unknown user takes the course of a known one who has been in before.
		y := u.Begin("bob")
		y.Start(nil)
		if want := c.want && c.method == Plain; y.Derives() != want {
			t.Errorf("%v, %.10q, unknown user: %v", c.method, c.secret, y.Derives())
		}
		if x.step == stepInitial {
			if _, _, err := x.Receive(nil, first(x)); err != nil {
				t.Error(err)
			}
			if x.Derives() {
				t.Errorf("%v, %.10q: a proof derives nothing", c.method, c.secret)
			}
			x = u.Begin("ann")
			x.Start(nil)
			if x.Derives() {
				t.Errorf("%v, %.10q: derived a second time", c.method, c.secret)
			}
		}
	}
}
