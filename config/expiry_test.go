package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// expiring are certificates in PEM form that expire at these times, called after
// their places.
func expiring(t *testing.T, at ...time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, end := range at {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end, Subject: pkix.Name{CommonName: string(rune('a' + i))}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return text.String()
}

func TestTheCertificateThatMattersIsFound(t *testing.T) {
	now := time.Now()
	in := func(days int) time.Time { return now.Add(time.Duration(days) * day) }
	path := filepath.Join(t.TempDir(), "some.crt")
	for _, c := range []struct {
		at           []time.Time
		chain, roots string
	}{
		{[]time.Time{in(5)}, "CN=a", "CN=a"},
		{[]time.Time{in(-5)}, "CN=a", "CN=a"},
		{[]time.Time{in(50), in(5)}, "CN=b", "CN=b"},
		{[]time.Time{in(-5), in(5), in(500)}, "CN=a", "CN=b"}, // the old authority is beside the new one
		{[]time.Time{in(-5), in(-3), in(-9)}, "CN=c", "CN=b"},
	} {
		write(t, path, expiring(t, c.at...))
		for authorities, want := range map[bool]string{false: c.chain, true: c.roots} {
			e, err := CertificateFile{"client_tls_cert_file", path, authorities}.Expiry(now)
			if err != nil || e.Subject != want {
				t.Errorf("%v, authorities %v: %q, %v; want %q", c.at, authorities, e.Subject, err, want)
			}
		}
	}
	write(t, path, "nothing")
	if _, err := (CertificateFile{"client_tls_cert_file", path, false}).Expiry(now); err == nil || !strings.Contains(err.Error(), "client_tls_cert_file: "+path+": no certificate") {
		t.Error(err)
	}
}

func TestWarningsSayHowMuchTimeThereIs(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	e := Expiry{CertificateFile{"client_tls_cert_file", "/weir.crt", false}, "CN=weir", at}
	const of = `client_tls_cert_file: the certificate "CN=weir" in /weir.crt `
	for _, c := range []struct {
		left  time.Duration
		stage Stage
		want  string
	}{
		{31 * day, StageFar, ""},
		{30 * day, StageMonth, of + "expires in 30 days, on 2026-05-01 12:00 UTC"},
		{7*day + time.Hour, StageMonth, of + "expires in 7 days, on 2026-05-01 12:00 UTC"},
		{7 * day, StageWeek, of + "expires in 7 days, on 2026-05-01 12:00 UTC"},
		{3 * time.Hour, StageDay, of + "expires in 3 hours, on 2026-05-01 12:00 UTC"},
		{0, StageExpired, of + "has expired on 2026-05-01 12:00 UTC"},
		{-100 * day, StageExpired, of + "has expired on 2026-05-01 12:00 UTC"},
	} {
		now := at.Add(-c.left)
		if got := e.Warning(now); got != c.want || e.Stage(now) != c.stage {
			t.Errorf("%v: %d, %q; want %d, %q", c.left, e.Stage(now), got, c.stage, c.want)
		}
		if (c.stage.String() == "") != (c.want == "") {
			t.Errorf("%v: %q", c.left, c.stage)
		}
	}
}
