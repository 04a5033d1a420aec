package telemetry

import (
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// complaints puts what the library complains of in the log: a receiver that is away, a
// variable that it cannot read. The same is said once in complainEvery.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // when it was said; not more than maxComplaints
}

const (
	complainEvery = time.Minute
	maxComplaints = 100
)

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	if err != nil {
		c.say("OpenTelemetry", err)
	}
}

func (c *complaints) say(what string, err error) {
	text := err.Error()
	if c.mayBeSaid(what+text, time.Now()) {
		c.log.Warn(what, "err", text)
	}
}

func (c *complaints) mayBeSaid(text string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.last[text]; ok && now.Sub(last) < complainEvery {
		return false
	}
	if c.last == nil || len(c.last) >= maxComplaints {
		c.last = map[string]time.Time{}
	}
	c.last[text] = now
	return true
}

func (c *complaints) logger() logr.Logger { return logr.New(sink{c}) }

// sink takes the library's errors, without the values that it shows with them: these may
// be headers, and so secrets.
type sink struct{ *complaints }

func (sink) Init(logr.RuntimeInfo)            {}
func (sink) Enabled(int) bool                 { return false }
func (sink) Info(int, string, ...any)         {}
func (s sink) WithValues(...any) logr.LogSink { return s }
func (s sink) WithName(string) logr.LogSink   { return s }

func (s sink) Error(err error, msg string, _ ...any) {
	if err != nil {
		s.say("OpenTelemetry: "+msg, err)
	}
}
