package wire

import (
	"encoding/base64"
	"strings"
)

// MechanismSCRAMPlus is the SASL mechanism that binds an exchange to the TLS
// channel below it: SCRAM-SHA-256 whose messages name the server's certificate,
// so that nobody in between can pass them on (RFC 5802, section 6).
const MechanismSCRAMPlus = MechanismSCRAM + "-PLUS"

// bindingType is the type of channel binding that PostgreSQL knows (RFC 5929,
// section 4). ServerEndPoint makes its data.
const bindingType = "tls-server-end-point"

// bindingUse is what one end of an exchange makes of channel binding.
type bindingUse uint8

const (
	bindingAbsent bindingUse = iota // this end cannot bind
	bindingPassed                   // this end can bind, and this exchange is not bound
	bindingUsed                     // the exchange is bound
)

// SCRAMBinding is what one end of an exchange makes of channel binding. The
// zero SCRAMBinding is that of an end that cannot bind: it has no TLS, or no
// data of a certificate.
type SCRAMBinding struct {
	use      bindingUse
	endPoint []byte // of bindingUsed
}

// SCRAMBound is the binding to the certificate that has this end point, see
// ServerEndPoint. The mechanism is SCRAM-SHA-256-PLUS.
func SCRAMBound(endPoint []byte) SCRAMBinding { return SCRAMBinding{bindingUsed, endPoint} }

// SCRAMPassed is that of an end that can bind, in an exchange that is not
// bound. A client sends the flag y for it: the server has not offered to bind.
// A server that has offered it refuses that flag, because somebody in between
// has then taken the offer away.
func SCRAMPassed() SCRAMBinding { return SCRAMBinding{use: bindingPassed} }

// Mechanism is the SASL mechanism of an exchange with this binding.
func (b SCRAMBinding) Mechanism() string {
	if b.use == bindingUsed {
		return MechanismSCRAMPlus
	}
	return MechanismSCRAM
}

// header is the one that a client's first message begins with, the gs2-header
// of RFC 5802, section 7.
func (b SCRAMBinding) header() string {
	switch b.use {
	case bindingUsed:
		return "p=" + bindingType + ",,"
	case bindingPassed:
		return "y,,"
	}
	return "n,,"
}

// input is what a client's final message says under "c=": the header and the
// data of the channel, in base64.
func (b SCRAMBinding) input(header string) string {
	return base64.StdEncoding.EncodeToString(append([]byte(header), b.endPoint...))
}

// check tells a server whether a client's flag, the first part of its header,
// fits the mechanism that it selected. The errors are PostgreSQL's.
func (b SCRAMBinding) check(flag string) error {
	typ, binds := strings.CutPrefix(flag, "p=")
	switch {
	case !binds && flag != "n" && flag != "y":
		return malformed("SCRAM", "unexpected channel-binding flag")
	case binds && b.use != bindingUsed:
		return malformed("SCRAM", "client selected %s without channel binding, but includes channel-binding data", MechanismSCRAM)
	case !binds && b.use == bindingUsed:
		return malformed("SCRAM", "client selected %s, but does not include channel-binding data", MechanismSCRAMPlus)
	case binds && typ != bindingType:
		return Fatalf(CodeProtocolViolation, "unsupported SCRAM channel-binding type %.100q", typ)
	case flag == "y" && b.use == bindingPassed:
		e := Fatalf(CodeInvalidAuthorization, "SCRAM channel binding negotiation error")
		e.Detail = "The client supports SCRAM channel binding but thinks the server does not. However, this server does support channel binding."
		return e
	}
	return nil
}

// checkInput tells a server whether a client's final message repeats the header
// and the data of the same channel.
func (b SCRAMBinding) checkInput(header, input string) error {
	switch {
	case input == b.input(header):
		return nil
	case b.use == bindingUsed:
		return Fatalf(CodeInvalidAuthorization, "SCRAM channel binding check failed")
	}
	return malformed("SCRAM", "channel binding does not repeat the header")
}
