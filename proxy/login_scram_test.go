package proxy

import (
	"testing"

	"pgweir/wire"
)

// TestTheEndOfASCRAMExchangeComesWithTheWelcome: a client is woken once for both. One
// that came in two writes would be read in two for most of these logins.
func TestTheEndOfASCRAMExchangeComesWithTheWelcome(t *testing.T) {
	p := guarding(t, "local all all scram-sha-256\nhost all all all scram-sha-256\n")
	for range 20 {
		conn := knocks(t, p, from4(1), "ann")
		if typ, body := hears(t, conn); typ != 'R' || body[:4] != "\x00\x00\x00\x0a" {
			t.Fatalf("%c %q", typ, body)
		}
		client := wire.NewSCRAMClient("pw", wire.SCRAMNonce())
		if _, err := conn.Write(wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, client.First())); err != nil {
			t.Fatal(err)
		}
		_, challenge := hears(t, conn)
		final, err := client.Continue([]byte(challenge[4:]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(wire.AppendSASLResponse(nil, final)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		var types []byte
		for at := 0; at < n; {
			typ, total := wire.Header(buf[at:n])
			if types = append(types, typ); len(types) == 1 {
				if err := client.Final(buf[at+9 : at+total]); err != nil {
					t.Error(err)
				}
			}
			at += total
		}
		if got := string(types); got != "RRKZ" {
			t.Fatalf("it hears %q at once", got)
		}
		conn.Close()
	}
}
