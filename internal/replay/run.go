package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/internal/timing"
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
	// Schedule is when it speculates.
	Schedule executor.Schedule
	// Cold lets every run begin with nothing read, and with EVMs that have not seen any
	// code. As a rule a run that is not timed comes first, and the state is in memory.
	Cold bool
	// Rounds is how often each block is timed; the medians count. Zero means once.
	// Rounds in which other processes keep the machine busy are repeated, up to twice.
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

// BlockResult tells how a block went. Durations are in seconds; those by the clock
// are medians. What was not measured, since an engine did not run or refused the block,
// is zero, and absent from JSON.
type BlockResult struct {
	Number       uint64  `json:"number"`
	Transactions int     `json:"transactions"`
	GasUsed      uint64  `json:"gas_used"`
	OK           bool    `json:"ok"`
	SerialS      float64 `json:"serial_s,omitempty"`
	ParallelS    float64 `json:"parallel_s,omitempty"`
	GethSerialS  float64 `json:"geth_serial_s"`
	// AlongS is the parallel executor's time along the block access list that the
	// block leaves, as a replica runs it that got the list with the block.
	AlongS float64 `json:"along_s,omitempty"`
	// Ideal is how many times as fast as one worker as many as there are could be at
	// best, by gas and by what reads what an earlier transaction wrote.
	Ideal float64 `json:"ideal,omitempty"`
	// FractionOfIdeal is how many times as fast as the serial executor the parallel
	// one was, over Ideal.
	FractionOfIdeal float64 `json:"fraction_of_ideal,omitempty"`
	// CPUS is the processor time that the parallel run took on all cores, garbage
	// collection included; GethCPUS and SerialCPUS are those of the others. They are
	// means of the rounds: in one alone the system may account some of it too late.
	CPUS       float64 `json:"cpu_s,omitempty"`
	GethCPUS   float64 `json:"geth_cpu_s"`
	SerialCPUS float64 `json:"serial_cpu_s,omitempty"`
	// CPUVsSerial is CPUS over SerialCPUS. It is absent, too, if the rounds together
	// were too short for it; the summary counts the block all the same.
	CPUVsSerial float64 `json:"cpu_vs_serial,omitempty"`
	// OthersCores is how many cores other processes used meanwhile, at least: a round
	// takes but a few ticks of the clock that tells.
	OthersCores float64 `json:"others_cores"`
	Executions  int     `json:"executions"`
	Aborts      int     `json:"aborts"`
	Fallback    string  `json:"fallback"`
	// Mismatch says what differed when OK is false.
	Mismatch string `json:"mismatch,omitempty"`
}

// Summary sums up a replay. The means are of the ratios of durations, above one
// where the parallel executor (the serial one if it ran alone) is faster. They are
// absent from JSON, as CPUVsSerial is, where no block that matches was so measured.
type Summary struct {
	Summary       bool    `json:"summary"`
	Blocks        int     `json:"blocks"`
	OK            int     `json:"ok"`
	Failed        int     `json:"failed"`
	GeoMeanGeth   float64 `json:"geo_mean_vs_geth,omitempty"`
	GeoMeanSerial float64 `json:"geo_mean_vs_serial,omitempty"`
	// GeoMeanAlong is that of the parallel executor along the list against geth.
	GeoMeanAlong float64 `json:"geo_mean_along_vs_geth,omitempty"`
	// GeoMeanIdeal is that of what the blocks allow, and GeoMeanFraction that of the
	// fraction of it that was reached.
	GeoMeanIdeal    float64 `json:"geo_mean_ideal,omitempty"`
	GeoMeanFraction float64 `json:"geo_mean_fraction_of_ideal,omitempty"`
	// CPUVsSerial is the parallel executor's processor time for all blocks over the
	// serial executor's. It is no mean of ratios: most blocks are too short for one. It
	// is absent if all of them together are.
	CPUVsSerial float64 `json:"cpu_vs_serial,omitempty"`
	// OthersCores is how many cores other processes used in all rounds that count, at
	// least. Above a tenth of the machine the durations say little.
	OthersCores float64 `json:"others_cores"`
}

// Run replays all blocks that c names and reports each as it is done. A block
// that does not match is a result, not an error; an error ends the replay. It is
// ErrNoBlocks if a folder holds none.
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
		report(result.BlockResult)
	}
	return total.sum(), nil
}

// tally accumulates a Summary.
type tally struct {
	Summary
	logGeth, logSerial, logAlong, logIdeal, logFraction float64
	timedGeth, timedSerial, timedAlong                  int
	cpu, serialCPU                                      float64 // seconds for each block once
	cpuInAll, serialCPUInAll                            float64 // seconds, in all rounds
	others                                              timing.Others
}

func (t *tally) add(r measured) {
	t.Blocks++
	t.others = t.others.Plus(r.others)
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
		t.logFraction += math.Log(r.FractionOfIdeal)
		t.timedSerial++
		t.cpu += r.CPUS
		t.serialCPU += r.SerialCPUS
		t.cpuInAll += r.CPUS * float64(r.runs)
		t.serialCPUInAll += r.SerialCPUS * float64(r.runs)
	}
	if r.AlongS > 0 && r.GethSerialS > 0 {
		t.logAlong += math.Log(r.GethSerialS / r.AlongS)
		t.logIdeal += math.Log(r.Ideal)
		t.timedAlong++
	}
}

func (t *tally) sum() Summary {
	s := t.Summary
	s.OthersCores = t.others.AtLeast()
	if t.timedGeth > 0 {
		s.GeoMeanGeth = math.Exp(t.logGeth / float64(t.timedGeth))
	}
	if t.timedSerial > 0 {
		s.GeoMeanSerial = math.Exp(t.logSerial / float64(t.timedSerial))
		s.GeoMeanFraction = math.Exp(t.logFraction / float64(t.timedSerial))
	}
	if min(t.cpuInAll, t.serialCPUInAll) >= shortestCPU {
		s.CPUVsSerial = t.cpu / t.serialCPU
	}
	if t.timedAlong > 0 {
		s.GeoMeanAlong = math.Exp(t.logAlong / float64(t.timedAlong))
		s.GeoMeanIdeal = math.Exp(t.logIdeal / float64(t.timedAlong))
	}
	return s
}

// run executes a block once.
type run func(context.Context) (*execution, error)

// engine is one way to execute a block. What prepare does is not timed.
type engine struct {
	name    string
	prepare func(*recordedBlock) (run, error)
}

// runner replays blocks one by one.
type runner struct {
	rounds  int
	workers int // of the parallel executor
	engines []engine
}

func newRunner(c Config) *runner {
	r := &runner{rounds: max(1, c.Rounds), engines: []engine{{gethName, (&geth{cold: c.Cold}).prepare}}}
	if c.Executor != Parallel {
		r.engines = append(r.engines, engine{Serial, ours(executor.NewSerial(executor.Config{Warm: !c.Cold}))})
	}
	if c.Executor != Serial {
		workers := c.Workers
		if workers == 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		r.workers = workers
		prepare := ours(executor.NewParallel(executor.Config{
			Workers: workers, Warm: !c.Cold, Schedule: c.Schedule, Predict: predict.New(c.Predict),
		}))
		r.engines = append(r.engines, engine{Parallel, prepare}, engine{along, prepare})
	}
	return r
}

// shortestCPU is how many seconds of processor time, in all rounds together, either
// executor must have taken for a ratio of the two, be it of one block or of all. What a
// thread that is still running on another core took since the kernel's last tick, 1 to
// 10 ms, is not accounted yet.
const shortestCPU = 0.02

// sample is one timed run.
type sample struct{ wall, cpu float64 } // seconds

// round holds a run of every engine, by its name, one right after the other.
type round struct {
	samples map[string]sample
	others  timing.Others
}

// measured is a result with what the summary needs besides.
type measured struct {
	BlockResult

	runs   int // of each engine, in all rounds together
	others timing.Others
}

// block times the engines in turn, so that a disturbance of the machine hits
// all of them, and checks the results of the first run and of the last.
func (r *runner) block(ctx context.Context, b *recordedBlock) (measured, error) {
	if b.config.IsCancun(b.header.Number, b.header.Time) {
		// What the first check of a KZG proof computes for all others, which takes
		// seconds, is no part of a block.
		if err := kzg4844.UseCKZG(false); err != nil {
			return measured{}, fmt.Errorf("load the trusted setup of KZG: %w", err)
		}
	}
	results := make(map[string]*execution, len(r.engines))
	// Whoever executes a block first reads its state, unless all is to be cold.
	first, err := r.round(ctx, b, 1, results)
	if err != nil {
		return measured{}, err
	}
	mismatch := check(ctx, b, results)
	n := inARow(first.samples[gethName].wall)
	rounds, err := timing.Calmest(r.rounds,
		func() (round, error) { return r.round(ctx, b, n, results) },
		func(r round) float64 { return r.others.AtLeast() })
	if err != nil {
		return measured{}, err
	}
	result := BlockResult{
		Number:       b.header.Number.Uint64(),
		Transactions: len(b.txs),
		GasUsed:      results[gethName].gasUsed,
		OthersCores:  median(rounds, func(r round) float64 { return r.others.AtLeast() }),
	}
	result.GethSerialS, result.GethCPUS = typical(rounds, gethName)
	result.SerialS, result.SerialCPUS = typical(rounds, Serial)
	result.ParallelS, result.CPUS = typical(rounds, Parallel)
	result.AlongS, _ = typical(rounds, along)
	if p := results[Parallel]; p != nil && p.refused == nil {
		result.Executions, result.Aborts, result.Fallback = p.stats.Executions, p.stats.Aborts, p.stats.Fallback
		result.Ideal = ideal(p.gasUsed, p.critical, r.workers)
	}
	runs := n * len(rounds)
	if result.SerialS > 0 && result.Ideal > 0 {
		result.FractionOfIdeal = result.SerialS / result.ParallelS / result.Ideal
		if min(result.SerialCPUS, result.CPUS)*float64(runs) >= shortestCPU {
			result.CPUVsSerial = result.CPUS / result.SerialCPUS
		}
	}
	if mismatch == nil {
		mismatch = check(ctx, b, results)
	}
	if mismatch != nil {
		result.Mismatch = mismatch.Error()
	}
	result.OK = result.Mismatch == ""
	m := measured{BlockResult: result, runs: runs}
	for _, round := range rounds {
		m.others = m.others.Plus(round.others)
	}
	return m, nil
}

// times executes the block n times in a row, and returns what came of the last time
// and what one took.
func (e *engine) times(ctx context.Context, b *recordedBlock, n int) (last *execution, s sample, err error) {
	s.wall, s.cpu, err = timing.MeasureRow(n, func() (func() error, error) {
		run, err := e.prepare(b)
		return func() (err error) {
			last, err = run(ctx)
			return err
		}, err
	})
	return last, s, err
}

// inARow is how often each engine executes a block in a round: until go-ethereum has
// taken some 10 ms. So the first few allocations after the collection, each of which has
// to find free memory, are no great part of a short block.
func inARow(gethS float64) int { return max(1, min(int(0.01/gethS), 100)) }

// round lets every engine execute the block n times; results get what they make of it.
func (r *runner) round(ctx context.Context, b *recordedBlock, n int, results map[string]*execution) (round, error) {
	done := round{samples: make(map[string]sample, len(r.engines))}
	others := timing.WatchOthers()
	for _, e := range r.engines {
		if b.list = nil; e.name == along {
			if results[Parallel].refused != nil {
				continue
			}
			b.list = results[Parallel].accesses()
		}
		result, s, err := e.times(ctx, b, n)
		if err != nil {
			return done, fmt.Errorf("%s: %w", e.name, err)
		}
		done.samples[e.name], results[e.name] = s, result
	}
	done.others = others()
	return done, nil
}

// typical returns the median wall time and the mean processor time of an engine,
// zero if it did not run.
func typical(rounds []round, name string) (wall, cpu float64) {
	for _, r := range rounds {
		cpu += r.samples[name].cpu / float64(len(rounds))
	}
	return median(rounds, func(r round) float64 { return r.samples[name].wall }), cpu
}

func ideal(gas, critical uint64, workers int) float64 {
	if gas == 0 {
		return 1
	}
	return float64(gas) / max(float64(gas)/float64(workers), float64(critical))
}

func median(rounds []round, of func(round) float64) float64 {
	samples := make([]float64, len(rounds))
	for i, r := range rounds {
		samples[i] = of(r)
	}
	slices.Sort(samples)
	return samples[len(samples)/2]
}
