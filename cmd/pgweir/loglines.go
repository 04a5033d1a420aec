package main

import (
	"io"
	"sync"
	"time"
)

// logLines takes the log's lines and writes them on a goroutine of its own, so that a
// reader who takes none (a terminal that is held, a pipe to a program that hangs, a disk
// that does not answer) holds up no client. Beyond maxLogBytes that wait, lines are lost
// and counted. What cannot be written is lost, too.
type logLines struct {
	to   io.Writer
	more chan struct{} // has something when there is something to write; closed at the end
	done chan struct{} // closed when everything is written

	mu      sync.Mutex
	waiting []byte
	lost    int // since they were last told of
	closed  bool
}

const maxLogBytes = 1 << 20

func newLogLines(to io.Writer) *logLines {
	return &logLines{to: to, more: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write takes one line. It never waits, and never fails.
func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(line), nil
	}
	if len(l.waiting)+len(line) > maxLogBytes {
		l.lost++
		return len(line), nil
	}
	l.waiting = append(l.waiting, line...)
	select {
	case l.more <- struct{}{}:
	default: // it is known already
	}
	return len(line), nil
}

// run writes what comes until Close. tell is told how many lines were lost, once there
// is room again.
func (l *logLines) run(tell func(lost int)) {
	defer close(l.done)
	var written []byte // its room is used again
	for range l.more {
		l.mu.Lock()
		lines := l.waiting
		l.waiting = written[:0]
		l.mu.Unlock()
		_, _ = l.to.Write(lines)
		if lost := l.takeLost(); lost > 0 {
			tell(lost)
		}
		written = lines
		if cap(written) > maxLogBytes/16 {
			written = nil
		}
	}
}

// takeLost gives how many lines were lost, if there is room to tell it.
func (l *logLines) takeLost() (lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) < maxLogBytes/2 {
		lost, l.lost = l.lost, 0
	}
	return lost
}

// Close takes no more lines, and waits until all are written, or for so long.
func (l *logLines) Close(wait time.Duration) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	close(l.more)
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(wait):
	}
}
