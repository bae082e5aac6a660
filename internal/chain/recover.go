package chain

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// slowRecovery is when a recovery is not to be done again after the next crash,
// at the price of recent states that cannot be read until geth has indexed them.
const slowRecovery = 500 * time.Millisecond

// recover brings the state up to the newest canonical block. After a crash geth
// has moved its head back to the newest state on disk; the blocks above it are
// still stored, and their canonical marks tell where the head was.
func (c *Chain) recover(ctx context.Context) error {
	if err := c.mendHead(); err != nil {
		return err
	}
	head := c.Head()
	c.flush.flushed, c.flush.root = motet.RefOf(head), head.Root
	c.flush.durable = c.flush.flushed
	if c.bc.CurrentFinalBlock() == nil {
		genesis := c.Genesis().Header()
		c.bc.SetFinalized(genesis)
		c.bc.SetSafe(genesis)
	}
	start, first := time.Now(), head.Number.Uint64()+1
	n := first
	for ; ; n++ {
		block := c.bc.GetBlockByNumber(n)
		if block == nil || block.ParentHash() != c.Head().Hash() {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("recover block %d: %w", n, err)
		}
		if err := c.recoverBlock(ctx, block); err != nil {
			return fmt.Errorf("recover block %d: %w", n, err)
		}
		c.metrics.recovered.Inc()
	}
	if n > first {
		elapsed := time.Since(start)
		c.log.Info("state recovered", slog.Uint64("block", n-1), slog.Uint64("blocks", n-first), slog.Duration("elapsed", elapsed))
		if elapsed > slowRecovery {
			if err := c.flushHead(); err != nil {
				return err
			}
		}
	}
	c.metrics.head.Set(float64(c.Head().Number.Uint64()))
	return nil
}

// mendHead completes a rollback that a crash interrupted after geth had removed
// the canonical marks of the blocks to undo and before it had moved its head.
func (c *Chain) mendHead() error {
	h := c.Head()
	for c.bc.GetCanonicalHash(h.Number.Uint64()) != h.Hash() {
		if h = c.bc.GetHeader(h.ParentHash, h.Number.Uint64()-1); h == nil {
			return fmt.Errorf("%w: no ancestor of head %s is canonical", motet.ErrHalt, c.Head().Hash())
		}
	}
	if h.Hash() == c.Head().Hash() {
		return nil
	}
	if _, err := c.bc.SetCanonical(c.bc.GetBlock(h.Hash(), h.Number.Uint64())); err != nil {
		return haltf(err, "complete rollback to block %d", h.Number)
	}
	return nil
}

// recoverBlock executes a stored block again, since memory held its state.
func (c *Chain) recoverBlock(ctx context.Context, block *types.Block) error {
	if c.execute == nil || block.Difficulty().Sign() != 0 {
		// geth executes what has no state when it is made canonical.
		if _, err := c.bc.SetCanonical(block); err != nil {
			return err
		}
		return c.maybeFlush()
	}
	parent := c.Head()
	reader, err := c.StateAt(parent.Root)
	if err != nil {
		return err
	}
	out, err := c.execute(ctx, BlockEnv{Block: block, Parent: parent, State: reader, BlockHash: c.BlockHash})
	if err != nil {
		return err
	}
	out.Header = block.Header() // the block exists: Seal must give its hash
	sealed, err := c.seal(parent, out)
	if err != nil {
		return fmt.Errorf("%w: %w", motet.ErrHalt, err)
	}
	if err := c.commit(sealed); err != nil {
		return err
	}
	return c.maybeFlush()
}
