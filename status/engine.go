package status

// Engine is how the event loops receive and send.
type Engine struct {
	// Name is "io_uring", "epoll" or "kqueue". It is io_uring as long as one loop has
	// its ring.
	Name string
	// Reason is why io_uring is not used, or not by all loops, though io_engine allows
	// it; else "".
	Reason           string
	Loops, Retreated int // Retreated are those that go on without their ring, which has failed

	// What the rings of all loops hold; 0 without any.
	Buffers, BuffersFree int   // that the kernel receives into
	BufferSize           int   // of each, in bytes
	Shortages            int64 // receives that have found no buffer, since the start
	LateBytes            int64 // kept for connections that do not want them yet
}

// BufferBytes is the memory of all buffers.
func (e *Engine) BufferBytes() int64 { return int64(e.Buffers) * int64(e.BufferSize) }
