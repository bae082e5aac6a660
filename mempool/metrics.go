package mempool

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

type metrics struct {
	admitted prometheus.Counter
	refused  prometheus.Counter
	taken    prometheus.Counter
	included prometheus.Counter
	fates    *prometheus.CounterVec
}

// newMetrics registers with r, which may be nil. The sizes of the pool are
// sampled when scraped.
func newMetrics(r prometheus.Registerer, p *Pool) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		admitted: counter("motet_mempool_admitted_transactions_total", "Transactions made durable and accepted."),
		refused:  counter("motet_mempool_refused_transactions_total", "Transactions refused at admission."),
		taken:    counter("motet_mempool_taken_transactions_total", "Transactions handed out for execution, deferred ones each time."),
		included: counter("motet_mempool_included_transactions_total", "Pooled transactions that were included."),
		fates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_mempool_final_fates_total", Help: "Accepted transactions that left without inclusion.",
		}, []string{"state"}),
	}
	for _, s := range []motet.State{motet.StateRejected, motet.StateReplaced, motet.StateEvicted, motet.StateExpired} {
		m.fates.WithLabelValues(string(s)) // there from the start, so that a rate never misses its zero
	}
	if r == nil {
		return m, nil
	}
	gauge := func(name, help string, labels prometheus.Labels, f func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
			p.mu.RLock()
			defer p.mu.RUnlock()
			return float64(f())
		})
	}
	for _, c := range []prometheus.Collector{
		m.admitted, m.refused, m.taken, m.included, m.fates,
		gauge("motet_mempool_pooled_transactions", "Transactions in the pool.", prometheus.Labels{"state": string(motet.StatePending)},
			func() int { return p.count - p.gapped }),
		gauge("motet_mempool_pooled_transactions", "Transactions in the pool.", prometheus.Labels{"state": string(motet.StateQueued)},
			func() int { return p.gapped }),
		gauge("motet_mempool_pooled_bytes", "Encoded size of the transactions in the pool.", nil, func() int { return p.bytes }),
		gauge("motet_mempool_ready_senders", "Senders whose next transaction can run now.", nil, func() int { return len(p.ready) }),
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
