// Package uring is io_uring for one thread: a submission queue and a completion
// queue that the kernel shares, and rings of buffers that the kernel fills. It
// knows the kernel's interface and nothing of connections, and imports nothing
// of ours. There is nothing in it for systems other than Linux.
//
// Words and rules are those of io_uring(7) and liburing:
//
//  1. Probe tells whether the kernel lets us use io_uring, and what it can do.
//  2. New makes a Ring. It belongs to one thread: the one that calls Enable,
//     from a goroutine that has called runtime.LockOSThread. Only that thread
//     may use the Ring or its BufferRings from then on, up to Close. The kernel
//     knows the Ring by its place among those of the calling thread: from another
//     thread a call fails, or enters that thread's own Ring.
//  3. Recv, Send, Accept and their like put an operation into the submission
//     queue. They make no system call, unless the queue is full, and cannot
//     fail: what is wrong with an operation is told by its completion.
//  4. Poll, Nap and Wait give the kernel what is queued, let it do what has
//     become possible, and wait for completions, each in its own manner.
//  5. Next takes the completions, one after the other.
//
// The kernel posts completions only inside Poll, Nap and Wait
// (IORING_SETUP_DEFER_TASKRUN). A ring that none of them is called for makes no
// progress.
//
// # Memory
//
// The garbage collector does not see addresses that the kernel holds. What is
// passed to Send, RecvInto or Read has to be referenced, and left alone, until
// the completion of the operation has been taken. A cancelled operation has a
// completion too. Close ends the operations that are under way, so it may be
// dropped afterwards.
package uring
