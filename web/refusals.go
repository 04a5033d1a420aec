package web

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A refusal is why a request is not answered.
type refusal string

const (
	noProof          refusal = "no proof"          // neither a token nor a certificate
	wrongToken       refusal = "wrong token"       // none of those in the files
	wrongCertificate refusal = "wrong certificate" // of no authority of http_tls_ca_file
	wrongHost        refusal = "wrong host"        // the header Host has a name that is not ours
	tooMany          refusal = "too many"          // a connection that gave way to another
)

// allRefusals are in the order of the metric's documentation.
var allRefusals = []refusal{noProof, wrongToken, wrongCertificate, wrongHost, tooMany}

// tellEvery bounds the log: whoever is refused could fill the disk with it.
const tellEvery = 15 * time.Minute

// refusals counts what has been refused, and tells of it.
type refusals struct {
	log    *slog.Logger // nil: nobody is told
	counts [5]atomic.Int64

	mu     sync.Mutex
	told   time.Time
	untold int // since then
}

// note counts a refusal, and says so in the log, if nothing was said for a while.
// A request without a proof is how a browser begins, and no news.
func (r *refusals) note(why refusal, addr string, now time.Time) {
	for i := range allRefusals {
		if allRefusals[i] == why {
			r.counts[i].Add(1)
		}
	}
	if why == noProof || r.log == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.told.IsZero() && now.Sub(r.told) < tellEvery {
		r.untold++
		return
	}
	r.log.Warn("HTTP was refused", "reason", string(why), "addr", addr, "unreported", r.untold)
	r.told, r.untold = now, 0
}

// of is how many requests were refused for a reason.
func (r *refusals) of(why refusal) int64 {
	for i := range allRefusals {
		if allRefusals[i] == why {
			return r.counts[i].Load()
		}
	}
	return 0
}

// serverLog takes the lines of net/http's own log, of which strangers can cause
// any number, such as that of a TLS handshake that failed: one of them in a while
// is passed on.
type serverLog struct {
	log *slog.Logger

	mu     sync.Mutex
	told   time.Time
	untold int
}

func (l *serverLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.told.IsZero() && now.Sub(l.told) < tellEvery {
		l.untold++
		return len(line), nil
	}
	l.log.Warn("HTTP", "err", string(trimLine(line)), "unreported", l.untold)
	l.told, l.untold = now, 0
	return len(line), nil
}

func trimLine(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}
