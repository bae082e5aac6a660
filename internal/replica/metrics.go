package replica

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	l1Block prometheus.Gauge
	safe    prometheus.Gauge
	batches *prometheus.CounterVec
	built   prometheus.Counter
	reorgs  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		l1Block: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "motet_replica_l1_block_number", Help: "Newest L1 block that was derived.",
		}),
		safe: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "motet_replica_safe_block_number", Help: "Newest block that was derived from L1.",
		}),
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_replica_batches_total", Help: "Batches read from L1, by what they derive to.",
		}, []string{"verdict"}),
		built: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_replica_built_blocks_total", Help: "Blocks built from L1.",
		}),
		reorgs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_replica_l1_reorgs_total", Help: "Reorganisations of L1 that were followed.",
		}),
	}
	for _, verdict := range []string{"valid", "invalid"} {
		m.batches.WithLabelValues(verdict) // there from the start, so that a rate never misses its zero
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.l1Block, m.safe, m.batches, m.built, m.reorgs} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register replica metrics: %w", err)
		}
	}
	return m, nil
}
