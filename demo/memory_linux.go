package demo

import (
	"errors"
	"io/fs"

	"pgweir/proctable"
)

// memoryOf adds up what processes have to themselves: RSS would count shared
// buffers once for every process. A process that has ended meanwhile counts
// nothing; one that we may not look into makes the sum unknown.
func memoryOf(pids []int) memory {
	var sum int64
	for _, pid := range pids {
		m, err := proctable.MemoryOf(pid)
		switch {
		case err == nil && !m.Estimated:
			sum += m.Bytes
		case !errors.Is(err, fs.ErrNotExist):
			return memory{}
		}
	}
	return memory{bytes: sum, known: true}
}
