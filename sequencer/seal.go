package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// seal closes the open block, or an empty one if there is none, and makes it
// canonical. It reports false if an empty one must not be opened yet.
func (s *Sequencer) seal(ctx context.Context) (bool, error) {
	start := time.Now()
	if err := s.land(); err != nil {
		return false, err
	}
	b := s.block
	if b == nil {
		open := s.nextOpen(ctx)
		if open == nil {
			return false, nil
		}
		var err error
		if b, err = s.begin(ctx, open); err != nil {
			return false, err
		}
		b.begun = s.deps.Now()
		s.lastOpen = b.begun
	}
	sealed, err := s.finish(ctx, b)
	if err != nil {
		return false, err
	}
	var bodies []eventlog.Body
	if !b.logged {
		bodies = append(bodies, eventlog.Body{Open: b.open})
	}
	bodies = append(bodies, eventlog.Body{Seal: &eventlog.Seal{Number: b.open.Number, Header: sealed.Block.Header()}})
	at, err := s.append(ctx, bodies...)
	if err != nil {
		return false, err
	}
	if !b.logged {
		s.opened(b, eventlog.Cursor{Generation: at.Generation, Counter: at.Counter - 1})
	}
	if err := s.commit(ctx, b, sealed); err != nil {
		return false, err
	}
	if err := s.prepare(); err != nil {
		return false, err
	}
	for _, done := range s.mines {
		done <- nil
	}
	s.mines = nil
	elapsed := time.Since(start)
	s.metrics.sealSeconds.Observe(elapsed.Seconds())
	s.deps.Logger.Debug("block sealed", slog.Uint64("block", b.open.Number), slog.String("block_hash", sealed.Block.Hash().Hex()),
		slog.Int("txs", len(b.txs)), slog.Uint64("gas", sealed.Block.GasUsed()), slog.Duration("elapsed", elapsed))
	return true, nil
}

// prepare tells the pool about the block that comes next.
func (s *Sequencer) prepare() error {
	view, err := s.deps.Chain.StateAt(s.head.Root)
	if err != nil {
		return fmt.Errorf("open state after block %d: %w", s.head.Number, err)
	}
	now := uint64(max(0, s.deps.Now().Unix()))
	s.deps.Pool.Reset(s.deps.Rollup.NextOpen(s.deps.Chain.ChainConfig(), s.head, max(s.head.Time+1, now), s.origin), s.poolView(view))
	return nil
}

// poolView is what the pool judges senders by.
type poolView struct {
	state.Reader
	chain Chain
}

func (s *Sequencer) poolView(view state.Reader) state.Reader { return poolView{view, s.deps.Chain} }

// Account implements state.StateReader. Between a commit and the view that follows
// it, the chain store may have let go of the state that this one stands on: the
// pool will be told of the head in a moment, and judges by it already.
func (v poolView) Account(addr common.Address) (*types.StateAccount, error) {
	account, err := v.Reader.Account(addr)
	if !errors.Is(err, motet.ErrUnavailable) {
		return account, err
	}
	head, headErr := v.chain.StateAt(v.chain.Head().Root)
	if headErr != nil {
		return nil, errors.Join(err, headErr)
	}
	return head.Account(addr)
}
