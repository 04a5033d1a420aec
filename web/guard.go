package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Rights are what whoever asks may see.
type Rights uint8

const (
	// Nothing but whether pgweir lives and clients can be served.
	Nothing Rights = iota
	// Figures and names, as a stats user of the console.
	Figures
	// Statements too, and to reload, as an admin of the console.
	Statements
)

// Access says who may ask.
type Access struct {
	// Open: who proves nothing has the right to Figures.
	Open bool
	// Hosts are the names by which those may ask who prove nothing, besides
	// localhost and addresses: a page of the web could have a browser ask here
	// under a name of the page's own (DNS rebinding). "*" is any name.
	Hosts []string
	Keys  Keys
	Log   *slog.Logger // of refusals
}

// Keys are what those prove themselves with who ask, and what is shown to them.
type Keys struct {
	// Readers and Admins are the SHA-256 digests of the tokens for Figures and for
	// Statements.
	Readers, Admins [][sha256.Size]byte
	// Certificate is shown to clients; nil: there is no TLS.
	Certificate *tls.Certificate
	// Roots are the authorities of the certificates for Figures; nil: there are none.
	Roots *x509.CertPool
	// MinVersion, MaxVersion and CipherSuites are those of tls.Config.
	MinVersion, MaxVersion uint16
	CipherSuites           []uint16
}

// A Guard knows who may see what. It is used by many goroutines at a time.
type Guard struct {
	open     bool
	hosts    []string // in lower case
	keys     atomic.Pointer[heldKeys]
	refusals refusals
}

// heldKeys are Keys and what is made of them.
type heldKeys struct {
	Keys
	tls *tls.Config // nil without a certificate
}

// NewGuard makes a guard.
func NewGuard(a Access) *Guard {
	g := &Guard{open: a.Open, refusals: refusals{log: a.Log}}
	for _, name := range a.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(name))
	}
	g.Take(a.Keys)
	return g
}

// Take puts other keys in force, for requests and connections from now on.
// Whether there is TLS must not change.
func (g *Guard) Take(k Keys) {
	held := &heldKeys{Keys: k}
	if k.Certificate != nil {
		held.tls = k.tlsConfig()
	}
	g.keys.Store(held)
}

func (k *Keys) tlsConfig() *tls.Config {
	c := &tls.Config{
		Certificates: []tls.Certificate{*k.Certificate},
		MinVersion:   k.MinVersion, MaxVersion: k.MaxVersion, CipherSuites: k.CipherSuites,
		NextProtos: []string{"http/1.1"},
	}
	if k.CipherSuites == nil {
		// HTTP/2 forbids most suites of TLS 1.2 (RFC 9113, 9.2.2), and a choice
		// of the operator's may be of these alone.
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	if k.Roots != nil {
		// A certificate is asked for, and looked at with each request: one whose
		// authority has gone meanwhile is no longer good, and one that is no good
		// gets an answer in words.
		c.ClientAuth, c.ClientCAs = tls.RequestClientCert, k.Roots
	}
	return c
}

// encrypted tells whether TLS is spoken.
func (g *Guard) encrypted() bool { return g.keys.Load().tls != nil }

// listener has the connections of ln encrypted with the keys that are in force.
func (g *Guard) listener(ln net.Listener) net.Listener {
	return tls.NewListener(ln, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return g.keys.Load().tls, nil
	}})
}

// judge tells what a request has the right to see. If that is Nothing, why says
// for what it is refused.
func (g *Guard) judge(r *http.Request) (may Rights, why refusal) {
	keys := g.keys.Load()
	tokens := len(keys.Readers)+len(keys.Admins) > 0
	if token, ok := tokenOf(r); ok && tokens {
		switch digest := sha256.Sum256([]byte(token)); {
		case among(digest, keys.Admins):
			return Statements, ""
		case among(digest, keys.Readers):
			return Figures, ""
		}
		return Nothing, wrongToken
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && keys.Roots != nil {
		if good(r.TLS.PeerCertificates, keys.Roots) {
			return Figures, ""
		}
		return Nothing, wrongCertificate
	}
	switch {
	case !g.open:
		return Nothing, noProof
	case !g.knows(r.Host):
		return Nothing, wrongHost
	}
	return Figures, ""
}

// tokenOf is the token that comes with a request: a bearer token (RFC 6750, 2.1),
// or, as browsers can give no other, the password of any user.
func tokenOf(r *http.Request) (token string, ok bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "bearer")
}

// among compares with all of them, so that the time that it takes tells nothing.
func among(digest [sha256.Size]byte, all [][sha256.Size]byte) bool {
	found := 0
	for i := range all {
		found |= subtle.ConstantTimeCompare(digest[:], all[i][:])
	}
	return found == 1
}

// good tells whether a chain of certificates leads to one of roots now. Of the
// first the client has shown in the handshake that it has the key.
func good(chain []*x509.Certificate, roots *x509.CertPool) bool {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// knows tells whether a name in the header Host is one of ours.
func (g *Guard) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true // no name server can make an address lead elsewhere
	}
	// Without one it is no browser that asks.
	return host == "" || host == "localhost" || slices.Contains(g.hosts, host) || slices.Contains(g.hosts, "*")
}

// refuse answers a request that may see nothing.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	g.refusals.note(why, r.RemoteAddr, time.Now())
	switch why {
	case wrongHost:
		http.Error(w, "the name in the header Host is none of pgweir's: ask by an address, or set http_hosts", http.StatusForbidden)
	case wrongCertificate:
		http.Error(w, "the certificate is of no authority in http_tls_ca_file, or not good now", http.StatusForbidden)
	default:
		g.challenge(w, why)
	}
}

// challenge asks for a token, if there are any.
func (g *Guard) challenge(w http.ResponseWriter, why refusal) {
	keys := g.keys.Load()
	if len(keys.Readers)+len(keys.Admins) == 0 {
		text := "there are no tokens (http_token_file, http_admin_token_file)"
		if keys.Roots != nil {
			text = "a certificate of an authority in http_tls_ca_file is needed"
		}
		http.Error(w, text, http.StatusForbidden)
		return
	}
	bearer, text := `Bearer realm="pgweir"`, "a token is needed, as a bearer token or as the password of any user"
	if why == wrongToken {
		bearer, text = bearer+`, error="invalid_token"`, "this token is not among those that are good"
	}
	w.Header().Add("WWW-Authenticate", bearer)
	w.Header().Add("WWW-Authenticate", `Basic realm="pgweir", charset="UTF-8"`)
	http.Error(w, text, http.StatusUnauthorized)
}

// login has a browser ask for a token where none is needed for what there is to
// see without one, and then leads to the page.
func (g *Guard) login(w http.ResponseWriter, r *http.Request) {
	if _, ok := tokenOf(r); !ok {
		g.challenge(w, noProof)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logger is where refusals are told, and what net/http has to say.
func (g *Guard) logger() *slog.Logger {
	if g.refusals.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return g.refusals.log
}
