package wire

import (
	"encoding/binary"

	"github.com/jackc/pgproto3/v2"
)

// What an Authentication message asks for, its first four bytes (protocol,
// section "Message Formats").
const (
	AuthOK           uint32 = 0
	AuthCleartext    uint32 = 3
	AuthMD5          uint32 = 5
	AuthGSS          uint32 = 7
	AuthGSSContinue  uint32 = 8
	AuthSSPI         uint32 = 9
	AuthSASL         uint32 = 10
	AuthSASLContinue uint32 = 11
	AuthSASLFinal    uint32 = 12
)

// AppendAuthOK appends AuthenticationOk.
func AppendAuthOK(dst []byte) []byte {
	return must((&pgproto3.AuthenticationOk{}).Encode(dst))
}

// AppendAuthCleartext appends AuthenticationCleartextPassword.
func AppendAuthCleartext(dst []byte) []byte {
	return must((&pgproto3.AuthenticationCleartextPassword{}).Encode(dst))
}

// AppendAuthMD5 appends AuthenticationMD5Password.
func AppendAuthMD5(dst []byte, salt [4]byte) []byte {
	return must((&pgproto3.AuthenticationMD5Password{Salt: salt}).Encode(dst))
}

// AppendAuthSASL appends AuthenticationSASL with the mechanisms that the
// client may choose from, the preferred one first.
func AppendAuthSASL(dst []byte, mechanisms ...string) []byte {
	return must((&pgproto3.AuthenticationSASL{AuthMechanisms: mechanisms}).Encode(dst))
}

// AppendAuthSASLContinue appends AuthenticationSASLContinue.
func AppendAuthSASLContinue(dst, data []byte) []byte {
	return must((&pgproto3.AuthenticationSASLContinue{Data: data}).Encode(dst))
}

// AppendAuthSASLFinal appends AuthenticationSASLFinal.
func AppendAuthSASLFinal(dst, data []byte) []byte {
	return must((&pgproto3.AuthenticationSASLFinal{Data: data}).Encode(dst))
}

// AppendPassword appends a PasswordMessage: a password, or the answer to
// AuthenticationMD5Password.
func AppendPassword(dst []byte, password string) []byte {
	return must((&pgproto3.PasswordMessage{Password: noNUL(password)}).Encode(dst))
}

// AppendSASLInitialResponse appends a SASLInitialResponse.
func AppendSASLInitialResponse(dst []byte, mechanism string, data []byte) []byte {
	return must((&pgproto3.SASLInitialResponse{AuthMechanism: noNUL(mechanism), Data: data}).Encode(dst))
}

// AppendSASLResponse appends a SASLResponse.
func AppendSASLResponse(dst, data []byte) []byte {
	return must((&pgproto3.SASLResponse{Data: data}).Encode(dst))
}

// DecodeAuthentication reads the body of an Authentication message. rest is
// what follows the kind: the salt of AuthMD5, the data of the SASL ones.
func DecodeAuthentication(body []byte) (kind uint32, rest []byte, err error) {
	if len(body) < 4 {
		return 0, nil, malformed("Authentication", "%d bytes", len(body))
	}
	kind, rest = binary.BigEndian.Uint32(body), body[4:]
	switch kind {
	case AuthOK, AuthCleartext, AuthGSS, AuthSSPI:
		if len(rest) != 0 {
			return 0, nil, malformed("Authentication", "%d bytes more than kind %d has", len(rest), kind)
		}
	case AuthMD5:
		if len(rest) != 4 {
			return 0, nil, malformed("Authentication", "salt of %d bytes", len(rest))
		}
	}
	return kind, rest, nil
}

// maxSASLMechanisms bounds the list of an AuthenticationSASL; PostgreSQL names
// three at most.
const maxSASLMechanisms = 32

// DecodeSASLMechanisms reads the list that follows the kind AuthSASL. It
// copies.
func DecodeSASLMechanisms(rest []byte) ([]string, error) {
	var names []string
	for {
		name, after, ok := CString(rest)
		if !ok {
			return nil, malformed("AuthenticationSASL", "list of mechanisms has no end")
		}
		rest = after
		if len(name) == 0 {
			break
		}
		if len(names) == maxSASLMechanisms {
			return nil, malformed("AuthenticationSASL", "more than %d mechanisms", maxSASLMechanisms)
		}
		names = append(names, string(name))
	}
	if len(names) == 0 || len(rest) != 0 {
		return nil, malformed("AuthenticationSASL", "no list of mechanisms")
	}
	return names, nil
}

// DecodePassword reads the body of a PasswordMessage. It copies.
func DecodePassword(body []byte) (string, error) {
	password, rest, ok := CString(body)
	if !ok || len(rest) != 0 {
		return "", malformed("PasswordMessage", "invalid password packet size")
	}
	return string(password), nil
}

// DecodeSASLInitial reads the body of a SASLInitialResponse. data is nil if
// the client sent none (length -1), which differs from empty data.
func DecodeSASLInitial(body []byte) (mechanism string, data []byte, err error) {
	name, rest, ok := CString(body)
	if !ok || len(rest) < 4 {
		return "", nil, malformed("SASLInitialResponse", "too short")
	}
	length := int32(binary.BigEndian.Uint32(rest))
	data = rest[4:]
	switch {
	case length == -1 && len(data) == 0:
		return string(name), nil, nil
	case int64(length) != int64(len(data)):
		return "", nil, malformed("SASLInitialResponse", "says %d bytes of data, has %d", length, len(data))
	}
	return string(name), data, nil
}
