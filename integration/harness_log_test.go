package integration

import (
	"bytes"
	"strings"
	"sync"
)

// logBuffer collects what the program writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) tail(n int) string {
	s := l.String()
	return s[max(0, len(s)-n):]
}

// leakLines are the lines of the log about what checks have found.
func leakLines(log string) string {
	var found []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "left something behind") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}
