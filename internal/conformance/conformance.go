package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/motet-evm/motet/executor"
)

// Choices of Config.Executor.
const (
	Both     = "both"
	Parallel = "parallel"
	Serial   = "serial"
)

// Config says which tests to run and how.
type Config struct {
	// Paths are test files (*.json), archives of them (*.tar.gz), or folders
	// that hold such. Of archives and folders the parts of the other kinds of
	// tests are left out.
	Paths []string
	// Executor is Both, Parallel or Serial; empty means Both.
	Executor string
	// Workers are the numbers of workers that Parallel runs with.
	Workers []int
	// Match selects tests by "FILE TEST FORK/INDEX"; nil selects all. The block of
	// all cases of a state test is called "TEST (all cases in one block)".
	Match *regexp.Regexp
	// Sample runs one file in so many, always the same ones; below two, all.
	Sample int
}

// ErrNoTests says that nothing is there to run.
var ErrNoTests = errors.New("nothing to run")

// Validate reports what is wrong with c.
func (c *Config) Validate() error {
	switch {
	case len(c.Paths) == 0:
		return errors.New("no test file, archive or folder is given")
	case c.Executor != Serial && len(c.Workers) == 0:
		return errors.New("no number of workers is given")
	case len(c.Workers) > 0 && slices.Min(c.Workers) < 1:
		return errors.New("numbers of workers must be positive")
	case c.Sample < 0:
		return errors.New("sample cannot be negative")
	}
	switch c.Executor {
	case "", Both, Parallel, Serial:
		return nil
	default:
		return fmt.Errorf("executor %q is none of both, parallel, serial", c.Executor)
	}
}

// Verdict is what became of a test.
type Verdict string

// Verdicts.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// Result tells how a test went. A state test has a result for each fork and
// index, a block test has one.
type Result struct {
	File    string  `json:"file"`
	Test    string  `json:"test"`
	Fork    string  `json:"fork"`
	Index   int     `json:"index"`
	Verdict Verdict `json:"result"`
	// Reason says why a test was skipped, or what went wrong.
	Reason string `json:"reason,omitempty"`

	stats    executor.Stats
	combined bool // of several cases, in a block that no file holds
}

// ID names the test as Config.Match sees it.
func (r *Result) ID() string { return fmt.Sprintf("%s %s %s/%d", r.File, r.Test, r.Fork, r.Index) }

// Summary sums up a run.
type Summary struct {
	Summary bool `json:"summary"`
	Passed  int  `json:"passed"`
	Failed  int  `json:"failed"`
	Skipped int  `json:"skipped"`
	// Reasons counts the skipped tests by reason.
	Reasons map[string]int `json:"reasons"`
	// Combined counts the blocks made of all cases that a state test has for a
	// fork, in which all executors do what go-ethereum does. One in which they
	// do not is a failure.
	Combined int `json:"combined"`
	// Executions and Aborts count the work of all executors.
	Executions int `json:"executions"`
	Aborts     int `json:"aborts"`
}

func (s *Summary) add(r *Result) {
	s.Executions += r.stats.Executions
	s.Aborts += r.stats.Aborts
	switch r.Verdict {
	case Passed:
		if r.combined {
			s.Combined++
		} else {
			s.Passed++
		}
	case Failed:
		s.Failed++
	case Skipped:
		s.Skipped++
		s.Reasons[r.Reason]++
	}
}

// StateTests runs all state tests that c names and reports each one, in the order
// of files. A test that fails is a result, not an error; an error ends the run.
// It is an error if there is none to run.
func StateTests(ctx context.Context, c Config, report func(Result)) (Summary, error) {
	return run(ctx, c, stateTests, report)
}

// BlockTests is StateTests for block tests.
func BlockTests(ctx context.Context, c Config, report func(Result)) (Summary, error) {
	return run(ctx, c, blockTests, report)
}

// job is a file on its way through a worker.
type job struct {
	file file
	done chan []Result
}

// run has files tested side by side. Executors are the own ones of each worker.
func run(ctx context.Context, c Config, k kind, report func(Result)) (Summary, error) {
	sum := Summary{Summary: true, Reasons: make(map[string]int)}
	if err := c.Validate(); err != nil {
		return sum, err
	}
	g, ctx := errgroup.WithContext(ctx)
	hands := runtime.GOMAXPROCS(0)
	work, order := make(chan job), make(chan job, 4*hands)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		return c.files(k, func(f file) error {
			j := job{file: f, done: make(chan []Result, 1)}
			for _, queue := range []chan job{order, work} {
				select {
				case queue <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range hands {
		g.Go(func() error {
			t := tester{match: c.Match, engines: c.engines()}
			for j := range work {
				results, err := t.file(ctx, k, j.file)
				if err != nil {
					return fmt.Errorf("%s: %w", j.file.name, err)
				}
				j.done <- results
			}
			return nil
		})
	}
	for j := range order {
		select {
		case results := <-j.done:
			for i := range results {
				sum.add(&results[i])
				if !results[i].combined || results[i].Verdict == Failed {
					report(results[i])
				}
			}
		case <-ctx.Done():
		}
	}
	if err := g.Wait(); err != nil {
		return sum, err
	}
	if sum.Passed+sum.Failed+sum.Skipped == 0 {
		return sum, fmt.Errorf("%w: no %s", ErrNoTests, k)
	}
	return sum, nil
}

// tester tests one file at a time.
type tester struct {
	match   *regexp.Regexp
	engines []engine
}

func (t *tester) file(ctx context.Context, k kind, f file) ([]Result, error) {
	if k == stateTests {
		return t.stateFile(ctx, f)
	}
	return t.blockFile(ctx, f)
}

// wanted tells whether the test is one of those to run.
func (t *tester) wanted(r *Result) bool { return t.match == nil || t.match.MatchString(r.ID()) }
