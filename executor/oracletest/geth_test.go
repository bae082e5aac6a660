package oracletest

import (
	"context"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/oracle"
)

// geth is an executor made of geth itself. It proves the checks, not geth: they
// must pass on it, and fail when it is made to err.
type geth struct{}

func (geth) Open(_ context.Context, env executor.Env) (executor.Block, error) {
	db, err := oracle.NewState(env.State)
	if err != nil {
		return nil, err
	}
	b := &gethBlock{env: env, db: db, keys: make(oracle.Keys)}
	b.open = oracle.Open(oracle.Env{Config: env.Config, Header: env.Header, BlockHash: env.BlockHash, Record: true}, db, b.keys.Hooks())
	return b, nil
}

func (geth) Sealed(*motet.Outcome, *types.Header) {}

type gethBlock struct {
	env      executor.Env
	db       *state.StateDB
	open     *oracle.Block
	keys     oracle.Keys
	included []*motet.Tx
	receipts types.Receipts
}

func (b *gethBlock) Run(_ context.Context, txs []*motet.Tx) (*executor.Slice, error) {
	s := &executor.Slice{Cut: len(txs)}
	for i, tx := range txs {
		receipt, err := b.open.Apply(tx)
		if err != nil && endsBlock(err, tx, b.env.Header) {
			s.Cut = i
			break
		}
		if err != nil {
			s.Skipped = append(s.Skipped, executor.Skip{Tx: tx, Verdict: verdict(err), Err: err})
			continue
		}
		s.Included = append(s.Included, tx)
		s.Receipts = append(s.Receipts, receipt)
	}
	b.included = append(b.included, s.Included...)
	b.receipts = append(b.receipts, s.Receipts...)
	return s, nil
}

func (b *gethBlock) Verify(ctx context.Context, txs []*motet.Tx) (*executor.Slice, error) {
	for i, tx := range txs {
		s, err := b.Run(ctx, []*motet.Tx{tx})
		if err != nil {
			return nil, err
		}
		switch {
		case s.Cut == 0:
			return nil, &executor.InvalidTxError{Index: i, Hash: tx.Hash(), Err: core.ErrGasLimitReached}
		case len(s.Skipped) > 0:
			return nil, &executor.InvalidTxError{Index: i, Hash: tx.Hash(), Err: s.Skipped[0].Err}
		}
	}
	return &executor.Slice{Included: b.included, Receipts: b.receipts, Cut: len(txs)}, nil
}

func (b *gethBlock) View() state.Reader { return oracle.View(b.db.Copy()) }

// Report implements executor.Block.
func (b *gethBlock) Report() *report.Block { return nil }

func (b *gethBlock) Finish(ctx context.Context, withdrawals types.Withdrawals) (*motet.Outcome, error) {
	requests, err := b.open.Finish(ctx, withdrawals)
	if err != nil {
		return nil, err
	}
	return &motet.Outcome{
		Header:      b.env.Header,
		Txs:         b.included,
		Receipts:    b.receipts,
		Withdrawals: withdrawals,
		Requests:    requests,
		GasUsed:     b.open.GasUsed(),
		Changes:     b.changes(),
		AccessList:  b.open.AccessList,
	}, nil
}

// changes reads the new values of all that changed. It does not tell a reset
// account, since only slots that were written can differ where these run.
func (b *gethBlock) changes() *motet.StateChanges {
	out := new(motet.StateChanges)
	for _, addr := range slices.SortedFunc(maps.Keys(b.keys), common.Address.Cmp) {
		change := motet.AccountChange{
			Address:  addr,
			Deleted:  !b.db.Exist(addr),
			Nonce:    b.db.GetNonce(addr),
			Balance:  *b.db.GetBalance(addr),
			CodeHash: b.db.GetCodeHash(addr),
		}
		if !change.Deleted {
			change.Code, change.CodeChanged = b.db.GetCode(addr), true
			for _, key := range slices.SortedFunc(maps.Keys(b.keys[addr]), common.Hash.Cmp) {
				change.Storage = append(change.Storage, motet.SlotChange{Key: key, Value: b.db.GetState(addr, key)})
			}
		}
		out.Accounts = append(out.Accounts, change)
	}
	return out
}
