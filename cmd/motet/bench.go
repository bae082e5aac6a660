package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/motet-evm/motet/internal/execbench"
	"github.com/motet-evm/motet/internal/timing"
)

func setupBenchExecutor(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg execbench.Config
	workloads := fs.String("workload", "", "comma-separated `names` (empty: all): "+strings.Join(execbench.Workloads(), ", "))
	fs.Uint64Var(&cfg.Gas, "gas", 1_000_000_000, "gas per block")
	workers := fs.String("workers", "1,2", "comma-separated `counts` of workers")
	cfg.Predict.Flag(fs)
	adaptive := fs.Bool("adaptive", true, adaptiveUsage)
	fs.IntVar(&cfg.Rounds, "rounds", 5, "rounds; medians count")
	fs.StringVar(&cfg.Artifacts, "artifacts", "node_modules", "`folder` of npm packages; the uniswap workloads need @uniswap/v3-core 1.0.1 in it")
	simulate := fs.String("simulate", "4,8,16,32,64", "comma-separated `counts` of workers to reckon the speed-up for that the block's dependencies allow (empty: none; not with --amsterdam)")
	amsterdam := fs.Bool("amsterdam", false, "blocks under Amsterdam's rules instead, which stock geth imports serially and along their access list (of "+strings.Join(execbench.AmsterdamWorkloads(), ", ")+" unless --workload names others)")
	asJSON := fs.Bool("json", false, "one JSON object a line")
	return func(ctx context.Context, out streams, _ []string) error {
		if *workloads != "" {
			cfg.Workloads = strings.Split(*workloads, ",")
		}
		var err error
		if cfg.Workers, err = parseWorkers("workers", *workers); err != nil {
			return err
		}
		if *simulate != "" {
			if cfg.Simulate, err = parseWorkers("simulate", *simulate); err != nil {
				return err
			}
		}
		if *amsterdam && wasSet(fs, "simulate") && len(cfg.Simulate) > 0 {
			return fmt.Errorf("--simulate %s cannot go with --amsterdam: %w", *simulate, errUsage)
		}
		cfg.Schedule = schedule(*adaptive)
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		progress := func(step string) { fmt.Fprintln(out.err, step) }
		switch {
		case *amsterdam && *asJSON:
			return execbench.RunAmsterdam(ctx, cfg, progress, func(r execbench.AmsterdamResult) { printJSON(out.out, r) })
		case *amsterdam:
			return printAmsterdam(ctx, out.out, cfg, progress)
		case *asJSON:
			return execbench.Run(ctx, cfg, progress, func(r execbench.Result) { printJSON(out.out, r) })
		}
		fmt.Fprintf(out.out, "%-24s %7s %7s %10s %10s %10s %8s %9s %7s %7s %8s %7s %8s\n",
			"workload", "workers", "txs", "geth ms", "serial ms", "parallel", "vs geth", "vs serial", "cpu", "ideal", "of ideal", "aborts", "by list")
		left := 0
		return execbench.Run(ctx, cfg, progress, func(r execbench.Result) {
			printResult(out.out, r)
			if left++; left == len(cfg.Workers) || r.Skipped != "" {
				printSimulated(out.out, r.Simulated)
				printDisturbed(out.out, r.OthersCores)
				left = 0
			}
		})
	}
}

func printResult(w io.Writer, r execbench.Result) {
	if r.Skipped != "" {
		fmt.Fprintf(w, "%-24s skipped: %s\n", r.Workload, r.Skipped)
		return
	}
	byList := "-"
	if r.AlongS > 0 {
		byList = fmt.Sprintf("%.2fx", r.AlongVsSerial)
	}
	fmt.Fprintf(w, "%-24s %7d %7d %10.2f %10.2f %10.2f %7.2fx %8.2fx %6.2fx %6.2fx %7.0f%% %7d %8s\n",
		r.Workload, r.Workers, r.Transactions, r.GethS*1e3, r.SerialS*1e3, r.ParallelS*1e3, r.VsGeth, r.VsSerial,
		r.CPUVsSerial, r.Ideal, r.FractionOfIdeal*100, r.Aborts, byList)
}

// printSimulated ends the lines of a workload.
func printSimulated(w io.Writer, simulated []execbench.Simulated) {
	if len(simulated) == 0 {
		return
	}
	fmt.Fprintf(w, "%-24s simulated, vs serial:", "")
	for _, s := range simulated {
		fmt.Fprintf(w, "  %d workers %.2fx", s.Workers, s.VsSerial)
	}
	fmt.Fprintln(w)
}

// printDisturbed warns below the lines of a workload, which share their rounds.
func printDisturbed(w io.Writer, others float64) {
	if timing.Disturbs(others) {
		fmt.Fprintf(w, "%-24s %s\n", "", othersUsed(others))
	}
}

func printAmsterdam(ctx context.Context, w io.Writer, cfg execbench.Config, progress func(string)) error {
	fmt.Fprintf(w, "%-24s %15s | %-26s | %-42s | %s\n", "", "", "execution alone, ms", "with receipts, access list and roots, ms", "")
	fmt.Fprintf(w, "%-24s %7s %7s | %8s %8s %8s | %11s %12s %8s %8s | %12s %14s %16s\n",
		"workload", "workers", "txs", "geth", "serial", "parallel", "geth import", "along list", "serial", "parallel", "list vs geth", "serial vs list", "parallel vs list")
	left := 0
	return execbench.RunAmsterdam(ctx, cfg, progress, func(r execbench.AmsterdamResult) {
		if r.Skipped != "" {
			fmt.Fprintf(w, "%-24s skipped: %s\n", r.Workload, r.Skipped)
			return
		}
		fmt.Fprintf(w, "%-24s %7d %7d | %8.2f %8.2f %8.2f | %11.2f %12.2f %8.2f %8.2f | %11.2fx %13.2fx %15.2fx\n",
			r.Workload, r.Workers, r.Transactions, r.GethS*1e3, r.SerialS*1e3, r.ParallelS*1e3,
			r.GethImportS*1e3, r.GethListImportS*1e3, r.SerialSealS*1e3, r.ParallelSealS*1e3, r.ListVsGeth, r.SerialVsList, r.ParallelVsList)
		if left++; left == len(cfg.Workers) {
			printDisturbed(w, r.OthersCores)
			left = 0
		}
	})
}

// parseWorkers reads the value of a flag that lists worker counts.
func parseWorkers(name, list string) ([]int, error) {
	var counts []int
	for w := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(w))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("--%s %q: use positive numbers, as in 1,2: %w", name, list, errUsage)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
