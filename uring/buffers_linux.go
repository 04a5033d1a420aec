package uring

// Buffers describes a ring of buffers that receives choose from ("provided
// buffers").
type Buffers struct {
	Group uint16 // the name by which Recv chooses from it
	Count int    // a power of two, at most 32768
	Size  int    // of each, in bytes
	// Incremental: a receive takes only as much of a buffer as it fills, and the
	// next, of whatever connection, goes on behind it (IOU_PBUF_RING_INC). It
	// needs Features.IncrementalBuffers.
	Incremental bool
}

// BufferRing is a registered ring of buffers. The memory is not the garbage
// collector's; it is gone after Close of the BufferRing or its Ring.
type BufferRing struct {
	ring *Ring
}

// Piece is bytes that were received, in one buffer. They are good until the piece
// has been given back.
type Piece struct {
	ID    uint16
	Bytes []byte
}

// Pieces are those of one completion, in the order of the stream: one, or several
// of a bundle.
type Pieces struct {
	b    *BufferRing
	id   uint16
	left int
}

// NewBufferRing registers buffers, all of them free. An error is a *Refusal.
func (r *Ring) NewBufferRing(b Buffers) (*BufferRing, error) { return nil, nil }

// Pieces takes the bytes of a completion of a receive from this group; there is
// none without HasBuffer. It must be called for each completion with HasBuffer,
// in the order of Next, and Next of the Pieces be called until it has no more.
func (b *BufferRing) Pieces(c CQE) Pieces { return Pieces{} }

// Next is the next piece. Each must be given back once.
func (p *Pieces) Next() (Piece, bool) { return Piece{}, false }

// Give gives back a piece, whose bytes are not to be touched any more. The
// buffer is offered to the kernel again, with the next entry to it, when all
// pieces in it have been given back.
func (b *BufferRing) Give(id uint16) {}

// Free is how many buffers the kernel can still fill, whole or in part.
// Completions that have not been taken are not known yet.
func (b *BufferRing) Free() int { return 0 }

// Close unregisters the ring and frees the memory. No receive of its group may be
// under way.
func (b *BufferRing) Close() error { return nil }
