package report

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits bound what a history keeps.
type Limits struct {
	Blocks int
	Bytes  int // of all reports together
}

// DefaultLimits keep about a thousand blocks, fewer when they are large: one of
// 30,000 plain transfers takes about 0.2 MB, one of as many token transfers 0.5.
func DefaultLimits() Limits { return Limits{Blocks: 1024, Bytes: 64 << 20} }

// History keeps the reports of the newest blocks in memory and counts what they
// say as metrics. It is safe for concurrent use.
type History struct {
	limits  Limits
	metrics *metrics

	mu     sync.Mutex
	blocks map[common.Hash]*Block
	order  []common.Hash // oldest first
	bytes  int
}

// NewHistory returns an empty history. A nil registerer registers no metrics.
func NewHistory(limits Limits, r prometheus.Registerer) (*History, error) {
	if limits.Blocks < 1 || limits.Bytes < 1 {
		return nil, errors.New("report: a history must have room for a block")
	}
	h := &History{limits: limits, blocks: make(map[common.Hash]*Block)}
	h.metrics = newMetrics(h)
	if err := h.metrics.register(r); err != nil {
		return nil, fmt.Errorf("register execution metrics: %w", err)
	}
	return h, nil
}

// Add keeps the report of a block, and forgets the oldest ones beyond the
// limits; one that exceeds them alone is counted and not kept.
func (h *History) Add(hash common.Hash, b *Block) {
	h.metrics.count(b)
	h.mu.Lock()
	defer h.mu.Unlock()
	if before, known := h.blocks[hash]; known {
		h.bytes -= before.Bytes()
	} else {
		h.order = append(h.order, hash)
	}
	h.blocks[hash] = b
	h.bytes += b.Bytes()
	for len(h.order) > h.limits.Blocks || h.bytes > h.limits.Bytes {
		oldest := h.order[0]
		h.order = h.order[1:]
		h.bytes -= h.blocks[oldest].Bytes()
		delete(h.blocks, oldest)
	}
}

// Block returns the report of the block with the given hash, nil if it is not
// kept.
func (h *History) Block(hash common.Hash) *Block {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.blocks[hash]
}

// Limits returns what bounds the history.
func (h *History) Limits() Limits { return h.limits }

func (h *History) size() (blocks, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.order), h.bytes
}
