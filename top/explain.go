package top

import (
	"fmt"
	"strings"

	"pgweir/status"
)

// explainState says what a state of pg_stat_activity means.
func explainState(state string) string {
	switch state {
	case "active":
		return "It is running a statement."
	case "idle":
		return "It has nothing to do until its client sends the next statement."
	case "idle in transaction":
		return "Its client has begun a transaction and is doing something else. Until it ends, the locks of the transaction " +
			"stay, and vacuum may not take away rows that it could still see."
	case "idle in transaction (aborted)":
		return "A statement of its transaction has failed. All that its client can do is to roll back."
	case "fastpath function call":
		return "It is running a function that its client has called by the protocol."
	case "disabled":
		return "The server does not keep track of states (track_activities is off)."
	case "stopped":
		return "A signal or a debugger has stopped it. It does nothing until it is sent SIGCONT."
	default:
		return ""
	}
}

// waitParts takes "Type: event" apart.
func waitParts(wait string) (kind, event string) {
	kind, event, _ = strings.Cut(wait, ": ")
	return kind, event
}

// explainWait says what a type of wait event means.
func explainWait(wait string) string {
	kind, _ := waitParts(wait)
	switch kind {
	case "Activity":
		return "It waits for work, as such a process does most of the time."
	case "BufferPin":
		return "It waits until nobody else is looking at a page in shared memory."
	case "Client":
		return "It waits for its client to read or to write."
	case "Extension":
		return "It waits for something in an extension."
	case "IO":
		return "It waits for a file to be read, written or flushed."
	case "IPC":
		return "It waits for another process of the server."
	case "InjectionPoint":
		return "It waits at a point where a test holds it."
	case "Lock":
		return "It waits for a lock that another transaction holds."
	case "LWLock":
		return "It waits for a structure in shared memory that another process is using."
	case "Timeout":
		return "It sleeps until a time is over."
	default:
		return ""
	}
}

// explainOwner says whose a process is.
func explainOwner(p *status.Process) string {
	switch {
	case p.Ours && p.Client != nil && p.Client.Pin != "":
		return fmt.Sprintf("It is one of pgweir's backends. Client %d keeps it beyond its transactions, because of: %s.", p.Client.ID, p.Client.Pin)
	case p.Ours && p.Client != nil:
		return fmt.Sprintf("It is one of pgweir's backends, lent to client %d.", p.Client.ID)
	case p.Ours:
		return "It is one of pgweir's backends, and no client holds it."
	case p.Kind == "client backend":
		return "It is not one of pgweir's backends: somebody has connected past it, or through another pooler."
	default:
		return ""
	}
}

func explainClient(c *Client) string {
	switch {
	case c.State == "waiting":
		return "It has asked for a backend, and waits for one."
	case c.BackendPID != 0 && c.Pin != "":
		return fmt.Sprintf("It keeps the backend %d beyond its transactions, because of: %s.", c.BackendPID, c.Pin)
	case c.BackendPID != 0:
		return fmt.Sprintf("It holds the backend %d.", c.BackendPID)
	case c.State == "idle":
		return "It has nothing under way, and takes no backend."
	default:
		return ""
	}
}

func explainPool(p *status.Pool) string {
	text := fmt.Sprintf("%s on %s, where each client would have one of its own without pgweir.", count(p.Clients(), "client"), count(p.Backends(), "backend"))
	if p.Paused {
		text += " The pool is paused: no backend is lent."
	}
	return text
}
