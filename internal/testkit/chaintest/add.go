// Package chaintest adds blocks to a chain store the way a sequencer does, without
// one.
package chaintest

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
)

// Chain is a chain store, as [chain.Chain] is one.
type Chain interface {
	Head() *types.Header
	ChainConfig() *params.ChainConfig
	StateAt(root common.Hash) (state.Reader, error)
	BlockHash(n uint64) common.Hash
	Seal(parent *types.Header, out *motet.Outcome) (*chain.Sealed, error)
	Commit(ctx context.Context, s *chain.Sealed) error
}

// Add executes txs, all of which must be valid, in the block that open describes,
// and makes it the head of c.
func Add(t testing.TB, c Chain, e executor.Executor, open *motet.Open, txs []*motet.Tx) *types.Block {
	t.Helper()
	ctx := context.Background()
	parent, config := c.Head(), c.ChainConfig()
	before, err := c.StateAt(parent.Root)
	if err != nil {
		t.Fatal(err)
	}
	block, err := e.Open(ctx, executor.Env{
		Config: config, Header: open.Header(parent.Hash(), config), Parent: parent, State: before, BlockHash: c.BlockHash,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := block.Verify(ctx, txs); err != nil {
		t.Fatal(err)
	}
	out, err := block.Finish(ctx, types.Withdrawals{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := c.Seal(parent, out)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(ctx, sealed); err != nil {
		t.Fatal(err)
	}
	return sealed.Block
}
