package replay

import (
	"runtime"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

// lanesOf sums up where two workers' time went: on executions, on those of them that
// were lost, waiting between executions, and after the last one.
func lanesOf(r *report.Block) (busy, lost, idle, tail time.Duration) {
	aborted := make(map[int32]bool, len(r.Aborts))
	for _, a := range r.Aborts {
		aborted[a.Task] = true
	}
	end := int64(0)
	for _, lane := range r.Lanes {
		for _, lap := range lane {
			end = max(end, lap.At)
		}
	}
	for _, lane := range r.Lanes {
		var last report.Lap
		for _, lap := range lane {
			if lap.At == 0 {
				continue
			}
			took := time.Duration(lap.At - last.At)
			switch {
			case last.At == 0: // the worker starts
			case last.Kind == report.Idle:
				idle += took
			default:
				busy += took
				if lap.Kind == report.Speculated && aborted[lap.Task] {
					lost += took
				}
			}
			last = lap
		}
		tail += time.Duration(end - last.At)
	}
	return busy, lost, idle, tail
}

// BenchmarkLanes tells where the time of two workers goes on the mainnet blocks that
// the serial executor takes 3 ms or more for, as shares of twice the time from the
// first transaction to the last; finish/run is how long the end of a block takes in
// terms of that time.
func BenchmarkLanes(b *testing.B) {
	files, err := findBlocks([]string{fixtures.Dir(b, "mainnet")})
	if err != nil {
		b.Fatal(err)
	}
	if err := kzg4844.UseCKZG(false); err != nil { // which takes seconds, or a block pays for it
		b.Fatal(err)
	}
	var load loader
	var blocks []*recordedBlock
	for _, file := range files {
		block, err := load.load(file)
		if err != nil {
			b.Fatal(err)
		}
		blocks = append(blocks, block)
	}
	serial := executor.NewSerial(executor.Config{Warm: true})
	parallel := executor.NewParallel(executor.Config{Workers: 2, Warm: true, Predict: predict.New(predict.AllSources)})
	execute := func(e executor.Executor, r *recordedBlock) (run, finish time.Duration, done *report.Block) {
		runtime.GC()
		open, err := e.Open(b.Context(), executor.Env{
			Config: r.config, Header: r.header, Parent: r.parent(), State: r.state, BlockHash: r.blockHash,
		})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if _, err := open.Verify(b.Context(), r.txs); err != nil {
			b.Fatal(err)
		}
		run = time.Since(start)
		if _, err := open.Finish(b.Context(), r.withdrawals); err != nil {
			b.Fatal(err)
		}
		return run, time.Since(start) - run, open.Report()
	}
	var shares struct{ useful, dearer, lost, tail, idle, ends, finish, blocks float64 }
	for b.Loop() {
		for _, r := range blocks {
			alone, _, _ := execute(serial, r)
			if alone < 3*time.Millisecond || len(r.txs) < 9 {
				continue
			}
			run, finish, done := execute(parallel, r)
			busy, lost, idle, tail := lanesOf(done)
			share := func(d time.Duration) float64 { return float64(d) / float64(2*run) }
			shares.useful += share(alone)
			shares.dearer += share(busy - lost - alone)
			shares.lost += share(lost)
			shares.tail += share(tail)
			shares.idle += share(idle)
			shares.ends += share(2*run - busy - idle - tail)
			shares.finish += float64(finish) / float64(run)
			shares.blocks++
		}
	}
	for name, sum := range map[string]float64{
		"useful": shares.useful, "dearer": shares.dearer, "lost": shares.lost, "tail": shares.tail, "idle": shares.idle,
		"ends": shares.ends, "finish/run": shares.finish,
	} {
		b.ReportMetric(100*sum/shares.blocks, "%"+name)
	}
	b.ReportMetric(shares.blocks/float64(b.N), "blocks")
}
