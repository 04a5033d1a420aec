package web

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// A metric is one figure of T: its name, and its kind.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(T) float64
}

func gauge[T any](name, help string, value func(T) float64, labels ...string) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.GaugeValue, value}
}

func counter[T any](name, help string, value func(T) float64, labels ...string) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.CounterValue, value}
}

func (m metric[T]) send(ch chan<- prometheus.Metric, of T, labels ...string) {
	send(ch, m.desc, m.kind, m.value(of), labels...)
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pgweir_"+name, help, labels, nil)
}

// absent is the value of what is not known. It is not sent: a 0 would be a
// claim, and NaN would make every sum with it NaN.
var absent = math.NaN()

// orAbsent is a figure that is below 0 if it is not known.
func orAbsent(v int64) float64 {
	if v < 0 {
		return absent
	}
	return float64(v)
}

// send sends one figure, if it is known. What cannot be a metric is sent as its
// error, which the registry reports.
func send(ch chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	if math.IsNaN(value) {
		return
	}
	m, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- m
}

// sendHistogram sends cumulative counts for upper bounds in seconds, the last
// for +Inf. A pool that counts none, as the console's, has none.
func sendHistogram(ch chan<- prometheus.Metric, desc *prometheus.Desc, bounds []float64, counts []uint64, sum float64, labels ...string) {
	if len(counts) != len(bounds)+1 {
		return
	}
	buckets := make(map[float64]uint64, len(bounds))
	for i, bound := range bounds {
		buckets[bound] = counts[i]
	}
	m, err := prometheus.NewConstHistogram(desc, counts[len(bounds)], sum, buckets, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- m
}

// label is a name as a label's value, which must be UTF-8; PostgreSQL's names
// need not be.
func label(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
