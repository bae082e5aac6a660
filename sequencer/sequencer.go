package sequencer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// Sequencer builds the chain. Recover must have returned before Run is called;
// the other methods are safe for concurrent use.
type Sequencer struct {
	config  Config
	deps    Deps
	metrics *metrics
	pending atomic.Pointer[Pending]
	mine    chan chan error // requests to Mine
	stopped chan struct{}   // closed when Run has returned

	// What follows belongs to the goroutine of Recover, then of Run.

	head     *types.Header // newest canonical block
	origin   motet.Origin  // of head
	epoch    uint64        // of this writer
	block    *openBlock    // nil: none is open
	flight   *flight       // the append under way, nil if none
	pace     pace
	returned []*motet.Tx  // taken out of the chain by REORG records while recovering
	mines    []chan error // requests that the next SEAL answers
	lastOpen time.Time    // when the newest block was opened
	retry    time.Time    // nothing is begun before
	away     bool         // the log was away at the last attempt
	sick     bool         // the chain store was not healthy when last asked
}

// Pending is the open block as the log holds it. It does not change any more;
// View is safe for concurrent use and outlives the block.
type Pending struct {
	Cursor eventlog.Cursor // of the newest record of the block
	Open   *motet.Open
	// Header has all fields that are known before the block is closed, and the
	// gas used so far.
	Header   *types.Header
	Txs      []*motet.Tx
	Receipts types.Receipts // without the block's hash
	View     state.Reader
}

// New returns a sequencer that has not begun.
func New(config Config, deps Deps) (*Sequencer, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.SecondOpinion && deps.Opinion == nil {
		return nil, errors.New("sequencer: a second opinion is wanted from nobody")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register sequencer metrics: %w", err)
	}
	return &Sequencer{
		config:  config,
		deps:    deps,
		metrics: m,
		mine:    make(chan chan error),
		stopped: make(chan struct{}),
		pace:    pace{target: config.SliceTime},
	}, nil
}

// Pending returns the open block, nil while none is open.
func (s *Sequencer) Pending() *Pending { return s.pending.Load() }

// ErrStopped is returned when the sequencer has stopped.
var ErrStopped = errors.New("sequencer has stopped")

// Mine seals a block as soon as what the pool holds is in it, even an empty one,
// and returns when it is canonical.
func (s *Sequencer) Mine(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case s.mine <- done:
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// expose publishes the open block, or that there is none.
func (s *Sequencer) expose() {
	b := s.block
	if b == nil || !b.logged {
		s.pending.Store(nil)
		return
	}
	header := types.CopyHeader(b.header)
	if n := len(b.receipts); n > 0 {
		header.GasUsed = b.receipts[n-1].CumulativeGasUsed
	}
	s.pending.Store(&Pending{
		Cursor:   b.cursor,
		Open:     b.open,
		Header:   header,
		Txs:      slices.Clip(b.txs),
		Receipts: slices.Clip(b.receipts),
		View:     b.view,
	})
}
