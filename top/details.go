package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pgweir/status"
)

// A detail is a field of the page about one row. Without a name, it is a
// sentence that explains the row.
type detail struct{ name, value string }

// details are the fields that have a value, and "unknown" for those that should
// have one.
type details []detail

func (d *details) sentence(s string) {
	if s != "" {
		*d = append(*d, detail{value: clean(s)})
	}
}

func (d *details) must(name, value string) {
	if value == "" {
		value = "unknown"
	}
	*d = append(*d, detail{name, clean(value)})
}

func (d *details) may(name, value string) {
	if value != "" {
		*d = append(*d, detail{name, clean(value)})
	}
}

func processDetails(c *status.Census, p *status.Process, percent float64, percentKnown bool) []detail {
	var d details
	d.sentence(p.Role)
	d.sentence(explainState(p.State))
	d.sentence(explainWait(p.Wait))
	d.sentence(explainOwner(p))
	d.must("pid", strconv.Itoa(p.PID))
	d.must("kind", p.Kind)
	d.must("parent", orNothing(p.Parent))
	d.must("server", c.Server.Host)
	d.may("user", p.User)
	d.may("database", p.Database)
	d.may("application", p.Application)
	d.may("state", p.State)
	d.may("wait", p.Wait)
	if p.Since.IsZero() {
		d.must("since", "")
	} else {
		d.must("since", fmt.Sprintf("%s (%s)", p.Since.Local().Format(time.DateTime), ageText(c.At.Sub(p.Since))))
	}
	cpu := ""
	if p.CPU >= 0 {
		cpu = cpuText(p.CPU) + " in all"
	}
	if percentKnown {
		cpu += fmt.Sprintf(", %.1f %% of a core now", percent)
	}
	d.must("cpu", cpu)
	memory := ""
	if p.Memory >= 0 {
		memory = fmt.Sprintf("%s for itself (%d bytes)", bytesText(p.Memory), p.Memory)
	}
	d.must("memory", memory)
	if p.Client != nil {
		d.must("client", fmt.Sprintf("%d, from %s", p.Client.ID, p.Client.Addr))
		d.may("pin", p.Client.Pin)
	}
	d.may("query", p.Query)
	return d
}

func clientDetails(c *Client) []detail {
	var d details
	d.sentence(explainClient(c))
	d.must("id", strconv.FormatUint(c.ID, 10))
	d.must("user", c.User)
	d.must("database", c.Database)
	d.must("state", c.State)
	if c.Wait > 0 {
		d.must("wait", fmt.Sprintf("%.3f s for a backend", c.Wait.Seconds()))
	}
	d.must("address", c.Addr)
	d.may("application", c.Application)
	d.must("connected", c.Connected)
	d.may("last request", c.Requested)
	d.may("backend", orNothing(c.BackendPID))
	d.may("pin", c.Pin)
	d.may("tls", c.TLS)
	d.must("prepared statements", strconv.Itoa(c.Prepared))
	return d
}

func poolDetails(p *status.Pool) []detail {
	var d details
	d.sentence(explainPool(p))
	d.must("database", p.Database)
	d.must("user", p.User)
	d.must("mode", p.Mode)
	d.must("size", strconv.Itoa(p.Size))
	d.must("clients", fmt.Sprintf("%d, of which %d wait for a backend", p.Clients(), p.ClientsWaiting))
	d.must("longest wait", fmt.Sprintf("%.3f s", p.MaxWait.Seconds()))
	d.must("backends", fmt.Sprintf("%d: %d lent, %d idle, %d being opened, %d being closed", p.Backends(),
		p.ServersActive, p.ServersIdle, p.ServersLogin, p.ServersClosing))
	d.must("saved", strconv.Itoa(saved(p)))
	d.must("pinned", strconv.Itoa(p.Pinned))
	d.must("transactions", fmt.Sprintf("%d a second", p.Averages.Transactions))
	memory := ""
	if p.BackendMemory >= 0 {
		memory = bytesText(p.BackendMemory) + " that its backends hold for themselves"
	}
	d.must("memory", memory)
	return d
}

func findingDetails(about string, at time.Time, f *status.Finding) []detail {
	var d details
	d.sentence(f.Text)
	d.may("what to do", f.Advice)
	d.must("finding", f.ID)
	d.must("severity", string(f.Severity))
	d.must("server", about)
	if f.Since.IsZero() {
		d.must("since", "")
	} else {
		d.must("since", fmt.Sprintf("%s (%s)", f.Since.Local().Format(time.DateTime), ageText(at.Sub(f.Since))))
	}
	return d
}

func orNothing(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// detailLines are the page as lines of at most w columns.
func detailLines(all []detail, w int) []string {
	name := 0
	for _, d := range all {
		name = max(name, len(d.name))
	}
	var lines []string
	named := false
	for _, d := range all {
		if d.name == "" {
			lines = append(lines, wrap(d.value, w)...)
			continue
		}
		if !named && len(lines) > 0 {
			lines = append(lines, "")
		}
		named = true
		margin := min(name+2, max(0, w-10))
		for i, line := range wrap(d.value, max(1, w-margin)) {
			if i == 0 {
				lines = append(lines, fit(d.name, margin, false)+line)
			} else {
				lines = append(lines, strings.Repeat(" ", margin)+line)
			}
		}
	}
	return lines
}
