package chain

import (
	"context"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/core/types"
)

// importChunk is how many blocks Import inserts between two looks at the flush:
// few enough that geth does not write states to the disk by itself.
const importChunk = maxFlushBlocks / 2

// Import inserts blocks that any stock geth would accept, with geth's own
// processing, and makes them canonical. It returns how many of them the chain
// holds then. Blocks that it held before are passed over.
func (c *Chain) Import(ctx context.Context, blocks types.Blocks) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	// geth would make a known block the head again and undo those above it.
	inserted := 0
	for inserted < len(blocks) && c.BlockHash(blocks[inserted].NumberU64()) == blocks[inserted].Hash() {
		inserted++
	}
	for inserted < len(blocks) {
		if err := ctx.Err(); err != nil {
			return inserted, err
		}
		chunk := blocks[inserted:min(inserted+importChunk, len(blocks))]
		n, err := c.insert(chunk)
		inserted += n
		if err != nil {
			return inserted, err
		}
	}
	return inserted, nil
}

func (c *Chain) insert(chunk types.Blocks) (int, error) {
	n, err := c.bc.InsertChain(chunk)
	if err != nil {
		return n, fmt.Errorf("import block %d: %w", chunk[min(n, len(chunk)-1)].NumberU64(), err)
	}
	if err := c.maybeFlush(); err != nil {
		return len(chunk), err
	}
	if err := c.db.SyncKeyValue(); err != nil {
		return len(chunk), haltf(err, "sync chain store after block %d", c.Head().Number)
	}
	for _, block := range chunk {
		if c.subs.any() {
			c.subs.publish(Event{Block: block, Receipts: c.ReceiptsOf(block)})
		}
	}
	c.metrics.head.Set(float64(c.Head().Number.Uint64()))
	return len(chunk), nil
}

// Export writes the canonical blocks from first to last, both included, in the
// format that geth's export writes and its import reads: RLP, one after the other.
func (c *Chain) Export(w io.Writer, first, last uint64) error {
	if err := c.bc.ExportN(w, first, last); err != nil {
		return fmt.Errorf("export blocks %d to %d: %w", first, last, err)
	}
	return nil
}
