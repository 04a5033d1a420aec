package ldaptest

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jimlambrt/gldap"
)

// Entry is an entry of the directory.
type Entry struct {
	DN         string
	Password   string // "" for nobody who logs in
	Attributes map[string][]string
}

// Options of a server.
type Options struct {
	Entries []Entry
	// Readers are the names of those who may search; nil is everybody.
	Readers []string
	// TLS is what the server shows with StartTLS, or with Immediate from the start;
	// nil is no TLS.
	TLS       *tls.Config
	Immediate bool
	// MaxFound is how many entries the server gives at most, whatever it is asked for;
	// 0 is no bound of its own.
	MaxFound int64
	// RequireTLS has every login without TLS refused.
	RequireTLS bool
}

// Server is a running server.
type Server struct {
	Port int

	opts   Options
	server *gldap.Server

	mu    sync.Mutex
	who   map[int]string // who has logged in, by connection
	tls   map[int]bool
	binds []string
	found []string
}

// Start starts a server.
func Start(opts Options) (*Server, error) {
	var err error
	for range 10 {
		s := &Server{opts: opts, who: map[int]string{}, tls: map[int]bool{}}
		if err = s.start(); err == nil {
			return s, nil
		} // somebody else has taken the port
	}
	return nil, err
}

func (s *Server) start() error {
	met := make(chan struct{}, 1)
	var err error
	s.server, err = gldap.NewServer(
		gldap.WithLogger(hclog.New(&hclog.LoggerOptions{Output: io.Discard})),
		gldap.WithOnClose(func(int) {
			select {
			case met <- struct{}{}:
			default:
			}
		}))
	if err != nil {
		return err
	}
	mux, err := gldap.NewMux()
	if err != nil {
		return err
	}
	for _, err := range []error{
		mux.Bind(s.bind), mux.Search(s.search), mux.ExtendedOperation(s.startTLS, gldap.ExtendedOperationStartTLS), s.server.Router(mux),
	} {
		if err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // the library takes no listener
	if err != nil {
		return err
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	var more []gldap.Option
	if s.opts.Immediate {
		more = append(more, gldap.WithTLSConfig(s.opts.TLS))
	}
	address, ended := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), make(chan error, 1)
	go func() { ended <- s.server.Run(address, more...) }()
	return s.meet(address, met, ended)
}

// meet waits until a connection has come to this very server.
func (s *Server) meet(address string, met <-chan struct{}, ended <-chan error) error {
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
		}
		select {
		case <-met:
			return nil
		case err := <-ended:
			return fmt.Errorf("the LDAP server does not start: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends it.
func (s *Server) Stop() error { return s.server.Stop() }

// Binds are the names that have tried to log in, in their order, each with " ok" if it
// was let in.
func (s *Server) Binds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.binds...)
}

// Searches are the filters that were asked for, in their order.
func (s *Server) Searches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.found...)
}

func (s *Server) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.RequireTLS && !s.opts.Immediate && !s.tls[r.ConnectionID()] {
		answer.SetResultCode(gldap.ResultConfidentialityRequired)
		return
	}
	name, ok := "", m.Password == ""
	for _, e := range s.opts.Entries {
		if m.Password != "" && sameDN(e.DN, m.UserName) && e.Password == string(m.Password) {
			name, ok = e.DN, true
		}
	}
	said := m.UserName
	if ok {
		said += " ok"
		s.who[r.ConnectionID()] = name
		answer.SetResultCode(gldap.ResultSuccess)
	}
	s.binds = append(s.binds, said)
}

func (s *Server) search(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSearchMessage()
	if err != nil {
		answer.SetResultCode(gldap.ResultProtocolError)
		return
	}
	f, rest, err := parseFilter(m.Filter)
	if err != nil || rest != "" {
		answer.SetResultCode(gldap.ResultProtocolError)
		return
	}
	s.mu.Lock()
	s.found = append(s.found, m.Filter)
	who := s.who[r.ConnectionID()]
	s.mu.Unlock()
	if s.opts.Readers != nil && !contains(s.opts.Readers, who) {
		answer.SetResultCode(gldap.ResultInsufficientAccessRights)
		return
	}
	n := int64(0)
	for _, e := range s.opts.Entries {
		if !under(e.DN, m.BaseDN, m.Scope) || !f(e) {
			continue
		}
		if n++; m.SizeLimit > 0 && n > m.SizeLimit || s.opts.MaxFound > 0 && n > s.opts.MaxFound {
			answer.SetResultCode(gldap.ResultSizeLimitExceeded)
			return
		}
		_ = w.Write(r.NewSearchResponseEntry(e.DN))
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if sameDN(n, name) {
			return true
		}
	}
	return false
}

func (s *Server) startTLS(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewExtendedResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	answer.SetResponseName(gldap.ExtendedOperationStartTLS)
	if s.opts.TLS == nil || s.opts.Immediate {
		answer.SetResultCode(gldap.ResultUnavailable)
		_ = w.Write(answer)
		return
	}
	if w.Write(answer) != nil || r.StartTLS(s.opts.TLS) != nil {
		return
	}
	s.mu.Lock()
	s.tls[r.ConnectionID()] = true
	s.mu.Unlock()
}

// plainDN makes names comparable: the case of letters and blanks beside commas do not
// count.
func plainDN(dn string) string {
	parts := strings.Split(strings.ToLower(dn), ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return strings.Join(parts, ",")
}

func sameDN(a, b string) bool { return plainDN(a) == plainDN(b) }

// under tells whether a name is within the scope of a search.
func under(dn, base string, scope gldap.Scope) bool {
	dn, base = plainDN(dn), plainDN(base)
	above, inner := strings.CutSuffix(dn, base)
	above = strings.TrimSuffix(above, ",")
	switch {
	case !inner:
		return false
	case scope == gldap.BaseObject:
		return above == ""
	case scope == gldap.SingleLevel:
		return above != "" && !strings.Contains(above, ",")
	case scope == 3:
		return above != ""
	}
	return true
}
