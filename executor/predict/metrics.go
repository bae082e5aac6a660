package predict

import (
	"math/bits"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

// Counts are the counters of one source.
type Counts struct {
	// Predictions are the transactions that the source said something about.
	Predictions uint64
	// Of the observed transactions: Hits are locations that were predicted and
	// touched, Misses those that were written and not predicted, Wasted those
	// that were predicted and not touched.
	Hits, Misses, Wasted uint64
}

// Stats are the counters by source.
type Stats struct {
	AccessList, Static, Learned Counts
}

// counterShards keep the workers from writing to the same cache line.
const counterShards = 16

// counters are the predictor's own. Predictions are counted on the hot path, so
// they are spread; the others by Observe alone.
type counters struct {
	predictions [counterShards]struct {
		of [nSources]atomic.Uint64
		_  [128 - 8*nSources]byte
	}
	hits, misses, wasted [nSources]atomic.Uint64
}

func (s Sources) index() int { return bits.TrailingZeros8(uint8(s)) }

func (c *counters) predicted(tx *motet.Tx, source Sources) {
	c.predictions[tx.From[19]%counterShards].of[source.index()].Add(1)
}

func (c *counters) scored(source Sources, s score) {
	i := source.index()
	c.hits[i].Add(uint64(s.hits))
	c.misses[i].Add(uint64(s.misses))
	c.wasted[i].Add(uint64(s.wasted))
}

func (c *counters) of(source Sources) Counts {
	i := source.index()
	out := Counts{Hits: c.hits[i].Load(), Misses: c.misses[i].Load(), Wasted: c.wasted[i].Load()}
	for k := range c.predictions {
		out.Predictions += c.predictions[k].of[i].Load()
	}
	return out
}

// Stats returns the counters as they are now.
func (p *Predictor) Stats() Stats {
	return Stats{p.counts.of(AccessList), p.counts.of(Static), p.counts.of(Learned)}
}

// Register registers the counters as metrics; p and r may be nil.
func (p *Predictor) Register(r prometheus.Registerer) error {
	if p == nil || r == nil {
		return nil
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("motet_predict_"+name+"_total", help, []string{"source"}, nil)
	}
	return r.Register(&metrics{
		predictor:   p,
		predictions: desc("predictions", "Transactions that a source said something about."),
		hits:        desc("hits", "Locations of observed transactions that were predicted and touched."),
		misses:      desc("misses", "Locations of observed transactions that were written and not predicted."),
		wasted:      desc("wasted", "Locations of observed transactions that were predicted and not touched."),
	})
}

type metrics struct {
	predictor                         *Predictor
	predictions, hits, misses, wasted *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.predictions, m.hits, m.misses, m.wasted} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Every label is there from the start.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for i := range nSources {
		c := m.predictor.counts.of(1 << i)
		send := func(d *prometheus.Desc, n uint64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), sourceName(i))
		}
		send(m.predictions, c.Predictions)
		send(m.hits, c.Hits)
		send(m.misses, c.Misses)
		send(m.wasted, c.Wasted)
	}
}

// score is how a prediction went.
type score struct{ hits, misses, wasted int }
