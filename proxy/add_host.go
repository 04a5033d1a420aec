package proxy

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"pgweir/wire"
)

// With application_name_add_host a session begins with the client's address and port
// behind its application_name, as PgBouncer writes them: "psql - 10.0.0.1:5555",
// "psql - [::1]:5555", "psql - unix(4711@host):6432". What the client sets later
// stands as it is. A replication connection keeps its name, unlike in PgBouncer:
// synchronous_standby_names has it.

// unnamed stands for the application_name of a client that gives none.
const unnamed = "app"

// maxApplicationName is how many bytes of one PostgreSQL looks at (NAMEDATALEN - 1).
const maxApplicationName = 63

// addHost puts where the client comes from into its application_name. A name that
// leaves no room for it stays: PostgreSQL would cut it off.
func (a *ask) addHost(origin string) {
	for i := range a.params {
		p := &a.params[i]
		if !strings.EqualFold(p.Name, wire.VarNames[wire.VarApplicationName]) {
			continue
		}
		if len(p.Value) < maxApplicationName {
			p.Value += " - " + origin
		}
		a.application = p.Value
		return
	}
	a.application = unnamed + " - " + origin
	a.params = append(a.params, wire.Param{Name: wire.VarNames[wire.VarApplicationName], Value: a.application})
}

// hostName is the machine's name.
var hostName = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil {
		return "somehost"
	}
	return name
})

// origin is where the client comes from, for its application_name. Of a client on a
// Unix socket it is the process, where the system says which, and the port that
// pgweir listens on.
func (c *client) origin(listenPort int) string {
	if !c.peer.local() {
		return c.peer.String()
	}
	if pid := peerPID(c.conn.FD()); pid != 0 {
		return fmt.Sprintf("unix(%d@%s):%d", pid, hostName(), listenPort)
	}
	return fmt.Sprintf("unix:%d", listenPort)
}
