package sequencer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
)

// DivergenceError reports that two executions of a block gave different results.
// It wraps motet.ErrHalt.
type DivergenceError struct {
	Open   *motet.Open
	Parent common.Hash
	Got    *motet.Outcome // of the executor
	Want   *motet.Outcome // of the second opinion; nil if it refused the block
	Err    error          // why it refused
}

func (e *DivergenceError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("second opinion refuses block %d: %v", e.Open.Number, e.Err)
	}
	return fmt.Sprintf("second opinion on block %d differs", e.Open.Number)
}

// Unwrap makes the error match motet.ErrHalt and its cause.
func (e *DivergenceError) Unwrap() []error {
	if e.Err == nil {
		return []error{motet.ErrHalt}
	}
	return []error{motet.ErrHalt, e.Err}
}

// compare executes the transactions of b again and reports any difference.
func (s *Sequencer) compare(ctx context.Context, b *openBlock, got *motet.Outcome, sealed *chain.Sealed) error {
	start := time.Now()
	defer func() { s.metrics.opinionSeconds.Observe(time.Since(start).Seconds()) }()
	want, err := s.opinion(ctx, b)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.diverge(&DivergenceError{Open: b.open, Parent: b.parent.Hash(), Got: got, Err: err})
	}
	if sameOutcome(got, want) {
		return nil
	}
	// Changes may name values that did not change in the end; roots tell.
	again, err := s.deps.Chain.Seal(b.parent, want)
	if err == nil && again.Block.Hash() == sealed.Block.Hash() {
		return nil
	}
	return s.diverge(&DivergenceError{Open: b.open, Parent: b.parent.Hash(), Got: got, Want: want, Err: err})
}

func (s *Sequencer) opinion(ctx context.Context, b *openBlock) (*motet.Outcome, error) {
	base, err := s.deps.Chain.StateAt(b.parent.Root)
	if err != nil {
		return nil, err
	}
	block, err := s.deps.Opinion.Open(ctx, s.env(b, base))
	if err != nil {
		return nil, err
	}
	if _, err := block.Verify(ctx, b.txs); err != nil {
		return nil, err
	}
	return block.Finish(ctx, types.Withdrawals{})
}

func sameOutcome(a, b *motet.Outcome) bool {
	return a.GasUsed == b.GasUsed &&
		slices.EqualFunc(a.Receipts, b.Receipts, sameReceipt) &&
		slices.EqualFunc(a.Changes.Accounts, b.Changes.Accounts, sameChange)
}

func sameReceipt(a, b *types.Receipt) bool {
	x, errX := digestOf(a)
	y, errY := digestOf(b)
	return errX == nil && errY == nil && x == y
}

func sameChange(a, b motet.AccountChange) bool {
	return a.Address == b.Address && a.Deleted == b.Deleted && a.Reset == b.Reset &&
		a.Nonce == b.Nonce && a.Balance.Eq(&b.Balance) && a.CodeHash == b.CodeHash &&
		a.CodeChanged == b.CodeChanged && bytes.Equal(a.Code, b.Code) && slices.Equal(a.Storage, b.Storage)
}

// evidence is what is kept of two executions that differ.
type evidence struct {
	Open   *motet.Open     `json:"open"`
	Parent common.Hash     `json:"parent"`
	Txs    []hexutil.Bytes `json:"transactions"`
	Error  string          `json:"error,omitempty"`
	Got    *motet.Outcome  `json:"got"`
	Want   *motet.Outcome  `json:"want,omitempty"`
}

// diverge keeps both results on disk, if there is a place for them.
func (s *Sequencer) diverge(e *DivergenceError) error {
	if s.config.EvidenceDir == "" {
		return e
	}
	ev := evidence{Open: e.Open, Parent: e.Parent, Got: e.Got, Want: e.Want}
	if e.Err != nil {
		ev.Error = e.Err.Error()
	}
	for _, tx := range e.Got.Txs {
		raw, err := tx.MarshalBinary()
		if err != nil {
			return fmt.Errorf("%w (evidence lost: %w)", e, err)
		}
		ev.Txs = append(ev.Txs, raw)
	}
	enc, err := json.MarshalIndent(ev, "", " ")
	if err != nil {
		return fmt.Errorf("%w (evidence lost: %w)", e, err)
	}
	path := filepath.Join(s.config.EvidenceDir, fmt.Sprintf("divergence-%d.json", e.Open.Number))
	if err := os.WriteFile(path, enc, 0o600); err != nil {
		return fmt.Errorf("%w (evidence lost: %w)", e, err)
	}
	return fmt.Errorf("%w (evidence in %s)", e, path)
}
