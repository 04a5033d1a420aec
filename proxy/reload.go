package proxy

import (
	"errors"

	"pgweir/config"
	"pgweir/wire"
)

// Reload reads the configuration again and puts it in force: everything that
// can fail is done first, so that a bad file changes nothing.
func (p *Proxy) Reload() error {
	// Who comes while another is under way waits: the file may have changed
	// since it was read.
	p.reloads.Lock()
	defer p.reloads.Unlock()
	c, err := p.opts.Load()
	if err == nil {
		err = p.Apply(c)
	}
	if err != nil {
		p.log.Error("reload failed; nothing has changed", "err", err)
		return err
	}
	p.log.Info("configuration reloaded")
	return nil
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
	if err == nil {
		err = p.Apply(c)
	}
	if err != nil {
		return setError(err)
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
// for, the secrets of the configuration in force may change.
func (p *Proxy) Apply(c *config.Config) error {
	later := c.KeepUntilRestart(p.Config())
	sources := c.SecretSources()
	set, err := p.secrets.Prepare(sources)
	if err != nil {
		return err
	}
	p.applying.Lock()
	defer p.applying.Unlock()
	r, err := p.newRules(c, set)
	if err != nil {
		return err
	}
	p.secrets.Commit(set, sources)
	p.base = c
	p.putInForce(r)
	p.names.Set(r.lookup, c.DNSMaxTTL)
	p.openMinimums()
	p.entrance.Set(limitsOf(c))
	p.failures.Set(penaltyOf(c))
	p.asker.Expire()
	p.retune()
	p.tellOfExposure(r)
	if len(later) > 0 {
		p.log.Warn("settings have changed that take effect at a restart only", "settings", later)
	}
	return nil
}

// putInForce replaces the rules, and gives the pools their settings.
func (p *Proxy) putInForce(r *rules) {
	p.rules.Store(r)
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
