package hba

import (
	"fmt"
	"strings"
)

// Step is what is to be said of one line.
type Step struct {
	Rule    *Rule
	Applies bool
	Why     string // or why not: one line of text
}

// Explanation is how Match comes to its answer.
type Explanation struct {
	Rule  *Rule  // as Match gives it
	Steps []Step // the lines up to the one that applies, or all
}

// String gives two lines for each step: where the line stands and what it says,
// and whether it applies.
func (e *Explanation) String() string {
	var b strings.Builder
	for _, s := range e.Steps {
		verdict := "does not apply"
		if s.Applies {
			verdict = "applies"
		}
		fmt.Fprintf(&b, "%s:%d: %s\n    %s: %s\n", s.Rule.File, s.Rule.Line, s.Rule.Text, verdict, s.Why)
	}
	if e.Rule == nil {
		b.WriteString("No line applies: the client is refused.\n")
	}
	return b.String()
}

// Explain tells which line is for the client and why, and of each line before
// it why it is not. It asks for the same facts as Match.
func (rs *Rules) Explain(c Client, facts Facts) *Explanation {
	k := newAsked(c, facts)
	e := &Explanation{}
	for _, r := range rs.list {
		v := r.judge(&k)
		e.Steps = append(e.Steps, Step{r, v.applies, r.why(&k, &v)})
		if v.applies {
			e.Rule = r
			break
		}
	}
	return e
}

func (r *Rule) why(k *asked, v *verdict) string {
	switch v.answer {
	case yes:
		return r.whyYes(k, v)
	case no:
		return r.whyNo(k, v)
	}
	doubt := r.doubt(k, v)
	if v.applies {
		return doubt + ", and a reject applies in doubt"
	}
	return doubt + ", and only a reject applies in doubt"
}

func (r *Rule) whyYes(k *asked, v *verdict) string {
	text := fmt.Sprintf("%s is in %s, user %q in %s", database(&k.client), v.database, k.client.User, v.by)
	if r.Type != Local {
		text += fmt.Sprintf(", address %v in %s", k.client.Addr, r.address.String())
	}
	if r.ClientCert != CertNotAsked && r.Method != Cert {
		text += "; a client certificate is asked for"
	}
	return text + "; method " + r.Method.String()
}

// doubt says what is not known.
func (r *Rule) doubt(k *asked, v *verdict) string {
	switch {
	case v.about == aboutDatabase:
		return fmt.Sprintf("whether user %q is a member of role %q is not known", k.client.User, k.client.Database)
	case v.about == aboutUser:
		return fmt.Sprintf("whether user %q is a member of role %q is not known", k.client.User, v.by.text[1:])
	case r.address.reach == byName:
		return fmt.Sprintf("the names of %v are not known", k.client.Addr)
	}
	return "the networks of this machine are not known"
}

func (r *Rule) whyNo(k *asked, v *verdict) string {
	c := &k.client
	switch v.about {
	case aboutType:
		if c.Local {
			return "the line is for TCP, and the client comes over a Unix socket"
		}
		return "the line is for Unix sockets, and the client comes over TCP"
	case aboutTLS:
		if c.TLS {
			return "the line is for connections without TLS, and this one has it"
		}
		return "the line is for connections with TLS, and this one has none"
	case aboutGSS:
		return "the line is for GSSAPI encryption, which pgweir does not have"
	case aboutDatabase:
		if c.Replication {
			return "for physical replication the line would have to say replication"
		}
		return fmt.Sprintf("%s is not in %s", database(c), brief(r.databases.field))
	case aboutUser:
		return fmt.Sprintf("user %q is not in %s", c.User, brief(r.users.field))
	}
	return r.whyElsewhere(k)
}

// whyElsewhere says why the client's address does not fit.
func (r *Rule) whyElsewhere(k *asked) string {
	addr := k.client.Addr
	switch {
	case r.address.reach == byName && k.namesErr != nil:
		return fmt.Sprintf("the names of %v could not be looked up: %v", addr, k.namesErr)
	case r.address.reach == byName && len(k.names) == 0:
		return fmt.Sprintf("%v has no name that leads back to it", addr)
	case r.address.reach == byName:
		return fmt.Sprintf("%v is called %s, not %s", addr, strings.Join(k.names, ", "), r.address.name)
	case r.address.reach != inRange && k.networksErr != nil:
		return fmt.Sprintf("the networks of this machine could not be read: %v", k.networksErr)
	case r.address.reach == sameHost:
		return fmt.Sprintf("%v is no address of this machine", addr)
	case r.address.reach == sameNet:
		return fmt.Sprintf("%v is in no network of this machine", addr)
	}
	return fmt.Sprintf("%v is not in %s", addr, r.address.String())
}

func database(c *Client) string {
	if c.Replication {
		return "physical replication"
	}
	return fmt.Sprintf("database %q", c.Database)
}

// brief is a field for people: its first tokens.
func brief(f field) string {
	const most = 5
	if len(f) > most {
		return fmt.Sprintf("%s and %d more", f[:most], len(f)-most)
	}
	return f.String()
}
