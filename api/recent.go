package api

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// The recent cache holds the blocks that clients ask for: those of the last
// minute, or fewer when they are full.
const (
	recentBlocks       = 64
	recentTransactions = 200_000
)

// blockEvent is a sealed block that became canonical, or ceased to be.
type blockEvent struct {
	block    *types.Block
	receipts types.Receipts
	removed  bool
}

// place is where a transaction stands in a sealed block.
type place struct {
	block *blockEvent
	index int
}

// recent finds the receipts of recent blocks by transaction hash. geth would
// decode a whole block for each: 13 ms on one of 30,000 transactions.
type recent struct {
	mu     sync.RWMutex
	places map[common.Hash]place
	blocks []*blockEvent // oldest first
}

func newRecent() *recent {
	return &recent{places: make(map[common.Hash]place)}
}

func (r *recent) add(e *blockEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.removed {
		r.drop(e.block.Hash())
		return
	}
	for i, tx := range e.block.Transactions() {
		r.places[tx.Hash()] = place{e, i}
	}
	r.blocks = append(r.blocks, e)
	for len(r.blocks) > 1 && (len(r.blocks) > recentBlocks || len(r.places) > recentTransactions) {
		r.drop(r.blocks[0].block.Hash())
	}
}

// drop forgets a block. A transaction that another block holds by now stays.
func (r *recent) drop(hash common.Hash) {
	for i, e := range r.blocks {
		if e.block.Hash() != hash {
			continue
		}
		for _, tx := range e.block.Transactions() {
			if r.places[tx.Hash()].block == e {
				delete(r.places, tx.Hash())
			}
		}
		r.blocks = append(r.blocks[:i:i], r.blocks[i+1:]...)
		return
	}
}

// clear forgets everything, for when events were lost.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.places)
	r.blocks = nil
}

func (r *recent) find(hash common.Hash) (place, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p, ok := r.places[hash]
	return p, ok
}

// waiters wakes those who wait for something to happen to a transaction.
type waiters struct {
	mu sync.Mutex
	m  map[common.Hash]map[chan motet.Fate]struct{}
}

// add registers a waiter; remove must be called with the same channel.
func (w *waiters) add(hash common.Hash) chan motet.Fate {
	ch := make(chan motet.Fate, 4)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = make(map[common.Hash]map[chan motet.Fate]struct{})
	}
	if w.m[hash] == nil {
		w.m[hash] = make(map[chan motet.Fate]struct{})
	}
	w.m[hash][ch] = struct{}{}
	return ch
}

func (w *waiters) remove(hash common.Hash, ch chan motet.Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.m[hash], ch)
	if len(w.m[hash]) == 0 {
		delete(w.m, hash)
	}
}

// idle reports whether nobody waits, so that hashes need not be computed.
func (w *waiters) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.m) == 0
}

// tell wakes the waiters of a transaction. One that has not taken the last
// events asks again by itself, so a full channel is no loss.
func (w *waiters) tell(f motet.Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.m[f.Hash] {
		select {
		case ch <- f:
		default:
		}
	}
}
