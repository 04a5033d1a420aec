package loop

// Sizes of the buffers that keep what could not be handled or sent at once.
// Most remainders are small: the head of a message, a query that waits. What a
// peer can leave half sent for as long as it likes, MaxKept, has a size of its own.
var bufferSizes = [...]int{512, 4 << 10, 32 << 10, MaxKept, 256 << 10}

// keepBuffers is how many buffers of each size a loop keeps for the next one
// in need; the others are the garbage collector's.
const keepBuffers = 32

// buffers lends buffers by size. One per loop, so it needs no lock.
type buffers struct {
	free [len(bufferSizes)][][]byte
}

// get lends an empty buffer with room for at least n bytes.
func (f *buffers) get(n int) []byte {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		if k := len(f.free[i]); k > 0 {
			b := f.free[i][k-1]
			f.free[i] = f.free[i][:k-1]
			return b
		}
		return make([]byte, 0, size)
	}
	return make([]byte, 0, n)
}

// put takes a buffer back; b must not be used any more.
func (f *buffers) put(b []byte) {
	for i, size := range bufferSizes {
		if cap(b) == size && len(f.free[i]) < keepBuffers {
			f.free[i] = append(f.free[i], b[:0])
			return
		}
	}
}

// add appends p to b, which may be nil. If b is too small, a buffer of at least
// twice the size takes its place, so that n bytes that come in small pieces are
// copied no more than twice over in all.
func (f *buffers) add(b, p []byte) []byte {
	need := len(b) + len(p)
	if b == nil {
		b = f.get(need)
	} else if need > cap(b) {
		larger := append(f.get(max(need, 2*cap(b))), b...)
		f.put(b)
		b = larger
	}
	return append(b, p...)
}
