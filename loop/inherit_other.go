//go:build !linux

package loop

// Inherits tells whether a connection begins with the options of the listening socket
// that it came to. Other systems pass on some of them, and not the same ones.
const Inherits = false

// PassOn does nothing: see Inherits.
func (k KeepAlive) PassOn(int) error { return nil }
