package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"pgweir/status"
)

var engineInfo = describe("io_engine_info", "Always 1; the labels say how the event loops receive and send, and why not by io_uring if that was to be.", "engine", byReason)

var engineMetrics = []metric[*status.Engine]{
	gauge("io_engine_buffer_bytes", "Memory of the buffers of io_uring: a fixed amount for each event loop, and 0 with epoll.", func(e *status.Engine) float64 { return float64(e.BufferBytes()) }),
	gauge("io_engine_late_bytes", "Bytes that io_uring has received for connections that are not read now, which are kept.", func(e *status.Engine) float64 { return float64(e.LateBytes) }),
	counter("io_engine_shortages_total", "Receives that have found no buffer of io_uring, and had to wait for one.", func(e *status.Engine) float64 { return float64(e.Shortages) }),
	counter("io_engine_retreats_total", "Event loops that go on with epoll since their io_uring has failed.", func(e *status.Engine) float64 { return float64(e.Retreated) }),
}

func sendEngine(ch chan<- prometheus.Metric, e *status.Engine) {
	send(ch, engineInfo, prometheus.GaugeValue, 1, e.Name, label(e.Reason))
	for _, m := range engineMetrics {
		m.send(ch, e)
	}
}
