// Package executor runs the transactions of one open block over go-ethereum's
// EVM. [Serial] runs them one after the other through core.ApplyMessage and is
// the oracle; [Parallel] runs them speculatively on several workers and gives
// the same result for every input. Both serve the same contract, [Executor].
//
// An executor knows nothing of tries, stores or streams: it reads the state
// before the block through a state.Reader and returns receipts and the values
// that changed. Whoever holds the chain computes roots from those.
//
// A block is built by one goroutine: the methods of [Block] must not be called
// concurrently. Blocks of the same executor may overlap only if the executor
// says so.
package executor

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
)

// Executor opens blocks.
type Executor interface {
	// Open starts a block and runs the system calls that precede its
	// transactions (EIP-4788, EIP-2935).
	Open(ctx context.Context, env Env) (Block, error)

	// Sealed tells the executor that an outcome of one of its blocks became
	// the block of header. A warm executor starts the block on top of that one
	// with all that this one had read or written.
	Sealed(out *motet.Outcome, header *types.Header)
}

// Env is what a block is executed in.
type Env struct {
	Config *params.ChainConfig
	// Header has every field that the EVM can observe; roots, bloom and gas
	// used are ignored.
	Header *types.Header
	// Parent heads the block before it.
	Parent *types.Header
	// State is the state after Parent. It must be safe for concurrent use.
	State state.Reader
	// BlockHash returns the hash of the canonical ancestor with the given
	// number, for BLOCKHASH. It must be safe for concurrent use.
	BlockHash func(number uint64) common.Hash
	// AccessList is the list that the block is said to leave (EIP-7928), nil if
	// nobody says. [Parallel] executes along it; a wrong one costs time and changes
	// no result. Whether the block leaves this list is for the caller to compare.
	AccessList *bal.BlockAccessList
}

// Block is an open block.
type Block interface {
	// Run executes txs on top of what the block holds, in order, as the
	// sequencer does: a transaction that cannot be included is left out, with
	// its reason, and the first one that does not fit the block's gas ends the
	// slice. For every input the result equals that of running the
	// transactions one by one.
	//
	// The error is not about a transaction: the context's, one of the state
	// reader, or one that wraps motet.ErrHalt. The block is unusable after it.
	Run(ctx context.Context, txs []*motet.Tx) (*Slice, error)

	// Verify executes txs, all of which must be valid, as a verifier or a
	// replay does. A transaction that is not gives an *InvalidTxError. The blooms of
	// the receipts are being set until Finish has returned.
	Verify(ctx context.Context, txs []*motet.Tx) (*Slice, error)

	// View returns the state of the open block as it is now. It does not
	// change afterwards and is safe for concurrent use, as long as Env.State
	// is. A call costs what changed since the last one.
	View() state.Reader

	// Finish applies the withdrawals and the system calls that end a block and
	// returns what the block leaves behind. The block is unusable afterwards.
	Finish(ctx context.Context, withdrawals types.Withdrawals) (*motet.Outcome, error)

	// Report tells how the block was executed; nil before Finish has returned.
	Report() *report.Block
}

// Slice is the result of Run or Verify.
type Slice struct {
	// Included are the transactions that are part of the block now, Receipts
	// their receipts. Log indexes and cumulative gas run through the block.
	// Finish sets the blooms that are not set by then; after Verify nobody may look at
	// them before it has returned.
	Included []*motet.Tx
	Receipts types.Receipts
	// Skipped are those left out, in order.
	Skipped []Skip
	// Cut is the index in txs of the first transaction that was not
	// considered, since it does not fit the gas that the block has left;
	// len(txs) when all were.
	Cut int
	// Stats tells how the work went.
	Stats Stats
}

// Verdict says what to do with a transaction that was not included.
type Verdict uint8

const (
	// Drop says that it can never be included (nonce already used, funds short, code at
	// the sender, malformed for the rules in force).
	Drop Verdict = iota + 1
	// Defer says that it may be included later (nonce ahead, fee cap below base fee).
	Defer
)

// Skip is a transaction left out of a slice.
type Skip struct {
	Tx      *motet.Tx
	Verdict Verdict
	// Err is geth's error (core.ErrNonceTooLow, core.ErrInsufficientFunds …),
	// with its exact text.
	Err error
}

// Stats counts the work of a slice.
type Stats struct {
	Executions int // runs of a transaction, re-runs included
	Aborts     int // runs that did not hold; those that an early end discards are not counted
	// ReadAhead counts accounts and slots that were read from the state before an
	// execution asked for them.
	ReadAhead int
	// Fallback says why the slice, or the rest of it, ran serially; empty if
	// it did not.
	Fallback string
}

// InvalidTxError reports a transaction that a block must not contain.
type InvalidTxError struct {
	Index int // in the block
	Hash  common.Hash
	Err   error
}

func (e *InvalidTxError) Error() string {
	return "transaction " + e.Hash.Hex() + " is invalid: " + e.Err.Error()
}

func (e *InvalidTxError) Unwrap() error { return e.Err }

// ErrFinished is returned by the methods of a block that was finished or failed.
var ErrFinished = errors.New("block is finished")
