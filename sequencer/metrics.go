package sequencer

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	blocks, slices, txs        prometheus.Counter
	dropped, deferred          prometheus.Counter
	head, epoch                prometheus.Gauge
	sliceSeconds, sliceTxs     prometheus.Histogram
	appendSeconds, sealSeconds prometheus.Histogram
	opinionSeconds             prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "motet_sequencer_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_sequencer_" + name, Help: help})
	}
	histogram := func(name, help string, start float64) prometheus.Histogram {
		const factor, buckets = 2, 15
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_sequencer_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(start, factor, buckets),
		})
	}
	const shortest = 0.0005
	m := &metrics{
		blocks:         counter("blocks_total", "Blocks committed, those of recovery included."),
		slices:         counter("slices_total", "Slices applied, those of recovery included."),
		txs:            counter("transactions_total", "Transactions included, those of recovery included."),
		dropped:        counter("dropped_transactions_total", "Transactions found invalid when their turn came."),
		deferred:       counter("deferred_transactions_total", "Transactions given back to the pool."),
		head:           gauge("head_block", "Number of the newest block."),
		epoch:          gauge("epoch_number", "Epoch of this writer."),
		sliceSeconds:   histogram("slice_seconds", "Time to execute a slice.", shortest),
		sliceTxs:       histogram("slice_transactions", "Transactions in a slice.", 1),
		appendSeconds:  histogram("append_seconds", "Time until the log holds a message, outages included.", shortest),
		sealSeconds:    histogram("seal_seconds", "Time from closing a block until it is canonical.", shortest),
		opinionSeconds: histogram("opinion_seconds", "Time for the second opinion on a block.", shortest),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.blocks, m.slices, m.txs, m.dropped, m.deferred, m.head, m.epoch,
		m.sliceSeconds, m.sliceTxs, m.appendSeconds, m.sealSeconds, m.opinionSeconds,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
