package execbench

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/internal/oracle"
)

// bench is a scenario with the engines that run it and their samples.
type bench struct {
	s        *scenario
	warm     *state.StateDB // everything that the block reads, unchanged
	messages []*core.Message
	evm      *vm.EVM // geth's
	serial   *executor.Serial
	parallel []*executor.Parallel

	rounds []round
	gas    uint64
	list   *bal.BlockAccessList // that the block leaves
}

func newBench(ctx context.Context, s *scenario, c Config) (*bench, error) {
	b := &bench{
		s:      s,
		serial: executor.NewSerial(executor.Config{Warm: true}),
	}
	for _, n := range c.Workers {
		b.parallel = append(b.parallel, executor.NewParallel(executor.Config{Workers: n, Warm: true, Schedule: c.Schedule, Predict: predict.New(c.Predict)}))
	}
	for _, tx := range s.txs {
		tx.Hash() // is cached from here on, as it is after admission
		msg, err := oracle.Message(tx, s.header.BaseFee)
		if err != nil {
			return nil, err
		}
		b.messages = append(b.messages, msg)
	}
	return b, b.warmUp(ctx)
}

// warmUp loads into a StateDB all that the block reads.
func (b *bench) warmUp(ctx context.Context) error {
	seen := &watchedReader{Reader: b.s.state, keys: make(oracle.Keys)}
	trial, err := oracle.NewState(seen)
	if err != nil {
		return err
	}
	if _, err := b.runGeth(ctx, trial, nil); err != nil {
		return err
	}
	if b.warm, err = oracle.NewState(b.s.state); err != nil {
		return err
	}
	for addr, slots := range seen.keys {
		b.warm.GetCode(addr)
		for slot := range slots {
			b.warm.GetState(addr, slot)
		}
	}
	return b.warm.Error()
}

// runGeth executes the block on db and returns the indexes of the transactions
// that geth refused.
func (b *bench) runGeth(_ context.Context, db *state.StateDB, keys oracle.Keys) ([]int, error) {
	open := b.openGeth(db, keys)
	var refused []int
	for i, msg := range b.messages {
		db.SetTxContext(b.s.txs[i].Hash(), i, uint32(i+1))
		if _, err := open.Call(msg); err != nil {
			if !b.s.building {
				return nil, fmt.Errorf("geth: transaction %d: %w", i, err)
			}
			refused = append(refused, i)
		}
	}
	b.gas = open.GasUsed()
	return refused, nil
}

// runGethReceipts is runGeth with receipts.
func (b *bench) runGethReceipts(db *state.StateDB) error {
	open := b.openGeth(db, nil)
	for i, tx := range b.s.txs {
		if _, err := open.Apply(tx); err != nil && !b.s.building {
			return fmt.Errorf("geth: transaction %d: %w", i, err)
		}
	}
	return nil
}

func (b *bench) openGeth(db *state.StateDB, keys oracle.Keys) *oracle.Block {
	env := oracle.Env{Config: b.s.config, Header: b.s.header, BlockHash: b.s.blockHash, EVM: b.evm}
	var hooks *tracing.Hooks
	if keys != nil {
		hooks = keys.Hooks()
	}
	open := oracle.Open(env, db, hooks)
	b.evm = open.EVM()
	return open
}

// runOurs executes the block with an executor.
func (b *bench) runOurs(ctx context.Context, e executor.Executor) (executor.Block, *executor.Slice, error) {
	open, err := b.openOurs(ctx, e, nil)
	if err != nil {
		return nil, nil, err
	}
	slice, err := b.transactions(ctx, open)
	return open, slice, err
}

// openOurs opens the block, to go along a list unless it is nil.
func (b *bench) openOurs(ctx context.Context, e executor.Executor, list *bal.BlockAccessList) (executor.Block, error) {
	return e.Open(ctx, executor.Env{
		Config:     b.s.config,
		Header:     b.s.header,
		Parent:     b.s.parent,
		State:      b.s.state,
		BlockHash:  b.s.blockHash,
		AccessList: list,
	})
}

// transactions executes the block's transactions.
func (b *bench) transactions(ctx context.Context, open executor.Block) (*executor.Slice, error) {
	if b.s.building {
		return open.Run(ctx, b.s.txs)
	}
	return open.Verify(ctx, b.s.txs)
}

// agree runs every engine once and compares what they leave behind.
func (b *bench) agree(ctx context.Context) error {
	keys := make(oracle.Keys)
	db := b.warm.Copy()
	refused, err := b.runGeth(ctx, db, keys)
	if err != nil {
		return err
	}
	engines := []executor.Executor{b.serial}
	for _, p := range b.parallel {
		engines = append(engines, p)
	}
	for _, e := range engines {
		open, slice, err := b.runOurs(ctx, e)
		if err != nil {
			return fmt.Errorf("%T: %w", e, err)
		}
		if err := b.sameSkips(refused, slice); err != nil {
			return fmt.Errorf("%T: %w", e, err)
		}
		if err := succeeded(slice.Receipts); err != nil {
			return fmt.Errorf("%T: %w", e, err)
		}
		outcome, err := open.Finish(ctx, nil)
		if err != nil {
			return fmt.Errorf("%T: %w", e, err)
		}
		if outcome.GasUsed != b.gas {
			return fmt.Errorf("%T: gas used %d, by geth %d", e, outcome.GasUsed, b.gas)
		}
		b.list = outcome.AccessList()
		keys.Changes(outcome.Changes)
		if err := oracle.Compare(keys, oracle.View(db), oracle.Overlay(b.s.state, outcome.Changes)); err != nil {
			return fmt.Errorf("%T differs from geth: %w", e, err)
		}
	}
	return nil
}

func (b *bench) sameSkips(refused []int, slice *executor.Slice) error {
	if slice.Cut != len(b.s.txs) || len(slice.Skipped) != len(refused) {
		return fmt.Errorf("skipped %d and cut at %d, geth skipped %d of %d", len(slice.Skipped), slice.Cut, len(refused), len(b.s.txs))
	}
	for i, skip := range slice.Skipped {
		if want := b.s.txs[refused[i]]; skip.Tx != want {
			return fmt.Errorf("skip %d is %v, by geth %v", i, skip.Tx.Hash(), want.Hash())
		}
	}
	return nil
}

// succeeded reports a call that failed: no workload means one to.
func succeeded(receipts types.Receipts) error {
	for i, r := range receipts {
		if r.Status != types.ReceiptStatusSuccessful {
			return fmt.Errorf("transaction %d, %v, fails after %d gas", i, r.TxHash, r.GasUsed)
		}
	}
	return nil
}
