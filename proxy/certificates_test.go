package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgweir/config"
	"pgweir/status"
	"pgweir/wire"
)

// newPair is a certificate of this name and its key, as PEM.
func newPair(t *testing.T, name string, until time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// renewed is a renewal of files in a folder.
type renewed struct {
	t   *testing.T
	dir string
	p   *Proxy
	r   *renewal
	log *bytes.Buffer
}

func newRenewed(t *testing.T, files map[string]string) *renewed {
	t.Helper()
	x := &renewed{t: t, dir: t.TempDir(), log: new(bytes.Buffer)}
	for name, text := range files {
		x.write(name, text)
	}
	c, err := config.Parse(filepath.Join(x.dir, "config.toml"),
		[]byte("client_tls_cert_file = 'weir.crt'\nclient_tls_key_file = 'weir.key'\nclient_tls_ca_file = 'ca.crt'\n"))
	if err != nil {
		t.Fatal(err)
	}
	x.p = &Proxy{log: slog.New(slog.NewTextHandler(x.log, nil))}
	rules, err := x.p.newRules(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.r = &renewal{rules: rules}
	return x
}

func (x *renewed) write(name, text string) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// looks looks several times, and tells at which of them new files were taken, from
// 1; 0 for at none.
func (x *renewed) looks() (taken int) {
	for n := 1; n <= 4; n++ {
		if x.r.look(x.p) {
			taken = n
		}
	}
	return taken
}

func (x *renewed) shown() string {
	return x.r.rules.tls.shown.Load().certificate.Leaf.Subject.CommonName
}

func (x *renewed) warnings() int { return strings.Count(x.log.String(), "level=WARN") }

func TestNewCertificatesAreTakenWhenTheyAreWhole(t *testing.T) {
	until := time.Now().Add(time.Hour)
	cert, key := newPair(t, "old", until)
	ca, _ := newPair(t, "the authority", until)
	x := newRenewed(t, map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca})
	if n := x.looks(); n != 0 || x.shown() != "old" || x.log.Len() != 0 {
		t.Fatalf("what is in force was taken at look %d: %s", n, x.log)
	}
	old := x.r.rules.tls.shown.Load()

	cert, key = newPair(t, "new", until)
	x.write("weir.crt", cert)
	if n := x.looks(); n != 0 || x.shown() != "old" || x.warnings() != 1 {
		t.Errorf("a certificate without its key: taken at look %d, %d warnings", n, x.warnings())
	}
	x.write("weir.key", key)
	if n := x.looks(); n != 2 || x.shown() != "new" || x.warnings() != 1 {
		t.Errorf("both are there: taken at look %d, %s is shown, %d warnings", n, x.shown(), x.warnings())
	}
	s := x.r.rules.tls.shown.Load()
	if want, err := wire.ServerEndPoint(s.certificate.Leaf); err != nil || !bytes.Equal(s.endPoint, want) || bytes.Equal(s.endPoint, old.endPoint) {
		t.Error("the binding is not that of the certificate that is shown")
	}

	ca, _ = newPair(t, "another authority", until)
	x.write("ca.crt", ca)
	if n := x.looks(); n != 2 || x.r.rules.tls.shown.Load().roots.Equal(s.roots) {
		t.Errorf("a new authority was taken at look %d", n)
	}
	x.write("ca.crt", "nothing")
	if n := x.looks(); n != 0 || x.warnings() != 2 {
		t.Errorf("no authority: taken at look %d, %d warnings", n, x.warnings())
	}
	if err := os.Remove(filepath.Join(x.dir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	if n := x.looks(); n != 0 || x.warnings() != 3 || !strings.Contains(x.log.String(), "ca.crt: no such file") {
		t.Errorf("no file: taken at look %d, %d warnings: %s", n, x.warnings(), x.log)
	}
	x.write("ca.crt", ca)
	if n := x.looks(); n != 0 || x.warnings() != 3 {
		t.Errorf("what is in force is back: taken at look %d, %d warnings", n, x.warnings())
	}
}

// TestFilesThatChangeAtEveryLookAreLeftAlone: somebody is writing them.
func TestFilesThatChangeAtEveryLookAreLeftAlone(t *testing.T) {
	until := time.Now().Add(time.Hour)
	cert, key := newPair(t, "old", until)
	x := newRenewed(t, map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": cert})
	x.looks()
	next, _ := newPair(t, "new", until)
	for i := range len(next) / 100 {
		x.write("weir.crt", next[:100*i])
		if x.r.look(x.p) {
			t.Fatalf("%d bytes were taken", 100*i)
		}
	}
	if x.log.Len() != 0 {
		t.Errorf("said: %s", x.log)
	}
}

func TestEachStageOfAnExpiryIsWarnedOfOnce(t *testing.T) {
	end := time.Now().Add(100 * 24 * time.Hour)
	cert, key := newPair(t, "weir", end)
	x := newRenewed(t, map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": cert})
	stages := map[string]config.Stage{}
	for _, c := range []struct {
		left time.Duration
		want int // warnings until then: of two files each
		how  status.Severity
	}{
		{31 * 24 * time.Hour, 0, ""}, {29 * 24 * time.Hour, 2, status.Info}, {28 * 24 * time.Hour, 2, status.Info}, {6 * 24 * time.Hour, 4, status.Warning},
		{time.Hour, 6, status.Critical}, {-time.Hour, 8, status.Critical}, {-2 * time.Hour, 8, status.Critical},
	} {
		x.p.noteExpiries(x.r.rules.config, stages, end.Add(-c.left))
		if n := x.warnings(); n != c.want {
			t.Errorf("%v before the end: %d warnings, want %d\n%s", c.left, n, c.want, x.log)
		}
		s := &status.Snapshot{}
		x.p.fillCertificates(s)
		if c.how == "" && len(s.Findings) != 0 || c.how != "" && (len(s.Findings) != 1 || s.Findings[0].Severity != c.how || !s.Findings[0].Since.Equal(end.Add(-29*24*time.Hour))) {
			t.Errorf("%v before the end, want %q: %+v", c.left, c.how, s.Findings)
		}
	}
	s := &status.Snapshot{}
	x.p.fillCertificates(s)
	list := s.Certificates
	if len(list) != 2 || list[0].Setting != "client_tls_cert_file" || list[0].Subject != "CN=weir" || !list[1].Expires.Equal(end.Truncate(time.Second)) {
		t.Errorf("%+v", list)
	}
}

// TestDirectTLSNeedsTheProtocolsName, as in PostgreSQL; TLS that was asked for
// does not.
func TestDirectTLSNeedsTheProtocolsName(t *testing.T) {
	cert, key := newPair(t, "weir", time.Now().Add(time.Hour))
	x := newRenewed(t, map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": cert})
	s := x.r.rules.tls.shown.Load()
	for _, c := range []struct {
		config  *tls.Config
		offered []string
		want    string // in the client's error, "" for none
	}{
		{s.requested, nil, ""},
		{s.requested, []string{"postgresql"}, ""},
		{s.requested, []string{"h2"}, "no application protocol"},
		{s.direct, []string{"h2", "postgresql"}, ""},
		{s.direct, []string{"h2"}, "no application protocol"},
		{s.direct, nil, "no application protocol"},
	} {
		a, b := ends(t)
		shaken := make(chan error, 1)
		go func() {
			_, err := newHandshakes(1).shake(a, nil, c.config)
			shaken <- err
		}()
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true, NextProtos: c.offered})
		err := client.Handshake()
		if c.want == "" {
			go client.Read(make([]byte, 1)) // the session tickets
		}
		if serverErr := <-shaken; (serverErr == nil) != (c.want == "") {
			t.Errorf("%v: the server says %v", c.offered, serverErr)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.offered, err, c.want)
		}
		b.Close()
	}
}
