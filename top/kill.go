package top

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// To kill a client takes four steps: the row says which it is (kill), the
// console says who that is and what it does now (found), somebody says yes
// (decide), and the console says what has come of it (killed). The client that
// was named in the question is killed, whatever the table shows by then.

// howToConsole is how to have one.
const howToConsole = `Start with --console "host=... port=... dbname=pgweir user=ADMIN", where ADMIN is one of admin_users.`

// kill begins with the client of the cursor's row.
func (m *model) kill() tea.Cmd {
	r := m.view().selected()
	switch {
	case m.current == poolsView || m.current == findingsView:
		m.message = "Only clients can be killed: choose one among processes (1) or clients (2)."
	case !m.console:
		m.message = "To kill a client, pgweir's console is needed, as HTTP only shows. " + howToConsole
	case r == nil:
	case r.client == 0 && r.ours:
		m.message = "No client holds this backend, and only clients can be killed."
	case r.client == 0:
		m.message = "This process serves no client of this pgweir, and only those can be killed."
	default:
		m.message = fmt.Sprintf("Looking client %d up ...", r.client)
		ctx, source, id := m.ctx, m.source, r.client
		return func() tea.Msg {
			target, err := source.Find(ctx, id)
			return foundMsg{target, err}
		}
	}
	return nil
}

// found asks whether it is really meant.
func (m *model) found(msg foundMsg) {
	switch {
	case msg.err != nil:
		m.message = "Not killed: " + clean(msg.err.Error())
	case m.mode != browsing:
		m.message = "" // something else has begun meanwhile
	default:
		m.message = ""
		m.mode, m.target = confirming, msg.Target
	}
}

// question names the client, its user and what it runs.
func (t *Target) question() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Kill client %d? (y/n) ", t.ID)
	// A client chooses its names, which must not hide what else there is to read.
	fmt.Fprintf(&b, "User %s, database %s, from %s", short(t.User), short(t.Database), short(t.Addr))
	if t.Application != "" {
		fmt.Fprintf(&b, ", application %s", short(t.Application))
	}
	fmt.Fprintf(&b, "; %s", t.State)
	if t.BackendPID != 0 {
		fmt.Fprintf(&b, ", holds backend %d", t.BackendPID)
	}
	if t.Pin != "" {
		fmt.Fprintf(&b, " and keeps it (%s)", t.Pin)
	}
	switch {
	case t.Query != "":
		fmt.Fprintf(&b, "; it runs: %s", t.Query)
	case t.Pinned != "":
		fmt.Fprintf(&b, ", since: %s", t.Pinned)
	}
	return clean(b.String())
}

// short is a name in a sentence.
func short(s string) string { return cut(clean(s), 64) }

// decide is the answer. Only y is yes.
func (m *model) decide(key string) tea.Cmd {
	target := m.target
	m.mode, m.target = browsing, nil
	if key != "y" && key != "Y" {
		m.message = fmt.Sprintf("Client %d was left alone.", target.ID)
		return nil
	}
	m.message = fmt.Sprintf("Killing client %d ...", target.ID)
	ctx, source := m.ctx, m.source
	return func() tea.Msg { return killedMsg{target, source.Kill(ctx, target)} }
}

// killed says what has come of it.
func (m *model) killed(msg killedMsg) tea.Cmd {
	if msg.err != nil {
		m.message = fmt.Sprintf("Client %d was not killed: %s", msg.ID, clean(msg.err.Error()))
		return nil
	}
	m.message = fmt.Sprintf("Client %d was killed (user %s, database %s, from %s).", msg.ID, short(msg.User), short(msg.Database), short(msg.Addr))
	return m.read()
}
