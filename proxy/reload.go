package proxy

import (
	"errors"
	"maps"
	"slices"

	"pgweir/auth"
	"pgweir/config"
	"pgweir/status"
	"pgweir/wire"
)

// Reload reads the configuration again and puts it in force: everything that
// can fail is done first, so that a bad file changes nothing.
func (p *Proxy) Reload() (*status.Reload, error) { return p.ReloadUnlike("") }

// ReloadUnlike is Reload, of which an error in the words of one that was told before is
// not told again.
func (p *Proxy) ReloadUnlike(told string) (*status.Reload, error) {
	// Who comes while another is under way waits: the file may have changed
	// since it was read.
	p.reloads.Lock()
	defer p.reloads.Unlock()
	c, err := p.opts.Load()
	var done *status.Reload
	if err == nil {
		done, err = p.Apply(c)
	}
	if err != nil {
		if err.Error() != told {
			p.log.Error("reload failed; nothing has changed", "err", err)
		}
		return nil, err
	}
	p.tellOfReload(done)
	return done, nil
}

// tellOfReload logs what has changed: a line for each, of which there are not more than
// status.Reload.Lines has.
func (p *Proxy) tellOfReload(done *status.Reload) {
	lines := done.Lines()
	if len(done.Changes) == 0 {
		p.log.Info("configuration reloaded, nothing has changed")
	} else {
		for _, line := range lines[:len(lines)-len(done.Pending)] {
			p.log.Info("the configuration has changed", "change", line)
		}
		p.log.Info("configuration reloaded", "changes", len(done.Changes))
	}
	if len(done.Pending) > 0 {
		p.log.Warn("settings have changed that take effect at a restart only", "settings", pendingTexts(done.Pending))
	}
}

func pendingTexts(pending []status.Change) (texts []string) {
	for _, c := range pending {
		texts = append(texts, c.String())
	}
	return texts
}

// Set changes one general setting until the next reload: as a reload of the same
// configuration would that says so.
func (p *Proxy) Set(key, value string) error {
	p.reloads.Lock()
	defer p.reloads.Unlock()
	p.applying.Lock()
	base := p.base
	p.applying.Unlock()
	c, name, err := base.With(key, value)
	var done *status.Reload
	if err == nil {
		done, err = p.Apply(c)
	}
	if err != nil {
		return setError(err)
	}
	for _, change := range done.Changes {
		p.log.Info("the configuration has changed", "change", change.String())
	}
	p.log.Info("a setting was changed on the console, until the next reload", "setting", name)
	return nil
}

// setError has the SQLSTATE that PostgreSQL gives for its own settings.
func setError(err error) error {
	code := wire.CodeInvalidParameterValue
	switch {
	case errors.Is(err, config.ErrAtRestart):
		code = codeCannotChangeNow
	case errors.Is(err, config.ErrSecret):
		code = wire.CodeInsufficientPrivilege
	}
	return wire.Errorf(code, "%s", err.Error())
}

// codeCannotChangeNow is cant_change_runtime_param.
const codeCannotChangeNow = "55P02"

// Apply puts a configuration in force; the lock on reloads is held. Clients that are
// in stay in; a pool whose database is no longer configured serves them to their end
// with the settings that it has. While commands that passwords come from are waited
// for, the secrets of the configuration in force may change. It tells what differs from
// what was in force before.
func (p *Proxy) Apply(c *config.Config) (*status.Reload, error) {
	pending := c.KeepUntilRestart(p.Config())
	sources := c.SecretSources()
	set, err := p.secrets.Prepare(sources)
	if err != nil {
		return nil, err
	}
	defer p.endUnattended() // with no lock held
	p.applying.Lock()
	defer p.applying.Unlock()
	r, err := p.newRules(c, set)
	if err != nil {
		return nil, err
	}
	before := p.rules.Load()
	p.secrets.Commit(set, sources)
	p.base = c
	p.retune(r)
	p.putInForce(r)
	p.names.Set(r.lookup, c.DNSMaxTTL)
	p.openMinimums()
	p.entrance.Set(limitsOf(c))
	p.failures.Set(penaltyOf(c))
	p.asker.Expire()
	p.tellOfExposure(r)
	done := &status.Reload{Changes: shownChanges(changes(before, r)), Pending: shownChanges(pending)}
	if p.opts.InForce != nil {
		done.Pending = append(done.Pending, p.opts.InForce(c)...)
	}
	return done, nil
}

// changes are what differs between two rules.
func changes(before, after *rules) []config.Change {
	all := config.Changes(before.config, after.config)
	all = append(all, authFileChanges(before.config, after.config)...)
	if b, a := before.access, after.access; b.source != a.source && before.config.AuthType == after.config.AuthType {
		all = append(all, config.Change{Setting: "auth_hba_file.lines", Kind: config.Changed, Hidden: true})
	}
	return all
}

// authFileChanges are the users that came, went or have another secret in the auth_file.
func authFileChanges(before, after *config.Config) (out []config.Change) {
	was, is := authFileUsers(before), authFileUsers(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := was[name]
		now, has := is[name]
		c := config.Change{Setting: config.Dotted("auth_file", name)}
		switch {
		case !had:
			c.Kind = config.Added
		case !has:
			c.Kind = config.Removed
		case old == now:
			continue
		default:
			c = config.Change{Setting: config.Dotted("auth_file", name, "password"), Kind: config.Changed, Hidden: true}
		}
		out = append(out, c)
	}
	return out
}

// authFileUsers are those of the auth_file with their secrets; of one who comes twice the
// last line counts.
func authFileUsers(c *config.Config) map[string]string {
	users := map[string]string{}
	entries, _ := auth.ParseAuthFile(c.AuthFile, c.AuthFileData)
	for _, e := range entries {
		users[e.Name] = e.Secret
	}
	return users
}

func shownChanges(all []config.Change) []status.Change {
	out := make([]status.Change, len(all))
	for i := range all {
		out[i] = status.Change(all[i])
	}
	return out
}

// putInForce replaces the rules, and gives the pools their settings.
func (p *Proxy) putInForce(r *rules) {
	p.rules.Store(r)
	p.refusals.Forget()
	c := r.config
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		db, ok := c.Database(cp.key.database)
		if !ok {
			continue
		}
		// If the database has another user now, new clients go to another pool. Those
		// who are in stay in this one, which logs in as the new user from now on.
		user := db.PoolUser(cp.key.user)
		s := poolSettings(r, db, user)
		p.mu.Lock()
		if p.mu.pools[cp.key] != cp {
			p.mu.Unlock()
			continue // it has just been removed
		}
		cp.catalog = p.mu.catalogs.take(catalogKeyOf(&s), cp.catalog)
		cp.conf.Store(sessionConfig(c, db, cp, user, p))
		p.mu.Unlock()
		cp.pool.Set(s)
	}
}

// Config is the configuration in force.
func (p *Proxy) Config() *config.Config { return p.rules.Load().config }
