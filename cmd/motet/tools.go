package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/internal/execbench"
	"github.com/motet-evm/motet/internal/loadgen"
	"github.com/motet-evm/motet/internal/replay"
	"github.com/motet-evm/motet/internal/timing"
	"github.com/motet-evm/motet/internal/wallet"
)

func setupReplay(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg replay.Config
	fs.IntVar(&cfg.Workers, "workers", runtime.GOMAXPROCS(0), "workers of the parallel executor")
	cfg.Predict.Flag(fs)
	adaptive := fs.Bool("adaptive", true, adaptiveUsage)
	fs.StringVar(&cfg.Executor, "executor", replay.Both, "both, parallel or serial")
	fs.BoolVar(&cfg.Cold, "cold", false, "begin each run with nothing read and EVMs that have seen no code; a run that is not timed comes first otherwise")
	fs.IntVar(&cfg.Rounds, "rounds", 1, "rounds for each block; medians count")
	asJSON := fs.Bool("json", false, "one JSON object a line")
	return func(ctx context.Context, io streams, paths []string) error {
		switch {
		case cfg.Workers < 1:
			return fmt.Errorf("--workers %d: must be at least 1: %w", cfg.Workers, errUsage)
		case cfg.Rounds < 1:
			return fmt.Errorf("--rounds %d: must be at least 1: %w", cfg.Rounds, errUsage)
		}
		cfg.Paths, cfg.Schedule = paths, schedule(*adaptive)
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		if err := requireFiles(paths, "a block is a *.json.gz file", ".json.gz"); err != nil {
			return err
		}
		sum, err := replay.Run(ctx, cfg, func(r replay.BlockResult) {
			if *asJSON {
				printJSON(io.out, r)
				return
			}
			printBlock(io.out, r)
		})
		switch {
		case errors.Is(err, replay.ErrNoBlocks):
			return fmt.Errorf("%w: %w", err, errUsage)
		case err != nil:
			return err
		case *asJSON:
			printJSON(io.out, sum)
		default:
			printReplayed(io.out, sum)
		}
		if sum.Failed > 0 {
			return fmt.Errorf("%d of %d blocks differ: %w", sum.Failed, sum.Blocks, errMismatch)
		}
		return nil
	}
}

func printBlock(w io.Writer, r replay.BlockResult) {
	verdict, note := "ok", ""
	if !r.OK {
		verdict = "MISMATCH: " + r.Mismatch
	}
	if r.Fallback != "" {
		note = "  serial: " + r.Fallback
	}
	ms := func(seconds float64) string { return figure("%.3f ms", seconds*1e3) }
	fmt.Fprintf(w, "block %-9d %4d txs %10d gas  geth %11s  serial %11s  parallel %11s  by list %11s  cpu %6s  ideal %6s  of ideal %5s  %s%s\n",
		r.Number, r.Transactions, r.GasUsed, ms(r.GethSerialS), ms(r.SerialS), ms(r.ParallelS), ms(r.AlongS),
		figure("%.2fx", r.CPUVsSerial), figure("%.2fx", r.Ideal), figure("%.0f%%", r.FractionOfIdeal*100), verdict, note)
}

// figure is one of a table, where none was measured a dash.
func figure(format string, measured float64) string {
	if measured <= 0 {
		return "-"
	}
	return fmt.Sprintf(format, measured)
}

// printReplayed leaves out what was not measured.
func printReplayed(w io.Writer, sum replay.Summary) {
	text := fmt.Sprintf("%d blocks, %d ok, %d failed", sum.Blocks, sum.OK, sum.Failed)
	phrase := func(before, format string, measured float64) {
		if measured > 0 {
			text += before + fmt.Sprintf(format, measured)
		}
	}
	phrase("; geometric means: ", "%.2fx geth's serial processor", sum.GeoMeanGeth)
	phrase(", ", "%.2fx our serial executor", sum.GeoMeanSerial)
	phrase("; along their access lists ", "%.2fx geth's", sum.GeoMeanAlong)
	phrase("; dependencies allow ", "%.2fx our serial executor", sum.GeoMeanIdeal)
	phrase(", of ideal ", "%.0f%%", sum.GeoMeanFraction*100)
	text += "; in total: "
	phrase("", "cpu %.2fx our serial executor's, ", sum.CPUVsSerial)
	fmt.Fprintln(w, text+othersUsed(sum.OthersCores))
}

// othersUsed tells how many cores other processes used, and what that means if they
// are many.
func othersUsed(cores float64) string {
	text := fmt.Sprintf("other processes used %.2f cores", cores)
	if timing.Disturbs(cores) {
		text += ": the durations say little"
	}
	return text
}

func setupBenchSubmit(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg loadgen.Config
	cfg.RegisterFlags(fs)
	rate := fs.String("rate", "max", "transactions per second, or max")
	keyFile := fs.String("key-file", "", "`file` with the key, in hex, that funds the senders (empty: the first well-known dev account)")
	asJSON := fs.Bool("json", false, "one JSON object")
	return func(ctx context.Context, io streams, _ []string) error {
		if *rate != "max" {
			r, err := strconv.ParseFloat(*rate, 64)
			if err != nil || r <= 0 {
				return fmt.Errorf("--rate %q: a positive number or max: %w", *rate, errUsage)
			}
			cfg.Rate = r
		}
		if err := fundFrom(&cfg, *keyFile); err != nil {
			return err
		}
		cfg.Token = execbench.TokenCode()
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		r, err := loadgen.Run(ctx, cfg, func(step string) { fmt.Fprintln(io.err, step) })
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(io.out, r)
		} else {
			printSubmit(io.out, r)
		}
		switch {
		case r.Accepted == 0:
			return fmt.Errorf("%s accepted nothing: %s", cfg.Target, r.FirstRefusal)
		case r.Missing > 0:
			return fmt.Errorf("%d accepted transactions are in no block", r.Missing)
		}
		return nil
	}
}

func fundFrom(cfg *loadgen.Config, keyFile string) error {
	if keyFile != "" {
		key, err := crypto.LoadECDSA(keyFile)
		if err != nil {
			return fmt.Errorf("--key-file: %w: %w", err, errUsage)
		}
		cfg.Funder = key
		return nil
	}
	accounts, err := wallet.Derive(wallet.DefaultMnemonic, 1)
	if err != nil {
		return err
	}
	cfg.Funder = accounts[0].Key
	return nil
}

func printSubmit(w io.Writer, r *loadgen.Result) {
	fmt.Fprintf(w, "%s at %s\n%d %s: %d accepted (%.0f/s), %d included (%.0f/s), %d refused\n",
		r.Client, r.Target, r.Transactions, r.Kind, r.Accepted, r.AcceptedPerSec, r.Included, r.IncludedPerSec, r.Refused)
	if r.FirstRefusal != "" {
		fmt.Fprintf(w, "first refusal: %s\n", r.FirstRefusal)
	}
	if r.Stranded > 0 {
		fmt.Fprintf(w, "%d accepted ones wait behind a refused nonce and are not waited for\n", r.Stranded)
	}
	row := func(name string, l *loadgen.Latency) {
		if l != nil {
			fmt.Fprintf(w, "submit → %-13s p50 %8.2f ms  p90 %8.2f ms  p99 %8.2f ms  p99.9 %8.2f ms\n", name, l.P50*1e3, l.P90*1e3, l.P99*1e3, l.P999*1e3)
		}
	}
	row("accepted", &r.ToAccepted)
	row("preconfirmed", r.ToPreconfirmed)
	row("sealed", &r.ToSealed)
}

// printJSON writes one line. What is printed consists of plain values, so
// encoding cannot fail; a closed pipe ends the process by signal.
func printJSON(w io.Writer, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintln(w, string(raw))
}
