package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
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
	defaultHTTP = "http://127.0.0.1:9127"
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
	host := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	target := census.Target{Host: host, Network: "tcp", Addr: host, ConnString: dsn}
	if strings.HasPrefix(c.Host, "/") || strings.HasPrefix(c.Host, "@") {
		db := config.Database{Host: c.Host, Port: int(c.Port)}
		target.Network, target.Addr = db.Address()
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
		if !e.Census.Server.Local {
			return nil, nil, err // nothing was seen
		}
		e.Err = err
	}
	text, err := renderCensus(e.Census)
	return e.Census, text, errors.Join(e.Err, err)
}

func (d *directCensus) close() { d.reader.Close() }

// base is where the running pgweir serves HTTP, by the flags or the
// configuration.
func (o *censusOptions) base() (string, error) {
	if o.url != "" {
		return o.url, nil
	}
	c, err := config.Load(o.config)
	if err != nil {
		if _, statErr := os.Stat(o.config); errors.Is(statErr, fs.ErrNotExist) && !o.configGiven {
			return defaultHTTP, nil
		}
		return "", fmt.Errorf("looking for http_listen: %w", err)
	}
	if c.HTTPListen == "" {
		return "", fmt.Errorf("%s: http_listen is empty, so pgweir serves no census; read a server directly with --dsn", o.config)
	}
	host, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return "", fmt.Errorf("%s: http_listen: %w", o.config, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on every address
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// servedCensus asks a running pgweir.
type servedCensus struct {
	base, full string
	client     http.Client
}

func newServedCensus(base, server string) (*servedCensus, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--url %q is not an address like %s", base, defaultHTTP)
	}
	full := u.JoinPath("census")
	if server != "" {
		full.RawQuery = url.Values{"server": {server}}.Encode()
	}
	return &servedCensus{base: u.Redacted(), full: full.String(), client: http.Client{Timeout: httpTimeout}}, nil
}

func (s *servedCensus) take(ctx context.Context) (*status.Census, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.full, nil)
	if err != nil {
		return nil, nil, err
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
