package wire

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
