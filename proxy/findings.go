package proxy

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"pgweir/health"
	"pgweir/status"
)

// findEvery is how often it is looked what is wrong.
const findEvery = 2 * time.Second

// findings are what is wrong with pgweir's pools, and what the log has been told of all
// findings. All but found is the keeper's.
type findings struct {
	judge *health.PoolJudge
	told  map[findingKey]*toldFinding
	found atomic.Pointer[[]status.Finding]
}

// findingKey tells findings of all servers apart.
type findingKey struct{ server, id string }

// toldFinding is a finding whose beginning is in the log.
type toldFinding struct {
	status.Finding
	gone time.Time // when it was first missed; zero while it lasts
	fell time.Time // since when it is less grave than was told; zero if it is not
}

// falls tells whether it has not been less grave for long enough for a line of the log.
func (t *toldFinding) falls(now time.Time) bool {
	if t.fell.IsZero() {
		t.fell = now
	}
	return now.Sub(t.fell) < goneFor
}

func graveness(s status.Severity) int {
	return slices.Index([]status.Severity{status.Info, status.Warning, status.Critical}, s)
}

// goneFor is for how long a finding must have gone to be over: what comes and goes is one.
const goneFor = 30 * time.Second

func newFindings() *findings {
	return &findings{judge: health.NewPoolJudge(), told: map[findingKey]*toldFinding{}}
}

// find looks what is wrong, and tells the log what is new.
func (p *Proxy) find(now time.Time) {
	s := p.Snapshot(status.Counts)
	found := p.findings.judge.Judge(s, p.sums())
	p.findings.found.Store(&found)
	var own []status.Finding
	if known := p.certificates.Load(); known != nil {
		own = known.findings
	}
	all := map[findingKey]status.Finding{}
	for _, list := range [][]status.Finding{own, found} {
		for _, f := range list {
			all[findingKey{status.Itself, f.ID}] = f
		}
	}
	for _, c := range s.Censuses {
		for _, f := range c.Findings {
			all[findingKey{c.Server.Host, f.ID}] = f
		}
	}
	p.findings.tell(p.log, all, now)
}

// tell logs the findings that have begun, have become more or less grave, or are over.
func (f *findings) tell(log *slog.Logger, all map[findingKey]status.Finding, now time.Time) {
	for key, finding := range all {
		told := f.told[key]
		if told != nil && graveness(finding.Severity) < graveness(told.Severity) && told.falls(now) {
			finding.Severity = told.Severity // it may be as grave again
			told.Finding, told.gone = finding, time.Time{}
			continue
		}
		if told == nil || told.Severity != finding.Severity {
			log.Log(context.Background(), levelOf(finding.Severity), "finding", "id", key.id, "severity", string(finding.Severity),
				"server", key.server, "text", finding.Text, "advice", finding.Advice)
		}
		if told == nil {
			told = new(toldFinding)
			f.told[key] = told
		} else {
			finding.Since = earlier(told.Since, finding.Since)
		}
		*told = toldFinding{Finding: finding}
	}
	for key, told := range f.told {
		if _, lasts := all[key]; lasts {
			continue
		}
		switch {
		case told.gone.IsZero():
			told.gone = now
		case now.Sub(told.gone) >= goneFor:
			log.Info("finding is over", "id", key.id, "severity", string(told.Severity), "server", key.server,
				"lasted", told.gone.Sub(told.Since).Round(time.Second))
			delete(f.told, key)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func levelOf(s status.Severity) slog.Level {
	switch s {
	case status.Info:
		return slog.LevelInfo
	case status.Warning:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// fillFindings adds what was found last.
func (p *Proxy) fillFindings(s *status.Snapshot) {
	if found := p.findings.found.Load(); found != nil {
		s.Findings = append(s.Findings[:len(s.Findings):len(s.Findings)], *found...)
	}
}
