package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

func TestHMACIsThatOfTheLibrary(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789"), 30)
	for _, key := range []int{0, 1, 31, 32, 63, 64, 65, 200} {
		for _, message := range []int{0, 1, 55, 56, 64, 119, 120, 300} {
			h := hmac.New(sha256.New, text[:key])
			h.Write(text[:message])
			if mac := hmacSHA256(text[:key], text[:message]); !bytes.Equal(mac[:], h.Sum(nil)) {
				t.Errorf("key of %d bytes, message of %d: %x", key, message, mac)
			}
		}
	}
}

func TestHMACAllocatesNothing(t *testing.T) {
	key, message := make([]byte, 32), make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() { hmacSHA256(key, message) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
