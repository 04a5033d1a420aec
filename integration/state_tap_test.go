package integration

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tap stands between pgweir and PostgreSQL and counts what goes from one to
// the other.
type tap struct {
	port  int
	chunk int // if not 0: answers go on in writes of so many bytes

	to string // where PostgreSQL listens
	mu sync.Mutex
	// Under mu:
	bursts     int            // times that bytes came from pgweir after none or bytes from PostgreSQL
	reads      int            // pieces in which bytes came from pgweir
	bytes      int            // those bytes
	asked      int            // pgweir's own questions about what is left in a backend
	askedBytes int            // those questions
	unproven   int            // those of them that were asked because of what ran
	parses     int            // Parse messages with a name
	statements map[string]int // how many named statements each connection has now, by its own address
	most       int            // the most that any had
	opened     [][]byte       // the first packet of each connection, SSLRequests left out
}

// newTap listens until the test ends.
func newTap(t *testing.T, port int) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{
		port:       listener.Addr().(*net.TCPAddr).Port,
		to:         (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String(),
		statements: map[string]int{},
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait() // pgweir has ended: it was started later
	})
	return p
}

func (p *tap) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var (
		back     sync.WaitGroup
		answered = true // bytes of PostgreSQL's were the last; under p.mu
		watch    = statementWatch{names: map[string]bool{}}
		buf      = make([]byte, 1<<16)
	)
	back.Go(func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			p.mu.Lock()
			answered = answered || n > 0
			p.mu.Unlock()
			for b := buf[:n]; len(b) > 0; {
				piece := b
				if p.chunk > 0 {
					piece = b[:min(p.chunk, len(b))]
				}
				if _, err := client.Write(piece); err != nil {
					return
				}
				b = b[len(piece):]
			}
			if err != nil {
				return
			}
		}
	})
	for {
		n, err := client.Read(buf)
		if n > 0 {
			p.mu.Lock()
			p.reads++
			p.bytes += n
			if answered {
				p.bursts++
			}
			answered = false
			watch.asked = func(bytes int, digest bool) {
				p.asked++
				p.askedBytes += bytes
				if !digest {
					p.unproven++
				}
			}
			watch.opened = func(packet []byte) { p.opened = append(p.opened, slices.Clone(packet)) }
			p.parses += watch.feed(buf[:n])
			p.statements[client.RemoteAddr().String()] = len(watch.names)
			p.most = max(p.most, len(watch.names))
			p.mu.Unlock()
			if _, err := server.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = server.Close()
	back.Wait()
}

// tapped is what came from pgweir since the last time, its own questions apart.
type tapped struct {
	bursts, reads, bytes int
	// unproven is how many questions came because of what had run. Those that come
	// once a second, to see whether the database's objects have changed, are none.
	unproven int
}

func (p *tap) counts() tapped {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := tapped{p.bursts - p.asked, p.reads - p.asked, p.bytes - p.askedBytes, p.unproven}
	p.bursts, p.reads, p.bytes, p.asked, p.askedBytes, p.unproven = 0, 0, 0, 0, 0, 0
	return c
}

// mostStatements is the most named statements that a backend ever had at once,
// and the number of Parse messages that made any.
func (p *tap) mostStatements() (most, parses int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most, p.parses
}

// statementWatch follows the named statements of one connection to the server
// by the messages that go there. An error that undoes a Parse or skips a Close
// is not seen, so what it is used for must have none.
type statementWatch struct {
	asked   func(bytes int, digest bool) // about a question of pgweir's own
	opened  func(packet []byte)          // about the packet that opens a connection
	started bool
	pending []byte
	names   map[string]bool
}

// feed takes bytes and gives the number of named Parse messages in them.
func (s *statementWatch) feed(p []byte) (parses int) {
	s.pending = append(s.pending, p...)
	for {
		head := 5
		if !s.started {
			head = 4
		}
		if len(s.pending) < head {
			return parses
		}
		n := head - 4 + int(binary.BigEndian.Uint32(s.pending[head-4:]))
		if len(s.pending) < n {
			return parses
		}
		message := s.pending[:n]
		s.pending = s.pending[n:]
		if !s.started {
			// An SSLRequest comes before the StartupMessage.
			if s.started = binary.BigEndian.Uint32(message[4:]) != 1234<<16|5679; s.started {
				s.opened(message)
			}
			continue
		}
		parses += s.message(message[0], message[5:])
	}
}

func (s *statementWatch) message(typ byte, body []byte) (parses int) {
	switch typ {
	case 'P':
		if name := untilNUL(body); name != "" {
			s.names[name] = true
			return 1
		}
	case 'C':
		if body[0] == 'S' {
			delete(s.names, untilNUL(body[1:]))
		}
	case 'Q':
		switch text := untilNUL(body); {
		case text == "DISCARD ALL", text == "DEALLOCATE ALL":
			clear(s.names)
		case strings.Contains(text, "OPERATOR(pg_catalog.=)"):
			s.asked(5+len(body), strings.Contains(text, "SELECT 'd', '', "))
		}
	}
	return 0
}

func untilNUL(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
