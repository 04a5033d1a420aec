package wire

import (
	"crypto/sha256"
	"crypto/subtle"
)

const (
	hmacInner = 0x36
	hmacOuter = 0x5c
)

// hmacSHA256 is HMAC (RFC 2104) with SHA-256. crypto/hmac gives the same, but keeps
// both hashes for more than one message: six allocations, and three times the time.
func hmacSHA256(key, message []byte) (mac [sha256.Size]byte) {
	var pad [sha256.BlockSize]byte
	if len(key) > len(pad) {
		short := sha256.Sum256(key)
		key = short[:]
	}
	copy(pad[:], key)
	for i := range pad {
		pad[i] ^= hmacInner
	}
	h := sha256.New()
	h.Write(pad[:])
	h.Write(message)
	h.Sum(mac[:0])
	for i := range pad {
		pad[i] ^= hmacInner ^ hmacOuter
	}
	h.Reset()
	h.Write(pad[:])
	h.Write(mac[:])
	h.Sum(mac[:0])
	return mac
}

// xorKeys is what two keys differ in.
func xorKeys(a, b []byte) []byte {
	out := make([]byte, sha256.Size)
	subtle.XORBytes(out, a, b)
	return out
}
