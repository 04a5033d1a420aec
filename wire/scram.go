package wire

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// SCRAM-SHA-256 as PostgreSQL speaks it: RFC 5802 with the hash of RFC 7677.
// This file holds the secret and its keys; scram_server.go and scram_client.go
// the two sides of the exchange; scram_binding.go how it is bound to TLS.

// MechanismSCRAM is the SASL mechanism of an exchange that is not bound to its
// channel.
const MechanismSCRAM = "SCRAM-SHA-256"

// SCRAMIterations and SCRAMSaltLen are what PostgreSQL takes for a new secret.
const (
	SCRAMIterations = 4096
	SCRAMSaltLen    = 16
)

// MaxSCRAMIterations bounds the work that a stored secret or a server may ask
// of us: a few seconds of one core.
const MaxSCRAMIterations = 10_000_000

// SCRAMSecret is what PostgreSQL stores of a password under
// password_encryption = scram-sha-256. StoredKey and ServerKey have 32 bytes.
type SCRAMSecret struct {
	Iterations                 int
	Salt, StoredKey, ServerKey []byte
}

var errSCRAMSecret = errors.New("invalid SCRAM-SHA-256 secret")

// IsSCRAMSecret tells whether s claims to be a SCRAM secret by how it begins.
func IsSCRAMSecret(s string) bool { return strings.HasPrefix(s, MechanismSCRAM+"$") }

// ParseSCRAMSecret reads PostgreSQL's form of a secret,
// SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, the last three in
// base64. The iterations may be 1 to MaxSCRAMIterations, and the salt of any
// length but none. The error never repeats the secret.
func ParseSCRAMSecret(s string) (SCRAMSecret, error) {
	var zero SCRAMSecret
	text, ok := strings.CutPrefix(s, MechanismSCRAM+"$")
	if !ok {
		return zero, errSCRAMSecret
	}
	params, keys, ok1 := strings.Cut(text, "$")
	count, salt64, ok2 := strings.Cut(params, ":")
	stored64, server64, ok3 := strings.Cut(keys, ":")
	if !ok1 || !ok2 || !ok3 {
		return zero, fmt.Errorf("%w: a part is missing", errSCRAMSecret)
	}
	iterations, err := parseIterations(count)
	if err != nil {
		return zero, fmt.Errorf("%w: %w", errSCRAMSecret, err)
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil || len(salt) == 0 {
		return zero, fmt.Errorf("%w: bad salt", errSCRAMSecret)
	}
	stored, err1 := base64.StdEncoding.DecodeString(stored64)
	server, err2 := base64.StdEncoding.DecodeString(server64)
	if err1 != nil || err2 != nil || len(stored) != sha256.Size || len(server) != sha256.Size {
		return zero, fmt.Errorf("%w: bad key", errSCRAMSecret)
	}
	return SCRAMSecret{iterations, salt, stored, server}, nil
}

// String gives the form that ParseSCRAMSecret reads.
func (s SCRAMSecret) String() string {
	b64 := base64.StdEncoding.EncodeToString
	return MechanismSCRAM + "$" + strconv.Itoa(s.Iterations) + ":" + b64(s.Salt) +
		"$" + b64(s.StoredKey) + ":" + b64(s.ServerKey)
}

func parseIterations(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case n > MaxSCRAMIterations: // also a number that no uint64 can hold
		return 0, fmt.Errorf("iteration count is above %d, the most that is carried out", MaxSCRAMIterations)
	case err != nil || n == 0:
		return 0, errors.New("iteration count is not a positive number")
	}
	return int(n), nil
}

// DeriveSCRAMSecret makes the secret of a password. It takes about a
// millisecond for SCRAMIterations iterations. iterations below 1 count as 1.
func DeriveSCRAMSecret(password string, salt []byte, iterations int) SCRAMSecret {
	clientKey, serverKey := scramKeys(password, salt, iterations)
	stored := sha256.Sum256(clientKey)
	return SCRAMSecret{max(iterations, 1), bytes.Clone(salt), stored[:], serverKey}
}

// MockSCRAMSecret is a secret for a user who does not exist. It is the same at
// every attempt, looks like a real one (SCRAMIterations, a salt of
// SCRAMSaltLen bytes) to whoever does not know key, and no password fits it.
func MockSCRAMSecret(key []byte, user string) SCRAMSecret {
	return SCRAMSecret{
		Iterations: SCRAMIterations,
		Salt:       keyOf(key, "salt:"+user)[:SCRAMSaltLen],
		// A StoredKey is a hash. This one is no hash of anything known, so there
		// is no client key for it.
		StoredKey: keyOf(key, "stored:"+user),
		ServerKey: keyOf(key, "server:"+user),
	}
}

// SCRAMNonce returns a fresh nonce of 18 random bytes, in base64, as long as
// PostgreSQL's.
func SCRAMNonce() string {
	var raw [18]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the program if it must
	return base64.StdEncoding.EncodeToString(raw[:])
}

// scramKeys derives ClientKey and ServerKey (RFC 5802, section 3).
func scramKeys(password string, salt []byte, iterations int) (clientKey, serverKey []byte) {
	salted, err := pbkdf2.Key(sha256.New, prepPassword(password), salt, max(iterations, 1), sha256.Size)
	if err != nil {
		panic("bug: " + err.Error()) // only for parameters of ours
	}
	return keyOf(salted, "Client Key"), keyOf(salted, "Server Key")
}

// prepPassword applies SASLprep (RFC 4013) with the exceptions that PostgreSQL
// makes in pg_saslprep: ASCII stays as it is, even control characters, and so
// does whatever is not UTF-8 or may not be prepared.
func prepPassword(password string) string {
	ascii := true
	for i := range len(password) {
		ascii = ascii && password[i] < utf8.RuneSelf
	}
	if ascii || !utf8.ValidString(password) {
		return password
	}
	// The zero width space is both a space and nothing in RFC 3454's tables.
	// PostgreSQL takes it for a space, stringprep for nothing.
	out, err := stringprep.SASLprep.Prepare(strings.ReplaceAll(password, "\u200b", " "))
	if err != nil || out == "" {
		return password
	}
	return out
}

// keyOf is a key that another one gives under a name.
func keyOf(key []byte, name string) []byte {
	mac := hmacSHA256(key, []byte(name))
	return mac[:]
}

// scramAttr reads the attribute name=value at the start of s. The value runs
// to the next comma or to the end.
func scramAttr(s string, name byte) (value, rest string, ok bool) {
	if len(s) < 2 || s[0] != name || s[1] != '=' {
		return "", s, false
	}
	value, rest, _ = strings.Cut(s[2:], ",")
	return value, rest, true
}

// scramNonceOK tells whether every character may stand in a nonce: printable
// ASCII but the comma (RFC 5802, section 7).
func scramNonceOK(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}
