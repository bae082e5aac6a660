package sequencer

import (
	"context"
	"iter"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

// L1Source names the L1 blocks that L2 blocks build on.
type L1Source interface {
	// NextOrigin returns the origin for the next block, given that of its
	// parent: a later L1 block, or current if there is none yet. It answers from
	// memory; an error leaves the origin where it is. The Time of current is 0
	// if only the chain store was left to read it from, and is then filled in.
	NextOrigin(ctx context.Context, current motet.Origin) (motet.Origin, error)
}

// NoL1 is an L1Source that never advances.
type NoL1 struct{}

// NextOrigin returns current.
func (NoL1) NextOrigin(_ context.Context, current motet.Origin) (motet.Origin, error) {
	return current, nil
}

// Log is the log as its writer sees it. See [eventlog.Log] for the contract; its
// rule of doubt is what this package relies on.
type Log interface {
	Tail() (eventlog.Cursor, *eventlog.Record)
	Append(ctx context.Context, bodies ...eventlog.Body) (eventlog.Cursor, error)
	Read(ctx context.Context, from eventlog.Cursor) (Feed, error)
	Refill(ctx context.Context, bodies iter.Seq2[eventlog.Body, error]) error
}

// Feed reads the log.
type Feed interface {
	Next(ctx context.Context) (eventlog.Record, error)
	Close()
}

// OverLog returns l as a Log.
func OverLog(l *eventlog.Log) Log { return overLog{l} }

type overLog struct{ *eventlog.Log }

func (l overLog) Read(ctx context.Context, from eventlog.Cursor) (Feed, error) {
	return l.Log.Read(ctx, from)
}

// Chain is the chain store, implemented by [chain.Chain].
type Chain interface {
	ChainConfig() *params.ChainConfig
	Head() *types.Header
	BlockByNumber(n uint64) *types.Block
	ReceiptsOf(block *types.Block) types.Receipts
	BlockHash(n uint64) common.Hash
	StateAt(root common.Hash) (state.Reader, error)
	Seal(parent *types.Header, out *motet.Outcome) (*chain.Sealed, error)
	Commit(ctx context.Context, s *chain.Sealed) error
	Rollback(ctx context.Context, to motet.BlockRef) error
	// Healthy reports why no block may be produced.
	Healthy() error
}

// Pool is where transactions come from, implemented by [mempool.Pool].
type Pool interface {
	Take(limit mempool.Limit) []*motet.Tx
	Settle(s mempool.Settlement)
	Reset(open *motet.Open, view state.Reader)
	Readd(ctx context.Context, txs []*motet.Tx) error
	Restore(raw []byte, seq uint64) error
	RestoreFate(f motet.Fate) error
	Wait() <-chan struct{}
}

// Intake is what the pool is restored from, implemented by [eventlog.Intake].
type Intake interface {
	Replay(ctx context.Context, tx func(seq uint64, raw []byte) error, fate func(motet.Fate) error) error
}
