package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"pgweir/amount"
	"pgweir/status"
)

// maxPinRows is how many pins are listed one by one.
const maxPinRows = 10

// stateOf makes the view. sizing may be nil.
func stateOf(s *status.Snapshot, h status.History, sizing *status.Sizing) *stateView {
	v := &s.Savings
	most := max(1, v.Clients, v.Backends)
	out := &stateView{
		Title:   amount.Count(v.Saved) + " backends saved · pgweir",
		Version: s.Version,
		Up:      amount.Lasting(s.At.Sub(s.Started)),

		Saved:         amount.Count(v.Saved),
		SavedNoun:     "backends saved",
		Clients:       amount.Count(v.Clients),
		ClientsWidth:  percent(v.Clients, most),
		Backends:      amount.Count(v.Backends),
		BackendsWidth: percent(v.Backends, most),
		Ratio:         ratioText(v),

		Forks:     amount.Count(max(0, v.ClientLogins-v.ServerLogins)),
		ForksNote: fmt.Sprintf("%s of clients took %s of backends", amount.Plural(v.ClientLogins, "login"), amount.Count(v.ServerLogins)),
		Peak:      amount.Count(v.Peak.Saved),
		PeakNote:  fmt.Sprintf("at most %s, and %s", amount.Plural(v.Peak.Clients, "client"), amount.Plural(v.Peak.Backends, "backend")),

		Seconds: chartOf(h.Seconds, status.MaxSeconds, time.Second, "5 minutes"),
		Minutes: chartOf(minutesOf(&h), status.MaxMinutes, time.Minute, "hour"),
	}
	if v.Saved == 1 {
		out.Title, out.SavedNoun = "1 backend saved · pgweir", "backend saved"
	}
	out.Memory, out.MemoryNote = memoryText(v)
	out.addPools(s)
	out.addCensuses(s)
	out.addSizing(sizing)
	out.judge(s)
	return out
}

func ratioText(v *status.Savings) string {
	switch {
	case v.Clients == 0:
		return "No client is connected."
	case v.Backends == 0:
		return "No backend is open: all clients are at rest."
	default:
		return fmt.Sprintf("%.1f clients for each backend.", v.Ratio)
	}
}

func memoryText(v *status.Savings) (size, note string) {
	switch {
	case v.MemorySaved >= 0 && v.MemorySource != "unknown":
		return amount.Bytes(v.MemorySaved), fmt.Sprintf("%s: %s for each backend", v.MemorySource, amount.Bytes(v.BackendMemory))
	case v.Backends == 0:
		return "unknown", "no backend is open whose memory could be read"
	default:
		return "unknown", "what a backend holds for itself cannot be read here"
	}
}

func (out *stateView) addPools(s *status.Snapshot) {
	waiting, pinned := 0, 0
	var longest, oldest time.Duration
	out.Pools = []poolView{}
	for i := range s.Pools {
		p := &s.Pools[i]
		if p.IsConsole() {
			continue
		}
		waiting, pinned = waiting+p.ClientsWaiting, pinned+p.Pinned
		longest, oldest = max(longest, p.MaxWait), max(oldest, p.OldestPin)
		of := s.PoolSavings(p)
		row := poolView{
			Key: poolKey(p.Database, p.User), Database: p.Database, User: p.User, Mode: p.Mode, Paused: p.Paused,
			Clients: amount.Count(p.Clients()), Waiting: amount.Count(p.ClientsWaiting), Longest: amount.Brief(p.MaxWait), Usual: usualWait(p.Waits),
			Backends: amount.Count(p.Backends()), Active: amount.Count(p.ServersActive), Size: amount.Count(p.Size), Pinned: amount.Count(p.Pinned),
			Saved: amount.Count(of.Saved), Memory: "unknown", Queries: amount.Count(p.Averages.Queries), Tone: toneWell,
		}
		if of.MemorySaved >= 0 {
			row.Memory = amount.Bytes(of.MemorySaved)
		}
		switch {
		case p.Paused, p.MaxWait >= status.LongWait:
			row.Tone = toneWarning
		case p.ClientsWaiting > 0:
			row.Tone = toneInfo
		}
		out.Pools = append(out.Pools, row)
	}
	out.NoPools = len(out.Pools) == 0
	out.Waiting, out.WaitingNote = amount.Count(waiting), "clients for a backend"
	if waiting > 0 {
		out.WaitingNote = "clients, the first for " + amount.Brief(longest)
	}
	out.Pinned, out.PinnedNote = amount.Count(pinned), "backends kept by a client"
	if pinned > 0 && oldest > 0 {
		out.PinnedNote = "backends, one of them for " + amount.Brief(oldest)
	}
}

// poolKey names a pool so that no two have the same name.
func poolKey(database, user string) string {
	return strconv.Quote(database) + " " + strconv.Quote(user)
}

// usualWait is the bound that 99 of 100 waits for a backend stayed below, since
// the start. waits are as in status.Pool.
func usualWait(waits []uint64) string {
	if len(waits) != len(status.WaitBounds)+1 || waits[len(waits)-1] == 0 {
		return "–"
	}
	all := waits[len(waits)-1]
	for i, bound := range status.WaitBounds {
		if float64(waits[i]) >= 0.99*float64(all) {
			return "< " + amount.Brief(time.Duration(bound*float64(time.Second)))
		}
	}
	return "> " + amount.Brief(time.Duration(status.WaitBounds[len(status.WaitBounds)-1]*float64(time.Second)))
}

// addFindings adds what is wrong with a server, or with pgweir itself.
func (out *stateView) addFindings(found []status.Finding, server string, now time.Time) {
	for _, f := range found {
		out.Findings = append(out.Findings, findingView{
			Key: f.ID + " " + server, Severity: string(f.Severity), ID: f.ID, Server: server,
			Text: f.Text, Advice: f.Advice, NoAdvice: f.Advice == "", Since: amount.Lasting(now.Sub(f.Since)),
		})
	}
}

// addCensuses adds what is wrong with pgweir itself, and what the servers' censuses
// have found.
func (out *stateView) addCensuses(s *status.Snapshot) {
	out.Findings, out.Pins, out.Servers = []findingView{}, []pinView{}, []readView{}
	out.addFindings(s.Findings, status.Itself, s.At)
	more := 0
	for _, c := range s.Censuses {
		out.Servers = append(out.Servers, readView{c.Server.Host, amount.Lasting(s.At.Sub(c.At)) + " ago"})
		out.addFindings(c.Findings, c.Server.Host, s.At)
		for i := range c.Processes {
			p := &c.Processes[i]
			if p.Client == nil || p.Client.Pin == "" {
				continue
			}
			if len(out.Pins) == maxPinRows {
				more++
				continue
			}
			out.Pins = append(out.Pins, pinView{
				Key: processKey(c, p), PID: strconv.Itoa(p.PID), Pool: p.User + "@" + p.Database, Reasons: p.Client.Pin,
				Client: holderName(p.Client), Application: p.Application,
			})
		}
	}
	// Those of each server are in this order already.
	slices.SortStableFunc(out.Findings, func(a, b findingView) int { return cmp.Compare(gravity(b.Severity), gravity(a.Severity)) })
	out.NoCensus, out.NoPins = len(s.Censuses) == 0, len(out.Pins) == 0
	if more > 0 {
		out.MorePins = fmt.Sprintf("and %s more", amount.Count(more))
	}
	out.Well = len(out.Findings) == 0
	out.WellNote = "Nothing is wrong; " + amount.Plural(len(s.Censuses), "server") + " watched."
	if out.NoCensus {
		out.WellNote = "No server has been looked at yet, or census_interval is 0: of PostgreSQL's processes nothing is known."
	}
}

func gravity(severity string) int {
	return slices.Index([]string{string(status.Info), string(status.Warning), string(status.Critical)}, severity)
}

func (out *stateView) addSizing(sizing *status.Sizing) {
	out.Sums, out.Advice = []sumView{}, []adviceView{}
	if sizing == nil {
		sizing = &status.Sizing{}
	}
	for _, sum := range sizing.Sums {
		row := sumView{Key: sum.Server, Server: sum.Server, Text: sum.Text, Fits: "fits", Tone: toneWell}
		switch {
		case sum.Usable < 0:
			row.Fits, row.Tone = "unknown", toneInfo
		case !sum.Fits:
			row.Fits, row.Tone = "does not fit", toneWarning
		}
		out.Sums = append(out.Sums, row)
	}
	for _, a := range sizing.Advice {
		row := adviceView{Key: poolKey(a.Database, a.User), Pool: a.User + "@" + a.Database, Evidence: a.Evidence}
		switch a.Do {
		case "keep":
			row.Do = fmt.Sprintf("keep at %d", a.Size)
		default:
			row.Do = fmt.Sprintf("%s from %d to %d", a.Do, a.Size, a.Suggested)
		}
		out.Advice = append(out.Advice, row)
	}
	out.NoSizing = len(out.Sums) == 0 && len(out.Advice) == 0
}

// judge says in a few words how all is.
func (out *stateView) judge(s *status.Snapshot) {
	critical, warnings := 0, 0
	for _, f := range out.Findings {
		switch f.Severity {
		case string(status.Critical):
			critical++
		case string(status.Warning):
			warnings++
		}
	}
	paused, waiting := 0, 0 // pools with a warning, which a finding may tell of too
	for _, p := range out.Pools {
		switch {
		case p.Paused:
			paused++
		case p.Tone == toneWarning:
			waiting++
		}
	}
	switch {
	case !s.Ready:
		out.Verdict, out.VerdictTone = "not ready: "+s.NotReady, toneCritical
	case critical > 0:
		out.Verdict, out.VerdictTone = amount.Plural(critical, "critical finding"), toneCritical
	case warnings > 0:
		out.Verdict, out.VerdictTone = amount.Plural(warnings, "warning"), toneWarning
	case paused > 0:
		out.Verdict, out.VerdictTone = amount.Plural(paused, "pool")+" paused", toneWarning
	case waiting > 0:
		out.Verdict, out.VerdictTone = "clients wait for long", toneWarning
	case out.NoCensus:
		out.Verdict, out.VerdictTone = "clients are served", toneInfo
	default:
		out.Verdict, out.VerdictTone = "everything is well", toneWell
	}
	out.Summary = fmt.Sprintf("%s. %s on %s: %s saved.", out.Verdict,
		amount.Plural(s.Savings.Clients, "client"), amount.Plural(s.Savings.Backends, "backend"), amount.Count(s.Savings.Saved))
}
