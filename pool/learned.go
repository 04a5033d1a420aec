package pool

import (
	"bytes"

	"pgweir/wire"
)

// What clients' logins reveal serves for logins to the server, where the settings
// have nothing.

// Learned is what one client's login has revealed.
type Learned struct {
	Password             string // in clear text; "" if it has not
	MD5                  string // "md5" and 32 hexadecimal digits; "" if it has not
	ClientKey, ServerKey []byte // SCRAM, for a server that has the same secret; nil if it has not
}

// Learn remembers it, besides what there was before. If it is new, the next login does not
// pause for a refusal of before.
func (p *Pool) Learn(l Learned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := false
	if l.ClientKey != nil && !bytes.Equal(l.ClientKey, p.learned.ClientKey) {
		p.learned.ClientKey, p.learned.ServerKey, news = l.ClientKey, l.ServerKey, true
	}
	if l.Password != "" && l.Password != p.learned.Password {
		p.learned.Password, news = l.Password, true
	}
	if l.MD5 != "" && l.MD5 != p.learned.MD5 {
		p.learned.MD5, news = l.MD5, true
	}
	for _, h := range p.hosts.all {
		if news && h.failure.kind == troubleLasts {
			h.failure = failure{}
		}
	}
}

// Relearn is Learn for a user who has another secret now: what there was before is
// forgotten, and backends that were opened with it are closed, the idle ones now, the
// others when they come back.
func (p *Pool) Relearn(l Learned) {
	p.mu.Lock()
	evict := p.outdate()
	p.learned = wire.Credentials{Password: l.Password, MD5: l.MD5, ClientKey: l.ClientKey, ServerKey: l.ServerKey}
	p.hosts.forgive()
	p.mu.Unlock()
	p.begin(evict)
}

// completed are credentials with what clients' logins have revealed.
func (p *Pool) completed(c wire.Credentials) wire.Credentials {
	if c.Password == "" {
		c.Password = p.learned.Password
	}
	if c.MD5 == "" {
		c.MD5 = p.learned.MD5
	}
	if len(c.ClientKey) == 0 && len(p.learned.ClientKey) > 0 {
		c.ClientKey, c.ServerKey = p.learned.ClientKey, p.learned.ServerKey
	}
	return c
}
