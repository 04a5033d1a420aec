package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// SCRAMClient is the client's side of one exchange:
//
//  1. First → the client's first message
//  2. the server's first message → Continue → the client's final message
//  3. the server's final message → Final
//
// Errors are FATAL *Errors. 08P01 is a server that breaks the protocol, 08001
// one that refuses, or that does not know the password either.
type SCRAMClient struct {
	password             string
	clientKey, serverKey []byte // given, or derived from password
	nonce                string
	user                 string // the name in the first message; PostgreSQL's clients leave it empty
	binding              SCRAMBinding
	authMessage          string
}

// NewSCRAMClient begins an exchange with a password. The nonce must be fresh,
// see SCRAMNonce.
func NewSCRAMClient(password, nonce string) *SCRAMClient {
	return &SCRAMClient{password: password, nonce: nonce}
}

// NewSCRAMClientKeys begins an exchange with the keys of a password that is
// not known. They fit only if the server's secret has the salt and the
// iterations with which they were derived.
func NewSCRAMClientKeys(clientKey, serverKey []byte, nonce string) *SCRAMClient {
	return &SCRAMClient{clientKey: bytes.Clone(clientKey), serverKey: bytes.Clone(serverKey), nonce: nonce}
}

// Bind has the exchange bound to its channel. It is called before First; an
// exchange of which it is not called says that the client cannot bind.
func (c *SCRAMClient) Bind(b SCRAMBinding) { c.binding = b }

// First returns the client's first message. Its user name is empty, as
// PostgreSQL takes the startup packet's.
func (c *SCRAMClient) First() []byte { return []byte(c.binding.header() + c.firstBare()) }

func (c *SCRAMClient) firstBare() string { return "n=" + c.user + ",r=" + c.nonce }

// Continue reads the server's first message and returns the client's final
// one. It derives the keys from a password, which takes as many iterations as
// the server says, up to MaxSCRAMIterations. The error for more names that
// bound. The salt may have any length but none.
func (c *SCRAMClient) Continue(serverFirst []byte) (clientFinal []byte, err error) {
	msg := string(serverFirst)
	if strings.HasPrefix(msg, "m=") {
		return nil, malformed("SCRAM", "server requires an unsupported extension")
	}
	nonce, rest, ok := scramAttr(msg, 'r')
	if !ok || !scramNonceOK(nonce) {
		return nil, malformed("SCRAM", "nonce expected")
	}
	if !strings.HasPrefix(nonce, c.nonce) || len(nonce) == len(c.nonce) {
		return nil, malformed("SCRAM", "server's nonce does not extend ours")
	}
	salt64, rest, ok := scramAttr(rest, 's')
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if !ok || err != nil || len(salt) == 0 {
		return nil, malformed("SCRAM", "salt expected")
	}
	count, _, ok := scramAttr(rest, 'i') // optional extensions may follow
	if !ok {
		return nil, malformed("SCRAM", "iteration count expected")
	}
	iterations, err := parseIterations(count)
	if err != nil {
		return nil, malformed("SCRAM", "%v", err)
	}

	if c.clientKey == nil {
		c.clientKey, c.serverKey = scramKeys(c.password, salt, iterations)
	}
	withoutProof := "c=" + c.binding.input(c.binding.header()) + ",r=" + nonce
	c.authMessage = c.firstBare() + "," + msg + "," + withoutProof
	stored := sha256.Sum256(c.clientKey)
	signature := hmacSHA256(stored[:], []byte(c.authMessage))
	proof := xorKeys(c.clientKey, signature[:])
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// Final reads the server's final message and checks that the server knows the
// password too.
func (c *SCRAMClient) Final(serverFinal []byte) error {
	if c.authMessage == "" {
		return malformed("SCRAM", "final message without a first one")
	}
	msg := string(serverFinal)
	if reason, _, ok := scramAttr(msg, 'e'); ok {
		return Fatalf(CodeCannotConnect, "server refused the SCRAM exchange: %.100q", reason)
	}
	signature64, _, ok := scramAttr(msg, 'v')
	signature, err := base64.StdEncoding.DecodeString(signature64)
	if !ok || err != nil || len(signature) != sha256.Size {
		return malformed("SCRAM", "signature expected")
	}
	if right := hmacSHA256(c.serverKey, []byte(c.authMessage)); !hmac.Equal(signature, right[:]) {
		return Fatalf(CodeCannotConnect, "server does not know the password: its SCRAM signature is wrong")
	}
	return nil
}
