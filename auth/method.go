package auth

import "fmt"

// Method is how clients prove who they are: PgBouncer's auth_type.
type Method uint8

const (
	// Trust lets everybody in under any name ("trust" and "any").
	Trust Method = iota
	// Plain asks for the password in clear text ("password" and "plain") and
	// compares it with a secret of any kind.
	Plain
	// MD5 asks for an MD5 response, but for SCRAM if the user's secret is a
	// SCRAM secret.
	MD5
	// SCRAM asks for SCRAM-SHA-256. A user whose secret is an MD5 secret cannot
	// log in.
	SCRAM
)

// ParseMethod reads the value of auth_type.
func ParseMethod(s string) (Method, error) {
	switch s {
	case "trust", "any":
		return Trust, nil
	case "password", "plain":
		return Plain, nil
	case "md5":
		return MD5, nil
	case "scram-sha-256":
		return SCRAM, nil
	}
	return 0, fmt.Errorf("unknown auth_type %q: known are trust, any, password, plain, md5, scram-sha-256", s)
}

// String gives the name that PostgreSQL has for the method.
func (m Method) String() string {
	switch m {
	case Trust:
		return "trust"
	case Plain:
		return "password"
	case MD5:
		return "md5"
	case SCRAM:
		return "scram-sha-256"
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}
