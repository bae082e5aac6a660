package api

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	submit   prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_api_requests_total", Help: "Requests by surface.",
		}, []string{"surface"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_api_dropped_total", Help: "Clients disconnected or refused, by cause.",
		}, []string{"cause"}),
		submit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_api_submit_seconds", Help: "Time from a decoded submission to its durable answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	// Every label is there from the start, so that a rate never misses its zero.
	for _, surface := range []string{"rpc", "ws", "rest", "sse"} {
		m.requests.WithLabelValues(surface)
	}
	for _, cause := range []string{"slow_subscriber", "event_stream", "too_many_connections", "host", "origin"} {
		m.dropped.WithLabelValues(cause)
	}
	if r != nil {
		r.MustRegister(m.requests, m.dropped, m.submit, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "motet_api_connections", Help: "WebSocket connections and event streams.",
		}, func() float64 { return float64(s.conns.count()) }))
	}
	return m
}
