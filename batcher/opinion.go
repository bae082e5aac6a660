package batcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
)

// Opinion executes sealed blocks again. Its Check is a [Deps].Check.
type Opinion struct {
	// Chain is where the blocks and the states before them are.
	Chain interface {
		ChainConfig() *params.ChainConfig
		HeaderByNumber(n uint64) *types.Header
		BlockHash(n uint64) common.Hash
		StateAt(root common.Hash) (state.Reader, error)
	}
	// Executor must be another one than the one that built the blocks.
	Executor executor.Executor
}

// ErrDiffers says that executing a block again gave another result.
var ErrDiffers = errors.New("second execution differs")

func differs(what string) error {
	return fmt.Errorf("%s: %w (%w)", what, ErrDiffers, motet.ErrHalt)
}

// Check executes the block on the state before it and compares gas, receipts,
// bloom, and every value that the execution changed with the state after the
// block.
func (o *Opinion) Check(ctx context.Context, block *types.Block) error {
	parent := o.Chain.HeaderByNumber(block.NumberU64() - 1)
	if parent == nil || parent.Hash() != block.ParentHash() {
		return fmt.Errorf("block is not canonical any more: %w", motet.ErrUnavailable)
	}
	before, err := o.Chain.StateAt(parent.Root)
	if err != nil {
		return err
	}
	out, err := o.execute(ctx, block, parent, before)
	if err != nil {
		if _, invalid := errors.AsType[*executor.InvalidTxError](err); invalid {
			return fmt.Errorf("%w: %w", err, differs("validity"))
		}
		return err
	}
	h := block.Header()
	switch {
	case out.GasUsed != h.GasUsed:
		return differs("gas used")
	case types.DeriveSha(out.Receipts, trie.NewStackTrie(nil)) != h.ReceiptHash:
		return differs("receipts")
	case types.MergeBloom(out.Receipts) != h.Bloom:
		return differs("bloom")
	}
	after, err := o.Chain.StateAt(h.Root)
	if err != nil {
		return err
	}
	for i := range out.Changes.Accounts {
		if err := compare(&out.Changes.Accounts[i], after); err != nil {
			return err
		}
	}
	return nil
}

func (o *Opinion) execute(ctx context.Context, block *types.Block, parent *types.Header, before state.Reader) (*motet.Outcome, error) {
	config := o.Chain.ChainConfig()
	open, err := o.Executor.Open(ctx, executor.Env{
		Config: config, Header: block.Header(), Parent: parent, State: before, BlockHash: o.Chain.BlockHash,
	})
	if err != nil {
		return nil, err
	}
	signer := types.MakeSigner(config, block.Number(), block.Time())
	txs, err := motet.RecoverTxs(signer, block.Transactions())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, differs("validity"))
	}
	if _, err := open.Verify(ctx, txs); err != nil {
		return nil, err
	}
	return open.Finish(ctx, block.Withdrawals())
}

// compare looks an account up in the state after the block.
func compare(want *motet.AccountChange, after state.Reader) error {
	got, err := after.Account(want.Address)
	if err != nil {
		return err
	}
	if want.Deleted || got == nil {
		if want.Deleted != (got == nil) {
			return differs("existence of " + want.Address.Hex())
		}
		return nil
	}
	if got.Nonce != want.Nonce || !got.Balance.Eq(&want.Balance) || !bytes.Equal(got.CodeHash, want.CodeHash[:]) {
		return differs("account " + want.Address.Hex())
	}
	for _, slot := range want.Storage {
		value, err := after.Storage(want.Address, slot.Key)
		if err != nil {
			return err
		}
		if value != slot.Value {
			return differs("slot " + slot.Key.Hex() + " of " + want.Address.Hex())
		}
	}
	return nil
}
