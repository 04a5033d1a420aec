package uring

import "syscall"

// Refusal is the error of a kernel that does not let us use io_uring, or not as
// it is needed. Error is a sentence for the operator.
type Refusal struct {
	Call   string        // io_uring_setup, io_uring_enter or io_uring_register
	Errno  syscall.Errno // its answer
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func (r *Refusal) Unwrap() error { return r.Errno }

func refused(call string, errno syscall.Errno) error {
	return &Refusal{Call: call, Errno: errno, Reason: call + " is refused: " + errno.Error()}
}

func pollMask(events uint32) uint32 { return events }
