package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
)

// Chain is the chain store. Its methods are safe for concurrent use; those that
// write exclude one another.
type Chain struct {
	conf    Config
	log     *slog.Logger
	metrics *metrics
	execute func(context.Context, BlockEnv) (*motet.Outcome, error)

	stack   *node.Node
	eth     *eth.Ethereum
	bc      *core.BlockChain
	db      ethdb.Database
	states  state.Database    // states that the path database still holds as layers
	history *state.HistoricDB // older states, through the history index

	subs subscribers

	stop context.CancelFunc // ends the flush loop
	done chan struct{}      // closed when it has ended

	mu     sync.Mutex // the writer's
	closed bool
	flush  flushState
	labels labels
}

// Open starts the embedded node on conf.DataDir, creating the chain from its
// genesis if the directory is empty, and brings the state up to the head. On a
// chain that crashed that means executing up to conf.FlushBlocks blocks again.
func Open(ctx context.Context, conf Config, deps Deps) (*Chain, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	conf = conf.withDefaults()
	routeGethLog(deps.Log)
	stack, backend, err := startNode(&conf)
	if err != nil {
		return nil, err
	}
	bc := backend.BlockChain()
	c := &Chain{
		conf:    conf,
		log:     deps.Log,
		metrics: newMetrics(deps.Registerer),
		execute: deps.Execute,
		stack:   stack,
		eth:     backend,
		bc:      bc,
		db:      backend.ChainDb(),
		states:  state.NewDatabase(bc.TrieDB(), bc.CodeDB()),
		history: state.NewHistoricDatabase(bc.TrieDB(), bc.CodeDB()),
		done:    make(chan struct{}),
	}
	c.subs.lost = c.metrics.lostEvents
	if err := c.recover(ctx); err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	loopCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.flushLoop(loopCtx)
	return c, nil
}

// Close flushes the state and stops the node. Subscriptions end. Calling it
// again does nothing.
func (c *Chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.stop()
	<-c.done
	c.subs.close()
	err := c.flushHead()
	if syncErr := c.db.SyncKeyValue(); syncErr != nil {
		err = errors.Join(err, fmt.Errorf("sync chain store: %w", syncErr))
	}
	return errors.Join(err, c.stack.Close())
}

// ChainConfig returns the fork rules of the chain.
func (c *Chain) ChainConfig() *params.ChainConfig { return c.bc.Config() }

// Genesis returns block 0.
func (c *Chain) Genesis() *types.Block { return c.bc.Genesis() }

// Head returns the header of the newest block.
func (c *Chain) Head() *types.Header { return c.bc.CurrentBlock() }

// HeaderByNumber returns the canonical header with that number, or nil.
func (c *Chain) HeaderByNumber(n uint64) *types.Header {
	if n > c.Head().Number.Uint64() {
		return nil
	}
	return c.bc.GetHeaderByNumber(n)
}

// BlockByNumber returns the canonical block with that number, or nil.
func (c *Chain) BlockByNumber(n uint64) *types.Block {
	if n > c.Head().Number.Uint64() {
		return nil
	}
	return c.bc.GetBlockByNumber(n)
}

// BlockByHash returns the block with that hash, canonical or not, or nil.
func (c *Chain) BlockByHash(hash common.Hash) *types.Block { return c.bc.GetBlockByHash(hash) }

// BlockHash returns the hash of the canonical block with that number, or zero.
func (c *Chain) BlockHash(n uint64) common.Hash {
	if n > c.Head().Number.Uint64() {
		return common.Hash{}
	}
	return c.bc.GetCanonicalHash(n)
}

// ReceiptsOf returns the receipts of a stored block with all fields derived.
func (c *Chain) ReceiptsOf(block *types.Block) types.Receipts {
	return c.bc.GetReceiptsByHash(block.Hash())
}

// TransactionBlock returns where the canonical chain holds a transaction.
func (c *Chain) TransactionBlock(tx common.Hash) (block motet.BlockRef, index uint64, ok bool) {
	entry, _ := c.bc.GetCanonicalTransaction(tx)
	if entry == nil {
		return motet.BlockRef{}, 0, false
	}
	return motet.BlockRef{Number: entry.BlockIndex, Hash: entry.BlockHash}, entry.Index, true
}

// Backend gives access to the embedded node for go-ethereum's own libraries
// (filters, gas estimator, tracers). It must be used for reading only.
func (c *Chain) Backend() *eth.EthAPIBackend { return c.eth.APIBackend }

// Import inserts blocks that any stock geth would accept, with geth's own
// processing, and makes them canonical. It returns how many were inserted.
func (c *Chain) Import(ctx context.Context, blocks types.Blocks) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	inserted := 0
	for inserted < len(blocks) {
		if err := ctx.Err(); err != nil {
			return inserted, err
		}
		chunk := blocks[inserted:min(inserted+int(c.conf.FlushBlocks), len(blocks))]
		n, err := c.importChunk(chunk)
		inserted += n
		if err != nil {
			return inserted, err
		}
	}
	return inserted, nil
}

func (c *Chain) importChunk(chunk types.Blocks) (int, error) {
	before := c.Head()
	n, err := c.bc.InsertChain(chunk)
	if err != nil {
		return n, fmt.Errorf("import block %d: %w", chunk[min(n, len(chunk)-1)].NumberU64(), err)
	}
	if c.Head().Hash() == before.Hash() {
		return len(chunk), nil // all were known
	}
	if err := c.flushHead(); err != nil {
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

// haltf wraps an error after which the state of durable storage is not known.
func haltf(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", motet.ErrHalt, fmt.Sprintf(format, args...), err)
}

// flushState tells which states have reached the disk. Its fields belong to the
// holder of Chain.mu.
type flushState struct {
	// flushed is the newest block whose state was handed to the disk writer,
	// durable the newest whose state is known to be on disk.
	flushed, durable motet.BlockRef
	root             common.Hash // state root of flushed
	oldest           time.Time   // when the first block above flushed was committed
	generation       uint64      // counts events that make open tries stale
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
	if behind == 0 || behind < c.conf.FlushBlocks && time.Since(c.flush.oldest) < c.conf.FlushInterval {
		return nil
	}
	return c.flushHead()
}

// flushHead hands the head's state to the disk writer. It returns before the
// write has ended, but not before the one of the flush before it has.
//
// The flush drops every state but the head's from memory, so it happens only
// between blocks and only with the head's root.
func (c *Chain) flushHead() error {
	head := c.Head()
	if head.Root == c.flush.root {
		c.flush.flushed = motet.RefOf(head)
		return nil
	}
	start := time.Now()
	if err := c.bc.TrieDB().Commit(head.Root, false); err != nil {
		return haltf(err, "flush state of block %d", head.Number)
	}
	c.metrics.flushSeconds.Observe(time.Since(start).Seconds())
	c.flush.flushed, c.flush.root = motet.RefOf(head), head.Root
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
