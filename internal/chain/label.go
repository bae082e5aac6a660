package chain

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// labels are what Label was told. geth's own finalized label may lag behind.
type labels struct {
	safe, finalized *types.Header
}

// Heads returns the newest block and the labels. Before the first Label, safe
// and finalized are what geth remembers, or the genesis.
func (c *Chain) Heads() motet.Heads {
	genesis := motet.RefOf(c.Genesis().Header())
	heads := motet.Heads{Unsafe: motet.RefOf(c.Head()), Safe: genesis, Finalized: genesis}
	if h := c.bc.CurrentSafeBlock(); h != nil {
		heads.Safe = motet.RefOf(h)
	}
	if h := c.bc.CurrentFinalBlock(); h != nil {
		heads.Finalized = motet.RefOf(h)
	}
	return heads
}

// Label names the newest safe and the newest finalized block. Both must be
// canonical; a finalized label that lies below the one in force is ignored.
// What geth shows as finalized follows once that block's state is on disk.
func (c *Chain) Label(safe, finalized motet.BlockRef) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	safeHeader, err := c.canonical(safe)
	if err != nil {
		return fmt.Errorf("label safe: %w", err)
	}
	finalHeader, err := c.canonical(finalized)
	if err != nil {
		return fmt.Errorf("label finalized: %w", err)
	}
	if finalized.Number > safe.Number {
		return fmt.Errorf("label: finalized block %d is above safe block %d", finalized.Number, safe.Number)
	}
	c.labels = labels{safe: safeHeader, finalized: finalHeader}
	c.bc.SetSafe(safeHeader)
	c.applyFinalized()
	return nil
}

// canonical returns the header of a block that must be canonical.
func (c *Chain) canonical(ref motet.BlockRef) (*types.Header, error) {
	h := c.HeaderByNumber(ref.Number)
	if h == nil || h.Hash() != ref.Hash {
		return nil, fmt.Errorf("block %d %s: %w", ref.Number, ref.Hash, ErrNotCanonical)
	}
	return h, nil
}

// applyFinalized moves geth's finalized label as far as it may go: to the one
// that Label was told, but not above the newest state that is on disk.
func (c *Chain) applyFinalized() {
	want := c.labels.finalized
	if want == nil {
		return
	}
	if want.Number.Uint64() > c.flush.durable.Number {
		want = c.bc.GetHeaderByNumber(c.flush.durable.Number)
	}
	if now := c.bc.CurrentFinalBlock(); now == nil || want.Number.Cmp(now.Number) > 0 {
		c.bc.SetFinalized(want)
	}
}

// Rollback makes an ancestor the head. The blocks above it stay stored but are
// no longer canonical; subscribers get them, newest first, with Removed set.
// A finalized block cannot be undone.
func (c *Chain) Rollback(ctx context.Context, to motet.BlockRef) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	target, err := c.canonical(to)
	if err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	if final := c.bc.CurrentFinalBlock(); final != nil && to.Number < final.Number.Uint64() {
		return fmt.Errorf("roll back to block %d below %d: %w", to.Number, final.Number, ErrFinalized)
	}
	head := c.Head()
	if head.Hash() == to.Hash {
		return nil
	}
	removed := c.removedEvents(to.Number)
	c.lowerLabels(target)
	if _, err := c.bc.SetCanonical(c.bc.GetBlock(to.Hash, to.Number)); err != nil {
		return haltf(err, "roll back to block %d", to.Number)
	}
	if err := c.db.SyncKeyValue(); err != nil {
		return haltf(err, "sync rollback to block %d", to.Number)
	}
	if to.Number < c.flush.flushed.Number {
		// geth undid the states on disk, one by one, and synced them.
		c.flush.flushed, c.flush.root = to, target.Root
		c.flush.durable = to
	}
	c.flush.generation++
	c.log.Info("rolled back", slog.Uint64("block", to.Number), slog.Uint64("blocks", head.Number.Uint64()-to.Number))
	c.metrics.head.Set(float64(to.Number))
	for _, ev := range removed {
		c.subs.publish(ev)
	}
	return nil
}

// removedEvents returns the blocks above number, newest first.
func (c *Chain) removedEvents(number uint64) []Event {
	if !c.subs.any() {
		return nil
	}
	var events []Event
	for n := c.Head().Number.Uint64(); n > number; n-- {
		block := c.bc.GetBlockByNumber(n)
		events = append(events, Event{Block: block, Receipts: c.ReceiptsOf(block), Removed: true})
	}
	return events
}

// lowerLabels keeps the labels at or below the new head.
func (c *Chain) lowerLabels(head *types.Header) {
	if safe := c.bc.CurrentSafeBlock(); safe != nil && safe.Number.Cmp(head.Number) > 0 {
		c.bc.SetSafe(head)
	}
	if f := c.labels.finalized; f != nil && f.Number.Cmp(head.Number) > 0 {
		c.labels.finalized = head
	}
}
