package top

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"pgweir/status"
)

// maxAnswer bounds one answer, in bytes; a census of 1,000 processes has half a
// megabyte.
const maxAnswer = 16 << 20

// httpReader asks one pgweir over HTTP.
type httpReader struct {
	base   *url.URL
	token  string // "": none
	client *http.Client
}

// newHTTPReader checks the URL, which is where / of pgweir's HTTP is.
func newHTTPReader(text string) (*httpReader, error) {
	base, err := url.Parse(text)
	if err != nil {
		var urlErr *url.Error // repeats the text, and a password with it
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return nil, fmt.Errorf("the URL of pgweir must be as http://127.0.0.1:9127: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the URL of pgweir must be as http://127.0.0.1:9127, but is %q", base.Redacted())
	}
	return &httpReader{base: base, client: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// pgweir sends nobody elsewhere, so whoever does is not pgweir.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// prove has pgweir asked with a token, and over TLS as config says; nil is as usual.
func (h *httpReader) prove(token string, config *tls.Config) {
	h.token = token
	if config != nil {
		h.client.Transport.(*http.Transport).TLSClientConfig = config
	}
}

func (h *httpReader) close() { h.client.CloseIdleConnections() }

// read fills in what HTTP gives.
func (h *httpReader) read(ctx context.Context, r *Reading) {
	// One answer has both, so that they are of one moment.
	body, err := h.get(ctx, "pools")
	if err == nil {
		r.Pools, r.Savings, r.Findings, err = decodePools(body)
	}
	if err != nil {
		r.HTTPErr = fmt.Errorf("%s: %w", h.base.Redacted(), err)
		return
	}
	r.Censuses, err = h.censuses(ctx)
	var answer *answerError
	switch {
	case err == nil:
	case errors.As(err, &answer):
		r.CensusErr = err
	default:
		r.HTTPErr = fmt.Errorf("%s: %w", h.base.Redacted(), err)
	}
}

// maxServers bounds how many servers' processes are shown.
const maxServers = 32

// censuses reads the census of each server: /census has one, and /sizing the
// names of the others.
func (h *httpReader) censuses(ctx context.Context) ([]*status.Census, error) {
	body, err := h.get(ctx, "census")
	if err != nil {
		return nil, err
	}
	first, err := decodeCensus(body)
	if err != nil {
		return nil, err
	}
	all := []*status.Census{first}
	var answer *answerError
	if body, err = h.get(ctx, "sizing"); errors.As(err, &answer) {
		return all, nil // as long as the sizing is not known
	} else if err != nil {
		return nil, err
	}
	servers, err := decodeServers(body)
	if err != nil {
		return nil, err
	}
	for _, server := range servers[:min(len(servers), maxServers)] {
		if server == first.Server.Host {
			continue
		}
		body, err := h.get(ctx, "census?server="+url.QueryEscape(server))
		if errors.As(err, &answer) {
			continue // it has not been looked at yet, or is not any more
		}
		if err != nil {
			return nil, err
		}
		next, err := decodeCensus(body)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, nil
}

// answerError is an answer other than 200.
type answerError struct {
	code int
	text string
}

func (e *answerError) Error() string { return e.text }

// get asks for a path, which may have a query, and gives the answer's body.
func (h *httpReader) get(ctx context.Context, path string) ([]byte, error) {
	name, query, _ := strings.Cut(path, "?")
	at := h.base.JoinPath(name)
	at.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, shortened(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", name, shortened(err))
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("/%s: the answer is larger than %s", name, bytesText(maxAnswer))
	}
	if resp.StatusCode != http.StatusOK {
		reason, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		if strings.HasPrefix(reason, "<") || len(reason) > 200 { // a page for a browser
			reason = ""
		}
		if reason != "" {
			reason = ": " + reason
		}
		return nil, &answerError{resp.StatusCode, fmt.Sprintf("/%s: %s%s", name, resp.Status, reason)}
	}
	return body, nil
}

// shortened is the innermost reason of a network error, without the addresses
// that are said elsewhere.
func shortened(err error) error {
	var opErr *net.OpError
	var dnsErr *net.DNSError
	var urlErr *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", readTimeout)
	case errors.As(err, &dnsErr):
		return dnsErr
	case errors.As(err, &opErr):
		return fmt.Errorf("%s: %w", opErr.Op, opErr.Err)
	case errors.As(err, &urlErr):
		return urlErr.Err
	default:
		return err
	}
}

// decodeCensus reads /census.
func decodeCensus(data []byte) (*status.Census, error) {
	c := new(status.Census)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("/census is not what pgweir gives: %w", err)
	}
	if c.At.IsZero() {
		return nil, errors.New("/census is not what pgweir gives: at is missing")
	}
	return c, nil
}

// decodeServers reads the names of the servers from /sizing.
func decodeServers(data []byte) ([]string, error) {
	var in struct {
		Servers []struct {
			Server string `json:"server"`
		} `json:"servers"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("/sizing is not what pgweir gives: %w", err)
	}
	var names []string
	for _, s := range in.Servers {
		names = append(names, s.Server)
	}
	return names, nil
}

// savings are those in /pools.
type savings struct {
	Clients, Backends, Saved *int
	Ratio                    float64
	Peak                     struct{ Saved int }
	ClientLogins             int64  `json:"client_logins_total"`
	ServerLogins             int64  `json:"server_logins_total"`
	BackendMemory            *int64 `json:"backend_memory_bytes"`
	MemorySaved              *int64 `json:"memory_saved_bytes"`
	MemorySource             string `json:"memory_source"`
}

func (in *savings) decoded() (*Savings, error) {
	if in.Clients == nil || in.Backends == nil || in.Saved == nil {
		return nil, errors.New("/pools is not what pgweir gives: clients, backends or saved is missing in savings")
	}
	return &Savings{
		Clients: *in.Clients, Backends: *in.Backends, Saved: *in.Saved, Ratio: in.Ratio, SavedPeak: in.Peak.Saved,
		ClientLogins: in.ClientLogins, ServerLogins: in.ServerLogins,
		BackendMemory: orUnknown(in.BackendMemory), MemorySaved: orUnknown(in.MemorySaved), MemorySource: in.MemorySource,
	}, nil
}

func orUnknown(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
