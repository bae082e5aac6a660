package rolluptest

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
)

// Ledger is a chain store in memory, with the rules of chain.Chain and without
// state. Its blocks come from an Assembler.
type Ledger struct {
	config  *params.ChainConfig
	genesis *types.Block

	mu     sync.Mutex
	blocks []*types.Block
	safe   motet.BlockRef
	final  motet.BlockRef
}

// NewLedger returns a chain that holds the genesis.
func NewLedger(genesis *core.Genesis) *Ledger {
	block := genesis.ToBlock()
	ref := motet.RefOf(block.Header())
	return &Ledger{config: genesis.Config, genesis: block, blocks: []*types.Block{block}, safe: ref, final: ref}
}

// ChainConfig implements Chain.
func (l *Ledger) ChainConfig() *params.ChainConfig { return l.config }

// Genesis implements Chain.
func (l *Ledger) Genesis() *types.Block { return l.genesis }

// Head implements Chain.
func (l *Ledger) Head() *types.Header {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head().Header()
}

func (l *Ledger) head() *types.Block { return l.blocks[len(l.blocks)-1] }

// BlockByNumber implements Chain.
func (l *Ledger) BlockByNumber(n uint64) *types.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= uint64(len(l.blocks)) {
		return nil
	}
	return l.blocks[n]
}

// HeaderByNumber implements Chain.
func (l *Ledger) HeaderByNumber(n uint64) *types.Header {
	if b := l.BlockByNumber(n); b != nil {
		return b.Header()
	}
	return nil
}

// BlockHash implements Chain.
func (l *Ledger) BlockHash(n uint64) common.Hash {
	if b := l.BlockByNumber(n); b != nil {
		return b.Hash()
	}
	return common.Hash{}
}

// noState is the state of every block of a Ledger.
type noState struct{ state.Reader }

// StateAt implements Chain.
func (l *Ledger) StateAt(common.Hash) (state.Reader, error) { return noState{}, nil }

// Seal implements Chain.
func (l *Ledger) Seal(parent *types.Header, out *motet.Outcome) (*chain.Sealed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if parent.Hash() != l.head().Hash() || out.Header.ParentHash != parent.Hash() {
		return nil, chain.ErrNotOnHead
	}
	header := types.CopyHeader(out.Header)
	header.GasUsed = out.GasUsed
	body := &types.Body{Transactions: motet.Transactions(out.Txs), Withdrawals: types.Withdrawals{}}
	return &chain.Sealed{Block: types.NewBlock(header, body, nil, trie.NewListHasher())}, nil
}

// Commit implements Chain.
func (l *Ledger) Commit(ctx context.Context, s *chain.Sealed) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.Block.ParentHash() != l.head().Hash():
		return chain.ErrNotOnHead
	}
	l.blocks = append(l.blocks, s.Block)
	return nil
}

// Rollback implements Chain.
func (l *Ledger) Rollback(ctx context.Context, to motet.BlockRef) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !l.canonical(to):
		return chain.ErrNotCanonical
	case to.Number < l.final.Number:
		return chain.ErrFinalized
	}
	l.blocks = l.blocks[: to.Number+1 : to.Number+1]
	if l.safe.Number > to.Number {
		l.safe = to
	}
	return nil
}

func (l *Ledger) canonical(ref motet.BlockRef) bool {
	return ref.Number < uint64(len(l.blocks)) && l.blocks[ref.Number].Hash() == ref.Hash
}

// Heads implements Chain.
func (l *Ledger) Heads() motet.Heads {
	l.mu.Lock()
	defer l.mu.Unlock()
	return motet.Heads{Unsafe: motet.RefOf(l.head().Header()), Safe: l.safe, Finalized: l.final}
}

// Label implements Chain.
func (l *Ledger) Label(safe, finalized motet.BlockRef) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.canonical(safe), !l.canonical(finalized):
		return chain.ErrNotCanonical
	case finalized.Number > safe.Number:
		return fmt.Errorf("finalized block %d is above safe block %d", finalized.Number, safe.Number)
	}
	l.safe = safe
	if finalized.Number > l.final.Number {
		l.final = finalized
	}
	return nil
}

// Restart forgets what a process forgets that ends: geth keeps no safe label.
func (l *Ledger) Restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = l.final
}

// Assembler makes blocks for a Ledger: nothing is executed, and equal inputs give
// equal blocks. A transaction that sends Unsendable is invalid.
type Assembler struct{}

// Unsendable is an amount that an Assembler takes for more than the sender has.
var Unsendable = new(big.Int).Lsh(big.NewInt(1), 200)

// Open implements executor.Executor.
func (Assembler) Open(_ context.Context, env executor.Env) (executor.Block, error) {
	return &assembly{header: env.Header}, nil
}

// Sealed implements executor.Executor.
func (Assembler) Sealed(*motet.Outcome, *types.Header) {}

type assembly struct {
	executor.Block // its other methods are not called

	header *types.Header
	txs    []*motet.Tx
}

// Verify implements executor.Block.
func (a *assembly) Verify(ctx context.Context, txs []*motet.Tx) (*executor.Slice, error) {
	for i, tx := range txs {
		if tx.Value().Cmp(Unsendable) == 0 {
			return nil, &executor.InvalidTxError{Index: i, Hash: tx.Hash(), Err: core.ErrInsufficientFunds}
		}
	}
	a.txs = txs
	return nil, ctx.Err()
}

var errWithdrawals = errors.New("an Assembler has no withdrawals")

// Finish implements executor.Block.
func (a *assembly) Finish(_ context.Context, withdrawals types.Withdrawals) (*motet.Outcome, error) {
	if len(withdrawals) > 0 {
		return nil, errWithdrawals
	}
	return &motet.Outcome{Header: a.header, Txs: a.txs, GasUsed: params.TxGas * uint64(len(a.txs))}, nil
}
