package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/census"
	"pgweir/config"
	"pgweir/health"
	"pgweir/status"
)

const (
	// httpTimeout is for a question to the running pgweir, which has its
	// answer ready.
	httpTimeout = 10 * time.Second
	// maxCensus bounds what is read of an answer: some 100,000 processes.
	maxCensus = 64 << 20
	// readAgain is how long after the first reading of a server the second is.
	readAgain = time.Second
)

// directCensus reads a server itself.
type directCensus struct {
	reader *census.Reader
	judge  *health.Judge
	begun  bool
}

func newDirectCensus(dsn string) (*directCensus, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("--dsn: %w", err)
	}
	if err := checkDSN("--dsn", dsn); err != nil {
		return nil, err
	}
	host := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	target := census.Target{Host: host, Network: "tcp", Addr: host, ConnString: dsn}
	if strings.HasPrefix(c.Host, "/") || strings.HasPrefix(c.Host, "@") {
		server := config.Server{Host: c.Host, Port: int(c.Port)}
		target.Network, target.Addr = server.Address()
		target.Host = target.Addr
	}
	return &directCensus{reader: census.NewReader(target, census.Options{AllMemory: true}), judge: health.New()}, nil
}

func (d *directCensus) take(ctx context.Context) (*status.Census, []byte, error) {
	if !d.begun {
		d.begun = true
		d.judge.Judge(d.reader.Read(ctx, nil))
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(readAgain):
		}
	}
	e := d.reader.Read(ctx, nil)
	e.Census.Findings = d.judge.Judge(e)
	if e.Err != nil {
		err := fmt.Errorf("the server %s could not be asked: %w", e.Census.Server.Host, e.Err)
		if !e.Census.Server.Local() {
			return nil, nil, err // nothing was seen
		}
		e.Err = err
	}
	text, err := renderCensus(e.Census)
	return e.Census, text, errors.Join(e.Err, err)
}

func (d *directCensus) close() { d.reader.Close() }

// servedCensus asks a running pgweir.
type servedCensus struct {
	base, full string
	token      string // "": none
	client     http.Client
}

func newServedCensus(a *httpAccess, server string) (*servedCensus, error) {
	u, err := url.Parse(a.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--url %q is not an address like %s", a.url, usualHTTP)
	}
	full := u.JoinPath("census")
	if server != "" {
		full.RawQuery = url.Values{"server": {server}}.Encode()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = a.tls
	return &servedCensus{base: u.Redacted(), full: full.String(), token: a.token, client: http.Client{
		Timeout: httpTimeout, Transport: transport,
		// pgweir sends nobody elsewhere, and the token is for it alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (s *servedCensus) take(ctx context.Context) (*status.Census, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.full, nil)
	if err != nil {
		return nil, nil, err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, nil, fmt.Errorf("no pgweir answers at %s: %w; is it running, with that http_listen? (--dsn reads a server without it)", s.base, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxCensus))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the census of %s: %w", s.base, err)
	}
	if resp.StatusCode != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return nil, nil, fmt.Errorf("%s has no census: %s (HTTP %d)", s.base, printable(line), resp.StatusCode)
	}
	c := new(status.Census)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, nil, fmt.Errorf("what %s answers is no census (is it a pgweir?): %w", s.base, err)
	}
	return c, text, nil
}

func (s *servedCensus) close() { s.client.CloseIdleConnections() }
