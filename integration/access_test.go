package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// accessLines is a pg_hba.conf with a line of each kind; %s is the test's database.
const accessLines = `# who comes how
local    all   access_peer                                   peer map=os
local    all   access_stranger                               peer
local    all   postgres                                      trust
host     all   access_banned    127.0.0.1/32                 reject
hostssl  all   access_cert      127.0.0.1/32                 cert map=names
hostssl  all   access_both      samehost                     scram-sha-256 clientcert=verify-full
host     all   access_both      samehost                     reject
hostnossl %[1]q access_plain    127.0.0.0  255.0.0.0         password
host     all   access_md5       127.0.0.1/32                 md5
host     all   access_named     localhost                    scram-sha-256
host     all   access_elsewhere 10.0.0.0/8                   trust
include  more.conf
`

func startAccess(t *testing.T) (w *weir, ca *authority) {
	t.Helper()
	for _, name := range []string{"peer", "stranger", "banned", "cert", "both", "plain", "md5", "named", "elsewhere", "more"} {
		createRole(t, "access_"+name)
	}
	ca = newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	db := createDatabase(t, shared)
	var users strings.Builder
	for _, name := range []string{"peer", "stranger", "banned", "cert", "both", "plain", "md5", "named", "elsewhere", "more"} {
		fmt.Fprintf(&users, "[users.access_%s]\npassword = \"geheim\"\n", name)
	}
	w = startWeir(t, weirOptions{
		DB: db,
		Top: `auth_type = "hba"
auth_hba_file = "hba.conf"
auth_ident_file = "ident.conf"
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
client_tls_ca_file = "ca.crt"
`,
		Tables: users.String(),
		Files: map[string]string{
			"hba.conf":   fmt.Sprintf(accessLines, db),
			"more.conf":  "host all access_more all scram-sha-256\n",
			"ident.conf": "os /^.+$ access_peer\nnames \"The Client\" access_cert\n",
			"weir.crt":   cert, "weir.key": key, "ca.crt": ca.PEM,
		},
	})
	return w, ca
}

// certified are the parameters with which psql shows a certificate of this name.
func certified(t *testing.T, ca *authority, name string) []string {
	t.Helper()
	cert, key := ca.Sign(t, name)
	dir := t.TempDir()
	for file, text := range map[string]string{"client.crt": cert, "client.key": key} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"sslmode=require", "sslcert=" + dir + "/client.crt", "sslkey=" + dir + "/client.key"}
}

func TestLinesOfPgHbaSayHowAClientIsLetIn(t *testing.T) {
	t.Parallel()
	w, ca := startAccess(t)
	local := "host=" + w.Dir
	noTLS, withTLS := "sslmode=disable", "sslmode=require"
	const in, refused = "", "password authentication failed"
	for _, c := range []struct {
		user, want string
		dsn        []string
	}{
		{"access_peer", in, []string{local}},
		{"access_stranger", "Peer authentication failed for user", []string{local}},
		{"access_peer", refused, []string{noTLS, "password=geheim"}},
		{"access_banned", refused, []string{noTLS, "password=geheim"}},
		{"access_cert", in, certified(t, ca, "The Client")},
		{"access_cert", "certificate authentication failed for user", certified(t, ca, "Another")},
		{"access_cert", "connection requires a valid client certificate", []string{withTLS, "sslcert=none"}},
		{"access_cert", refused, []string{noTLS, "password=geheim"}},
		{"access_both", in, append(certified(t, ca, "access_both"), "password=geheim")},
		{"access_both", refused, append(certified(t, ca, "access_both"), "password=wrong")},
		{"access_both", "certificate authentication failed for user", append(certified(t, ca, "other"), "password=geheim")},
		{"access_both", refused, []string{noTLS, "password=geheim"}},
		{"access_plain", in, []string{noTLS, "password=geheim"}},
		{"access_plain", refused, []string{noTLS, "password=wrong"}},
		{"access_plain", refused, []string{withTLS, "sslcert=none", "password=geheim"}},
		{"access_md5", in, []string{withTLS, "sslcert=none", "password=geheim"}},
		{"access_named", in, []string{noTLS, "password=geheim", "require_auth=scram-sha-256"}},
		{"access_elsewhere", refused, []string{noTLS, "password=geheim"}},
		{"access_more", in, []string{noTLS, "password=geheim"}},
		{"access_nobody", refused, []string{noTLS, "password=geheim"}},
	} {
		if strings.Contains(strings.Join(c.dsn, " "), "require_auth") && !psqlKnows(t, "require_auth") {
			t.Log("psql's libpq knows no require_auth: it is left out that SCRAM is asked for")
			c.dsn = c.dsn[:len(c.dsn)-1]
		}
		out, err := tryPsql(t, w.DSN(append([]string{"user=" + c.user}, c.dsn...)...), "select current_user")
		if want := c.want; want == in && (err != nil || out != c.user) || want != in && (err == nil || !strings.Contains(out, want)) {
			t.Errorf("%s with %v: %v, %s\nwant %q", c.user, c.dsn, err, out, want)
		}
	}
	eventually(t, "the log has the reasons", func() bool {
		for _, reason := range []string{"hba.conf:5", "no line of auth_hba_file applies", "hba.conf:3: the operating system's user is", "hba.conf:6"} {
			if !strings.Contains(w.Log(), reason) {
				return false
			}
		}
		return true
	})
}

// TestARefusedClientSeesNoDifference: one for which no line is, one whose line is a
// reject, and an unknown one see, byte for byte, what a wrong password would.
func TestARefusedClientSeesNoDifference(t *testing.T) {
	t.Parallel()
	for kind, secret := range map[string]string{"plain": "geheim", "scram": scramSecret(t, "geheim")} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			users := ""
			for _, name := range []string{"right", "banny", "noone"} {
				users += fmt.Sprintf("[users.%s]\npassword = %q\n", name, secret)
			}
			w := startWeir(t, weirOptions{
				Top:    "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"",
				Tables: users,
				Files:  map[string]string{"hba.conf": "host all right all md5\nhost all banny all reject\n"},
			})
			want := loginBytes(t, w.DSN("user=right", "password=wrong"))
			if !strings.Contains(want, "28P01") {
				t.Fatalf("no 28P01:\n%s", want)
			}
			for _, user := range []string{"banny", "noone", "nobod"} {
				for _, password := range []string{"geheim", "wrong"} {
					got := strings.ReplaceAll(loginBytes(t, w.DSN("user="+user, "password="+password)), user, "right")
					if got != want {
						t.Errorf("a wrong password gets\n%s%s gets\n%s", want, user, got)
					}
				}
			}
		})
	}
}

func TestAReloadTakesNewLinesAndRefusesBadOnes(t *testing.T) {
	t.Parallel()
	w, _ := startAccess(t)
	login := func(user string) error {
		return tryLogin(t, w.DSN("user="+user, "password=geheim", "sslmode=disable"))
	}
	write := func(lines string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.Dir, "hba.conf"), []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("host all access_banned all md5\nlocal all postgres trust\n")
	reloadBySignal(t, w)
	if err := login("access_banned"); err != nil {
		t.Error(err)
	}
	if err := login("access_more"); err == nil {
		t.Error("a line that is gone still lets in")
	}
	write("host all all all trusted\nhostssl all all all cert map=nowhere\n")
	out, code := pgweir(t, "check", "-c", w.ConfigPath())
	if code != 1 || !strings.Contains(out, `hba.conf:1: invalid authentication method "trusted"`) {
		t.Errorf("check says %d, %s", code, out)
	}
	conn := connect(t, w.Console("user=postgres", "host="+w.Dir))
	if _, err := conn.Exec(t.Context(), "RELOAD"); err == nil || !strings.Contains(err.Error(), "hba.conf:1") {
		t.Errorf("RELOAD says %v", err)
	}
	if err := login("access_banned"); err != nil {
		t.Errorf("a bad file has changed something: %v", err)
	}
}

func TestCheckSaysWhichLineIsAClients(t *testing.T) {
	t.Parallel()
	w, _ := startAccess(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--as", "access_plain", "--database", w.DB, "--from", "127.0.0.1"}, []string{"hba.conf:5:", "does not apply", "hba.conf:9:", "applies: ", "password"}},
		{[]string{"--as", "access_plain", "--database", w.DB, "--from", "127.0.0.1", "--tls"}, []string{"this one has it", "No line applies: the client is refused."}},
		{[]string{"--as", "access_peer"}, []string{"hba.conf:2:", "peer"}},
		{[]string{"--as", "access_cert", "--from", "127.0.0.1", "--tls"}, []string{"hba.conf:6:", "cert"}},
		{[]string{"--as", "access_elsewhere", "--from", "10.2.3.4"}, []string{"hba.conf:12:", "applies: ", "trust"}},
	} {
		out, code := pgweir(t, append([]string{"check", "-c", w.ConfigPath()}, c.args...)...)
		for _, want := range c.want {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%v: %d, no %q in\n%s", c.args, code, want, out)
			}
		}
	}
	for flag, args := range map[string][]string{
		`neither an IP address nor "local"`: {"--as", "a", "--from", "somewhere"},
		"there is no TLS over a Unix":       {"--as", "a", "--tls"},
		"name it with --as USER":            {"--from", "10.0.0.1"},
	} {
		if out, code := pgweir(t, append([]string{"check", "-c", w.ConfigPath()}, args...)...); code != 1 || !strings.Contains(out, flag) {
			t.Errorf("%v: %d, %s", args, code, out)
		}
	}
}
