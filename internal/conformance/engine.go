package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
)

// engine is one way to execute a block.
type engine struct {
	name string
	exec executor.Executor
	// offers is how often a state test offers its transaction. It can enter the
	// block only once, so that the others are executions that must leave nothing.
	offers int
	// builds says to go about it as a sequencer: what is invalid is left out.
	builds bool
}

// engines returns the executors that c asks for: Serial; Parallel as it is
// shipped, which runs short blocks by its serial path; Parallel where each
// transaction is speculated on, with each number of workers; and Parallel where
// most speculation is out of date.
func (c *Config) engines() []engine {
	var all []engine
	if c.Executor != Parallel {
		all = append(all, engine{name: Serial, exec: executor.NewSerial(executor.Config{}), offers: 1})
	}
	if c.Executor == Serial {
		return all
	}
	most := slices.Max(c.Workers)
	all = append(all, engine{name: Parallel, exec: executor.NewParallel(executor.Config{Workers: most}), offers: 1})
	for _, workers := range c.Workers {
		all = append(all, engine{
			name:   fmt.Sprintf("%s always, %d workers", Parallel, workers),
			exec:   executor.NewParallel(executor.Config{Workers: workers, Schedule: executor.Always}),
			offers: workers + 1,
		})
	}
	return append(all, engine{
		name:   fmt.Sprintf("%s backwards, %d workers", Parallel, most),
		exec:   executor.NewParallel(executor.Config{Workers: most, Schedule: executor.Backwards}),
		offers: most + 1,
		builds: true,
	})
}

// attempt is what an engine made of a block.
type attempt struct {
	outcome *motet.Outcome // nil if the block cannot end
	stats   executor.Stats
	// refused is why a transaction, or the end of the block, is not valid.
	refused error
}

// run executes a block. The error is none about the block.
func (e *engine) run(ctx context.Context, env executor.Env, txs []*motet.Tx, withdrawals types.Withdrawals, builds bool) (attempt, error) {
	var a attempt
	open, err := e.exec.Open(ctx, env)
	if err != nil {
		return a, err
	}
	execute := open.Verify
	if builds {
		execute = open.Run
	}
	slice, err := execute(ctx, txs)
	switch {
	case err == nil:
		a.stats, a.refused = slice.Stats, leftOut(slice, txs)
	case errors.As(err, new(*executor.InvalidTxError)):
		a.refused = err
		return a, nil
	default:
		return a, err
	}
	a.outcome, err = open.Finish(ctx, withdrawals)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil, errors.Is(err, motet.ErrHalt):
		return a, err
	default:
		a.refused = err
		return a, nil
	}
}

// leftOut says what Verify would say of the transactions: why the first one that
// is not in the block is not; nil if all are.
func leftOut(slice *executor.Slice, txs []*motet.Tx) error {
	if len(slice.Skipped) > 0 {
		skip := slice.Skipped[0]
		return &executor.InvalidTxError{Index: slices.Index(txs, skip.Tx), Hash: skip.Tx.Hash(), Err: skip.Err}
	}
	if slice.Cut < len(txs) {
		return &executor.InvalidTxError{Index: slice.Cut, Hash: txs[slice.Cut].Hash(), Err: core.ErrGasLimitReached}
	}
	return nil
}
