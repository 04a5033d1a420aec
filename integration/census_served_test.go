package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheServedCensusNamesTheClientOfEachBackend: what the running pgweir
// knows, and only it.
func TestTheServedCensusNamesTheClientOfEachBackend(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:      "census_user = \"postgres\"\ncensus_interval = \"1s\"",
		Database: "pool_size = 3",
	})
	free, holding, pinned := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.DSN("application_name=keeper"))
	must(t, holding, "begin")
	must(t, pinned, "create temp table kept (a int)")
	must(t, free, "select 1") // on a backend of its own, which stays
	console := connect(t, w.Console())
	backends := map[int]bool{}
	backendCount(t, w, 3)
	for _, pid := range w.Backends(t) {
		backends[pid] = true
	}
	// By SHOW SERVERS and SHOW CLIENTS, who has which.
	clientOf := map[string]string{}
	eventually(t, "two clients hold a backend", func() bool { // the third's is still looked at for leaks
		clear(clientOf)
		for _, row := range show(t, console, "show servers") {
			if row["database"] == w.DB && row["link"] != "" {
				clientOf[row["remote_pid"]] = rowOf(t, show(t, console, "show clients"), "ptr", row["link"])["id"]
			}
		}
		return len(clientOf) == 2
	})
	var c *censusOf
	eventually(t, "the census has all three, with their clients", func() bool {
		out, _, code := censusOutput(t, "--json", "-c", w.ConfigPath())
		if code != 0 {
			return false // none was taken yet
		}
		c = parseCensus(t, out)
		ours := 0
		for _, p := range c.Processes {
			if !p.Ours || or(p.Database) != w.DB {
				continue
			}
			ours++
			if !backends[p.PID] {
				return false
			}
			if id, held := clientOf[fmt.Sprint(p.PID)]; held != (p.Client != nil) || held && fmt.Sprint(p.Client.ID) != id {
				return false
			}
			if p.Client != nil && or(p.Client.Pin) != "" && or(p.Application) == "" {
				return false // the server was asked just before the name was set
			}
		}
		return ours == 3
	})
	pins := 0
	for _, p := range c.Processes {
		if p.Ours && p.Client != nil {
			if !strings.HasPrefix(p.Client.Addr, "127.0.0.1:") {
				t.Errorf("the client is at %q", p.Client.Addr)
			}
			if pin := or(p.Client.Pin); pin != "" {
				pins++
				if !strings.Contains(pin, "temporary table") || or(p.Application) != "keeper" {
					t.Errorf("%q keeps its backend for: %q", or(p.Application), pin)
				}
			}
		}
		if !p.Ours && p.Client != nil || p.PID == w.PG.PID() && or(p.Kind) != "postmaster" {
			t.Errorf("%+v", p)
		}
	}
	if pins != 1 {
		t.Errorf("%d pins", pins)
	}
	// JSON is that of /census, to the letter.
	if c.Server.Host != fmt.Sprintf("127.0.0.1:%d", w.PG.Port) || !c.Server.Local {
		t.Errorf("%+v", c.Server)
	}
	eventually(t, "the command prints what /census is", func() bool {
		_, before := get(t, w, "/census")
		out, _, _ := censusOutput(t, "--json", "--url", w.HTTP(""))
		return out == before
	})
	out, errText, code := censusOutput(t, "--url", w.HTTP("/"), "--server", c.Server.Host)
	if code != 0 || !strings.Contains(out, "pinned: temporary table") || !strings.Contains(out, "(pgweir's, free)") || !strings.Contains(out, "of them pgweir's)") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errText)
	}
	if _, errText, code := censusOutput(t, "--url", w.HTTP("/"), "--server", "nowhere:1"); code != 1 || !strings.Contains(errText, c.Server.Host) {
		t.Errorf("exit code %d: %s", code, errText)
	}
	if filepath.Base(w.ConfigPath()) != "config.toml" {
		t.Error("config.toml is not what is looked for by itself")
	}
}
