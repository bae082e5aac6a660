package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
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

	subs  subscribers
	lists lists

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
	stack, backend, err := openIndexed(&conf)
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

// haltf wraps an error after which the state of durable storage is not known.
func haltf(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", motet.ErrHalt, fmt.Sprintf(format, args...), err)
}
