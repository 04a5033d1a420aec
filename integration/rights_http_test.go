package integration

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	readersToken = "reader-0123456789-0123456789"
	adminsToken  = "admin-0123456789-0123456789=="
)

// A caller is somebody who asks over HTTP.
type caller struct {
	token string // "": none
	basic bool   // it comes as a password
	cert  *tls.Certificate
	host  string // of the header Host; "": that of the URL
}

// httpAnswer is what a caller gets.
type httpAnswer struct {
	code   int
	header http.Header
	body   string // of /events, up to the first event of the name wanted
}

// asks asks for a URL, whose certificate is looked at if roots are given. Of
// /events the answer is read until it has the census.
func (c caller) asks(t *testing.T, method, url string, roots *x509.CertPool) httpAnswer {
	t.Helper()
	config := &tls.Config{RootCAs: roots, ServerName: "weir.example"}
	if c.cert != nil {
		// It is shown even if the server asks for one of another authority.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case c.basic:
		req.SetBasicAuth("whoever", c.token)
	case c.token != "":
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Host = c.host
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == 200 && strings.HasSuffix(url, "/events") && method == http.MethodGet {
		return httpAnswer{resp.StatusCode, resp.Header, untilCensus(t, resp.Body)}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return httpAnswer{resp.StatusCode, resp.Header, string(body)}
}

// untilCensus reads events, to the end of the first one with a census.
func untilCensus(t *testing.T, body io.Reader) string {
	t.Helper()
	var all strings.Builder
	for r := bufio.NewReader(body); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no census comes: %v", err)
		}
		all.WriteString(line)
		if strings.HasPrefix(line, `data: {"servers":`) && strings.Contains(line, `"pid"`) {
			return all.String()
		}
	}
}

// pathRights are what each path answers to those who may read. Its keys are what
// the program says, so that a new path needs a row.
var pathRights = map[string]struct {
	open bool // to anybody
	code int
	kind string
}{
	"/": {code: 200, kind: "text/html"}, "/savings": {code: 200, kind: "application/json"}, "/pools": {code: 200, kind: "application/json"},
	"/history": {code: 200, kind: "application/json"}, "/sizing": {code: 200, kind: "application/json"}, "/census": {code: 200, kind: "application/json"},
	"/events": {code: 200, kind: "text/event-stream"}, "/metrics": {code: 200, kind: "text/plain"}, "/metrics/pgbouncer": {code: 200, kind: "text/plain"},
	"/login":   {code: 303, kind: "text/html"},
	"/reload":  {code: 405, kind: "text/plain"}, // POST is another test's
	"/healthz": {open: true, code: 200, kind: "text/plain"}, "/readyz": {open: true, code: 200, kind: "text/plain"},
}

// httpPaths are those that the program has.
func httpPaths(t *testing.T, by caller, base string, roots *x509.CertPool) []string {
	t.Helper()
	a := by.asks(t, http.MethodGet, base+"/no-such-page", roots)
	_, list, _ := strings.Cut(strings.TrimSpace(a.body), "but: ")
	paths := strings.Fields(list)
	if a.code != http.StatusNotFound || len(paths) == 0 {
		t.Fatalf("%d %s", a.code, a.body)
	}
	var known []string
	for path := range pathRights {
		known = append(known, path)
	}
	slices.Sort(known)
	if slices.Sort(paths); !slices.Equal(paths, known) {
		t.Fatalf("there are the paths\n%q\nand rights for\n%q", paths, known)
	}
	return paths
}

// outsideHTTP is a pgweir whose HTTP others can reach, with all that proves who
// asks; roots are those of its certificate.
func outsideHTTP(t *testing.T) (w *weir, ca *authority, roots *x509.CertPool) {
	t.Helper()
	ca = newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	w = startWeir(t, weirOptions{
		Top: `
http_listen = "0.0.0.0:HTTPPORT"
http_tls_cert_file = "http.crt"
http_tls_key_file = "http.key"
http_tls_ca_file = "ca.crt"
http_token_file = "tokens"
http_admin_token_file = "admins"
census_user = "postgres"
census_interval = "200ms"
`,
		Files: map[string]string{"http.crt": cert, "http.key": key, "ca.crt": ca.PEM, "tokens": "# of Prometheus\n" + readersToken + "\n", "admins": adminsToken + "\n"},
	})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca.PEM))
	return w, ca, roots
}

func pairOf(t *testing.T, by *authority, name string) *tls.Certificate {
	t.Helper()
	cert, key := by.Sign(t, name)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// ownAddresses are 127.0.0.1 and, if it has one, another address of this machine.
func ownAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"127.0.0.1"}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return append(out, n.IP.String())
		}
	}
	return out
}

func TestEveryPathOfHTTPHasItsRight(t *testing.T) {
	t.Parallel()
	began := time.Now()
	w, ca, roots := outsideHTTP(t)
	own, other := pairOf(t, ca, "prometheus"), pairOf(t, newAuthority(t, "another"), "prometheus")
	callers := map[string]struct {
		caller
		refused int // 0: may read
	}{
		"nobody":                          {caller{}, 401},
		"an empty token":                  {caller{basic: true}, 401},
		"a wrong token":                   {caller{token: readersToken + "x"}, 401},
		"a reader":                        {caller{token: readersToken}, 0},
		"a reader with a browser":         {caller{token: readersToken, basic: true}, 0},
		"an admin":                        {caller{token: adminsToken}, 0},
		"a certificate":                   {caller{cert: own}, 0},
		"a certificate of others":         {caller{cert: other}, 403},
		"nobody by a name":                {caller{host: "weir.example"}, 401},
		"a reader by a name":              {caller{token: readersToken, host: "weir.example"}, 0},
		"a wrong token and a certificate": {caller{token: readersToken + "x", cert: own}, 401},
	}
	eventually(t, "there is a census", func() bool {
		return caller{token: readersToken}.asks(t, http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(w.HTTPPort)+"/census", roots).code == 200
	})
	for _, address := range ownAddresses(t) {
		base := "https://" + net.JoinHostPort(address, strconv.Itoa(w.HTTPPort))
		for _, path := range httpPaths(t, caller{token: readersToken}, base, roots) {
			want := pathRights[path]
			for name, c := range callers {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					a := c.asks(t, method, base+path, roots)
					code := want.code
					switch {
					case c.refused != 0 && !want.open:
						code = c.refused
					case path == "/login" && c.token == "":
						code = 401 // a certificate is no token
					}
					if a.code != code {
						t.Errorf("%s %s%s by %s: %d, want %d", method, base, path, name, a.code, code)
					}
					if code == want.code && path != "/login" && !strings.HasPrefix(a.header.Get("Content-Type"), want.kind) {
						t.Errorf("%s %s by %s: %s", method, path, name, a.header.Get("Content-Type"))
					}
					if (a.code == 401) != (len(a.header.Values("WWW-Authenticate")) == 2) {
						t.Errorf("%s %s by %s: %v", method, path, name, a.header)
					}
					for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Cross-Origin-Resource-Policy"} {
						if a.header.Get(header) == "" {
							t.Errorf("%s %s by %s: no %s", method, path, name, header)
						}
					}
				}
			}
			if a := (caller{token: adminsToken}).asks(t, http.MethodPost, base+path, roots); path != "/reload" && a.code != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %d", path, a.code)
			}
		}
		if a := (caller{}).asks(t, http.MethodGet, base+"/no-such-page", roots); a.code != 401 || strings.Contains(a.body, "/pools") {
			t.Errorf("nobody is told which pages there are: %d %s", a.code, a.body)
		}
	}
	metrics := caller{token: readersToken}.asks(t, http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(w.HTTPPort)+"/metrics", roots).body
	for _, reason := range []string{"no proof", "wrong token", "wrong certificate"} {
		if strings.Contains(metrics, `pgweir_http_refused_total{reason="`+reason+`"} 0`) || !strings.Contains(metrics, `{reason="`+reason+`"}`) {
			t.Errorf("%s: not counted", reason)
		}
	}
	if n := strings.Count(w.Log(), "HTTP was refused"); n > 1+int(time.Since(began)/time.Minute) {
		t.Errorf("the log tells %d times of refusals", n)
	}
	for _, token := range []string{readersToken, adminsToken} {
		if strings.Contains(w.Log()+metrics, token) {
			t.Error("a token has got out")
		}
	}

	t.Run("without TLS nothing is said", func(t *testing.T) {
		resp, err := http.Get(w.HTTP("/healthz"))
		if err == nil {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s", resp.Status)
			}
		}
	})
	t.Run("HTTP/2 and no old TLS", func(t *testing.T) {
		conn, err := tls.Dial("tcp", w.HTTP("")[len("http://"):], &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("%q is spoken", got)
		}
		conn.Close()
		if conn, err := tls.Dial("tcp", w.HTTP("")[len("http://"):], &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			conn.Close()
			t.Error("TLS 1.1 is spoken")
		}
	})
	t.Run("subcommands", func(t *testing.T) { subcommandsOverTLS(t, w, ca) })
}

// subcommandsOverTLS find the token and the certificate by the configuration, or
// are told of them.
func subcommandsOverTLS(t *testing.T, w *weir, ca *authority) {
	url := "https://" + w.HTTP("")[len("http://"):]
	dir := t.TempDir()
	path := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	caFile, tokens, wrong := path("ca", ca.PEM), path("tokens", readersToken), path("wrong", "wrong-0123456789")
	other := path("other", newAuthority(t, "another").PEM)
	cert, key := ca.Sign(t, "somebody")
	certFile, keyFile := path("crt", cert), path("key", key)
	for _, command := range [][]string{{"census"}, {"top", "-b"}} {
		for _, c := range []struct {
			args []string
			want string // of the error; "" if there is none
		}{
			{[]string{"-c", w.ConfigPath()}, ""},
			{[]string{"--url", url, "--ca-file", caFile, "--token-file", tokens}, ""},
			{[]string{"--url", url, "--ca-file", caFile, "--cert-file", certFile, "--key-file", keyFile}, ""},
			{[]string{"--url", url, "--ca-file", caFile}, "a token is needed"},
			{[]string{"--url", url, "--ca-file", caFile, "--token-file", wrong}, "not among those that are good"},
			{[]string{"-c", w.ConfigPath(), "--token-file", wrong}, "not among those that are good"},
			{[]string{"--url", url, "--token-file", tokens}, "certificate signed by unknown authority"},
			{[]string{"--url", url, "--ca-file", other, "--token-file", tokens}, "certificate signed by unknown authority"},
		} {
			out, code := pgweir(t, append(command, c.args...)...)
			if c.want == "" && (code != 0 || !strings.Contains(out, "checkpointer")) {
				t.Errorf("%s %s: %d\n%s", command, c.args, code, out)
			}
			if c.want != "" && (code == 0 || !strings.Contains(out, c.want)) {
				t.Errorf("%s %s: %d, no %q in\n%s", command, c.args, code, c.want, out)
			}
		}
	}
}

func TestFilesOfHTTPAreTakenWhenTheyChange(t *testing.T) {
	t.Parallel()
	w, ca, roots := outsideHTTP(t)
	base := "https://" + w.HTTP("")[len("http://"):]
	code := func(c caller) int { return c.asks(t, http.MethodGet, base+"/pools", roots).code }
	next := "next-0123456789-0123456789"
	putFile(t, w, "tokens", readersToken+"\n"+next+"\n")
	eventually(t, "the new token is good", func() bool { return code(caller{token: next}) == 200 })
	if got := code(caller{token: readersToken}); got != 200 {
		t.Errorf("the old one beside it: %d", got)
	}
	putFile(t, w, "tokens", next+"\n")
	eventually(t, "the old token is not good any more", func() bool { return code(caller{token: readersToken}) == 401 })
	if got := code(caller{token: next}); got != 200 {
		t.Errorf("the new one: %d", got)
	}

	putFile(t, w, "tokens", "")
	eventually(t, "an empty file is warned of", func() bool {
		return strings.Contains(w.Log(), "the files of HTTP are no good") && strings.Contains(w.Log(), filepath.Join(w.Dir, "tokens")+": no token in it")
	})
	if a, b := code(caller{token: next}), code(caller{}); a != 200 || b != 401 {
		t.Errorf("with an empty file, the token gets %d, and nobody %d", a, b)
	}
	putFile(t, w, "tokens", next+"\n")

	other := newAuthority(t, "another")
	cert, key := ca.Sign(t, "weir.example")
	putFile(t, w, "ca.crt", other.PEM)
	putFile(t, w, "http.crt", cert)
	putFile(t, w, "http.key", key)
	eventually(t, "the other authority's clients come in", func() bool { return code(caller{cert: pairOf(t, other, "x")}) == 200 })
	if got := code(caller{cert: pairOf(t, ca, "x")}); got != 403 {
		t.Errorf("those of the old authority: %d", got)
	}
	// The files may have been looked at when the authority had been put there already,
	// and the certificate not yet.
	eventually(t, "the new certificate is shown", func() bool {
		conn, err := tls.Dial("tcp", w.HTTP("")[len("http://"):], &tls.Config{RootCAs: roots, ServerName: "weir.example"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return len(conn.ConnectionState().PeerCertificates[0].IPAddresses) == 0
	})
	row := rowOf(t, show(t, connect(t, w.Console()), "show certificates"), "setting", "http_tls_cert_file")
	if row["subject"] != "CN=weir.example" {
		t.Errorf("SHOW CERTIFICATES: %v", row)
	}
}

func TestHTTPIsNotServedToOthersByAccident(t *testing.T) {
	t.Parallel()
	const want = `config.toml:2: http_listen: "0.0.0.0:0" can be reached from other machines`
	open := "listen_addr = \"\"\nhttp_listen = \"0.0.0.0:0\"\n"
	if out := startWeirExpectingFailure(t, open); !strings.Contains(out, want) || !strings.Contains(out, "http_token_file") {
		t.Error(out)
	}
	if out, code := pgweir(t, "check", "-c", writeConfig(t, open)); code != 1 || !strings.Contains(out, want) {
		t.Errorf("%d %s", code, out)
	}
	if name, err := os.Hostname(); err == nil {
		// A name is seen to lead outside only when it is looked up.
		at, err := net.LookupIP(name)
		outside := slices.ContainsFunc(at, func(ip net.IP) bool { return !ip.IsLoopback() })
		if err == nil && outside {
			text := "http_listen = \"" + name + ":0\"\n"
			if out, code := pgweir(t, "check", "-c", writeConfig(t, text)); code != 1 || !strings.Contains(out, "config.toml:1: http_listen") {
				t.Errorf("%d %s", code, out)
			}
		}
	}

	w := startWeir(t, weirOptions{Top: "http_listen = \"0.0.0.0:HTTPPORT\"\nhttp_insecure = true\nhttp_hosts = [\"weir.example\"]\n"})
	if !strings.Contains(w.Log(), "HTTP is served to other machines without TLS, or without a proof of who asks (http_insecure)") {
		t.Error("the log says nothing of http_insecure")
	}
	if out, code := pgweir(t, "check", "-c", w.ConfigPath()); code != 0 || !strings.Contains(out, "warning: http_listen: HTTP is served to other machines") {
		t.Errorf("check: %d %s", code, out)
	}
	for _, address := range ownAddresses(t) {
		base := "http://" + net.JoinHostPort(address, strconv.Itoa(w.HTTPPort))
		for host, code := range map[string]int{"": 200, "localhost": 200, "weir.example:80": 200, "evil.example": 403, "127.0.0.1.evil.example": 403} {
			if a := (caller{host: host}).asks(t, http.MethodGet, base+"/pools", nil); a.code != code {
				t.Errorf("%s as %q: %d, want %d", address, host, a.code, code)
			}
			if a := (caller{host: host}).asks(t, http.MethodGet, base+"/healthz", nil); a.code != 200 {
				t.Errorf("/healthz as %q: %d", host, a.code)
			}
		}
	}
}

// TestStatementsAreForAdmins: a literal in statements of a client, under way and
// over, is in nothing that others get.
func TestStatementsAreForAdmins(t *testing.T) {
	t.Parallel()
	const secret = "unmistakable_literal_4711"
	w := startWeir(t, weirOptions{
		Top: `
stats_users = ["looker"]
http_admin_token_file = "admins"
census_user = "postgres"
census_interval = "200ms"
`,
		Tables: "[users.postgres]\n[users.looker]\n",
		Files:  map[string]string{"admins": adminsToken},
		Leaks:  true,
	})
	pinned, shaped, running := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.DSN())
	must(t, pinned, "select pg_advisory_lock(4711), '"+secret+"'")
	done := begin(t, running, "select '"+secret+"' from (select pg_sleep(600)) s")
	admin, looker := connect(t, w.Console()), connect(t, w.Console("user=looker"))
	all := func(sql, column string) string {
		var text strings.Builder
		for _, row := range show(t, admin, sql) {
			text.WriteString(row[column] + "\n")
		}
		return text.String()
	}
	for sql, column := range map[string]string{"show pins": "statement", "show shapes": "statement", "show processes": "query"} {
		eventually(t, "an admin sees it in "+sql, func() bool {
			must(t, shaped, "select '"+secret+"'") // known once the database's objects are
			return strings.Contains(all(sql, column), secret)
		})
	}

	paths := httpPaths(t, caller{}, w.HTTP(""), nil)
	events := caller{token: adminsToken}.asks(t, http.MethodGet, w.HTTP("/events"), nil)
	if !strings.Contains(events.body, secret) {
		t.Errorf("an admin does not see it over HTTP: %d %.300s", events.code, events.body)
	}
	for _, path := range paths {
		for _, p := range []string{path, path + "?server=" + net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port)), path + "?database=" + w.DB + "&user=postgres"} {
			a := caller{}.asks(t, http.MethodGet, w.HTTP(p), nil)
			if strings.Contains(a.body, secret) {
				t.Errorf("%s shows it to whoever asks", p)
			}
			if path == "/events" && p == path && !strings.Contains(a.body, `\u003cinsufficient privilege\u003e`) {
				t.Errorf("nothing stands for it: %.300s", a.body)
			}
			if path == "/events" {
				break
			}
		}
	}
	seen := 0
	for _, command := range consoleCommands(t, w.Console("user=looker")) {
		if !strings.HasPrefix(command, "SHOW ") || command == "SHOW FDS" {
			continue
		}
		text := fmt.Sprint(show(t, looker, command))
		if strings.Contains(text, secret) {
			t.Errorf("%s shows it to a stats user", command)
		}
		if strings.Contains(text, "<insufficient privilege>") {
			seen++
		}
	}
	if seen != 3 {
		t.Errorf("%d tables have something hidden, want 3", seen)
	}
	must(t, admin, "kill_client "+rowOf(t, show(t, admin, "show processes"), "query", "select '"+secret+"' from (select pg_sleep(600)) s")["client_id"])
	_ = finished(t, done, time.Minute)
}
