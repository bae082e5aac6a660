package derive

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
)

// What makes a batch invalid.
var (
	errHeader    = errors.New("header and payload do not agree")
	errForeign   = errors.New("chain id is another one")
	errStart     = errors.New("does not start where it must")
	errContinued = errors.New("continues a block with another timestamp or origin")
	errTime      = errors.New("timestamp does not grow")
	errOrigin    = errors.New("origin is not one that the block may build on")
	errDrift     = errors.New("timestamp is too far from the origin's")
	errCursors   = errors.New("forced transactions and deposits are not enabled")
	errBlobTx    = errors.New("holds a blob transaction")
	errLastHash  = errors.New("last hash does not fit what the batch completes")
)

func (s State) apply(posted *motet.PostedBatch) (State, *Derived, error) {
	b, err := batchcodec.Decode(posted.Payload, s.limits)
	if err != nil {
		return s, nil, err
	}
	if err := s.checkHeader(posted, b); err != nil {
		return s, nil, err
	}
	switch (Position{Block: b.FirstBlock, Tx: b.FirstTx}) {
	case Position{Block: s.safe.Number + 1}:
		s.partial = nil
	case s.Next():
	default:
		return s, nil, fmt.Errorf("%w: with transaction %d of block %d, not %d of %d",
			errStart, b.FirstTx, b.FirstBlock, s.Next().Tx, s.Next().Block)
	}
	derived := &Derived{Index: b.Index}
	for i := range b.Blocks {
		block, err := s.block(b, i)
		if err != nil {
			return s, nil, fmt.Errorf("block %d: %w", b.FirstBlock+uint64(i), err) //nolint:gosec // i counts up
		}
		if i == len(b.Blocks)-1 && !b.LastComplete {
			s.partial = &block
			break
		}
		derived.Blocks = append(derived.Blocks, block)
		s.complete(&block)
	}
	if n := len(derived.Blocks); n > 0 {
		derived.Last = motet.BlockRef{Number: derived.Blocks[n-1].Number, Hash: posted.Header.LastHash}
	}
	if (len(derived.Blocks) > 0) != (posted.Header.LastHash != common.Hash{}) {
		return s, nil, errLastHash
	}
	return s, derived, nil
}

// checkHeader compares what the Inbox recorded with what the payload says.
func (s State) checkHeader(posted *motet.PostedBatch, b *batchcodec.Batch) error {
	h := &posted.Header
	switch {
	case b.ChainID != s.rollup.ChainID:
		return errForeign
	case b.Index != posted.Index, b.FirstBlock != h.FirstBlock, b.FirstTx != h.FirstTx, b.LastComplete != h.LastComplete,
		b.FirstBlock+uint64(len(b.Blocks))-1 != h.LastBlock:
		return errHeader
	case h.ForcedCursor != 0 || h.DepositCursor != 0:
		return errCursors
	default:
		return nil
	}
}

// block judges the i-th block of b, which comes right after safe, and returns
// all that is known of it.
func (s State) block(b *batchcodec.Batch, i int) (Block, error) {
	in := &b.Blocks[i]
	if in.Forced != 0 || in.Deposits != 0 {
		return Block{}, errCursors
	}
	for _, raw := range in.Txs {
		if len(raw) > 0 && raw[0] == types.BlobTxType {
			return Block{}, errBlobTx
		}
	}
	if i == 0 && s.partial != nil {
		begun := *s.partial
		if begun.Timestamp != in.Timestamp || begun.Origin.Number != in.Origin {
			return Block{}, errContinued
		}
		begun.Txs = append(slices.Clip(begun.Txs), in.Txs...)
		if len(begun.Txs) > s.limits.Txs {
			return Block{}, batchcodec.ErrInvalid
		}
		return begun, nil
	}
	if in.Timestamp <= s.safe.Timestamp {
		return Block{}, errTime
	}
	origin, err := s.origin(in.Origin)
	if err != nil {
		return Block{}, err
	}
	drift := s.rollup.MaxDrift
	if in.Timestamp < origin.Time || drift != 0 && in.Timestamp-origin.Time > drift {
		return Block{}, errDrift
	}
	return Block{Number: s.safe.Number + 1, Timestamp: in.Timestamp, Origin: origin, Txs: in.Txs}, nil
}

// origin returns the L1 block of that number, if the block after safe may build
// on it: not before the origin of safe, and before the L1 block that holds the
// batch.
func (s State) origin(number uint64) (motet.Origin, error) {
	first := s.origins[0].Number
	if number < s.safe.Origin || number-first >= uint64(len(s.origins)-1) {
		return motet.Origin{}, errOrigin
	}
	return s.origins[number-first], nil
}

// complete moves safe to a block and forgets the origins that lie behind.
func (s *State) complete(b *Block) {
	s.safe = tip{Number: b.Number, Timestamp: b.Timestamp, Origin: b.Origin.Number}
	s.origins = s.origins[b.Origin.Number-s.origins[0].Number:]
	s.partial = nil
}
