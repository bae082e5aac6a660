package api

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

// Deps are the parts that a server speaks for. Chain is required. Without a
// Pool nothing can be submitted, without a Sequencer the pending block is an
// empty one on top of the head, without Events there are no slices and no event
// stream: what a chain that is only looked at (motet dev --no-mining) needs.
type Deps struct {
	Chain     *chain.Chain
	Pool      *mempool.Pool
	Sequencer Sequencer
	Events    *eventlog.Log
	// Posted returns the number of the newest block of which L1 holds all; nil
	// if nothing is posted.
	Posted func() uint64
	// Reports tell how blocks were executed; nil on a node that executes none.
	Reports    *report.History
	Checks     []Check
	Notes      []Note
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
}

// Sequencer is what the edge asks of the sequencer.
type Sequencer interface {
	// Pending returns the open block, nil if none is open.
	Pending() *Pending
	// Mine seals a block now, even an empty one, and returns when it is
	// canonical.
	Mine(ctx context.Context) error
}
