package auth

import (
	"strconv"
	"sync"

	"pgweir/wire"
)

// maxModels is how many users a Models keeps: enough for the kinds of secrets to
// come in their proportion.
const maxModels = 64

// Models are users of whom it was learned, one after the other, that a server knows
// them. Each name that the server does not know takes the course of one of them. Any
// number of goroutines may use it; the zero Models is ready.
type Models struct {
	mu   sync.Mutex
	list []*User
}

// Add has unknown names take the user's course too, or takes its newer secret into
// account. A user without a secret is none that could be followed.
func (m *Models) Add(x *User) {
	if x.secret.kind == NoSecret {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, y := range m.list {
		if y.name == x.name {
			m.list[i] = x
			return
		}
	}
	if len(m.list) < maxModels {
		m.list = append(m.list, x)
	}
}

// pick is the user whose course a name takes. The name stays with it when others are
// added, but for the names that fall to those (rendezvous hashing): who tries again
// later must not see from a changed course that the name is unknown.
func (m *Models) pick(name string) *User {
	m.mu.Lock()
	defer m.mu.Unlock()
	best, most := unlearned, uint64(0)
	for _, x := range m.list {
		if h := hash("models:" + strconv.Itoa(len(name)) + ":" + name + x.name); h >= most {
			best, most = x, h
		}
	}
	return best
}

// unlearned is the model as long as no user is known: what PostgreSQL stores by
// default.
var unlearned = &User{secret: Secret{kind: SCRAMSecret, scram: wire.SCRAMSecret{Iterations: wire.SCRAMIterations}}}
