package execbench

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/core/types/bal"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/timing"
)

// sample is one timed run.
type sample struct {
	wall, cpu float64 // seconds
	stats     executor.Stats
	report    *report.Block // of Motet's executors
}

// round holds a run of every engine, one right after the other.
type round struct {
	geth, gethReceipts, serial sample
	parallel                   []sample // by index of the worker count
	along                      []sample // the same along the block's access list; none if the block is built
	graph                      *graph   // as serial met it
	others                     float64  // cores that other processes used meanwhile
}

func (b *bench) measure(ctx context.Context, n int) (err error) {
	b.rounds, err = timing.Calmest(n, func() (round, error) { return b.round(ctx) }, func(r round) float64 { return r.others })
	return err
}

// round runs every engine once.
func (b *bench) round(ctx context.Context) (r round, err error) {
	others := timing.WatchOthers()
	db := b.warm.Copy()
	if r.geth, err = timed(func() error { _, err := b.runGeth(ctx, db, nil); return err }); err != nil {
		return r, err
	}
	db = b.warm.Copy()
	if r.gethReceipts, err = timed(func() error { return b.runGethReceipts(db) }); err != nil {
		return r, err
	}
	if r.serial, err = b.timeOurs(ctx, b.serial, nil); err != nil {
		return r, err
	}
	r.graph = newGraph(r.serial.report)
	for _, p := range b.parallel {
		s, err := b.timeOurs(ctx, p, nil)
		if err != nil {
			return r, err
		}
		r.parallel = append(r.parallel, s)
		if b.s.building {
			continue
		}
		if s, err = b.timeOurs(ctx, p, b.list); err != nil {
			return r, err
		}
		r.along = append(r.along, s)
	}
	r.others = others().AtLeast()
	return r, nil
}

// timeOurs times running a block; neither its opening nor its end are timed, since
// the baseline has neither.
func (b *bench) timeOurs(ctx context.Context, e executor.Executor, list *bal.BlockAccessList) (sample, error) {
	open, err := b.openOurs(ctx, e, list) // as geth's state is made before the clock starts
	if err != nil {
		return sample{}, err
	}
	var slice *executor.Slice
	s, err := timed(func() (err error) {
		slice, err = b.transactions(ctx, open)
		return err
	})
	if err != nil {
		return s, err
	}
	s.stats = slice.Stats
	_, err = open.Finish(ctx, nil)
	s.report = open.Report()
	return s, err
}

func timed(f func() error) (s sample, err error) {
	s.wall, s.cpu, err = timing.Measure(f)
	return s, err
}

// graph sums up what the rounds tell of the block.
func (b *bench) graph() *graph {
	graphs := make([]*graph, len(b.rounds))
	for i, r := range b.rounds {
		graphs[i] = r.graph
	}
	return typical(graphs)
}

// result sums up one worker count, the one at index i.
func (b *bench) result(name string, i, workers int, g *graph) Result {
	parallel := func(r round) sample { return r.parallel[i] }
	r := Result{
		Workload:      name,
		Workers:       workers,
		Transactions:  len(b.s.txs),
		Gas:           b.gas,
		GethS:         b.median(func(r round) float64 { return r.geth.wall }),
		GethCPUS:      b.median(func(r round) float64 { return r.geth.cpu }),
		GethReceiptsS: b.median(func(r round) float64 { return r.gethReceipts.wall }),
		SerialS:       b.median(func(r round) float64 { return r.serial.wall }),
		SerialCPUS:    b.median(func(r round) float64 { return r.serial.cpu }),
		ParallelS:     b.median(func(r round) float64 { return parallel(r).wall }),
		CPUS:          b.median(func(r round) float64 { return parallel(r).cpu }),
		OthersCores:   b.median(func(r round) float64 { return r.others }),
		Executions:    parallel(b.rounds[0]).stats.Executions,
		Aborts:        parallel(b.rounds[0]).stats.Aborts,
		Fallback:      parallel(b.rounds[0]).stats.Fallback,
		CriticalShare: g.critical() / g.work(),
		Ideal:         g.ideal(workers),
	}
	r.VsGeth, r.VsSerial = r.GethS/r.ParallelS, r.SerialS/r.ParallelS
	r.CPUVsGeth, r.CPUVsSerial = r.CPUS/r.GethCPUS, r.CPUS/r.SerialCPUS
	r.FractionOfIdeal = r.VsSerial / r.Ideal
	if !b.s.building {
		r.AlongS = b.median(func(r round) float64 { return r.along[i].wall })
		r.AlongVsSerial = r.SerialS / r.AlongS
	}
	return r
}

func (b *bench) median(of func(round) float64) float64 {
	return medianOf(b.rounds, of)
}

func medianOf[R any](rounds []R, of func(R) float64) float64 {
	samples := make([]float64, len(rounds))
	for i, r := range rounds {
		samples[i] = of(r)
	}
	return median(samples)
}

// median sorts the samples.
func median(samples []float64) float64 {
	slices.Sort(samples)
	return samples[len(samples)/2]
}
