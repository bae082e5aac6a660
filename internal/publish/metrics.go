package publish

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a block is left out.
const (
	causeState  = "state"  // its state is not kept any more
	causeBehind = "behind" // it is too far below the head
	causeSize   = "size"   // no reader would take its list
)

type metrics struct {
	lists   prometheus.Counter
	bytes   prometheus.Counter
	lag     prometheus.Gauge
	gaps    *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		lists: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_publish_access_lists_total", Help: "Block access lists published.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "motet_publish_bytes_total", Help: "Bytes of block access lists published, headers included.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "motet_publish_lag_blocks", Help: "Blocks whose access list is not published yet.",
		}),
		gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "motet_publish_gaps_total", Help: "Blocks left out of the access lists, by cause.",
		}, []string{"cause"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_publish_access_list_seconds", Help: "Time to make and publish a block access list.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // 0.5 ms to 4 s
		}),
	}
	for _, cause := range []string{causeState, causeBehind, causeSize} {
		m.gaps.WithLabelValues(cause)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.lists, m.bytes, m.lag, m.gaps, m.seconds} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register publish metrics: %w", err)
		}
	}
	return m, nil
}
