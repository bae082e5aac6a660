package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

const (
	// headsInterval is how often the safe and finalized heads are looked at.
	// Nothing announces them, and they move with L1.
	headsInterval = 200 * time.Millisecond
	// retryInterval paces the reader of the log while the log is away.
	retryInterval = 250 * time.Millisecond
	filterSweep   = 30 * time.Second
	// poolEvents is how many events of the pool may wait to be passed on.
	poolEvents = 1 << 16
)

// watchPool begins to keep what the pool accepts from now on; nil without a pool.
func (s *Server) watchPool() *mempool.Subscription {
	if s.pool == nil {
		return nil
	}
	return s.pool.Subscribe(poolEvents)
}

// follow hands what happens to the chain, the log and the pool to the clients, until
// ctx ends.
func (s *Server) follow(ctx context.Context, pool *mempool.Subscription) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return s.followBlocks(ctx) })
	eg.Go(func() error { return s.followHeads(ctx) })
	if s.logs != nil {
		eg.Go(func() error { return s.followLog(ctx) })
	}
	if pool != nil {
		eg.Go(func() error { return s.followPool(ctx, pool) })
	}
	return eg.Wait()
}

// followBlocks passes sealed blocks on, beginning with those sealed since New.
func (s *Server) followBlocks(ctx context.Context) error {
	sub := s.chain.Subscribe()
	defer func() { sub.Close() }()
	last := s.catchUp(s.since)
	for {
		ev, err := sub.Next(ctx)
		switch {
		case err == nil && ev.Removed:
			s.onBlock(&blockEvent{ev.Block, ev.Receipts, true})
			last = ev.Block.NumberU64() - 1
		case err == nil && ev.Block.NumberU64() > last: // else catchUp has passed it on
			s.onBlock(&blockEvent{ev.Block, ev.Receipts, false})
			last = ev.Block.NumberU64()
		case err == nil:
		case errors.Is(err, chain.ErrOverflow):
			sub.Close()
			sub = s.chain.Subscribe()
			s.recent.clear()
			last = s.catchUp(last)
		case ctx.Err() != nil || errors.Is(err, chain.ErrClosed):
			return nil
		default:
			return fmt.Errorf("follow the chain: %w", err)
		}
	}
}

// catchUp passes the blocks after last on that there was no event for, and
// returns the number of the newest.
func (s *Server) catchUp(last uint64) uint64 {
	last = min(last, s.headNumber())
	for n := last + 1; n <= s.headNumber(); n++ {
		block := s.chain.BlockByNumber(n)
		if block == nil {
			break
		}
		s.onBlock(&blockEvent{block: block, receipts: s.chain.ReceiptsOf(block)})
		last = n
	}
	return last
}

func (s *Server) onBlock(e *blockEvent) {
	s.recent.add(e)
	s.filters.onBlock(e)
	s.blocks.publish(e)
	if e.removed || s.waiters.idle() {
		return
	}
	for i, tx := range e.block.Transactions() {
		s.waiters.tell(motet.Fate{Hash: tx.Hash(), State: motet.StateSealed, Block: e.block.NumberU64(), Index: uint64(i)})
	}
}

// followHeads passes moves of the safe and finalized heads on, and removes
// filters that nobody polls.
func (s *Server) followHeads(ctx context.Context) error {
	tick := time.NewTicker(headsInterval)
	defer tick.Stop()
	var last motet.Heads
	swept := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if heads := s.chain.Heads(); heads != last {
				last = heads
				s.heads.publish(heads)
			}
			if now.Sub(swept) > filterSweep {
				swept = now
				s.filters.sweep(now)
			}
		}
	}
}

// followLog keeps the window at the log's end. While the log is away it tries
// again; clients see a pause, not an error.
func (s *Server) followLog(ctx context.Context) error {
	for {
		switch err := s.readLog(ctx); {
		case errors.Is(err, motet.ErrHalt):
			return err
		case ctx.Err() == nil:
			s.log.Warn("event stream interrupted", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

func (s *Server) readLog(ctx context.Context) error {
	from := s.window.end()
	if from == (eventlog.Cursor{}) {
		from, _ = s.logs.Tail()
		s.window.reset(from)
	}
	feed, err := s.logs.Read(ctx, from)
	if err != nil {
		if lostPlace(err) {
			s.window.reset(eventlog.Cursor{})
		}
		return fmt.Errorf("read the log after %s: %w", from, err)
	}
	defer feed.Close()
	for {
		record, err := feed.Next(ctx)
		if err != nil {
			if lostPlace(err) {
				s.window.reset(eventlog.Cursor{})
			}
			return fmt.Errorf("read the log: %w", err)
		}
		s.onRecord(newEntry(record))
	}
}

func (s *Server) onRecord(e *entry) {
	if e.record.Slice != nil && !s.waiters.idle() {
		for i, hash := range e.render().hashes {
			s.waiters.tell(motet.Fate{Hash: hash, State: motet.StatePreconfirmed, Block: e.record.Slice.Number, Index: uint64(i)})
		}
	}
	s.window.add(e)
	s.slices.publish(e)
}

// lostPlace reports whether a place in the log cannot be read on from, so that
// whoever held it has missed something.
func lostPlace(err error) bool {
	return errors.Is(err, eventlog.ErrGeneration) || errors.Is(err, eventlog.ErrTrimmed) || errors.Is(err, eventlog.ErrAhead)
}

// followPool passes accepted transactions on, and the fates of those that end
// without inclusion.
func (s *Server) followPool(ctx context.Context, sub *mempool.Subscription) error {
	defer sub.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sub.Ready():
		}
		events, lost := sub.Drain()
		if lost > 0 {
			s.log.Warn("pool events lost", "txs", lost)
		}
		var accepted []*motet.Tx
		for _, e := range events {
			switch {
			case e.Fate.Final():
				s.waiters.tell(e.Fate)
			case e.Fate.State == motet.StatePending:
				accepted = append(accepted, e.Tx)
			}
		}
		if len(accepted) > 0 {
			s.filters.onPool(accepted)
			s.hashes.publish(accepted)
		}
	}
}
