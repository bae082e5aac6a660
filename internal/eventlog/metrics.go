package eventlog

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appendSeconds prometheus.Histogram
	appendBytes   prometheus.Counter
	records       prometheus.Counter
	doubts        *prometheus.CounterVec
	disconnects   prometheus.Counter
	intakeSeconds prometheus.Histogram
	intakeTxs     prometheus.Counter
	intakeWrites  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	buckets := prometheus.ExponentialBuckets(0.00005, 2, 16)
	m := &metrics{
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_eventlog_append_seconds", Help: "Time until the log acknowledged an append.", Buckets: buckets,
		}),
		appendBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_eventlog_appended_bytes_total", Help: "Bytes appended to the log.",
		}),
		records: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_eventlog_appended_records_total", Help: "Records appended to the log.",
		}),
		doubts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_eventlog_doubts_total", Help: "Appends whose outcome was not acknowledged, by what was found out.",
		}, []string{"outcome"}),
		disconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_eventlog_disconnects_total", Help: "Connections to NATS that broke.",
		}),
		intakeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_eventlog_intake_write_seconds", Help: "Time until the intake acknowledged a message.", Buckets: buckets,
		}),
		intakeTxs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_eventlog_intake_txs_total", Help: "Transactions made durable by the intake.",
		}),
		intakeWrites: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_eventlog_intake_writes_total", Help: "Messages written to the intake.",
		}),
	}
	for _, v := range []verdict{landed, missing, conflict, unknown} {
		m.doubts.WithLabelValues(v.String()) // there from the start, so that a rate never misses its zero
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.appendSeconds, m.appendBytes, m.records, m.doubts, m.disconnects, m.intakeSeconds, m.intakeTxs, m.intakeWrites,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register eventlog metrics: %w", err)
		}
	}
	return m, nil
}
