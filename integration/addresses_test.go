package integration

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestListenAddrMeansWhatListenAddressesDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr     string
		ip4, ip6 bool
	}{
		{`"0.0.0.0"`, true, false}, {`"::"`, false, true}, {`["0.0.0.0", "::"]`, true, true}, {`"*"`, true, true},
		{`["::1", "127.0.0.1"]`, true, true}, {`["192.0.2.1", "::1"]`, false, true},
	} {
		t.Run(c.addr, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "listen_addr = " + c.addr})
			for host, want := range map[string]bool{"127.0.0.1": c.ip4, "::1": c.ip6} {
				conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(w.Port)))
				if (err == nil) != want {
					t.Errorf("%s: %v", host, err)
				}
				if err != nil {
					continue
				}
				_ = conn.Close()
				if got := ask(t, connect(t, w.DSN("host="+host)), "select 'in'"); got != "in" {
					t.Errorf("%s: %s", host, got)
				}
			}
			if warned := strings.Contains(w.Log(), "addr=192.0.2.1"); warned != strings.Contains(c.addr, "192") {
				t.Errorf("warned: %v", warned)
			}
		})
	}
}
