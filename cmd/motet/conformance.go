package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"github.com/motet-evm/motet/internal/conformance"
)

// runTests is conformance.StateTests or conformance.BlockTests.
type runTests func(context.Context, conformance.Config, func(conformance.Result)) (conformance.Summary, error)

func setupStateTest(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	return setupConformance(fs, conformance.StateTests)
}

func setupBlockTest(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	return setupConformance(fs, conformance.BlockTests)
}

func setupConformance(fs *flag.FlagSet, run runTests) func(context.Context, streams, []string) error {
	var cfg conformance.Config
	fs.StringVar(&cfg.Executor, "executor", conformance.Both, "both, parallel or serial")
	fs.IntVar(&cfg.Sample, "sample", 0, "run one file in `n` of a folder or an archive, always the same ones (0: all)")
	workers := fs.String("workers", "1,2,4", "comma-separated `counts` of workers of the parallel executor")
	match := fs.String("run", "", "run only the tests whose \"FILE TEST FORK/INDEX\" this `regexp` matches")
	asJSON := fs.Bool("json", false, "one JSON object a line")
	return func(ctx context.Context, io streams, paths []string) error {
		cfg.Paths = paths
		var err error
		if cfg.Workers, err = parseWorkers("workers", *workers); err != nil {
			return err
		}
		if cfg.Match, err = regexp.Compile(*match); err != nil {
			return fmt.Errorf("--run: %w: %w", err, errUsage)
		}
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		if err := requireFiles(paths, "tests are in *.json files and *.tar.gz archives", ".json", ".tar.gz"); err != nil {
			return err
		}
		sum, err := run(ctx, cfg, func(r conformance.Result) {
			switch {
			case *asJSON:
				printJSON(io.out, r)
			case r.Verdict == conformance.Failed:
				fmt.Fprintf(io.out, "FAILED %s: %s\n", r.ID(), r.Reason)
			}
		})
		switch {
		case errors.Is(err, conformance.ErrNoTests):
			return fmt.Errorf("%w: %w", err, errUsage)
		case err != nil:
			return err
		case *asJSON:
			printJSON(io.out, sum)
		default:
			printConformance(io.out, &sum)
		}
		if sum.Failed > 0 {
			return fmt.Errorf("%d of %d tests fail: %w", sum.Failed, sum.Passed+sum.Failed+sum.Skipped, errMismatch)
		}
		return nil
	}
}

func printConformance(w io.Writer, sum *conformance.Summary) {
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped; %d executions, %d of them thrown away\n", sum.Passed, sum.Failed, sum.Skipped, sum.Executions, sum.Aborts)
	if sum.Combined > 0 {
		fmt.Fprintf(w, "%d blocks of all cases of a test, too, which go-ethereum judged\n", sum.Combined)
	}
	// Each skipped test stands in the lines of --json.
	for _, reason := range slices.Sorted(maps.Keys(sum.Reasons)) {
		fmt.Fprintf(w, "skipped %5d: %s\n", sum.Reasons[reason], reason)
	}
}
