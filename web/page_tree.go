package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgweir/amount"
	"pgweir/status"
)

// censusView is the trees of all servers. It is made anew when a census is.
type censusView struct {
	Servers []serverView `json:"servers"`
}

// serverView is the tree of one server's processes.
type serverView struct {
	Key        string            `json:"key"`
	Name       string            `json:"name"`
	About      string            `json:"about"`
	Postmaster processView       `json:"postmaster"`
	Clients    string            `json:"clients"` // how many client backends
	Groups     []groupView       `json:"groups"`
	NoClients  bool              `json:"noClients"`
	Background string            `json:"background"` // how many
	Others     []processView     `json:"others"`     // background processes
	More       []processView     `json:"more"`       // of them, folded
	Folded     bool              `json:"folded"`     // there are some
	MoreText   string            `json:"moreText"`
	Roles      map[string]string `json:"roles"` // by kind
}

// groupView is the client backends of one database and user.
type groupView struct {
	Key      string        `json:"key"`
	Name     string        `json:"name"`
	Through  string        `json:"through"` // whose they are
	Ours     bool          `json:"-"`
	About    string        `json:"about"`
	Rows     []processView `json:"rows"`
	More     []processView `json:"more"` // folded
	Folded   bool          `json:"folded"`
	MoreText string        `json:"moreText"`
}

// processView is one process.
type processView struct {
	Key         string `json:"key"`
	PID         string `json:"pid"`
	Kind        string `json:"kind"`
	Mark        string `json:"mark"` // a word that the style sheet knows
	State       string `json:"state"`
	Wait        string `json:"wait,omitempty"`
	Since       string `json:"since"`
	CPU         string `json:"cpu"`
	Memory      string `json:"memory"`
	User        string `json:"user,omitempty"`
	Database    string `json:"database,omitempty"`
	Application string `json:"application,omitempty"`
	Client      string `json:"client"`
	Wire        string `json:"wire"` // how the backend hangs together with its client: "lent", "pinned", "free", "direct"
	Pin         string `json:"pin"`
	Query       string `json:"query,omitempty"`
}

// How much of a tree is not folded.
const (
	maxRows   = 40 // client backends
	minRows   = 3  // of each group
	maxGroups = 24
	maxOthers = 24 // background processes
)

func censusOf(all []*status.Census) *censusView {
	out := &censusView{Servers: make([]serverView, 0, len(all))}
	for _, c := range all {
		out.Servers = append(out.Servers, serverOf(c))
	}
	return out
}

func serverOf(c *status.Census) serverView {
	out := serverView{
		Key: c.Server.Host, Name: "PostgreSQL at " + c.Server.Host, About: aboutServer(&c.Server),
		Postmaster: postmasterOf(c), Others: []processView{}, More: []processView{}, Roles: map[string]string{},
	}
	var clients []*status.Process
	background := 0
	for i := range c.Processes {
		p := &c.Processes[i]
		if p.Role != "" {
			out.Roles[kindName(p)] = p.Role
		}
		switch {
		case p.Kind == "postmaster":
		case p.Kind == "client backend":
			clients = append(clients, p)
		default:
			if background++; background <= maxOthers {
				out.Others = append(out.Others, processOf(c, p))
			} else {
				out.More = append(out.More, processOf(c, p))
			}
		}
	}
	out.Folded, out.MoreText = len(out.More) > 0, fmt.Sprintf("%d more", len(out.More))
	out.Clients, out.Background = amount.Count(len(clients)), amount.Count(background)
	out.Groups, out.NoClients = groupsOf(c, clients), len(clients) == 0
	return out
}

func aboutServer(s *status.CensusServer) string {
	parts := []string{"version " + orUnknown(s.Version)}
	if s.Standby {
		parts = append(parts, "a standby")
	}
	switch s.Where {
	case status.Here:
		parts = append(parts, "on this machine")
	case status.Unlocated:
		parts = append(parts, "not found on this machine yet: CPU and memory are unknown")
	default:
		parts = append(parts, "on another machine: CPU and memory are unknown")
	}
	return strings.Join(parts, ", ")
}

// postmasterOf is the root of the tree, seen or not.
func postmasterOf(c *status.Census) processView {
	for i := range c.Processes {
		if p := &c.Processes[i]; p.Kind == "postmaster" {
			v := processOf(c, p)
			if !c.Postmaster.Alive {
				v.Mark, v.State = "gone", "gone"
			}
			return v
		}
	}
	v := processView{Key: c.Server.Host + " postmaster", PID: "unknown", Kind: "postmaster", Mark: "unknown", State: "not seen from here",
		Since: "unknown", CPU: "unknown", Memory: "unknown"}
	if c.Postmaster.PID != 0 {
		v.PID = strconv.Itoa(c.Postmaster.PID)
	}
	switch {
	case c.Postmaster.Alive:
		v.Mark, v.State = "rest", "alive"
	case c.Postmaster.PID != 0 || slices.ContainsFunc(c.Findings, func(f status.Finding) bool { return f.Down }):
		v.Mark, v.State = "gone", "gone, or does not answer"
	}
	return v
}

// processKey names a process among those of all servers.
func processKey(c *status.Census, p *status.Process) string {
	return c.Server.Host + " " + strconv.Itoa(p.PID)
}

func kindName(p *status.Process) string {
	if p.Kind == "" {
		return "unknown kind"
	}
	return p.Kind
}

func holderName(h *status.Holder) string { return fmt.Sprintf("client %d, %s", h.ID, h.Addr) }

func processOf(c *status.Census, p *status.Process) processView {
	v := processView{
		Key: processKey(c, p), PID: strconv.Itoa(p.PID), Kind: kindName(p), State: stateAndWait(p), Mark: markOf(p), Wait: p.Wait,
		Since: "unknown", CPU: "unknown", Memory: "unknown",
		User: p.User, Database: p.Database, Application: p.Application, Query: p.Query,
	}
	if !p.Since.IsZero() {
		v.Since = amount.Lasting(c.At.Sub(p.Since))
	}
	if p.CPU >= 0 {
		v.CPU = amount.Brief(p.CPU)
	}
	if p.Memory >= 0 {
		v.Memory = amount.Bytes(p.Memory)
	}
	switch {
	case p.Client != nil:
		v.Client, v.Pin, v.Wire = holderName(p.Client), p.Client.Pin, "lent"
		if v.Pin != "" {
			v.Wire = "pinned"
		}
	case p.Ours:
		v.Client, v.Wire = "no client", "free"
	case p.Kind == "client backend":
		v.Client, v.Wire = p.Application, "direct"
	}
	return v
}

// stateName is how a process stands, in words.
func stateName(p *status.Process) string {
	switch {
	case p.State != "":
		return p.State
	case strings.HasPrefix(p.Wait, "Activity: "):
		return "at rest"
	case p.Wait != "":
		return "waits"
	case p.Kind == "client backend" || p.Kind == "":
		return "unknown"
	default:
		return "running"
	}
}

// stateAndWait is the state, and what the process waits for if that is not
// just its next task.
func stateAndWait(p *status.Process) string {
	if p.Wait == "" || strings.HasPrefix(p.Wait, "Activity: ") || strings.HasPrefix(p.Wait, "Client: ") {
		return stateName(p)
	}
	return stateName(p) + ", " + p.Wait
}

// markOf is the shape that stands beside it. Shapes only repeat what the words say.
func markOf(p *status.Process) string {
	switch {
	case p.State == "stopped":
		return "stopped"
	case strings.HasPrefix(p.Wait, "Lock: "):
		return "blocked"
	case strings.HasPrefix(p.State, "idle in transaction"):
		return "held"
	case p.State == "idle" || p.State == "" && strings.HasPrefix(p.Wait, "Activity: "):
		return "rest"
	case p.State == "" && (p.Kind == "client backend" || p.Kind == ""):
		return "unknown"
	default:
		return "busy"
	}
}

// groupsOf puts client backends into groups, pgweir's own first, and the others
// by their size. What is at rest is folded first when there are many.
func groupsOf(c *status.Census, clients []*status.Process) []groupView {
	byKey := map[string][]*status.Process{}
	groups := []groupView{}
	for _, p := range clients {
		g := groupView{Name: orUnknown(p.User) + "@" + orUnknown(p.Database), Ours: p.Ours, Through: "not through this pgweir"}
		g.Key = poolKey(p.Database, p.User)
		if p.Ours {
			g.Through, g.Key = "this pgweir's", "ours "+g.Key
		}
		if byKey[g.Key] == nil {
			groups = append(groups, g)
		}
		byKey[g.Key] = append(byKey[g.Key], p)
	}
	slices.SortStableFunc(groups, func(a, b groupView) int {
		if a.Ours != b.Ours {
			return cmp.Compare(b2i(b.Ours), b2i(a.Ours))
		}
		return cmp.Or(cmp.Compare(len(byKey[b.Key]), len(byKey[a.Key])), cmp.Compare(a.Key, b.Key))
	})
	if len(groups) > maxGroups {
		rest := groupView{Key: "rest", Name: fmt.Sprintf("%d more databases and users", len(groups)-maxGroups+1), Through: "some of them this pgweir's"}
		for _, g := range groups[maxGroups-1:] {
			byKey[rest.Key] = append(byKey[rest.Key], byKey[g.Key]...)
		}
		groups = append(groups[:maxGroups-1], rest)
	}
	budget := maxRows
	for i := range groups {
		budget -= groups[i].fill(c, byKey[groups[i].Key], max(minRows, budget))
	}
	return groups
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fill gives a group its rows, at most so many that are not folded, and says
// how many those are.
func (g *groupView) fill(c *status.Census, members []*status.Process, most int) int {
	states := map[string]int{}
	shown := make([]bool, len(members))
	n := 0
	// First what is not at rest, then the others; both keep their order.
	for _, resting := range []bool{false, true} {
		for i, p := range members {
			if (markOf(p) == "rest") != resting || n == most {
				continue
			}
			shown[i] = true
			n++
		}
	}
	g.Rows, g.More = make([]processView, 0, n), make([]processView, 0, len(members)-n)
	for i, p := range members {
		states[stateName(p)]++
		if shown[i] {
			g.Rows = append(g.Rows, processOf(c, p))
		} else {
			g.More = append(g.More, processOf(c, p))
		}
	}
	names := make([]string, 0, len(states))
	for name := range states {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(states[b], states[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", states[name], name)
	}
	g.About = amount.Plural(len(members), "backend") + ": " + strings.Join(names, ", ")
	g.Folded, g.MoreText = len(g.More) > 0, fmt.Sprintf("%s more", amount.Plural(len(g.More), "backend"))
	return n
}
