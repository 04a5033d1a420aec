package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// table sets the two measurements side by side.
func table(direct, pooled figures) []string {
	const width = 22
	lines := []string{"", fmt.Sprintf("  %-36s%*s%*s", "", width, "straight", width, "through pgweir")}
	row := func(name, a, b string) {
		lines = append(lines, fmt.Sprintf("  %-36s%s%s", name, right(a, width), right(b, width)))
	}
	row("clients", count(direct.clients), count(pooled.clients))
	row("backends at most, pg_stat_activity", count(direct.most.byServer), count(pooled.most.byServer))
	row("backends at most, process table", count(direct.most.byTable), count(pooled.most.byTable))
	row("memory of the backends", direct.most.backendMemory.String(), pooled.most.backendMemory.String())
	row("memory of pgweir itself", "–", pooled.most.weirMemory.String())
	row("time to connect, p50 / p99", pair(direct.connect50, direct.connect99), pair(pooled.connect50, pooled.connect99))
	row("time of a transaction, p50 / p99", pair(direct.latency50, direct.latency99), pair(pooled.latency50, pooled.latency99))
	row("transactions a second", count(int(direct.transactionsPerSecond)), count(int(pooled.transactionsPerSecond)))
	row("errors", count(int(direct.errors)), count(int(pooled.errors)))
	return lines
}

// sentence sums up.
func sentence(direct, pooled figures) string {
	s := fmt.Sprintf("%s clients: %s direct; %s through pgweir",
		count(direct.clients), backends(direct.most), backends(pooled.most))
	if m := pooled.most.weirMemory; m.known {
		s += fmt.Sprintf(", which takes %s itself", m)
	}
	return s + "."
}

func backends(s sample) string {
	text := count(s.backends()) + " backends"
	if s.backendMemory.known {
		text += ", " + s.backendMemory.String()
	}
	return text
}

// backends is the higher of the two counts.
func (s sample) backends() int { return max(s.byServer, s.byTable) }

// judge says what is wrong with the measurement, if anything is.
func judge(direct, pooled figures, pool int) error {
	var wrong []error
	if n := pooled.most.backends(); n > pool {
		wrong = append(wrong, fmt.Errorf("%d backends exceeded the pool of %d", n, pool))
	}
	if pooled.most.backends() == 0 {
		wrong = append(wrong, errors.New("no backend was ever seen behind pgweir"))
	}
	for _, f := range []struct {
		name string
		figures
	}{{"direct", direct}, {"pooled", pooled}} {
		if f.errors > 0 {
			wrong = append(wrong, fmt.Errorf("%s clients met %d errors, the last: %s", f.name, f.errors, f.lastError))
		}
	}
	return errors.Join(wrong...)
}

// String is the amount in megabytes (10^6 bytes).
func (m memory) String() string {
	if !m.known {
		return "unknown"
	}
	mb := float64(m.bytes) / 1e6
	if mb < 10 {
		return fmt.Sprintf("%.1f MB", mb)
	}
	return count(int(mb+0.5)) + " MB"
}

// count writes a number with commas between the thousands.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// pair writes a median and a 99th percentile; nothing takes no time at all, so
// 0 means that nothing was recorded.
func pair(p50, p99 time.Duration) string {
	if p99 == 0 {
		return "–"
	}
	return millis(p50) + " / " + millis(p99) + " ms"
}

// millis writes a duration in milliseconds, three digits where it has them.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 9.995:
		return fmt.Sprintf("%.2f", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f", ms)
	default:
		return count(int(ms + 0.5))
	}
}

// right pads s on the left; unlike fmt it counts characters the same for "–".
func right(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}
