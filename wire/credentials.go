package wire

import (
	"bytes"
	"fmt"
)

// Credentials is what a pool has for logging in to PostgreSQL. Which of the
// secrets serves depends on what the server asks for: Password for all
// methods, MD5 for md5, the two keys together for SCRAM-SHA-256. Those that
// are not known are empty.
type Credentials struct {
	User      string
	Password  string // clear text
	MD5       string // "md5" and 32 hexadecimal digits
	ClientKey []byte // SCRAM, as a client's proof revealed it
	ServerKey []byte // SCRAM, from the stored secret
}

// String names the user only, so that no secret gets into a log.
func (c Credentials) String() string { return "credentials of user " + c.User }

// Format is String for every verb.
func (c Credentials) Format(f fmt.State, _ rune) { f.Write([]byte(c.String())) }

// Equal tells whether both are the same. It is not for what a client says: the time
// that it takes tells of the secrets.
func (c Credentials) Equal(o Credentials) bool {
	return c.User == o.User && c.Password == o.Password && c.MD5 == o.MD5 &&
		bytes.Equal(c.ClientKey, o.ClientKey) && bytes.Equal(c.ServerKey, o.ServerKey)
}

// Empty tells whether there is no secret.
func (c Credentials) Empty() bool { return c.Equal(Credentials{User: c.User}) }
