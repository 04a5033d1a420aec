package demo

import (
	"errors"
	"fmt"
	"time"

	"pgweir/amount"
)

// table sets the two measurements side by side.
func table(direct, pooled figures) []string {
	const width = 22
	lines := []string{"", fmt.Sprintf("  %-36s%*s%*s", "", width, "straight", width, "through pgweir")}
	row := func(name, a, b string) {
		lines = append(lines, fmt.Sprintf("  %-36s%s%s", name, amount.Right(a, width), amount.Right(b, width)))
	}
	row("clients", amount.Count(direct.clients), amount.Count(pooled.clients))
	row("backends at most, pg_stat_activity", amount.Count(direct.most.byServer), amount.Count(pooled.most.byServer))
	row("backends at most, process table", amount.Count(direct.most.byTable), amount.Count(pooled.most.byTable))
	row("memory of the backends", direct.most.backendMemory.String(), pooled.most.backendMemory.String())
	row("memory of pgweir itself", "–", pooled.most.weirMemory.String())
	row("time to connect, p50 / p99", pair(direct.connect50, direct.connect99), pair(pooled.connect50, pooled.connect99))
	row("time of a transaction, p50 / p99", pair(direct.latency50, direct.latency99), pair(pooled.latency50, pooled.latency99))
	row("transactions a second", amount.Count(int(direct.transactionsPerSecond)), amount.Count(int(pooled.transactionsPerSecond)))
	row("errors", amount.Count(int(direct.errors)), amount.Count(int(pooled.errors)))
	return lines
}

// sentence sums up.
func sentence(direct, pooled figures) string {
	s := fmt.Sprintf("%s clients: %s direct; %s through pgweir",
		amount.Count(direct.clients), backends(direct.most), backends(pooled.most))
	if m := pooled.most.weirMemory; m.known {
		s += fmt.Sprintf(", which takes %s itself", m)
	}
	return s + "."
}

func backends(s sample) string {
	text := amount.Count(s.backends()) + " backends"
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

func (m memory) String() string {
	if !m.known {
		return amount.Unknown
	}
	return amount.Bytes(m.bytes)
}

// pair writes a median and a 99th percentile; nothing takes no time at all, so
// 0 means that nothing was recorded.
func pair(p50, p99 time.Duration) string {
	if p99 == 0 {
		return "–"
	}
	return amount.Millis(p50) + " / " + amount.Millis(p99) + " ms"
}
