package session

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"pgweir/session/pipeline"
)

// What idle sessions share cannot be written to in tests: whoever does crashes, even if
// it writes what is there already. The loops would do so at once.
func init() {
	pipeline.Nothing = readOnly(*pipeline.Nothing)
	atRest = readOnly(lease{owed: pipeline.Nothing})
	noNames, noUnnamed = readOnly(*noNames), readOnly(*noUnnamed)
}

// readOnly is a copy of v that cannot be written to. The garbage collector does not see
// what it points to.
func readOnly[T any](v T) *T {
	page, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		*(*T)(unsafe.Pointer(&page[0])) = v
		err = unix.Mprotect(page, unix.PROT_READ)
	}
	if err != nil {
		panic(err)
	}
	return (*T)(unsafe.Pointer(&page[0]))
}
