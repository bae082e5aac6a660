package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/oracle"
)

// gethName names geth's serial path among the engines.
const gethName = "geth"

// execution is what an engine made of a block. An engine that refuses the
// block leaves refused set and nothing else.
type execution struct {
	receipts types.Receipts
	gasUsed  uint64
	stats    executor.Stats
	changes  *motet.StateChanges // of our engines
	accesses func() *bal.BlockAccessList
	critical uint64 // gas of the costliest chain of dependent transactions
	refused  error
}

// geth executes blocks by go-ethereum's serial path.
type geth struct {
	cold bool

	// Kept of the last block unless cold: a state that holds all that it reads, and
	// what executed it, which knows where its code may jump to.
	block *recordedBlock
	warm  *state.StateDB
	evm   *vm.EVM
}

func (g *geth) prepare(b *recordedBlock) (run, error) {
	if g.cold {
		db, err := oracle.NewState(b.state)
		return func(ctx context.Context) (*execution, error) { return execOn(ctx, b, db, nil) }, err
	}
	if g.block != b {
		if err := g.warmUp(b); err != nil {
			return nil, err
		}
	}
	db := g.warm.Copy()
	return func(ctx context.Context) (*execution, error) {
		open := oracle.Open(oracle.Env{Config: b.config, Header: b.header, BlockHash: b.blockHash, EVM: g.evm}, db, nil)
		g.evm = open.EVM()
		return through(ctx, b, open)
	}, nil
}

// warmUp reads all that the block reads.
func (g *geth) warmUp(b *recordedBlock) (err error) {
	g.block, g.evm = b, nil
	if g.warm, err = oracle.NewState(b.state); err != nil {
		return err
	}
	for addr, slots := range b.state.Keys() {
		g.warm.GetCode(addr)
		for slot := range slots {
			g.warm.GetState(addr, slot)
		}
	}
	return g.warm.Error()
}

// execOn executes b by geth's path on db; keys, if any, collect what changes.
func execOn(ctx context.Context, b *recordedBlock, db *state.StateDB, keys oracle.Keys) (*execution, error) {
	env := oracle.Env{Config: b.config, Header: b.header, BlockHash: b.blockHash}
	if keys == nil {
		return through(ctx, b, oracle.Open(env, db, nil))
	}
	return through(ctx, b, oracle.Open(env, db, keys.Hooks()))
}

// through executes b from its first transaction to its end.
func through(ctx context.Context, b *recordedBlock, open *oracle.Block) (*execution, error) {
	done := &execution{receipts: make(types.Receipts, 0, len(b.txs))}
	for i, tx := range b.txs {
		receipt, err := open.Apply(tx)
		if err != nil {
			return nil, fmt.Errorf("transaction %d: %w", i, err)
		}
		done.receipts = append(done.receipts, receipt)
	}
	done.gasUsed = open.GasUsed()
	_, err := open.Finish(ctx, b.withdrawals)
	return done, err
}

// along names the parallel executor that is given the block's access list.
const along = "parallel along the list"

// ours returns how an executor of Motet executes a block, along its list if that
// is known.
func ours(e executor.Executor) func(*recordedBlock) (run, error) {
	return func(b *recordedBlock) (run, error) {
		return func(ctx context.Context) (*execution, error) { return execOurs(ctx, e, b) }, nil
	}
}

func execOurs(ctx context.Context, e executor.Executor, b *recordedBlock) (*execution, error) {
	open, err := e.Open(ctx, executor.Env{
		Config:     b.config,
		Header:     b.header,
		Parent:     b.parent(),
		State:      b.state,
		BlockHash:  b.blockHash,
		AccessList: b.list,
	})
	if err != nil {
		return nil, err
	}
	slice, err := open.Verify(ctx, b.txs)
	if invalid := new(executor.InvalidTxError); errors.As(err, &invalid) {
		return &execution{refused: err}, nil
	}
	if err != nil {
		return nil, err
	}
	outcome, err := open.Finish(ctx, b.withdrawals)
	if err != nil {
		return nil, err
	}
	return &execution{
		receipts: outcome.Receipts,
		gasUsed:  outcome.GasUsed,
		stats:    slice.Stats,
		changes:  outcome.Changes,
		accesses: outcome.AccessList,
		critical: open.Report().CriticalGas,
	}, nil
}

// check compares every execution with the header, with geth's receipts, and
// with geth's state after the block.
func check(ctx context.Context, b *recordedBlock, results map[string]*execution) error {
	for _, name := range []string{gethName, Serial, Parallel, along} {
		result := results[name]
		if result == nil {
			continue
		}
		if result.refused != nil {
			return fmt.Errorf("%s: %w", name, result.refused)
		}
		if err := checkHeader(b, result); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := oracle.CompareReceipts(results[gethName].receipts, result.receipts); err != nil {
			return fmt.Errorf("%s differs from geth: %w", name, err)
		}
	}
	return checkState(ctx, b, results)
}

func checkHeader(b *recordedBlock, result *execution) error {
	if !b.sealed {
		return nil
	}
	if result.gasUsed != b.header.GasUsed {
		return fmt.Errorf("gas used: want %d, got %d", b.header.GasUsed, result.gasUsed)
	}
	if bloom := types.MergeBloom(result.receipts); bloom != b.header.Bloom {
		return errors.New("bloom differs from the header's")
	}
	// Receipts hold state roots before Byzantium, which a partial state lacks.
	if !b.config.IsByzantium(b.header.Number) {
		return nil
	}
	if root := types.DeriveSha(result.receipts, trie.NewStackTrie(nil)); root != b.header.ReceiptHash {
		return fmt.Errorf("receipts root: want %v, got %v", b.header.ReceiptHash, root)
	}
	return nil
}

// checkState compares the states after the block in all that was recorded of
// the state before it and in all that any execution changed.
func checkState(ctx context.Context, b *recordedBlock, results map[string]*execution) error {
	db, err := oracle.NewState(b.state)
	if err != nil {
		return err
	}
	keys := b.state.Keys()
	if _, err := execOn(ctx, b, db, keys); err != nil {
		return err
	}
	for _, result := range results {
		if result.changes != nil {
			keys.Changes(result.changes)
		}
	}
	want := oracle.View(db)
	for _, name := range []string{Serial, Parallel, along} {
		result := results[name]
		if result == nil {
			continue
		}
		if err := oracle.Sorted(result.changes); err != nil {
			return fmt.Errorf("%s: changes: %w", name, err)
		}
		if err := oracle.Compare(keys, want, oracle.Overlay(b.state, result.changes)); err != nil {
			return fmt.Errorf("%s differs from geth after the block: %w", name, err)
		}
	}
	return nil
}
