package execbench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Config says what to measure.
type Config struct {
	// Workloads are names out of Workloads; none means all.
	Workloads []string
	// Gas is about how much a block uses.
	Gas uint64
	// Workers are the worker counts to measure the parallel executor with.
	Workers []int
	// Rounds is how many runs of each engine count; medians are reported. Rounds
	// in which other processes keep the machine busy are repeated, up to twice.
	Rounds int
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
	// OthersCores is how many cores other processes used meanwhile. Above a
	// tenth of the machine the durations say little.
	OthersCores float64 `json:"others_cores"`
	// FractionOfIdeal is the least time that the block's dependencies and the
	// number of workers allow, reckoned in serial time, over the time taken.
	FractionOfIdeal float64 `json:"fraction_of_ideal"`
	Fallback        string  `json:"fallback,omitempty"`
	// Skipped says why the workload was not measured; all else is unset then.
	Skipped string `json:"skipped,omitempty"`
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
// that disagree are an error.
func Run(ctx context.Context, c Config, report func(Result)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	names := c.Workloads
	if len(names) == 0 {
		names = Workloads()
	}
	for _, name := range names {
		if err := measure(ctx, c, name, report); err != nil {
			return fmt.Errorf("workload %s: %w", name, err)
		}
		runtime.GC() // the next workload's state does not pay for this one's
	}
	return nil
}

func measure(ctx context.Context, c Config, name string, report func(Result)) error {
	w, _ := find(name)
	if w.missing != "" {
		report(Result{Workload: name, Skipped: w.missing})
		return nil
	}
	s := w.build(c.Gas)
	s.building = w.building
	b, err := newBench(ctx, s, c.Workers)
	if err != nil {
		return err
	}
	if err := b.agree(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx, c.Rounds); err != nil {
		return err
	}
	for i, workers := range c.Workers {
		report(b.result(name, i, workers, w.chain(len(s.txs))))
	}
	return nil
}
