package integration

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func md5Secret(user, password string) string {
	sum := md5.Sum([]byte(password + user))
	return "md5" + hex.EncodeToString(sum[:])
}

func scramSecret(t *testing.T, password string) string {
	t.Helper()
	salt := []byte("a salt of 16 oct")
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$4096:%s$%s:%s", b64(salt), b64(stored[:]), b64(mac("Server Key")))
}

// codeOf is the SQLSTATE of an error, "" for none.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatalf("not an error of the server's: %v", err)
	}
	return e.Code
}

// tryLogin logs in, asks for its name and leaves.
func tryLogin(t *testing.T, dsn string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.PgConn().Exec(t.Context(), "select current_user").ReadAll()
	return err
}

func TestClientsLogInWithEveryMethodAndSecret(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"in_plain", "in_md5", "in_scram", "in_file", "in_none"} {
		createRole(t, role)
	}
	const password = "pässwörd with 'quotes' and \\"
	quoted := `password='pässwörd with \'quotes\' and \\'`
	users := fmt.Sprintf("[users.in_plain]\npassword = %q\n[users.in_md5]\npassword = %q\n[users.in_scram]\npassword = %q\n[users.in_none]\n",
		password, md5Secret("in_md5", password), scramSecret(t, password))
	file := fmt.Sprintf("\"in_file\" %q\n", md5Secret("in_file", password))
	asks := map[string]string{"password": "cleartext", "md5": "md5", "scram-sha-256": "scram", "trust": "ok", "plain": "cleartext"}
	for method, asked := range asks {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{
				Top:    fmt.Sprintf("auth_type = %q\nauth_file = \"userlist.txt\"\nadmin_users = [\"in_plain\"]", method),
				Tables: users, Files: map[string]string{"userlist.txt": file},
			})
			for _, user := range []string{"in_plain", "in_md5", "in_scram", "in_file", "in_none", "in_nothing"} {
				t.Run(user, func(t *testing.T) {
					right, wrong, none := "", "28P01", "28P01"
					want := asked
					switch {
					case method == "trust":
						wrong, none = "", ""
						if user == "in_nothing" { // the server says so
							right, wrong, none = "28000", "28000", "28000"
						}
					case user == "in_nothing", user == "in_none":
						right = "28P01"
					case method == "scram-sha-256" && (user == "in_md5" || user == "in_file"):
						right = "28P01" // it cannot be done with an MD5 secret
					case method == "md5" && user == "in_scram":
						want = "scram"
					}
					for _, c := range []struct{ password, code string }{{quoted, right}, {"password=wrong", wrong}, {"password=''", none}} {
						err := tryLogin(t, w.DSN("user="+user, c.password))
						if got := codeOf(t, err); got != c.code {
							t.Errorf("with %s: %v, want %q", c.password, err, c.code)
						}
					}
					// In md5 some users are asked for SCRAM, and so may one without a
					// secret be, known or not: which it is depends on a random key.
					unknown := user == "in_nothing" || user == "in_none"
					if got := methodAsked(t, w, user); got != want && !(method == "md5" && unknown && got == "scram") {
						t.Errorf("asked for %s, want %s", got, want)
					}
				})
			}
			if method != "trust" && strings.Contains(w.Log(), "pässwörd") {
				t.Error("the password is in the log")
			}
		})
	}
}

// createRole makes a role on the shared server, which nobody drops.
func createRole(t *testing.T, name string) {
	t.Helper()
	databases.Lock()
	defer databases.Unlock()
	execSQL(t, shared.DSN("postgres"), fmt.Sprintf(
		"do $$ begin if to_regrole('%[1]s') is null then create role %[1]s login; end if; end $$", name))
}

// methodAsked tells what pgweir wants of a user first.
func methodAsked(t *testing.T, w *weir, user string) string {
	t.Helper()
	c := rawDial(t, w.Addr())
	c.Say(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": w.DB}})
	defer c.net.Close()
	switch m := c.Next(t).(type) {
	case *pgproto3.AuthenticationOk:
		return "ok"
	case *pgproto3.AuthenticationCleartextPassword:
		return "cleartext"
	case *pgproto3.AuthenticationMD5Password:
		return "md5"
	case *pgproto3.AuthenticationSASL:
		return "scram"
	case *pgproto3.ErrorResponse:
		return "error"
	default:
		return fmt.Sprintf("%T", m)
	}
}

// recorder keeps what comes over a connection.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	seen bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Write(p[:n])
	return n, err
}

// loginBytes logs in and gives the frames that came, with salts and nonces blanked.
func loginBytes(t *testing.T, dsn string) string {
	t.Helper()
	frames, _ := loginFrom(t, dsn, nil)
	return frames
}

// loginFrom is loginBytes from an address, which may be nil, with the salt and the
// iteration count of SCRAM, "" if there were none.
func loginFrom(t *testing.T, dsn string, from net.Addr) (frames, salt string) {
	t.Helper()
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var rec *recorder
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, addr)
		rec = &recorder{Conn: conn}
		return rec, err
	}
	if conn, err := pgconn.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("was let in")
	} else if rec == nil || rec.Conn == nil {
		t.Fatal(err)
	}
	var out strings.Builder
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for b := rec.seen.Bytes(); len(b) > 0; {
		n := int(binary.BigEndian.Uint32(b[1:])) + 1
		body := bytes.Clone(b[5:n])
		if b[0] == 'R' {
			switch binary.BigEndian.Uint32(body) {
			case 5:
				clear(body[4:]) // the salt
			case 11:
				// r=nonce,s=salt,i=iterations
				parts := strings.Split(string(body[4:]), ",")
				salt = parts[1] + "," + parts[2]
				body = fmt.Appendf(nil, "%d %d %s", len(parts[0]), len(parts[1]), parts[2])
			}
		}
		fmt.Fprintf(&out, "%c %d %q\n", b[0], n, body)
		b = b[n:]
	}
	return out.String(), salt
}

func TestAnUnknownUserCannotBeToldFromAWrongPassword(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		for kind, secret := range map[string]string{"plain": "secret", "scram": scramSecret(t, "secret")} {
			if method == "md5" && kind == "scram" {
				continue // such users are asked for SCRAM, as PostgreSQL does
			}
			t.Run(method+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: fmt.Sprintf("auth_type = %q", method), Tables: fmt.Sprintf("[users.known]\npassword = %q\n[users.other]", secret)})
				known := loginBytes(t, w.DSN("user=known", "password=wrong"))
				for _, user := range []string{"stran", "nobod", "other"} { // of equal length; the last has no secret
					stranger := loginBytes(t, w.DSN("user="+user, "password=wrong"))
					if got := strings.ReplaceAll(stranger, user, "known"); got != known {
						t.Errorf("a known user gets\n%s%s gets\n%s", known, user, stranger)
					}
				}
				if !strings.Contains(known, "28P01") {
					t.Errorf("no 28P01:\n%s", known)
				}
			})
		}
	}
}

func TestTheSaltOfAnUnknownUserStaysTheSame(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `auth_type = "scram-sha-256"`})
	salt := func(user string) string {
		c := rawDial(t, w.Addr())
		c.Say(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": w.DB}})
		if _, ok := c.Next(t).(*pgproto3.AuthenticationSASL); !ok {
			t.Fatal("not asked for SCRAM")
		}
		c.Say(t, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abcdefghijklmnop")})
		m, ok := c.Next(t).(*pgproto3.AuthenticationSASLContinue)
		if !ok {
			t.Fatal("no server-first message")
		}
		return strings.Split(string(m.Data), ",")[1]
	}
	if one, two := salt("stranger"), salt("stranger"); one != two {
		t.Errorf("%s, then %s", one, two)
	}
	if one, two := salt("stranger"), salt("another"); one == two {
		t.Error("all unknown users have one salt")
	}
}
