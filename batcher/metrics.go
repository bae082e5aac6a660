package batcher

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	batches *prometheus.CounterVec
	bytes   prometheus.Counter
	txs     prometheus.Counter
	backlog prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_batcher_batches_total", Help: "Batches, by what became of them.",
		}, []string{"outcome"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_batcher_posted_bytes_total", Help: "Bytes of payload on L1.",
		}),
		txs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_batcher_posted_txs_total", Help: "Transactions in posted batches.",
		}),
		backlog: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "motet_batcher_backlog_blocks", Help: "Sealed blocks that are not posted yet.",
		}),
	}
	for _, outcome := range []string{"mined", "refused", "superseded"} {
		m.batches.WithLabelValues(outcome) // there from the start, so that a rate never misses its zero
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.batches, m.bytes, m.txs, m.backlog} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register batcher metrics: %w", err)
		}
	}
	return m, nil
}
