package chain

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"

	"github.com/motet-evm/motet"
)

// flushState tells which states have reached the disk. Its fields, but for
// indexed, belong to the holder of Chain.mu.
type flushState struct {
	// flushed is the newest block whose state was handed to the disk writer,
	// durable the newest whose state is known to be on disk.
	flushed, durable motet.BlockRef
	root             common.Hash // state root of flushed
	oldest           time.Time   // when a block above flushed was first noticed; zero: there is none
	generation       uint64      // counts events that make open tries stale
	indexed          atomic.Bool // states below flushed can be read
}

// flushLoop flushes an idle chain and lets the finalized label follow the disk.
func (c *Chain) flushLoop(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(max(c.conf.FlushInterval/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !c.mu.TryLock() {
			continue // the writer is at work and flushes when it is due
		}
		if err := c.maybeFlush(); err != nil {
			c.log.Error("state flush broke", slog.Any("err", err))
		}
		c.mu.Unlock()
	}
}

// maybeFlush flushes if it is due, and takes notice of flushes that ended.
func (c *Chain) maybeFlush() error {
	if err := c.noticeFlushed(); err != nil {
		return err
	}
	head := c.Head()
	behind := head.Number.Uint64() - c.flush.flushed.Number
	c.metrics.unflushed.Set(float64(behind))
	switch {
	case behind == 0:
		c.flush.oldest = time.Time{} // also after a rollback
		return nil
	case c.flush.oldest.IsZero():
		c.flush.oldest = time.Now()
	}
	if !c.flushDue(behind) {
		return nil
	}
	return c.flushHead()
}

// indexGrace is how much longer than the flush interval states stay in memory
// while older ones could not be read. They may be twice as many as otherwise.
const indexGrace = 30 * time.Second

// flushDue decides about a flush with behind blocks above the last one.
//
// A flush turns the states below the head into history. It waits a little while
// geth's indexers are in their initial phase, in which nobody can read that. The
// first block does not wait: a geth that starts with blocks and no state but the
// genesis' takes itself for one whose snap sync was interrupted.
func (c *Chain) flushDue(behind uint64) bool {
	age := time.Since(c.flush.oldest)
	switch {
	case behind >= min(2*c.conf.FlushBlocks, maxFlushBlocks) || c.flush.flushed.Number == 0:
		return true
	case behind < c.conf.FlushBlocks && age < c.conf.FlushInterval:
		return false
	default:
		return age >= c.conf.FlushInterval+indexGrace || c.historyReadable()
	}
}

// historyReadable reports whether states that are no layers any more can be read.
func (c *Chain) historyReadable() bool {
	if !c.flush.indexed.Load() {
		c.flush.indexed.Store(!indexing(c.bc))
	}
	return c.flush.indexed.Load()
}

// flushHead hands the head's state to the disk writer. It returns before the
// write has ended, but not before the one of the flush before it has.
//
// The flush drops every state but the head's from memory, so it happens only
// between blocks and only with the head's root.
func (c *Chain) flushHead() error {
	head := c.Head()
	if head.Root == c.flush.root {
		c.flush.flushed, c.flush.oldest = motet.RefOf(head), time.Time{}
		return nil
	}
	start := time.Now()
	if err := c.bc.TrieDB().Commit(head.Root, false); err != nil {
		return haltf(err, "flush state of block %d", head.Number)
	}
	c.metrics.flushSeconds.Observe(time.Since(start).Seconds())
	c.flush.flushed, c.flush.root, c.flush.oldest = motet.RefOf(head), head.Root, time.Time{}
	c.flush.generation++
	return nil
}

// noticeFlushed finds out whether the last flush is on disk, and if so makes it
// durable and lets the finalized label pass on.
func (c *Chain) noticeFlushed() error {
	if c.flush.durable == c.flush.flushed || rawdb.ReadSnapshotRoot(c.db) != c.flush.root {
		return nil
	}
	if err := c.db.SyncKeyValue(); err != nil {
		return haltf(err, "sync chain store")
	}
	c.flush.durable = c.flush.flushed
	c.applyFinalized()
	return nil
}
