package proxy

import "pgweir/config"

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

// Apply puts a configuration in force. Clients that are in stay in; a pool
// whose database is no longer configured serves them to their end with the
// settings that it has.
func (p *Proxy) Apply(c *config.Config) error {
	r, err := newRules(c, p.opts.AuthLogins)
	if err != nil {
		return err
	}
	p.rules.Store(r)
	p.entrance.Set(limitsOf(c))
	p.failures.Set(penaltyOf(c))
	p.asker.Expire()
	p.retune()
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		db, ok := c.Database(cp.key.database)
		if !ok {
			continue
		}
		if db.User != "" && db.User != cp.key.user {
			continue // new clients go to another pool
		}
		s := poolSettings(r, db, cp.key.user)
		p.mu.Lock()
		if p.mu.pools[cp.key] != cp {
			p.mu.Unlock()
			continue // it has just been removed
		}
		cp.catalog = p.mu.catalogs.take(catalogKeyOf(&s), cp.catalog)
		cp.conf.Store(sessionConfig(c, db, cp, p))
		p.mu.Unlock()
		cp.pool.Set(s)
	}
	return nil
}

// Config is the configuration in force.
func (p *Proxy) Config() *config.Config { return p.rules.Load().config }
