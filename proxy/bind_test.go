package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgweir/config"
	"pgweir/loop"
)

// logged is a Proxy that can bind, and what it logs.
func logged() (*Proxy, *strings.Builder) {
	var text strings.Builder
	return &Proxy{log: slog.New(slog.NewTextHandler(&text, nil))}, &text
}

// answers tells whether a port takes connections at an address.
func answers(host string, port int) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestEachListenAddrIsOneKindOfAddressAndAllHaveOnePort(t *testing.T) {
	names := func(entry string) ([]netip.Addr, error) {
		if entry == "both.example" {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1")}, nil
		}
		return lookupAddrs(entry)
	}
	for _, c := range []struct {
		entries  []string
		sockets  int
		ip4, ip6 bool
	}{
		{[]string{"0.0.0.0"}, 1, true, false},
		{[]string{"::"}, 1, false, true},
		{[]string{"0.0.0.0", "::"}, 2, true, true},
		{[]string{"::", "0.0.0.0"}, 2, true, true},
		{[]string{"*"}, 2, true, true},
		{[]string{"*", "::", "0.0.0.0"}, 2, true, true},
		{[]string{"both.example"}, 2, true, true},
		{[]string{"127.0.0.1", "127.0.0.1"}, 1, true, false},
		{[]string{"::1"}, 1, false, true},
		{nil, 0, false, false},
	} {
		t.Run(fmt.Sprint(c.entries), func(t *testing.T) {
			p, text := logged()
			opened, err := p.bindTCP(&config.Config{ListenAddr: c.entries}, names)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(opened)
			if len(opened) != c.sockets || text.Len() > 0 {
				t.Fatalf("%d sockets; logged: %s", len(opened), text)
			}
			if c.sockets == 0 {
				return
			}
			port := opened[0].Addr().(*net.TCPAddr).Port
			if ip4, ip6 := answers("127.0.0.1", port), answers("::1", port); ip4 != c.ip4 || ip6 != c.ip6 {
				t.Errorf("IPv4: %v, IPv6: %v", ip4, ip6)
			}
		})
	}
}

func TestAnAddressThatCannotBeHadIsAWarningUnlessItIsTheLast(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	nowhere := func(entry string) ([]netip.Addr, error) {
		if entry == "nowhere.example" {
			return nil, errors.New("no such host")
		}
		return lookupAddrs(entry)
	}
	for _, c := range []struct {
		entries []string
		opened  int
		says    []string
	}{
		{[]string{"127.0.0.1", "127.0.0.2"}, 1, []string{"level=WARN", "addr=127.0.0.1", "address already in use"}},
		{[]string{"nowhere.example", "127.0.0.2"}, 1, []string{"level=WARN", "nowhere.example", "no such host"}},
		{[]string{"192.0.2.1", "::1"}, 1, []string{"level=WARN", "addr=192.0.2.1"}},
		{[]string{"127.0.0.1", "nowhere.example"}, 0, []string{"address already in use", "no such host"}},
	} {
		p, text := logged()
		opened, err := p.bindTCP(&config.Config{ListenAddr: c.entries, ListenPort: port}, nowhere)
		closeAll(opened)
		if len(opened) != c.opened || (err == nil) != (c.opened > 0) {
			t.Errorf("%v: %d sockets, %v", c.entries, len(opened), err)
		}
		said := text.String()
		if err != nil {
			said = err.Error()
		}
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%v: %q lacks %q", c.entries, said, want)
			}
		}
	}
}

func TestAPortThatTheNextAddressCannotHaveIsGivenUp(t *testing.T) {
	twice := []candidate{{"a", netip.MustParseAddr("127.0.0.1")}, {"b", netip.MustParseAddr("127.0.0.1")}}
	opened, errs := bindOnePort(twice, 0, loop.KeepAlive{})
	defer closeAll(opened)
	if len(opened) != 1 || errs[0] != nil || errs[1] == nil {
		t.Errorf("%d sockets, %v", len(opened), errs)
	}
}

func TestAUnixSocketReplacesOneThatIsLeftOverAndNoOther(t *testing.T) {
	path := t.TempDir() + "/.s.PGSQL.6432"
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if _, err := bindUnix(path, 0o700); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("beside one that listens: %v", err)
	}
	left.Close()
	l, err := bindUnix(path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
}
