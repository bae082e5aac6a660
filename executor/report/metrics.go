package report

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	executions, aborts, seconds, serial *prometheus.CounterVec
	achieved, ideal                     prometheus.Histogram
	kept, bytes                         prometheus.GaugeFunc
}

func newMetrics(h *History) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "motet_executor_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string, of func(blocks, bytes int) int) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "motet_executor_" + name, Help: help}, func() float64 {
			return float64(of(h.size()))
		})
	}
	ratio := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_executor_" + name, Help: help,
			Buckets: []float64{0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 3, 4, 6, 8, 12, 16, 32, 64},
		})
	}
	m := &metrics{
		executions: counter("executions_total", "Runs of a transaction, by what became of them.", "outcome"),
		aborts:     counter("aborts_total", "Runs that were lost to a conflict, by what had changed.", "cause"),
		seconds:    counter("seconds_total", "Time of the executor's workers: useful, wasted, overhead.", "use"),
		serial:     counter("serial_transactions_total", "Transactions that ran one after the other, by reason.", "reason"),
		achieved:   ratio("achieved_speedup_ratio", "Useful time of a block over the time it took."),
		ideal:      ratio("ideal_speedup_ratio", "Useful time of a block over the least possible."),
		kept:       gauge("kept_reports", "Blocks whose execution can be asked for.", func(blocks, _ int) int { return blocks }),
		bytes:      gauge("kept_reports_bytes", "Memory of the kept reports.", func(_, bytes int) int { return bytes }),
	}
	// Every label is there from the start, so that a rate never misses its zero.
	for _, name := range outcomeNames {
		m.executions.WithLabelValues(name)
	}
	for _, name := range causeNames {
		m.aborts.WithLabelValues(name)
	}
	for _, name := range []string{"useful", "wasted", "overhead"} {
		m.seconds.WithLabelValues(name)
	}
	for _, name := range []string{"configured", "rules", "one worker", "small slice", "conflicts"} {
		m.serial.WithLabelValues(name)
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.executions, m.aborts, m.seconds, m.serial, m.achieved, m.ideal, m.kept, m.bytes} {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}

func (m *metrics) count(b *Block) {
	s := b.Summarise()
	for outcome, n := range s.Executions {
		m.executions.WithLabelValues(outcomeNames[outcome]).Add(float64(n))
	}
	for cause, n := range s.Aborts {
		m.aborts.WithLabelValues(causeNames[cause]).Add(float64(n))
	}
	m.seconds.WithLabelValues("useful").Add(s.Work.Seconds())
	m.seconds.WithLabelValues("wasted").Add(s.Wasted.Seconds())
	m.seconds.WithLabelValues("overhead").Add(s.Overhead.Seconds())
	for _, solo := range b.Solos {
		m.serial.WithLabelValues(solo.Reason).Add(float64(solo.Transactions))
	}
	if s.Ideal > 0 { // not for blocks without transactions
		m.achieved.Observe(s.Achieved)
		m.ideal.Observe(s.Ideal)
	}
}
