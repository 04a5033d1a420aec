package uring

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	ring  *Ring
	group uint16
	size  int

	incremental bool // see Buffers

	mem   []byte   // the mapping: slots, then data
	slots []buffer // shared with the kernel, which takes them in order
	data  []byte
	// tail is where the next buffer goes that is given back; shown is the tail as
	// the kernel has been told.
	tail, shown uint16
	last        uint16 // the buffer that was offered last
	free        int
	states      []bufferState
}

// bufferState is what is known of a buffer since it was offered last.
type bufferState struct {
	used   int    // bytes that have been received
	pieces int    // those that have not been given back
	spent  bool   // the kernel has done with it
	next   uint16 // the buffer that was offered after it
}

// NewBufferRing registers buffers, all of them free. An error is a *Refusal, but
// for a Count or a Size that cannot be.
func (r *Ring) NewBufferRing(c Buffers) (*BufferRing, error) {
	if c.Count < 1 || c.Count > 1<<15 || c.Count&(c.Count-1) != 0 {
		return nil, fmt.Errorf("a ring of %d buffers: not a power of two up to 32768", c.Count)
	}
	if c.Size < 1 || int64(c.Size) > 1<<31-1 {
		return nil, fmt.Errorf("a ring of buffers of %d bytes each", c.Size)
	}
	page := os.Getpagesize()
	head := (c.Count*int(unsafe.Sizeof(buffer{})) + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, head+c.Count*c.Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, refused("mmap", errnoOf(err), need{})
	}
	reg := bufferRingRegister{addr: uint64(uintptr(unsafe.Pointer(&mem[0]))), entries: uint32(c.Count), group: c.Group}
	needed := needBufferRing
	if c.Incremental {
		reg.flags, needed = bufferRingIncremental, needIncremental
	}
	if _, errno := r.register(registerBufferRing, unsafe.Pointer(&reg), 1); errno != 0 {
		unix.Munmap(mem)
		return nil, refused("io_uring_register", errno, needed)
	}
	b := &BufferRing{ring: r, group: c.Group, size: c.Size, incremental: c.Incremental, mem: mem, data: mem[head:],
		slots:  unsafe.Slice((*buffer)(unsafe.Pointer(&mem[0])), c.Count),
		states: make([]bufferState, c.Count)}
	for id := range b.states {
		b.offer(uint16(id))
	}
	r.buffers = append(r.buffers, b)
	return b, nil
}

// offer puts a buffer at the end of the line. The kernel hears of it at publish.
func (b *BufferRing) offer(id uint16) {
	slot := &b.slots[int(b.tail)&(len(b.slots)-1)]
	slot.addr = uint64(uintptr(unsafe.Pointer(&b.data[int(id)*b.size])))
	slot.len = uint32(b.size)
	slot.id = id
	b.states[b.last].next = id
	b.states[id].used, b.states[id].spent = 0, false
	b.last = id
	b.tail++
	b.free++
}

// publish tells the kernel the tail. That has 16 bits, which cannot be stored
// atomically alone: they are stored with the number of the first slot's buffer.
func (b *BufferRing) publish() {
	if b.tail == b.shown {
		return
	}
	first := &b.slots[0]
	var word [4]byte
	binary.NativeEndian.PutUint16(word[:2], first.id)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.id)), binary.NativeEndian.Uint32(word[:]))
	b.shown = b.tail
}

// Piece is bytes that were received, in one buffer. They are good until the piece
// has been given back.
type Piece struct {
	ID    uint16 // of the buffer
	Bytes []byte // none, of some kernels, at the end of a stream
}

// Pieces are those of one completion, in the order of the stream: one, or several
// of a bundle.
type Pieces struct {
	b    *BufferRing
	id   uint16
	left int  // bytes that have not been told
	more bool // the kernel goes on with the last buffer
	done bool
}

// Pieces takes the bytes of a completion of a receive from this group; there are
// none without HasBuffer. It must be called for each completion that has a buffer,
// in the order of Ring.Next, and all its pieces be fetched.
func (b *BufferRing) Pieces(c CQE) Pieces {
	// Not every kernel says so of an incremental buffer of which nothing has been
	// used, though all go on with it.
	more := c.Flags&cqeBufferMore != 0 || b.incremental && c.Res <= 0
	return Pieces{b: b, id: c.buffer(), left: max(int(c.Res), 0), more: more, done: !c.HasBuffer()}
}

// Next is the next piece. Each must be given back once.
func (p *Pieces) Next() (Piece, bool) {
	if p.done {
		return Piece{}, false
	}
	b, id := p.b, p.id
	s := &b.states[id]
	from := int(id)*b.size + s.used
	n := min(p.left, b.size-s.used)
	p.left -= n
	p.done = p.left == 0
	s.used += n
	s.pieces++
	if !p.done || !p.more {
		s.spent = true
		b.free--
	}
	p.id = s.next
	return Piece{ID: id, Bytes: b.data[from : from+n : from+n]}, true
}

// Give gives back a piece of a buffer, whose bytes are not to be touched any more.
// The buffer is offered to the kernel again, at the next entry to it, when all
// its pieces are back and the kernel has done with it.
func (b *BufferRing) Give(id uint16) {
	s := &b.states[id]
	if s.pieces == 0 {
		panic("bug: a piece of a buffer is given back twice")
	}
	s.pieces--
	if s.pieces == 0 && s.spent {
		b.offer(id)
	}
}

// Free is how many buffers the kernel can still fill, whole or in part.
// Completions that have not been taken are not known yet.
func (b *BufferRing) Free() int { return b.free }

// Shape is how many buffers there are, and the size of each in bytes.
func (b *BufferRing) Shape() (count, size int) { return len(b.slots), b.size }

// Close unregisters the ring and frees the memory. No receive of its group may be
// under way.
func (b *BufferRing) Close() error {
	reg := bufferRingRegister{group: b.group}
	_, errno := b.ring.register(unregisterBufferRing, unsafe.Pointer(&reg), 1)
	i := slices.Index(b.ring.buffers, b)
	b.ring.buffers = slices.Delete(b.ring.buffers, i, i+1)
	unix.Munmap(b.mem)
	if errno != 0 {
		return os.NewSyscallError("io_uring_register", errno)
	}
	return nil
}
