package proxy

import (
	"slices"

	"pgweir/auth"
	"pgweir/config"
)

// A changed secret is a reload of its own: the same configuration, with other
// secrets. What the pools make of that says pool.Set: backends that were opened with
// a password that was changed are replaced, those of a command's are not.

// renewSecrets puts in force what the files and commands give now.
func (p *Proxy) renewSecrets() {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.base == nil {
		return // the start has not come so far
	}
	before := p.rules.Load()
	r, err := before.renewed(p.base.WithSecrets(p.secrets.Now), p.opts.AuthLogins)
	if err != nil {
		p.log.Warn("a new password is no good; the last ones serve", "err", err)
		return
	}
	p.putInForce(r)
}

// tellOfExposure warns of files with secrets that others can read, once of each as long
// as that lasts. The lock on applying is held.
func (p *Proxy) tellOfExposure(r *rules) {
	exposed := Exposed(r.config, r.access)
	for _, text := range exposed {
		if !slices.Contains(p.exposed, text) {
			p.log.Warn("secrets can be read by others", "file", text)
		}
	}
	p.exposed = exposed
}

// Exposed words which files with secrets others can read.
func Exposed(c *config.Config, a *Access) (out []string) {
	files := c.SecretFiles()
	for _, path := range a.secretFiles() {
		files = append(files, config.SecretFile{Setting: "auth_hba_file", Path: path})
	}
	entries, _ := auth.ParseAuthFile(c.AuthFile, c.AuthFileData)
	opens := func(e auth.Entry) bool {
		s, err := auth.ParseSecret(e.Secret)
		return err == nil && (s.Kind() == auth.PlainSecret || s.Kind() == auth.MD5Secret)
	}
	if slices.ContainsFunc(entries, opens) {
		files = append(files, config.SecretFile{Setting: "auth_file", Path: c.AuthFile})
	}
	for _, f := range files {
		if text := f.Exposure(); text != "" {
			out = append(out, text)
		}
	}
	return out
}
