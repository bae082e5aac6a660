package chain

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	head          prometheus.Gauge
	unflushed     prometheus.Gauge
	diskFree      prometheus.Gauge
	sealSeconds   prometheus.Histogram
	commitSeconds prometheus.Histogram
	flushSeconds  prometheus.Histogram
	recovered     prometheus.Counter
	lostEvents    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	buckets := prometheus.ExponentialBuckets(0.0005, 2, 14) // 0.5 ms to 4 s
	m := &metrics{
		head:          prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_chain_head_block", Help: "Number of the newest sealed block."}),
		unflushed:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_chain_unflushed_blocks", Help: "Blocks whose state only memory holds."}),
		diskFree:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_chain_disk_free_bytes", Help: "Free disk space of the data directory."}),
		sealSeconds:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "motet_chain_seal_seconds", Help: "Time to compute a block's roots.", Buckets: buckets}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "motet_chain_commit_seconds", Help: "Time to make a block durable and canonical.", Buckets: buckets}),
		flushSeconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "motet_chain_flush_seconds", Help: "Time that a flush of the state holds up the writer.", Buckets: buckets}),
		recovered:     prometheus.NewCounter(prometheus.CounterOpts{Name: "motet_chain_recovered_blocks_total", Help: "Blocks executed again at start."}),
		lostEvents:    prometheus.NewCounter(prometheus.CounterOpts{Name: "motet_chain_lost_events_total", Help: "Events that subscribers lost by falling behind."}),
	}
	if reg != nil {
		reg.MustRegister(m.head, m.unflushed, m.diskFree, m.sealSeconds, m.commitSeconds, m.flushSeconds, m.recovered, m.lostEvents)
	}
	return m
}
