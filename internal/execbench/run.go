package execbench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

// Config says what to measure.
type Config struct {
	// Workloads are names out of Workloads; none means all.
	Workloads []string
	// Gas is about how much a block uses.
	Gas uint64
	// Workers are the worker counts to measure the parallel executor with.
	Workers []int
	// Predict is what the parallel executor predicts conflicts from.
	Predict predict.Sources
	// Schedule is when it speculates.
	Schedule executor.Schedule
	// Rounds is how many runs of each engine count; medians are reported. Rounds
	// in which other processes keep the machine busy are repeated, up to twice.
	Rounds int
	// Artifacts is the folder of npm packages, node_modules as a rule, which
	// holds what is no part of the program.
	Artifacts string
	// Simulate are worker counts to reckon speed-ups for, of a schedule that wastes
	// nothing.
	Simulate []int
}

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	for _, name := range c.Workloads {
		if _, ok := find(name); !ok {
			return fmt.Errorf("workload %q is none of %s", name, strings.Join(Workloads(), ", "))
		}
	}
	switch {
	case c.Gas < minGas:
		return fmt.Errorf("gas %d is below %d", c.Gas, minGas)
	case c.Rounds < 1:
		return fmt.Errorf("rounds %d is below 1", c.Rounds)
	case len(c.Workers) == 0 || slices.Min(c.Workers) < 1:
		return fmt.Errorf("worker counts %v are not all at least 1", c.Workers)
	case len(c.Simulate) > 0 && slices.Min(c.Simulate) < 1:
		return fmt.Errorf("simulated worker counts %v are not all at least 1", c.Simulate)
	}
	return nil
}

// minGas makes room for a few of the largest transactions.
const minGas = 1_000_000

// Result is one workload at one worker count. Durations are medians in seconds;
// a ratio above one means that the parallel executor is faster.
type Result struct {
	Workload     string  `json:"workload"`
	Workers      int     `json:"workers"`
	Transactions int     `json:"transactions"`
	Gas          uint64  `json:"gas"`
	GethS        float64 `json:"geth_s"`
	// GethReceiptsS is geth with receipts and blooms, as the executors have them.
	GethReceiptsS float64 `json:"geth_receipts_s"`
	SerialS       float64 `json:"serial_s"`
	ParallelS     float64 `json:"parallel_s"`
	VsGeth        float64 `json:"vs_geth"`
	VsSerial      float64 `json:"vs_serial"`
	Executions    int     `json:"executions"`
	Aborts        int     `json:"aborts"`
	// CPUS is the processor time that the parallel run took on all cores,
	// garbage collection included; GethCPUS and SerialCPUS are those of the others.
	CPUS       float64 `json:"cpu_s"`
	GethCPUS   float64 `json:"geth_cpu_s"`
	SerialCPUS float64 `json:"serial_cpu_s"`
	// OthersCores is how many cores other processes used meanwhile, at least. Above
	// a tenth of the machine the durations say little.
	OthersCores float64 `json:"others_cores"`
	// CPUVsGeth and CPUVsSerial are CPUS over those of geth and of the serial
	// executor.
	CPUVsGeth   float64 `json:"cpu_vs_geth"`
	CPUVsSerial float64 `json:"cpu_vs_serial"`
	// CriticalShare is what the costliest chain of dependent transactions takes of
	// the time of all, as the serial executor spends it.
	CriticalShare float64 `json:"critical_share"`
	// Ideal is how many times as fast as the serial executor the chain and the
	// number of workers allow: all work over the larger of the chain and the work
	// divided among the workers. FractionOfIdeal is VsSerial over that. It exceeds
	// one where the parallel executor does the same work in less time.
	Ideal           float64 `json:"ideal"`
	FractionOfIdeal float64 `json:"fraction_of_ideal"`
	// AlongS is the parallel executor's time along the block access list, as a
	// replica that got it would run the block, and AlongVsSerial how many times as
	// fast as the serial executor that is. A block that is built has no list yet.
	AlongS        float64 `json:"along_s,omitempty"`
	AlongVsSerial float64 `json:"along_vs_serial,omitempty"`
	// Simulated are the speed-ups reckoned for Config.Simulate. They are the same
	// for all measured worker counts.
	Simulated []Simulated `json:"simulated,omitempty"`
	Fallback  string      `json:"fallback,omitempty"`
	// Skipped says why the workload was not measured; all else is unset then.
	Skipped string `json:"skipped,omitempty"`
}

// Simulated is a speed-up that was not measured: that of a list schedule of the
// block over one worker, with the costs that the serial executor has and the
// parallel one's window. No execution is lost in it and nothing else costs time.
type Simulated struct {
	Workers  int     `json:"workers"`
	VsSerial float64 `json:"vs_serial"`
}

// Workloads lists the names of all workloads.
func Workloads() []string {
	names := make([]string, len(workloads()))
	for i, w := range workloads() {
		names[i] = w.name
	}
	return names
}

// Run measures and reports, one result per workload and worker count. Engines
// that disagree are an error. Progress goes to progress, one line a step: it takes
// a while until the first result.
func Run(ctx context.Context, c Config, progress func(string), report func(Result)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	names := c.Workloads
	if len(names) == 0 {
		names = Workloads()
	}
	for _, name := range names {
		progress(settingUp(name))
		if err := measure(ctx, c, name, report); err != nil {
			return fmt.Errorf("workload %s: %w", name, err)
		}
		runtime.GC() // the next workload's state does not pay for this one's
	}
	return nil
}

func settingUp(workload string) string { return "setting up " + workload + " …" }

func measure(ctx context.Context, c Config, name string, report func(Result)) error {
	s, err := build(name, setting{gas: c.Gas, artifacts: c.Artifacts})
	if errors.Is(err, errMissing) {
		report(Result{Workload: name, Skipped: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	b, err := newBench(ctx, s, c)
	if err != nil {
		return err
	}
	if err := b.agree(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx, c.Rounds); err != nil {
		return err
	}
	g := b.graph()
	simulated := g.scaling(c.Simulate)
	for i, workers := range c.Workers {
		r := b.result(name, i, workers, g)
		r.Simulated = simulated
		report(r)
	}
	return nil
}

// build makes up the block of the named workload.
func build(name string, set setting) (*scenario, error) {
	w, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("no workload %q", name)
	}
	s := newScenario(set)
	s.building = w.building
	return s, w.build(s)
}
