package wire

import "encoding/binary"

// HeaderLen is the length of a message's header: the type byte and the length,
// which counts itself and the body but not the type byte (PostgreSQL's
// protocol, section "Messages").
const HeaderLen = 5

// Limits on the length of a client's message, header included, as
// PostgreSQL's own (PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT of
// libpq.h): what carries no data of the user's stays small.
const (
	maxSmall = 10000 + 1
	maxLarge = 0x3fffffff - 1 + 1
)

// Limits on the length of a client's message during the login, header included,
// as PostgreSQL's own (PG_MAX_AUTH_TOKEN_LENGTH of libpq/auth.h and
// PG_MAX_SASL_MESSAGE_LENGTH of auth-sasl.c, which count no type byte): for a
// PasswordMessage, and for a SASLInitialResponse or SASLResponse.
const (
	MaxPasswordMessage = 65535 + 1
	MaxSASLMessage     = 1024 + 1
)

// Header reads a message's header: its type and its whole length with header
// and body, in bytes. A length field below 4 gives 0, which is no message.
// The caller makes sure that b holds HeaderLen bytes.
func Header(b []byte) (typ byte, total int) {
	n := binary.BigEndian.Uint32(b[1:5])
	if n < 4 || n > 1<<31-2 {
		return b[0], 0
	}
	return b[0], int(n) + 1
}

// ClientLimit is the greatest length that a message of this type may have
// when it comes from a client that has logged in, header included; 0 if a
// client may not send such a message at all.
func ClientLimit(typ byte) int {
	return int(clientLimits[typ])
}

var clientLimits = func() (l [256]int32) {
	for _, t := range "QPBFd" {
		l[t] = maxLarge
	}
	for _, t := range "EDCHSXc" {
		l[t] = maxSmall
	}
	// A CopyFail carries a text of the user's, and Describe and Close a name:
	// PostgreSQL takes as little.
	l['f'] = maxSmall
	return l
}()
