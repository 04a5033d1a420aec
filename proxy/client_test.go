package proxy

import (
	"testing"
	"unsafe"
)

// TestAClientFitsItsSizeClass: all that an idle client takes is this struct, and
// Go's allocator rounds it up to the next size class, which is 576 bytes.
func TestAClientFitsItsSizeClass(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n > 576 {
		t.Errorf("a client takes %d bytes, and so 640 or more", n)
	}
}
