package proxy

import (
	"context"
	"strings"
	"time"

	"pgweir/config"
	"pgweir/status"
)

// Certificates are looked after on a goroutine of its own, for a file may be on a
// disk that does not answer. New ones take effect without a reload: contents are
// compared, not times, of which a file system may have too few.
//
//	renewalBegun ──► renewalChanged ──── the same again: taken, or refused ────► renewalSettled
//	                      ▲ ▲  unlike before                                          │
//	                      │ └──┘                         unlike before                │
//	                      └───────────────────────────────────────────────────────────┘
//
// A file that is just being written is another one at the next look, so what is
// half-written is not even tried.

const (
	certificatesEvery = 2 * time.Second
	// expiriesEvery is how often it is looked when certificates expire.
	expiriesEvery = time.Minute
)

type renewalStep uint8

const (
	renewalBegun   renewalStep = iota // nothing has been read yet
	renewalChanged                    // last has been seen once
	renewalSettled                    // last is in force, or has been refused
	renewalUnread                     // the files cannot be read, and that has been said
)

// renewal follows the files of one configuration in force.
type renewal struct {
	rules *rules // of those with the same tls, the newest
	last  config.ClientTLSFiles
	step  renewalStep
}

// certificates are the files that are named, and the finding that one expires
// soon, if there is any.
type certificates struct {
	files    []status.Certificate
	findings []status.Finding
}

// keepCertificates follows the files until ctx ends.
func (p *Proxy) keepCertificates(ctx context.Context) {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	r := &renewal{}
	stages := map[string]config.Stage{}
	var expiries time.Time
	for {
		now, due := time.Now(), false
		switch current := p.rules.Load(); {
		case r.rules == nil || r.rules.tls != current.tls:
			r, due = &renewal{rules: current}, true
		default:
			r.rules = current // only the secrets are others
		}
		if r.look(p) || due || now.Sub(expiries) >= expiriesEvery {
			p.noteExpiries(r.rules.config, stages, now)
			expiries = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look reads the files once, and tells whether new ones have been taken.
func (r *renewal) look(p *Proxy) (taken bool) {
	shown := r.rules.tls.shown.Load()
	if shown == nil {
		return false
	}
	files, err := r.rules.config.ReadClientTLSFiles()
	if err != nil {
		if r.step != renewalUnread {
			p.log.Warn("certificates cannot be read; clients see the old ones", "err", err)
		}
		r.step = renewalUnread
		return false
	}
	same := files.Equal(&r.last)
	switch {
	case r.step == renewalSettled && same:
		return false
	case r.step != renewalChanged || !same:
		r.last, r.step = files, renewalChanged
		return false
	}
	r.step = renewalSettled
	certificate, roots, err := files.Parse(r.rules.config)
	switch {
	case err != nil:
		p.log.Warn("new certificates are no good; clients see the old ones", "err", err)
		return false
	case shown.shows(certificate, roots):
		return false
	}
	r.rules.tls.show(certificate, roots)
	p.log.Info("new certificates have been taken", "subject", certificate.Leaf.Subject.String(), "expires", certificate.Leaf.NotAfter)
	return true
}

// noteExpiries reads when certificates expire, for whoever asks, and warns of each
// stage once. Of a file that cannot be read others tell: its reload, its login.
func (p *Proxy) noteExpiries(c *config.Config, stages map[string]config.Stage, now time.Time) {
	known := certificates{}
	var grave config.Stage
	var warnings []string
	for _, f := range c.CertificateFiles() {
		e, err := f.Expiry(now)
		if err != nil {
			continue
		}
		known.files = append(known.files, status.Certificate{Setting: f.Setting, File: f.Path, Subject: e.Subject, Expires: e.At})
		stage := e.Stage(now)
		if stage != config.StageFar {
			grave, warnings = max(grave, stage), append(warnings, e.Warning(now))
		}
		key := f.Setting + "\x00" + f.Path + "\x00" + e.At.String()
		if stage > stages[key] {
			stages[key] = stage
			p.log.Warn(stage.String(), "setting", f.Setting, "file", f.Path, "subject", e.Subject, "expires", e.At)
		}
	}
	if len(warnings) > 0 {
		since := now
		if before := p.certificates.Load(); before != nil && len(before.findings) > 0 {
			since = before.findings[0].Since
		}
		known.findings = []status.Finding{{
			ID: status.CertificateExpiry, Severity: severityOf(grave), Since: since,
			Text:   strings.Join(warnings, "; ") + ".",
			Advice: "Put new files in the place of the old ones; they are taken without a restart.",
		}}
	}
	p.certificates.Store(&known)
}

// severityOf is how grave it is that a certificate is at this stage. Nobody can
// log in any more when it has expired.
func severityOf(s config.Stage) status.Severity {
	switch s {
	case config.StageMonth:
		return status.Info
	case config.StageWeek:
		return status.Warning
	default:
		return status.Critical
	}
}

// fillCertificates adds the certificates as they were last read.
func (p *Proxy) fillCertificates(s *status.Snapshot) {
	if known := p.certificates.Load(); known != nil {
		s.Certificates, s.Findings = known.files, known.findings
	}
}
