package integration

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

const (
	protocolNewest = 3<<16 | 9999 // what libpq asks for to find out whether a server can negotiate
	cancelCode     = 1234<<16 | 5678
)

// packets are the versions that the connections to PostgreSQL were opened with since the
// last time, and the lengths of the keys of those that carried a cancel request.
func (p *tap) packets() (versions []uint32, keys []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, packet := range p.opened {
		if code := binary.BigEndian.Uint32(packet[4:]); code == cancelCode {
			keys = append(keys, len(packet)-12)
		} else {
			versions = append(versions, code)
		}
	}
	p.opened = nil
	return versions, keys
}

// TestClientsAndServersMaySpeakDifferentVersionsOfTheProtocol: a client is given a key of
// its own version, and with it cancels on a server of any.
func TestClientsAndServersMaySpeakDifferentVersionsOfTheProtocol(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		most, database string
		asked          uint32
	}{
		{"", "", protocol32},
		{`server_max_protocol_version = "latest"`, "", protocol32},
		{`server_max_protocol_version = "3.0"`, "", protocol30},
		{`server_max_protocol_version = "3.0"`, `server_max_protocol_version = "3.2"`, protocol32},
	} {
		t.Run(set.most+" "+set.database, func(t *testing.T) {
			t.Parallel()
			between := newTap(t, shared.Port)
			w := startWeir(t, weirOptions{Top: set.most, Database: fmt.Sprintf("port = %d\npool_size = 1\n%s", between.port, set.database)})
			direct := connect(t, w.Direct())
			wantKey := 4
			if set.asked == protocol32 && w.PG.Programs.Major >= 18 {
				wantKey = 32
			}
			for _, client := range []struct {
				asks       uint32
				option     string
				negotiated bool
				key        int
			}{
				{protocol30, "", false, 4},
				{protocol32, "", false, 32},
				{protocolNewest, "", true, 32},
				{protocol32, "_pq_.test_option", true, 32},
			} {
				c := dialWire(t, w.Addr())
				params := []string{"user", w.Role(), "database", w.DB}
				if client.option != "" {
					params = append(params, client.option, "on")
				}
				c.send(startupPacket(client.asks, params...))
				negotiated := false
				for ready := false; !ready; {
					switch typ, body := c.next(); typ {
					case 'v':
						negotiated = true
						want := binary.BigEndian.AppendUint32(nil, protocol32)
						if client.option == "" {
							want = append(want, 0, 0, 0, 0)
						} else {
							want = append(append(want, 0, 0, 0, 1), client.option+"\x00"...)
						}
						if !slices.Equal(body, want) {
							t.Errorf("it was told %q, want %q", body, want)
						}
					case 'K':
						c.pid, c.key = binary.BigEndian.Uint32(body), body[4:]
					case 'E':
						t.Fatal(errorFields(body))
					case 'Z':
						ready = true
					}
				}
				if len(c.key) != client.key || negotiated != client.negotiated {
					t.Errorf("asked for %x: a key of %d bytes, negotiated: %t", client.asks, len(c.key), negotiated)
				}
				c.send(simpleQuery("select pg_sleep(60)"))
				running(t, w, direct, "select pg_sleep(60)", 1)
				if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
					t.Fatal(err)
				}
				if code, err := c.answer(); code != "57014" || err != nil {
					t.Fatalf("got %q, %v", code, err)
				}
				c.vanish(false)
			}
			versions, keys := between.packets()
			if len(versions) != 1 || versions[0] != set.asked {
				t.Errorf("PostgreSQL was asked for %x, want %x", versions, set.asked)
			}
			if len(keys) < 4 {
				t.Errorf("%d cancel requests", len(keys))
			}
			for _, n := range keys {
				if n != wantKey {
					t.Errorf("a cancel request with a key of %d bytes, want %d", n, wantKey)
				}
			}
		})
	}
}

// TestACancelRequestIsNotAnswered: its connection is closed without a byte, whatever is
// wrong with it, and reaches nobody.
func TestACancelRequestIsNotAnswered(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	c := loginWire(t, w)
	for _, key := range [][]byte{nil, c.key[:1], c.key[:3], append(slices.Clone(c.key), 0), make([]byte, 4), make([]byte, 256), make([]byte, 257), make([]byte, 5000), c.key} {
		if err := sendCancel(w.Addr(), c.pid, key); err != nil {
			t.Errorf("a key of %s bytes: %v", strconv.Itoa(len(key)), err)
		}
	}
	if code, err := c.roundTrip("select 1"); code != "" || err != nil {
		t.Errorf("%q, %v", code, err)
	}
}
