package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

// Choices of Config.Executor.
const (
	Both     = "both"
	Parallel = "parallel"
	Serial   = "serial"
)

// Config says what to replay and how.
type Config struct {
	// Paths are block files, or folders in the form of fixtures/mainnet.
	Paths []string
	// Workers of the parallel executor.
	Workers int
	// Executor is Both, Parallel or Serial; empty means Both. Geth's serial
	// path runs in any case.
	Executor string
	// Predict is what the parallel executor predicts conflicts from.
	Predict predict.Sources
	// Rounds is how often each block is timed; the medians count. Zero means once.
	Rounds int
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	switch {
	case len(c.Paths) == 0:
		return errors.New("no block file or folder is given")
	case c.Workers < 0 || c.Rounds < 0:
		return errors.New("workers and rounds cannot be negative")
	}
	switch c.Executor {
	case "", Both, Parallel, Serial:
		return nil
	default:
		return fmt.Errorf("executor %q is none of both, parallel, serial", c.Executor)
	}
}

// BlockResult tells how a block went. Durations are in seconds; zero means that
// the engine did not run.
type BlockResult struct {
	Number       uint64  `json:"number"`
	Transactions int     `json:"transactions"`
	GasUsed      uint64  `json:"gas_used"`
	OK           bool    `json:"ok"`
	SerialS      float64 `json:"serial_s"`
	ParallelS    float64 `json:"parallel_s"`
	GethSerialS  float64 `json:"geth_serial_s"`
	// AlongS is the parallel executor's time along the block access list that the
	// block leaves, as a replica runs it that got the list with the block.
	AlongS float64 `json:"along_s"`
	// Ideal is how many times as fast as one worker as many as there are could be at
	// best, by gas and by what reads what an earlier transaction wrote.
	Ideal      float64 `json:"ideal"`
	Executions int     `json:"executions"`
	Aborts     int     `json:"aborts"`
	Fallback   string  `json:"fallback"`
	// Mismatch says what differed when OK is false.
	Mismatch string `json:"mismatch,omitempty"`
}

// Summary sums up a replay. The means are of the ratios of durations, above one
// where the parallel executor (the serial one if it ran alone) is faster.
type Summary struct {
	Summary       bool    `json:"summary"`
	Blocks        int     `json:"blocks"`
	OK            int     `json:"ok"`
	Failed        int     `json:"failed"`
	GeoMeanGeth   float64 `json:"geo_mean_vs_geth"`
	GeoMeanSerial float64 `json:"geo_mean_vs_serial"`
	// GeoMeanAlong is that of the parallel executor along the list against geth.
	GeoMeanAlong float64 `json:"geo_mean_along_vs_geth"`
	// GeoMeanIdeal is that of what the blocks allow.
	GeoMeanIdeal float64 `json:"geo_mean_ideal"`
}

// Run replays all blocks that c names and reports each as it is done. A block
// that does not match is a result, not an error; an error ends the replay.
func Run(ctx context.Context, c Config, report func(BlockResult)) (Summary, error) {
	if err := c.Validate(); err != nil {
		return Summary{}, err
	}
	files, err := findBlocks(c.Paths)
	if err != nil {
		return Summary{}, err
	}
	var (
		load  loader
		total = tally{Summary: Summary{Summary: true}}
		run   = newRunner(c)
	)
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return total.sum(), err
		}
		block, err := load.load(file)
		if err != nil {
			return total.sum(), err
		}
		result, err := run.block(ctx, block)
		if err != nil {
			return total.sum(), fmt.Errorf("block %v: %w", block.header.Number, err)
		}
		total.add(result)
		report(result)
	}
	return total.sum(), nil
}

// tally accumulates a Summary.
type tally struct {
	Summary
	logGeth, logSerial, logAlong, logIdeal float64
	timedGeth, timedSerial, timedAlong     int
}

func (t *tally) add(r BlockResult) {
	t.Blocks++
	if !r.OK {
		t.Failed++
		return
	}
	t.OK++
	if r.Transactions == 0 {
		return
	}
	ours := r.ParallelS
	if ours == 0 {
		ours = r.SerialS
	}
	if ours > 0 && r.GethSerialS > 0 {
		t.logGeth += math.Log(r.GethSerialS / ours)
		t.timedGeth++
	}
	if r.ParallelS > 0 && r.SerialS > 0 {
		t.logSerial += math.Log(r.SerialS / r.ParallelS)
		t.timedSerial++
	}
	if r.AlongS > 0 && r.GethSerialS > 0 {
		t.logAlong += math.Log(r.GethSerialS / r.AlongS)
		t.logIdeal += math.Log(r.Ideal)
		t.timedAlong++
	}
}

func (t *tally) sum() Summary {
	s := t.Summary
	if t.timedGeth > 0 {
		s.GeoMeanGeth = math.Exp(t.logGeth / float64(t.timedGeth))
	}
	if t.timedSerial > 0 {
		s.GeoMeanSerial = math.Exp(t.logSerial / float64(t.timedSerial))
	}
	if t.timedAlong > 0 {
		s.GeoMeanAlong = math.Exp(t.logAlong / float64(t.timedAlong))
		s.GeoMeanIdeal = math.Exp(t.logIdeal / float64(t.timedAlong))
	}
	return s
}

// engine is one way to execute a block.
type engine struct {
	name string
	exec func(context.Context, *recordedBlock) (*execution, error)
}

// runner replays blocks one by one.
type runner struct {
	rounds  int
	workers int // of the parallel executor
	engines []engine
}

func newRunner(c Config) *runner {
	r := &runner{rounds: max(1, c.Rounds), engines: []engine{{name: gethName, exec: execGeth}}}
	if c.Executor != Parallel {
		r.engines = append(r.engines, engine{name: Serial, exec: ours(executor.NewSerial(executor.Config{}))})
	}
	if c.Executor != Serial {
		workers := c.Workers
		if workers == 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		r.workers = workers
		exec := ours(executor.NewParallel(executor.Config{Workers: workers, Predict: predict.New(c.Predict)}))
		r.engines = append(r.engines, engine{name: Parallel, exec: exec}, engine{name: along, exec: exec})
	}
	return r
}

// block times the engines in turn, so that a disturbance of the machine hits
// all of them, and checks the results of the first round.
func (r *runner) block(ctx context.Context, b *recordedBlock) (BlockResult, error) {
	var (
		results = make(map[string]*execution, len(r.engines))
		samples = make(map[string][]float64, len(r.engines))
	)
	if b.config.IsCancun(b.header.Number, b.header.Time) {
		// What the first check of a KZG proof computes for all others, which takes
		// seconds, is no part of a block.
		if err := kzg4844.UseCKZG(false); err != nil {
			return BlockResult{}, fmt.Errorf("load the trusted setup of KZG: %w", err)
		}
	}
	for range r.rounds {
		for _, e := range r.engines {
			if b.list = nil; e.name == along {
				if results[Parallel].refused != nil {
					continue
				}
				b.list = results[Parallel].accesses()
			}
			runtime.GC()
			start := time.Now()
			done, err := e.exec(ctx, b)
			if err != nil {
				return BlockResult{}, fmt.Errorf("%s: %w", e.name, err)
			}
			samples[e.name] = append(samples[e.name], time.Since(start).Seconds())
			if results[e.name] == nil {
				results[e.name] = done
			}
		}
	}
	result := BlockResult{
		Number:       b.header.Number.Uint64(),
		Transactions: len(b.txs),
		GasUsed:      results[gethName].gasUsed,
		GethSerialS:  median(samples[gethName]),
		SerialS:      median(samples[Serial]),
		ParallelS:    median(samples[Parallel]),
		AlongS:       median(samples[along]),
	}
	if p := results[Parallel]; p != nil {
		result.Executions, result.Aborts, result.Fallback = p.stats.Executions, p.stats.Aborts, p.stats.Fallback
		result.Ideal = ideal(p.gasUsed, p.critical, r.workers)
	}
	if err := check(ctx, b, results); err != nil {
		result.Mismatch = err.Error()
	}
	result.OK = result.Mismatch == ""
	return result, nil
}

func ideal(gas, critical uint64, workers int) float64 {
	if gas == 0 {
		return 1
	}
	return float64(gas) / max(float64(gas)/float64(workers), float64(critical))
}

func median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}
