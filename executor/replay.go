package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
)

// ReplayEnv is a complete block and what it has to be executed in.
type ReplayEnv struct {
	Config    *params.ChainConfig
	Block     *types.Block
	Parent    *types.Header
	State     state.Reader // after Parent
	BlockHash func(number uint64) common.Hash
}

// Replay executes a complete block. The outcome carries the block's header, so
// that whoever computes the roots can compare them. A transaction that must not
// be in the block gives an *InvalidTxError.
func Replay(ctx context.Context, ex Executor, env ReplayEnv) (*motet.Outcome, error) {
	header := env.Block.Header()
	signer := types.MakeSigner(env.Config, header.Number, header.Time)
	txs, err := motet.RecoverTxs(signer, env.Block.Transactions())
	if bad, ok := errors.AsType[*motet.SenderError](err); ok {
		return nil, &InvalidTxError{Index: bad.Index, Hash: bad.Hash, Err: bad.Err}
	}
	block, err := ex.Open(ctx, Env{Config: env.Config, Header: header, Parent: env.Parent, State: env.State, BlockHash: env.BlockHash})
	if err != nil {
		return nil, fmt.Errorf("open block %d: %w", header.Number, err)
	}
	if _, err := block.Verify(ctx, txs); err != nil {
		return nil, fmt.Errorf("execute block %d: %w", header.Number, err)
	}
	out, err := block.Finish(ctx, env.Block.Withdrawals())
	if err != nil {
		return nil, fmt.Errorf("finish block %d: %w", header.Number, err)
	}
	out.Header = header
	return out, nil
}
