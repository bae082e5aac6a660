package sequencer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// findings are what reading the log up to its tail has shown.
type findings struct {
	whole bool   // from the log's first record on
	epoch uint64 // newest one read, 0 if none

	// The chain store's head.

	found  bool            // its SEAL is there
	after  eventlog.Cursor // of that SEAL
	origin *motet.Origin   // of the head; nil if its OPEN was not read

	// The log's end.

	sealed motet.BlockRef // newest block that is sealed and not rolled back
	tail   []common.Hash  // transactions of the block that is open
}

// done reports whether nothing more has to be known to replay the log.
func (f *findings) done() bool { return f.whole || f.found && f.origin != nil && f.epoch > 0 }

var (
	errForeignLog = errors.New("log and chain store do not belong together")
	errFirstSpan  = errors.New("log starts after the head of the chain store")
)

// firstSpan is how many records are read from the log's end to find the head in
// it. Most starts need no more.
const (
	firstSpan  = 512
	spanGrowth = 16
)

// reconcile finds out where the chain store stands in the log and returns from
// where on the log has to be applied. If the log is behind it is written anew.
func (s *Sequencer) reconcile(ctx context.Context) (from eventlog.Cursor, err error) {
	s.origin = s.deps.Origin
	tail, last := s.deps.Log.Tail()
	if s.head.Number.Sign() == 0 {
		return eventlog.Cursor{}, nil // all of the log
	}
	f := &findings{whole: true}
	if last != nil {
		if f, err = s.search(ctx, tail); err != nil {
			return from, err
		}
	}
	s.epoch = f.epoch
	switch {
	case f.found && f.origin != nil:
		s.origin = *f.origin
		return f.after, nil
	case f.found:
		return from, haltf("the OPEN of block %d is missing: %w", s.head.Number, errForeignLog)
	}
	if err := s.behind(f); err != nil {
		return from, err
	}
	s.deps.Logger.Warn("log is behind the chain store and is written anew",
		slog.Uint64("block", s.head.Number.Uint64()), slog.Uint64("log_block", f.sealed.Number))
	if err := s.deps.Log.Refill(ctx, s.history(f.epoch+1)); err != nil {
		return from, err
	}
	s.epoch = f.epoch + 1
	if s.origin, err = originOf(s.head); err != nil {
		return from, err
	}
	if s.origin.Number == s.deps.Origin.Number && s.origin.Hash == s.deps.Origin.Hash {
		s.origin = s.deps.Origin
	}
	from, _ = s.deps.Log.Tail()
	return from, nil
}

// search reads the log from some way before its tail on, farther and farther,
// until it has found the head or everything was read.
func (s *Sequencer) search(ctx context.Context, tail eventlog.Cursor) (*findings, error) {
	for span := uint64(firstSpan); ; span *= spanGrowth {
		var from eventlog.Cursor // the beginning
		if tail.Counter > span {
			from = eventlog.Cursor{Generation: tail.Generation, Counter: tail.Counter - span}
		}
		f, err := s.read(ctx, from, tail)
		if errors.Is(err, eventlog.ErrTrimmed) && from != (eventlog.Cursor{}) {
			f, err = s.read(ctx, eventlog.Cursor{}, tail)
		}
		if errors.Is(err, eventlog.ErrTrimmed) {
			return nil, haltf("block %d: %w", s.head.Number, errFirstSpan)
		}
		if err != nil || f.done() {
			return f, err
		}
	}
}

// read reads the records after from up to the tail.
func (s *Sequencer) read(ctx context.Context, from, tail eventlog.Cursor) (*findings, error) {
	feed, err := s.deps.Log.Read(ctx, from)
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	f := &findings{whole: from == (eventlog.Cursor{})}
	head := s.head.Hash()
	var open *motet.Open
	for at := from; at != tail; {
		r, err := feed.Next(ctx)
		if err != nil {
			return nil, err
		}
		at = r.Cursor
		switch r.Kind() {
		case eventlog.KindEpoch:
			f.epoch = r.Epoch.Epoch
		case eventlog.KindOpen:
			open, f.tail = r.Open, nil
		case eventlog.KindSlice:
			for _, raw := range r.Slice.Txs {
				f.tail = append(f.tail, crypto.Keccak256Hash(raw))
			}
		case eventlog.KindSeal:
			f.sealed, f.tail = motet.RefOf(r.Seal.Header), nil
			if f.sealed.Hash == head {
				f.found, f.after, f.origin = true, r.Cursor, nil
				if open != nil && open.Number == f.sealed.Number {
					f.origin = &open.Origin
				}
			}
		case eventlog.KindReorg:
			f.sealed, f.tail = r.Reorg.Fork, nil
		}
	}
	return f, nil
}

// behind reports why the log is not an older state of what the chain store
// holds.
func (s *Sequencer) behind(f *findings) error {
	chain := s.deps.Chain
	next := chain.BlockByNumber(f.sealed.Number + 1)
	if next == nil || f.sealed.Number > 0 && chain.BlockHash(f.sealed.Number) != f.sealed.Hash {
		return haltf("log ends with block %d %s, chain store with block %d %s: %w",
			f.sealed.Number, f.sealed.Hash, s.head.Number, s.head.Hash(), errForeignLog)
	}
	for i, hash := range f.tail {
		if txs := next.Transactions(); i >= len(txs) || txs[i].Hash() != hash {
			return haltf("transaction %d of block %d is not what the log preconfirmed: %w", i, next.NumberU64(), errForeignLog)
		}
	}
	return nil
}

// history returns the records that the chain store's blocks would have left.
func (s *Sequencer) history(epoch uint64) iter.Seq2[eventlog.Body, error] {
	chain := s.deps.Chain
	return func(yield func(eventlog.Body, error) bool) {
		genesis := motet.BlockRef{Hash: chain.BlockHash(0)}
		if !yield(eventlog.Body{Epoch: &eventlog.Epoch{Epoch: epoch, Parent: genesis}}, nil) {
			return
		}
		for n := uint64(1); n <= s.head.Number.Uint64(); n++ {
			bodies, err := s.recordsOf(chain.BlockByNumber(n))
			if err != nil {
				yield(eventlog.Body{}, fmt.Errorf("records of block %d: %w", n, err))
				return
			}
			for _, body := range bodies {
				if !yield(body, nil) {
					return
				}
			}
		}
	}
}

var errNoBlock = errors.New("chain store does not hold the block with its receipts")

func (s *Sequencer) recordsOf(block *types.Block) ([]eventlog.Body, error) {
	if block == nil {
		return nil, errNoBlock
	}
	receipts := s.deps.Chain.ReceiptsOf(block)
	if len(receipts) != len(block.Transactions()) {
		return nil, errNoBlock
	}
	h := block.Header()
	origin, err := originOf(h)
	if err != nil {
		return nil, err
	}
	open := &motet.Open{
		Number: block.NumberU64(), Timestamp: h.Time, Origin: origin, Coinbase: h.Coinbase,
		GasLimit: h.GasLimit, BaseFee: h.BaseFee, Extra: h.Extra,
	}
	bodies := []eventlog.Body{{Open: open}}
	slice, size := &eventlog.Slice{Number: open.Number}, 0
	for i, tx := range block.Transactions() {
		raw, err := tx.MarshalBinary()
		if err != nil {
			return nil, err
		}
		digest, err := digestOf(receipts[i])
		if err != nil {
			return nil, err
		}
		if size += len(raw) + digestRoom; size > eventlog.MaxBodies-recordRoom {
			bodies = append(bodies, eventlog.Body{Slice: slice})
			slice, size = &eventlog.Slice{Number: open.Number, Index: slice.Index + 1}, len(raw)+digestRoom
		}
		slice.Txs, slice.Digests = append(slice.Txs, raw), append(slice.Digests, digest)
	}
	if len(slice.Txs) > 0 {
		bodies = append(bodies, eventlog.Body{Slice: slice})
	}
	return append(bodies, eventlog.Body{Seal: &eventlog.Seal{Number: open.Number, Header: h}}), nil
}
