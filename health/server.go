package health

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pgweir/status"
)

// SQLSTATEs that say how a server is.
const (
	codeTooMany       = "53300"
	codeAdminShutdown = "57P01"
	codeCrashShutdown = "57P02"
	codeCannotConnect = "57P03"
)

// server is which postmaster was looked at last.
type server struct {
	pid     int       // of the postmaster; 0 if unknown
	started time.Time // zero if unknown
	// auxiliary are the pids of the processes that PostgreSQL only starts anew
	// with all others, by kind, as they were last seen.
	auxiliary map[string]int
}

// identify notices that the server has another postmaster. Then nothing that
// was known of its processes holds any more.
func (j *Judge) identify(r *reading) {
	var started time.Time
	if r.answered { // otherwise it may be a guess
		started = r.Started
	}
	pid := 0
	if m := r.Census.Postmaster; r.Census.Server.Local() && m.Alive {
		pid = m.PID
	}
	r.identified = pid != 0 || !started.IsZero()
	old := j.server
	another := pid != 0 && old.pid != 0 && pid != old.pid
	if another || !started.IsZero() && !old.started.IsZero() && !started.Equal(old.started) {
		text := "The server was started again, or another has taken its place"
		if another {
			text += fmt.Sprintf(" (postmaster %d, was %d)", pid, old.pid)
		}
		if !started.IsZero() {
			text += "; it says that it was started at " + started.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		j.forget()
		j.happened(r, serverRestarted, status.Info, text+". All earlier sessions have ended.",
			"Nothing, if it was meant; otherwise the server's log says why it stopped.")
	}
	if pid != 0 {
		j.server.pid = pid
	}
	if !started.IsZero() {
		j.server.started = started
	}
}

// forget drops what was known of the processes of an earlier postmaster.
func (j *Judge) forget() {
	j.server, j.expected, j.watched, j.blocked = server{}, expected{}, nil, nil
	j.starts = map[string]*starts{}
	delete(j.events, serverCrashed)
	delete(j.until, serverCrashed)
}

// reach judges whether the server serves at all, and if not, why.
func (j *Judge) reach(r *reading) {
	reaches := r.Reaches || r.answered
	if r.starting = r.Code == codeCannotConnect; r.starting {
		r.down(serverStarting, fmt.Sprintf("The server lets nobody in: %q.", said(r.Err)),
			"Wait until it has started, recovered or stopped; its log says how far it is.")
	}
	silent := !reaches
	if r.Err != nil && r.Code == "" {
		// A postmaster that does not move leaves the kernel to accept.
		silent = silent || timedOut(r.Err)
	} else if r.Code != "" && r.Code != codeAdminShutdown && r.Code != codeCrashShutdown {
		silent = false
	}
	if silent {
		j.silent++
	} else {
		j.silent = 0
	}
	m := r.Census.Postmaster
	switch {
	case r.Census.Server.Local() && !m.Alive && silent && !reaches && (m.PID != 0 || j.server.pid != 0):
		pid := m.PID
		if pid == 0 {
			pid = j.server.pid
		}
		r.down(postmasterGone,
			fmt.Sprintf("PostgreSQL is down: its postmaster (pid %d) has gone, and nobody answers at %s.", pid, r.Census.Server.Host),
			"Start it (pg_ctl start, or the service); its log says why it stopped.")
	case j.silent >= 2:
		r.down(serverUnreachable, r.unreachable(), r.unreachableAdvice())
	}
	j.logins(r, silent)
}

// logins judges why the census was refused by a server that does answer.
func (j *Judge) logins(r *reading, silent bool) {
	if r.Err == nil || silent || r.starting || r.Code == codeTooMany && !ownLimit(r.Err) {
		j.refused = 0
		if silent || r.starting {
			r.cannotTell(censusLogin)
		}
		return
	}
	j.refused++
	text := fmt.Sprintf("The census cannot ask the server as %q (%s), so that only the process table is seen, if it is this machine's.", r.Role, said(r.Err))
	advice := "Check census_user, census_password and census_database, and pg_hba.conf."
	switch class := r.Code[:min(2, len(r.Code))]; {
	case class == "28" || class == "3D" || class == "42" || r.Code == codeTooMany:
	case j.refused < 2: // a connection that was cut may work again at once
		return
	case r.Code != "":
		advice = "The server's log says more of it."
	}
	r.find(censusLogin, status.Info, text, advice)
}

// ownLimit tells a role's or a database's limit from the server's: the code is
// the same. Of a server that speaks another language we do not know.
func ownLimit(err error) bool {
	text := said(err)
	return strings.HasPrefix(text, "too many connections for ")
}

func (r *reading) unreachable() string {
	host := r.Census.Server.Host
	switch {
	case r.Reaches:
		return fmt.Sprintf("The server at %s accepts connections but does not answer (%s): its postmaster stands still, or the machine is overloaded.", host, said(r.Err))
	case r.Err != nil && r.Code == "":
		return fmt.Sprintf("The server at %s cannot be reached: %s.", host, strings.TrimSuffix(said(r.Err), "."))
	default:
		return fmt.Sprintf("The server at %s cannot be reached: nobody accepts a connection there.", host)
	}
}

func (r *reading) unreachableAdvice() string {
	if m := r.Census.Postmaster; r.Census.Server.Local() && m.Alive {
		return fmt.Sprintf("Its postmaster (pid %d) lives: look at its state (ps -o stat,wchan -p %d) and into its log.", m.PID, m.PID)
	}
	return "Check that PostgreSQL runs there, that it listens on this address and port, and the network between."
}

// timedOut tells whether an error is that nothing came in time.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// crashes notices that PostgreSQL has started its processes again under the
// same postmaster, which it does when one of them was killed or crashed.
func (j *Judge) crashes(r *reading) {
	const advice = "The server's log names the process and its signal; 9 is mostly the kernel's, for want of memory (dmesg | grep -i oom)."
	// Only what the server says in English tells the one 57P03 from the others;
	// elsewhere the pids tell it when the server is back.
	if r.Code == codeCrashShutdown || r.starting && strings.Contains(said(r.Err), "recovery mode") {
		text := "One of the server's processes was killed or has crashed, and PostgreSQL restarts all of them: every session and transaction has ended."
		if told, ok := j.events[serverCrashed]; ok {
			text = told.Text // with the pids, perhaps, which only one reading finds changed
		}
		j.happened(r, serverCrashed, status.Warning, text, advice)
	}
	if !r.identified {
		return // other pids may be those of another postmaster
	}
	var changed []string
	same := false
	kinds := r.kinds()
	for _, kind := range []string{"checkpointer", "background writer", "walwriter", "startup"} {
		pids := kinds[kind]
		if len(pids) != 1 {
			continue
		}
		if old := j.server.auxiliary[kind]; old == pids[0] {
			same = true
		} else if old != 0 {
			changed = append(changed, fmt.Sprintf("%s: %d, was %d", kind, pids[0], old))
		}
		if j.server.auxiliary == nil {
			j.server.auxiliary = map[string]int{}
		}
		j.server.auxiliary[kind] = pids[0]
	}
	if len(changed) > 0 && !same {
		j.happened(r, serverCrashed, status.Warning, fmt.Sprintf(
			"One of the server's processes was killed or has crashed, and PostgreSQL has restarted all of them (%s): every session and transaction has ended.",
			list(changed)), advice)
	}
}
