package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// Recover brings the log, the chain store and the pool to the same point and
// announces this writer in the log. It has to be called once, before anybody is
// served and before Run.
//
// A log that is ahead is applied to the chain store; a block that is open at its
// end stays open under its OPEN. A log that is behind is written anew from the
// chain store. Anything else wraps motet.ErrHalt.
func (s *Sequencer) Recover(ctx context.Context) error {
	start := time.Now()
	s.head = s.deps.Chain.Head()
	from, err := s.reconcile(ctx)
	if err != nil {
		s.head = nil
		return fmt.Errorf("reconcile log and chain store: %w", err)
	}
	n, err := s.replay(ctx, from)
	if err == nil {
		err = s.announce(ctx)
	}
	if err == nil {
		err = s.restore(ctx)
	}
	if err != nil {
		s.head = nil // Run must not be called
		return fmt.Errorf("recover: %w", err)
	}
	s.deps.Logger.Info("sequencer recovered", slog.Uint64("epoch", s.epoch), slog.Uint64("block", s.head.Number.Uint64()),
		slog.Int("records", n), slog.Duration("elapsed", time.Since(start)))
	return nil
}

// replay applies the records after from and returns how many there were.
func (s *Sequencer) replay(ctx context.Context, from eventlog.Cursor) (n int, err error) {
	tail, last := s.deps.Log.Tail()
	if last == nil || from == tail {
		return 0, nil
	}
	feed, err := s.deps.Log.Read(ctx, from)
	if err != nil {
		return 0, err
	}
	defer feed.Close()
	for at := from; at != tail; n++ {
		r, err := feed.Next(ctx)
		if err != nil {
			return n, err
		}
		if err := s.apply(ctx, &r); err != nil {
			return n, fmt.Errorf("apply %s record %s: %w", r.Kind(), r.Cursor, err)
		}
		at = r.Cursor
	}
	return n, nil
}

var (
	errOrder  = errors.New("record does not fit the state of the log before it")
	errResult = errors.New("execution gives another block than the log holds")
)

// apply does what a record says.
func (s *Sequencer) apply(ctx context.Context, r *eventlog.Record) error {
	switch b := s.block; r.Kind() {
	case eventlog.KindEpoch:
		s.epoch = max(s.epoch, r.Epoch.Epoch)
	case eventlog.KindOpen:
		if b != nil {
			return haltf("block %d is open: %w", b.open.Number, errOrder)
		}
		b, err := s.begin(ctx, r.Open)
		if err != nil {
			return err
		}
		s.opened(b, r.Cursor)
	case eventlog.KindSlice:
		if b == nil || r.Slice.Number != b.open.Number || r.Slice.Index != b.slices {
			return haltf("slice %d of block %d: %w", r.Slice.Index, r.Slice.Number, errOrder)
		}
		return s.applySlice(ctx, b, r)
	case eventlog.KindSeal:
		if b == nil || r.Seal.Number != b.open.Number {
			return haltf("seal of block %d: %w", r.Seal.Number, errOrder)
		}
		return s.applySeal(ctx, b, r)
	case eventlog.KindReorg:
		back, err := s.rewind(ctx, r.Reorg.Fork)
		if err != nil {
			return err
		}
		s.returned = append(s.returned, back...)
	default:
		return haltf("%s: %w", r.Kind(), errOrder)
	}
	return nil
}

func (s *Sequencer) applySlice(ctx context.Context, b *openBlock, r *eventlog.Record) error {
	raw := make(types.Transactions, len(r.Slice.Txs))
	for i, enc := range r.Slice.Txs {
		raw[i] = new(types.Transaction)
		if err := raw[i].UnmarshalBinary(enc); err != nil {
			return haltf("decode transaction %d: %w", i, err)
		}
	}
	txs, err := motet.RecoverTxs(types.MakeSigner(s.deps.Chain.ChainConfig(), b.header.Number, b.header.Time), raw)
	if err != nil {
		return haltf("slice %d: %w", r.Slice.Index, err)
	}
	e, err := s.execute(ctx, b, txs)
	if err != nil {
		return err
	}
	if n := len(e.slice.Skipped); n > 0 {
		return haltf("transaction %s: %w: %w", e.slice.Skipped[0].Tx.Hash(), errDigest, e.slice.Skipped[0].Err)
	}
	if len(e.slice.Included) != len(txs) || len(r.Slice.Digests) != len(txs) || len(txs) == 0 {
		return haltf("%d transactions, %d digests, %d executed: %w", len(txs), len(r.Slice.Digests), len(e.slice.Included), errDigest)
	}
	for i, want := range r.Slice.Digests {
		if got := e.record.Digests[i]; got != want {
			return haltf("transaction %s: status %d, gas %d, receipt %s; the log holds status %d, gas %d, receipt %s: %w", txs[i].Hash(),
				got.Status, got.GasUsed, got.ReceiptHash, want.Status, want.GasUsed, want.ReceiptHash, errDigest)
		}
	}
	s.absorb(b, e, r.Cursor)
	return nil
}

func (s *Sequencer) applySeal(ctx context.Context, b *openBlock, r *eventlog.Record) error {
	sealed, err := s.finish(ctx, b)
	if err != nil {
		return err
	}
	if got, want := sealed.Block.Hash(), r.Seal.Header.Hash(); got != want {
		return haltf("block %d is %s, the log holds %s: %w", b.open.Number, got, want, errResult)
	}
	return s.commit(ctx, b, sealed)
}

// announce appends this writer's EPOCH.
func (s *Sequencer) announce(ctx context.Context) error {
	epoch := s.epoch + 1
	_, err := s.append(ctx, eventlog.Body{Epoch: &eventlog.Epoch{Epoch: epoch, Parent: motet.RefOf(s.head)}})
	if err != nil {
		return fmt.Errorf("announce epoch %d: %w", epoch, err)
	}
	s.epoch = epoch
	s.metrics.epoch.Set(float64(epoch))
	s.metrics.head.Set(float64(s.head.Number.Uint64()))
	return nil
}
