package pool

import (
	"runtime"
	"slices"

	"pgweir/wire"
)

// deriving bounds how many logins derive SCRAM keys from a password at a time:
// that is processor time, as much as the server asks for.
var deriving = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// beginSCRAM answers the offer of SASL mechanisms.
func (l *loginConn) beginSCRAM(offer []byte) error {
	mechanisms, err := wire.DecodeSASLMechanisms(offer)
	if err != nil {
		return err
	}
	binding, err := l.chooseBinding(mechanisms)
	if err != nil {
		return err
	}
	c := &l.settings.Credentials
	switch {
	case c.Password != "":
		l.scram = wire.NewSCRAMClient(c.Password, wire.SCRAMNonce())
	case len(c.ClientKey) > 0 && len(c.ServerKey) > 0:
		l.scram = wire.NewSCRAMClientKeys(c.ClientKey, c.ServerKey, wire.SCRAMNonce())
	default:
		return lacking(c, AuthSCRAM)
	}
	l.scram.Bind(binding)
	l.auth = authOffered
	return l.send(wire.AppendSASLInitialResponse(nil, binding.Mechanism(), l.scram.First()))
}

// chooseBinding chooses among the mechanisms that the server offers, as libpq
// does: the one that binds to the TLS channel, if the server has it and
// server_channel_binding wants it.
func (l *loginConn) chooseBinding(offer []string) (b wire.SCRAMBinding, err error) {
	secured, encrypted := l.conn.(Secured)
	offersPlus := slices.Contains(offer, wire.MechanismSCRAMPlus)
	if offersPlus && !encrypted {
		// A server never does; somebody in between may have taken the TLS away.
		return b, wire.Fatalf(wire.CodeCannotConnect, "the server offers %s over a connection without TLS", wire.MechanismSCRAMPlus)
	}
	var endPoint []byte
	if mode := l.settings.ChannelBinding; encrypted && mode != BindingDisable {
		endPoint, err = wire.ServerEndPoint(secured.ConnectionState().PeerCertificates[0])
		if err != nil && mode == BindingRequire {
			return b, wire.Fatalf(wire.CodeCannotConnect, "server_channel_binding is \"require\": %v", err)
		}
	}
	method := AuthSCRAM
	switch {
	case offersPlus && endPoint != nil:
		b, method = wire.SCRAMBound(endPoint), AuthSCRAMPlus
	case !slices.Contains(offer, wire.MechanismSCRAM):
		return b, wire.Fatalf(wire.CodeFeatureNotSupported, "the server offers no SASL mechanism that is known here")
	case endPoint != nil:
		b = wire.SCRAMPassed()
	}
	return b, l.settings.mayUse(method)
}
