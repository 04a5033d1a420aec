package top

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"pgweir/status"
)

var processTable = &table{name: "processes", sorted: 7, columns: []column{
	{title: "PID", key: "N", number: true, keep: 100},
	{title: "SERVER", least: 8, most: 24, keep: 62},
	{title: "USER", key: "U", least: 6, most: 24, keep: 80},
	{title: "DATABASE", least: 8, most: 24, keep: 70},
	{title: "KIND", key: "K", least: 10, most: 30, keep: 72},
	{title: "STATE", key: "S", least: 10, most: 30, keep: 85},
	{title: "WAIT", least: 12, most: 32, keep: 55},
	{title: "CPU%", key: "P", number: true, falling: true, keep: 90},
	{title: "MEMORY", key: "M", number: true, falling: true, keep: 75},
	{title: "SINCE", key: "T", number: true, falling: true, keep: 74},
	{title: "CLIENT", number: true, keep: 60},
	{title: "APPLICATION", key: "A", least: 8, most: 40, keep: 65},
	{title: "TIME", number: true, falling: true, keep: 40},
	{title: "QUERY", least: 10, most: 200, keep: 30},
}}

// A process is what a process is known by: the system gives a process ID to
// another one in time.
type process struct {
	host string
	pid  int
	kind string
}

// usage is how much CPU the processes take: what they had used in all at one
// reading of the census, and between it and the one before, in percent of a
// core.
type usage struct {
	at      map[string]time.Time // by host
	used    map[process]time.Duration
	percent map[process]float64
}

// count takes the censuses of a reading. A census that was seen before changes
// nothing: pgweir takes one every few seconds, and may be asked more often.
func (u *usage) count(all []*status.Census) {
	next := usage{map[string]time.Time{}, map[process]time.Duration{}, map[process]float64{}}
	for _, c := range all {
		before, known := u.at[c.Server.Host]
		lasted := c.At.Sub(before)
		next.at[c.Server.Host] = c.At
		for i := range c.Processes {
			p := &c.Processes[i]
			id := process{c.Server.Host, p.PID, p.Kind}
			if p.CPU < 0 {
				continue
			}
			next.used[id] = p.CPU
			used, seen := u.used[id]
			switch {
			case !known || !seen || p.CPU < used:
			case lasted == 0:
				if percent, ok := u.percent[id]; ok {
					next.percent[id] = percent
				}
			case lasted > 0:
				next.percent[id] = 100 * float64(p.CPU-used) / float64(lasted)
			}
		}
	}
	*u = next
}

// of is the CPU that a process takes, in percent of a core; not ok if unknown.
func (u *usage) of(host string, p *status.Process) (percent float64, ok bool) {
	percent, ok = u.percent[process{host, p.PID, p.Kind}]
	return percent, ok
}

// processRows are the rows of all processes of all servers.
func processRows(all []*status.Census, u *usage) []row {
	var rows []row
	for _, c := range all {
		for i := range c.Processes {
			rows = append(rows, processRow(c, &c.Processes[i], u, len(all) > 1))
		}
	}
	return rows
}

func processRow(c *status.Census, p *status.Process, u *usage, many bool) row {
	server := cell{none: true}
	if many {
		server = textCell(c.Server.Host)
	}
	cpu, memory, since, used, client := unknownCell(), unknownCell(), unknownCell(), unknownCell(), cell{none: true}
	percent, ok := u.of(c.Server.Host, p)
	if ok {
		cpu = numCell(percent, fmt.Sprintf("%.1f", percent))
	}
	if p.Memory >= 0 {
		memory = numCell(float64(p.Memory), bytesText(p.Memory))
	}
	if !p.Since.IsZero() {
		age := c.At.Sub(p.Since)
		since = numCell(float64(age), ageText(age))
	}
	if p.CPU >= 0 {
		used = numCell(float64(p.CPU), cpuText(p.CPU))
	}
	r := row{key: fmt.Sprintf("%s %d", c.Server.Host, p.PID), ours: p.Ours}
	if p.Client != nil {
		r.client = p.Client.ID
		client = numCell(float64(p.Client.ID), strconv.FormatUint(p.Client.ID, 10))
	}
	kind := textCell(p.Kind)
	if p.Kind == "" {
		kind = unknownCell()
	}
	if !p.Ours {
		kind.tone = faint
	}
	state, wait := textCell(p.State), textCell(p.Wait)
	state.tone, wait.tone = stateTone(p.State), waitTone(p.Wait)
	r.cells = []cell{numCell(float64(p.PID), strconv.Itoa(p.PID)), server, textCell(p.User), textCell(p.Database), kind,
		state, wait, cpu, memory, since, client, textCell(p.Application), used, textCell(p.Query)}
	r.details = func() []detail { return processDetails(c, p, percent, ok) }
	return r
}

func stateTone(state string) tone {
	switch state {
	case "active", "fastpath function call":
		return good
	case "idle in transaction":
		return warning
	case "idle in transaction (aborted)", "stopped":
		return critical
	default:
		return plain
	}
}

func waitTone(wait string) tone {
	switch kind, _ := waitParts(wait); {
	case kind == "Lock":
		return critical
	case slices.Contains([]string{"", "Activity", "Client", "Timeout", "Extension"}, kind):
		return faint
	default:
		return warning
	}
}
