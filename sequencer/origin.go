package sequencer

import (
	"context"
	"log/slog"
	"time"

	"github.com/motet-evm/motet"
)

// nextOrigin returns the origin for the block after the head. It never goes
// back, and stays where it is while L1 is away.
func (s *Sequencer) nextOrigin(ctx context.Context) motet.Origin {
	next, err := s.deps.L1.NextOrigin(ctx, s.origin)
	switch {
	case err != nil:
		s.deps.Logger.Debug("origin stays", slog.Any("err", err))
		return s.origin
	case next.Number < s.origin.Number, next.Number == s.origin.Number && next.Hash != s.origin.Hash:
		s.deps.Logger.Debug("origin does not go back", slog.Uint64("l1_block", next.Number))
		return s.origin
	default:
		return next
	}
}

// nextOpen fixes the block after the head. It returns nil if the block must not
// be opened yet; then s.retry says when to ask again.
func (s *Sequencer) nextOpen(ctx context.Context) *motet.Open {
	now := s.deps.Now()
	wall := uint64(max(0, now.Unix()))
	bounded := s.config.BlockTime > 0 && len(s.mines) == 0
	limit := wall + uint64(maxAhead.Seconds())
	origin := s.nextOrigin(ctx)
	earliest := max(s.head.Time+1, wall)
	if bounded && origin.Time > limit {
		origin = s.origin // L1's clock runs ahead
	}
	timestamp := max(earliest, origin.Time)
	drift := s.deps.Rollup.MaxDrift
	switch {
	case bounded && timestamp > limit:
		s.retry = now.Add(time.Duration(timestamp-limit) * time.Second) //nolint:gosec // seconds ahead of the clock
		return nil
	case drift != 0 && timestamp > origin.Time+drift:
		s.retry = now.Add(originPoll)
		return nil
	}
	return s.deps.Rollup.NextOpen(s.deps.Chain.ChainConfig(), s.head, timestamp, origin)
}
