package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"pgweir/status"
)

// connections judges how many more logins the server can take.
func (j *Judge) connections(r *reading) {
	const advice = "Lead more applications through pgweir, end what is not needed, or raise max_connections (which takes a restart)."
	if r.Code == codeTooMany && !ownLimit(r.Err) {
		r.find(nearMax, status.Critical, fmt.Sprintf("The server has no place for another login: %q. Those that are in are served.", said(r.Err)), advice)
		return
	}
	l := r.Census.Limits
	if !r.answered || l == nil || !r.kindsKnown() {
		r.cannotTell(nearMax)
		return
	}
	usable := l.MaxConnections - l.SuperuserReserved - l.Reserved
	if usable <= 0 {
		return
	}
	used, ours := 0, 0
	others := map[string]int{}
	for i := range r.Census.Processes {
		p := &r.Census.Processes[i]
		if p.Kind != "client backend" {
			continue // walsenders and workers have places of their own
		}
		used++
		if p.Ours {
			ours++
		} else {
			others[p.User]++
		}
	}
	severity := status.Warning
	switch {
	case used*100 >= usable*j.limits.AtMax:
		severity = status.Critical
	case used*100 < usable*j.limits.NearMax:
		return
	}
	reserved := ""
	if n := l.SuperuserReserved + l.Reserved; n > 0 {
		reserved = fmt.Sprintf(" less %d reserved", n)
	}
	whose := fmt.Sprintf("pgweir has %d of them", ours)
	if top := busiest(others); used > ours {
		whose += fmt.Sprintf(", others have %d", used-ours)
		if top != "" {
			whose += fmt.Sprintf(" (the role %s has %d)", top, others[top])
		}
	}
	r.find(nearMax, severity, fmt.Sprintf(
		"%d client backends are open of the %d that the server has places for (max_connections %d%s); %s. When none is left, logins are refused.",
		used, usable, l.MaxConnections, reserved, whose), advice)
}

// busiest is the role with the most backends, the first by name of several.
func busiest(roles map[string]int) string {
	names := slices.Sorted(maps.Keys(roles))
	if len(names) == 0 {
		return ""
	}
	return slices.MaxFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(roles[a], roles[b]), cmp.Compare(b, a)) })
}
