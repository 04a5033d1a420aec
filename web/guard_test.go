package web

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var (
	readersToken = strings.Repeat("r", 20)
	adminsToken  = strings.Repeat("a", 20)
)

func digests(tokens ...string) (out [][sha256.Size]byte) {
	for _, t := range tokens {
		out = append(out, sha256.Sum256([]byte(t)))
	}
	return out
}

// signed makes a certificate; without an authority it is one itself.
func signed(t *testing.T, by *x509.Certificate, byKey *ecdsa.PrivateKey, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "somebody"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		by, byKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestWhoMaySeeWhat(t *testing.T) {
	later := time.Now().Add(time.Hour)
	ca, caKey := signed(t, nil, nil, later)
	other, otherKey := signed(t, nil, nil, later)
	mine, _ := signed(t, ca, caKey, later)
	expired, _ := signed(t, ca, caKey, time.Now().Add(-time.Minute))
	strange, _ := signed(t, other, otherKey, later)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	shown := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
	}

	open := Access{Open: true, Hosts: []string{"Weir.Example"}}
	openWithAdmins := Access{Open: true, Keys: Keys{Admins: digests(adminsToken)}}
	tokens := Access{Keys: Keys{Readers: digests(readersToken, "the next token of readers"), Admins: digests(adminsToken)}}
	certificates := Access{Keys: Keys{Roots: roots}}
	both := Access{Keys: Keys{Readers: digests(readersToken), Roots: roots}}
	closed := Access{}
	for name, c := range map[string]struct {
		access Access
		host   string // "" is 127.0.0.1
		header string
		tls    *tls.ConnectionState
		may    Rights
		why    refusal
	}{
		"nobody where all may read":        {access: open, may: Figures},
		"by another address":               {access: open, host: "[fe80::1]:9127", may: Figures},
		"as localhost":                     {access: open, host: "LocalHost:9127", may: Figures},
		"by its name":                      {access: open, host: "weir.example.:9127", may: Figures},
		"by the name of another":           {access: open, host: "evil.example:9127", why: wrongHost},
		"by a name that begins like it":    {access: open, host: "localhost.evil.example", why: wrongHost},
		"by a name that ends like it":      {access: open, host: "evil-weir.example", why: wrongHost},
		"with a blank for a name":          {access: open, host: " ", why: wrongHost},
		"with a token that nobody needs":   {access: open, header: "Bearer " + readersToken, may: Figures},
		"nobody where admins have tokens":  {access: openWithAdmins, may: Figures},
		"an admin where all may read":      {access: openWithAdmins, header: "Bearer " + adminsToken, may: Statements},
		"a wrong token where all may read": {access: openWithAdmins, header: "Bearer " + readersToken, why: wrongToken},

		"nobody where tokens are needed":     {access: tokens, why: noProof},
		"a reader":                           {access: tokens, header: "Bearer " + readersToken, may: Figures},
		"the second one":                     {access: tokens, header: "bearer the next token of readers", may: Figures},
		"a reader by another's name":         {access: tokens, host: "evil.example", header: "Bearer " + readersToken, may: Figures},
		"an admin":                           {access: tokens, header: "Bearer " + adminsToken, may: Statements},
		"an admin as browsers do it":         {access: tokens, header: "Basic " + basic("me", adminsToken), may: Statements},
		"a token as the user":                {access: tokens, header: "Basic " + basic(adminsToken, ""), why: wrongToken},
		"a wrong token":                      {access: tokens, header: "Bearer " + readersToken[1:], why: wrongToken},
		"an empty one":                       {access: tokens, header: "Bearer ", why: wrongToken},
		"another scheme":                     {access: tokens, header: "Digest " + readersToken, why: noProof},
		"a token alone":                      {access: tokens, header: readersToken, why: noProof},
		"a certificate nobody asks for":      {access: tokens, tls: shown(mine), why: noProof},
		"nobody where certificates are":      {access: certificates, tls: &tls.ConnectionState{}, why: noProof},
		"a certificate":                      {access: certificates, tls: shown(mine), may: Figures},
		"one that has expired":               {access: certificates, tls: shown(expired), why: wrongCertificate},
		"one of another authority":           {access: certificates, tls: shown(strange), why: wrongCertificate},
		"a token where certificates are":     {access: certificates, header: "Bearer " + readersToken, why: noProof},
		"a certificate where both are":       {access: both, tls: shown(mine), may: Figures},
		"a token where both are":             {access: both, header: "Bearer " + readersToken, may: Figures},
		"a wrong token beside a certificate": {access: both, header: "Bearer wrong", tls: shown(mine), why: wrongToken},
		"nobody where nobody may":            {access: closed, why: noProof},
		"whoever shows anything":             {access: closed, header: "Bearer " + readersToken, tls: shown(mine), why: noProof},
	} {
		r := httptest.NewRequest(http.MethodGet, "/pools", nil)
		if r.Host = c.host; c.host == "" {
			r.Host = "127.0.0.1:9127"
		}
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		r.TLS = c.tls
		if may, why := NewGuard(c.access).judge(r); may != c.may || why != c.why {
			t.Errorf("%s: %d %q, want %d %q", name, may, why, c.may, c.why)
		}
	}
}

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// answerTo asks a guarded handler.
func answerTo(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestStatementsAreForAdmins(t *testing.T) {
	const secret = "an unmistakable literal"
	m := madeUp()
	for i := range m.s.Censuses[0].Processes {
		m.s.Censuses[0].Processes[i].Query = "select '" + secret + "'"
	}
	h := Handler(m, "0.1.0", NewGuard(Access{Keys: Keys{Readers: digests(readersToken), Admins: digests(adminsToken)}}))
	for _, path := range []string{"/", "/savings", "/pools", "/history", "/sizing", "/census", "/metrics", "/metrics/pgbouncer", "/readyz", "/nothing"} {
		if body := answerTo(h, path, readersToken).Body.String(); strings.Contains(body, secret) {
			t.Errorf("%s shows a statement to those who may only read", path)
		}
	}
	// Of all of these only the events have statements; they come from the same source.
	for may, src := range map[Rights]Source{Statements: m, Figures: &reader{Source: m}} {
		text := string(message("census", censusOf(src.Snapshot(0).Censuses)))
		if strings.Contains(text, secret) != (may == Statements) {
			t.Errorf("with the right %d: %.300s", may, text)
		}
		if may == Figures && !strings.Contains(text, "insufficient privilege") {
			t.Errorf("nothing stands for the statements: %.300s", text)
		}
	}
	r := &reader{Source: m}
	if first, second := r.Snapshot(0).Censuses, r.Censuses(); first[0] != second[0] || first[0] == m.s.Censuses[0] {
		t.Error("the same census is another one when it is asked for again: the page would be sent all of it each second")
	}
}

func TestRefusalsSayWhatIsNeeded(t *testing.T) {
	var log bytes.Buffer
	access := Access{Keys: Keys{Readers: digests(readersToken)}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	guard := NewGuard(access)
	s := fixture()
	s.Ready, s.NotReady = false, "db.internal:5432 says no"
	h := Handler(fixed{s}, "0.1.0", guard)

	none := answerTo(h, "/pools", "")
	if got := none.Header().Values("WWW-Authenticate"); none.Code != http.StatusUnauthorized || len(got) != 2 || !strings.HasPrefix(got[0], "Bearer ") || !strings.HasPrefix(got[1], "Basic ") {
		t.Errorf("%d %v", none.Code, got)
	}
	for range 100 {
		wrong := answerTo(h, "/pools", "wrong-wrong-wrong-wrong")
		if got := wrong.Header().Get("WWW-Authenticate"); wrong.Code != http.StatusUnauthorized || !strings.Contains(got, "invalid_token") {
			t.Fatalf("%d %v", wrong.Code, got)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || strings.Contains(log.String(), "wrong-wrong") || !strings.Contains(log.String(), `reason="wrong token"`) {
		t.Errorf("the log has %d lines:\n%s", n, log.String())
	}
	guard.refusals.note(wrongHost, "x", time.Now().Add(2*tellEvery))
	if !strings.Contains(log.String(), "unreported=99") {
		t.Errorf("the log does not say how many there were:\n%s", log.String())
	}
	if a, b := guard.refusals.of(noProof), guard.refusals.of(wrongToken); a != 1 || b != 100 {
		t.Errorf("counted %d and %d", a, b)
	}
	// The health checks answer everybody, and say no more than that.
	if w := answerTo(h, "/healthz", "wrong"); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := answerTo(h, "/readyz", ""); w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := answerTo(h, "/readyz", readersToken); w.Body.String() != "not ready: db.internal:5432 says no\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Keys that are taken hold at once.
	next := access.Keys
	next.Readers = digests("the next token of readers")
	guard.Take(next)
	if a, b := answerTo(h, "/pools", readersToken).Code, answerTo(h, "/pools", "the next token of readers").Code; a != 401 || b != 200 {
		t.Errorf("the old token %d, the new one %d", a, b)
	}
}

func TestStrangersCannotHaveSnapshotsTakenAtWill(t *testing.T) {
	src := &counting{fixed: fixed{fixture()}}
	r := &readiness{src: src}
	now := time.Now()
	for i := range 100 {
		if !r.look(now.Add(time.Duration(i) * readyEvery / 50)) {
			t.Fatal("not ready")
		}
	}
	src.s.Ready = false
	if src.reads != 2 || r.look(now.Add(3*readyEvery)) {
		t.Errorf("%d snapshots were taken", src.reads)
	}
}

func TestLoginAsksForATokenWhereNoneIsNeeded(t *testing.T) {
	h := Handler(fixed{fixture()}, "0.1.0", NewGuard(Access{Open: true, Hosts: []string{"*"}, Keys: Keys{Admins: digests(adminsToken)}}))
	if w := answerTo(h, "/login", ""); w.Code != http.StatusUnauthorized || len(w.Header().Values("WWW-Authenticate")) != 2 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := answerTo(h, "/login", "wrong"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
	if w := answerTo(h, "/login", adminsToken); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	h = Handler(fixed{fixture()}, "0.1.0", everybody())
	if w := answerTo(h, "/login", ""); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "http_admin_token_file") {
		t.Errorf("without any tokens: %d %s", w.Code, w.Body)
	}
}
