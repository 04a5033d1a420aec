package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
)

// ErrSCRAMProof says that the client does not know the password. It is an
// *Error with SQLSTATE 28P01; whoever knows the user's name words it anew.
var ErrSCRAMProof error = Fatalf(CodeInvalidPassword, "password authentication failed")

// SCRAMServer is the server's side of one exchange:
//
//  1. the client's first message   → First → the server's first message
//  2. the client's final message   → Final → the server's final message
type SCRAMServer struct {
	secret  SCRAMSecret
	others  []SCRAMSecret
	matched int
	nonce   string // ours; after First the client's and ours
	binding SCRAMBinding

	gs2         string // the header that the final message must repeat
	clientFirst string // without the header
	serverFirst string
}

// NewSCRAMServer begins an exchange. The nonce must be fresh, see SCRAMNonce.
func NewSCRAMServer(secret SCRAMSecret, nonce string) *SCRAMServer {
	return &SCRAMServer{secret: secret, nonce: nonce}
}

// Accept has the exchange take the proof of another secret as well. It must have the
// salt and the iterations of the first, as the client is told of one salt only. It is
// called before Final.
func (s *SCRAMServer) Accept(other SCRAMSecret) {
	if !s.secret.SameSalt(other) {
		panic("bug: SCRAMServer.Accept of a secret with another salt")
	}
	s.others = append(s.others, other)
}

// Matched is whose proof Final has taken: 0 for the first secret, 1 for the one that
// Accept was given first, and so on.
func (s *SCRAMServer) Matched() int { return s.matched }

// Bind says how the exchange is bound to its channel: SCRAMBound if the client
// selected SCRAM-SHA-256-PLUS, SCRAMPassed if it was offered that and selected
// SCRAM-SHA-256. It is called before First; an exchange of which it is not
// called is one in which binding was not offered.
func (s *SCRAMServer) Bind(b SCRAMBinding) { s.binding = b }

// First reads the client's first message and returns the answer. The user name
// in the message is not looked at, as in PostgreSQL: the startup packet's
// counts. An error is a FATAL *Error: 08P01, 0A000, or 28000 if the client
// believes that it was not offered to bind, and it was.
func (s *SCRAMServer) First(clientFirst []byte) (serverFirst []byte, err error) {
	if s.serverFirst != "" {
		panic("bug: SCRAMServer.First called twice")
	}
	msg := string(clientFirst)
	if strings.IndexByte(msg, 0) >= 0 {
		return nil, malformed("SCRAM", "a NUL in the text")
	}
	bare, err := s.readHeader(msg)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(bare, "m=") {
		return nil, Fatalf(CodeFeatureNotSupported, "client requires an unsupported SCRAM extension")
	}
	_, rest, ok := scramAttr(bare, 'n')
	if !ok {
		return nil, malformed("SCRAM", "user name expected")
	}
	clientNonce, _, ok := scramAttr(rest, 'r') // optional extensions may follow
	if !ok || !scramNonceOK(clientNonce) {
		return nil, malformed("SCRAM", "nonce expected")
	}
	s.gs2 = msg[:len(msg)-len(bare)]
	s.clientFirst = bare
	s.nonce = clientNonce + s.nonce
	s.serverFirst = "r=" + s.nonce +
		",s=" + base64.StdEncoding.EncodeToString(s.secret.Salt) +
		",i=" + strconv.Itoa(s.secret.Iterations)
	return []byte(s.serverFirst), nil
}

// readHeader checks the header of the client's first message and returns what
// follows it.
func (s *SCRAMServer) readHeader(msg string) (bare string, err error) {
	flag, rest, ok := strings.Cut(msg, ",")
	if !ok {
		return "", malformed("SCRAM", "comma expected after the channel-binding flag")
	}
	if err := s.binding.check(flag); err != nil {
		return "", err
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return "", malformed("SCRAM", "no end of the header")
	}
	if strings.HasPrefix(authzid, "a=") {
		return "", Fatalf(CodeFeatureNotSupported, "client uses authorization identity, but it is not supported")
	}
	if authzid != "" {
		return "", malformed("SCRAM", "unexpected attribute in the header")
	}
	return bare, nil
}

// Final reads the client's final message, checks its proof, and returns the
// answer that proves the server in turn. clientKey is the client's key: with
// it one can log in to a server that stores the same secret. The error is
// ErrSCRAMProof for a wrong proof; a FATAL *Error with 28000 for a client that
// is bound to another channel, with 08P01 for a message that is malformed or
// belongs to another exchange.
func (s *SCRAMServer) Final(clientFinal []byte) (serverFinal, clientKey []byte, err error) {
	if s.serverFirst == "" {
		panic("bug: SCRAMServer.Final called before First")
	}
	msg := string(clientFinal)
	binding, rest, ok := scramAttr(msg, 'c')
	if !ok {
		return nil, nil, malformed("SCRAM", "channel binding expected")
	}
	if err := s.binding.checkInput(s.gs2, binding); err != nil {
		return nil, nil, err
	}
	nonce, _, ok := scramAttr(rest, 'r')
	if !ok || nonce != s.nonce {
		return nil, nil, malformed("SCRAM", "nonce does not match")
	}
	// Extensions may stand before the proof, which is the last attribute.
	at := strings.LastIndex(msg, ",p=")
	if at < 0 {
		return nil, nil, malformed("SCRAM", "proof expected")
	}
	proof, err := base64.StdEncoding.Strict().DecodeString(msg[at+3:])
	if err != nil || len(proof) != sha256.Size {
		return nil, nil, malformed("SCRAM", "malformed proof")
	}

	authMessage := []byte(s.clientFirst + "," + s.serverFirst + "," + msg[:at])
	clientKey, serverKey := s.secret.prove(proof, authMessage), s.secret.ServerKey
	for i := range s.others { // all of them, whichever fits
		if key := s.others[i].prove(proof, authMessage); clientKey == nil && key != nil {
			clientKey, serverKey, s.matched = key, s.others[i].ServerKey, i+1
		}
	}
	if clientKey == nil {
		return nil, nil, ErrSCRAMProof
	}
	signature := hmacSHA256(serverKey, authMessage)
	return base64.StdEncoding.AppendEncode([]byte("v="), signature[:]), clientKey, nil
}

// prove gives the client's key if its proof fits the secret, and nil otherwise.
func (s *SCRAMSecret) prove(proof, authMessage []byte) (clientKey []byte) {
	signature := hmacSHA256(s.StoredKey, authMessage)
	key := xorKeys(proof, signature[:])
	if stored := sha256.Sum256(key); subtle.ConstantTimeCompare(stored[:], s.StoredKey) != 1 {
		return nil
	}
	return key
}

// SameSalt tells whether one exchange can be about both secrets: the client derives
// its keys with one salt and one number of iterations.
func (s SCRAMSecret) SameSalt(o SCRAMSecret) bool {
	return s.Iterations == o.Iterations && bytes.Equal(s.Salt, o.Salt)
}

// FitsPassword tells, in constant time once the keys are derived, whether the
// secret is the password's. It takes as long as DeriveSCRAMSecret.
func (s SCRAMSecret) FitsPassword(password string) bool {
	_, serverKey := scramKeys(password, s.Salt, s.Iterations)
	return hmac.Equal(serverKey, s.ServerKey)
}
