package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serverConfig is that of a server which anybody may take for "test"; asked is
// called in the midst of each handshake.
func serverConfig(t *testing.T, asked func()) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked()
		return cert, nil
	}}
}

// ends are two ends of a connection, which fail after patience.
func ends(t *testing.T) (a, b net.Conn) {
	t.Helper()
	a, b = net.Pipe()
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
	}
	return a, b
}

func TestHandshakesComputeInTurnAndWaitTogether(t *testing.T) {
	const most, still, clients = 2, 5, 30
	among := make(handshakes, most)
	var now, highest atomic.Int32
	config := serverConfig(t, func() {
		n := now.Add(1)
		for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
		}
		for range 1000 {
			runtime.Gosched() // the others that may compute come in meanwhile
		}
		now.Add(-1)
	})
	var standing sync.WaitGroup
	var silent []net.Conn
	for range still {
		a, b := ends(t)
		silent = append(silent, b)
		standing.Go(func() {
			if _, err := among.shake(a, nil, config); err == nil {
				t.Error("a handshake without a client")
			}
		})
	}
	var getOn sync.WaitGroup
	for range clients {
		a, b := ends(t)
		getOn.Go(func() {
			if _, err := among.shake(a, nil, config); err != nil {
				t.Error(err)
			}
			a.Close()
		})
		getOn.Go(func() {
			c := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
			if err := c.Handshake(); err != nil {
				t.Error(err)
			}
			_, _ = c.Read(make([]byte, 1)) // the session tickets
		})
	}
	done := make(chan struct{})
	go func() { getOn.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("those that stand still keep the others out")
	}
	for _, c := range silent {
		c.Close()
	}
	standing.Wait()
	if n := highest.Load(); n > most {
		t.Errorf("%d computed at a time, not %d at most", n, most)
	}
	if len(among) != 0 {
		t.Errorf("%d are still counted", len(among))
	}
}
