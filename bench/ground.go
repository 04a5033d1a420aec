package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"pgweir/cluster"
)

const localhost = "127.0.0.1"

// ground is what all poolers stand on: a PostgreSQL, and what their clients log
// in with.
type ground struct {
	db        *cluster.Cluster
	unix      bool
	keys      *scramKeys
	tls       *tls.Config // of clients
	cert, key string      // files of the poolers
}

// layGround starts a PostgreSQL with pgbench's tables. The caller closes it,
// unless there is an error.
func layGround(ctx context.Context, programs cluster.Programs, t tools, unix bool) (g *ground, err error) {
	g = &ground{unix: unix}
	if g.keys, err = newSCRAMKeys(); err != nil {
		return nil, err
	}
	if g.db, err = cluster.Start(ctx, programs, cluster.Options{Settings: map[string]string{
		"max_connections": "600",
		"shared_buffers":  "256MB",
		// A vacuum in the background would fall into one pooler's turn.
		"autovacuum": "off",
	}}); err != nil {
		return nil, err
	}
	if err = t.fill(ctx, g.db); err == nil {
		err = g.certify()
	}
	if err != nil {
		_ = g.db.Close() // the first error tells more
		return nil, err
	}
	return g, nil
}

// certify makes a certificate for the poolers, for a day, and what clients need
// for TLS. Clients do not verify it, which would cost them and no pooler, and take
// the key exchange that all poolers know.
func (g *ground) certify() error {
	g.cert, g.key = filepath.Join(g.db.Dir, "bench.crt"), filepath.Join(g.db.Dir, "bench.key")
	g.tls = &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The poolers run as different users; the folder goes when the run ends.
	if err := os.WriteFile(g.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644); err != nil {
		return err
	}
	return os.WriteFile(g.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o644)
}
