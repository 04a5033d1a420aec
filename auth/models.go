package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"pgweir/wire"
)

// maxModels is how many users a Models keeps: enough for the kinds of secrets to
// come in their proportion.
const maxModels = 64

// Shape is what can be seen of a secret in an exchange, besides its salt's bytes.
// The zero Shape is what PostgreSQL stores by default.
type Shape struct {
	MD5        bool // an MD5 secret; the rest is of a SCRAM one
	Iterations int  // 0: PostgreSQL's default
}

// user is a user of this shape.
func (s Shape) user() *User {
	if s.MD5 {
		return &User{secret: Secret{kind: MD5Secret}}
	}
	n := s.Iterations
	if n < 1 || n > wire.MaxSCRAMIterations {
		n = wire.SCRAMIterations
	}
	return &User{secret: Secret{kind: SCRAMSecret, scram: wire.SCRAMSecret{Iterations: n, Salt: make([]byte, wire.SCRAMSaltLen)}}}
}

// Models are users of whom it was learned, one after the other, that a server knows
// them. Each name that the server does not know takes the course of one of them. Any
// number of goroutines may use it; the zero Models is ready, and of no server.
type Models struct {
	server string
	first  *User // as long as no user is known

	mu   sync.Mutex
	list []*User
}

// NewModels makes the Models of a server, whose name may be any that no other server
// has. As long as no user is known, unknown names take the course of this shape: that
// of the secrets which the server makes.
func NewModels(server string, shape Shape) *Models {
	return &Models{server: server, first: shape.user()}
}

// NewUser makes a user of whom the server has told this secret. The error is
// ParseSecret's.
func (m *Models) NewUser(name, secret string) (*User, error) {
	s, err := ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	return newUser(m.server, name, s, Secret{}), nil
}

// Add has unknown names take the user's course too, or takes its newer secret into
// account. A user without a secret is none that could be followed.
func (m *Models) Add(x *User) {
	if !x.canLogIn() {
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
	best, most := m.first, uint64(0)
	if best == nil {
		best = Shape{}.user()
	}
	for _, x := range m.list {
		if h := hash("models", m.server, name, x.name); h >= most {
			best, most = x, h
		}
	}
	return best
}

// stranger makes up the user for a name that the server does not know.
func (m *Models) stranger(name string) *User { return stranger(m.server, name, m.pick(name)) }

// stranger makes up the user for a name that has no secret: the same at every
// attempt, on the course of model, and with a secret that nothing fits. Without a
// model it is that of a plain secret.
//
// A server has its own salts for a name, as it has for the users it knows: of two
// servers, those that know nobody must not show the same.
func stranger(server, name string, model *User) *User {
	s := Secret{kind: PlainSecret}
	shown := mock(server, name)
	if model != nil {
		s.kind = model.course().kind
	}
	switch s.kind {
	case SCRAMSecret:
		like := model.course().scram
		shown = mockLike(server, name, &like)
		s.scram = shown
	case MD5Secret:
		// An MD5 secret of nobody's; "unknown" is no hexadecimal digit.
		s.text = "md5unknown"
	}
	x := &User{name: name, secret: s, scram: func() []scramOf { return []scramOf{{shown, s}} }}
	x.derived.Store(true)
	return x
}

// mock is the secret that nothing fits, of the shape that PostgreSQL's have by
// default, and the salt with which keys of a plain secret are derived: were the
// user unknown, it would be the same.
func mock(server, name string) wire.SCRAMSecret {
	key := mockKey()
	if server != "" {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("server:" + server))
		key = mac.Sum(nil)
	}
	return wire.MockSCRAMSecret(key, name)
}

// mockLike is a mock of another secret's shape. A salt belongs to a shape: if a name
// comes to take another course, that looks like a new password.
func mockLike(server, name string, like *wire.SCRAMSecret) wire.SCRAMSecret {
	out := mock(server, name)
	if like.Iterations == out.Iterations && len(like.Salt) == len(out.Salt) {
		return out
	}
	out.Iterations = like.Iterations
	salt := make([]byte, 0, len(like.Salt))
	for i := 0; len(salt) < len(like.Salt); i++ {
		mac := hmac.New(sha256.New, mockKey())
		fmt.Fprintf(mac, "salt:%q %q %d %d %d", server, name, like.Iterations, len(like.Salt), i)
		salt = mac.Sum(salt)
	}
	out.Salt = salt[:len(like.Salt)]
	return out
}

// hash is a number that a stranger cannot work out.
func hash(parts ...string) uint64 {
	mac := hmac.New(sha256.New, mockKey())
	fmt.Fprintf(mac, "%q", parts)
	return binary.BigEndian.Uint64(mac.Sum(nil))
}
