package session

import "bytes"

// restoreNames puts the client's own names where a message of the server's has
// those of the pool.
func (s *Session) restoreNames(body []byte) []byte {
	out := bytes.Clone(body)
	if s.extra != nil {
		for _, p := range s.extra.splices {
			if p.st != nil {
				out = replaceName(out, p.st.Name, p.own)
			}
		}
	}
	for i := range s.link.ops {
		if o := &s.link.ops[i]; o.full != "" && o.prev != nil && o.prev.st != nil {
			out = replaceName(out, o.prev.st.Name, o.full)
		}
	}
	for name, n := range s.byName {
		if n.st != nil {
			out = replaceName(out, n.st.Name, name)
		}
	}
	for i := range s.link.ops {
		if p := s.link.ops[i].prev; p != nil && p.st != nil {
			out = replaceName(out, p.st.Name, s.link.ops[i].name)
		}
	}
	return out
}

// replaceName replaces one name where it does not go on.
func replaceName(text []byte, from, to string) []byte {
	at := 0
	for {
		i := bytes.Index(text[at:], []byte(from))
		if i < 0 {
			return text
		}
		i += at
		end := i + len(from)
		if end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] >= 'a' && text[end] <= 'z') {
			at = end
			continue
		}
		text = append(append(bytes.Clone(text[:i]), to...), text[end:]...)
		at = i + len(to)
	}
}
