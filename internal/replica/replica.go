package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/internal/telemetry"
)

// L1 is what derivation reads, implemented by l1bridge.Reader.
type L1 interface {
	Head(ctx context.Context) (motet.Origin, error)
	Finalized(ctx context.Context) (motet.Origin, error)
	// Block returns an error that wraps ethereum.NotFound if L1 has no such
	// block (any more).
	Block(ctx context.Context, number uint64) (*motet.L1Block, error)
}

// Chain is the chain store, implemented by chain.Chain.
type Chain interface {
	ChainConfig() *params.ChainConfig
	Genesis() *types.Block
	Head() *types.Header
	HeaderByNumber(n uint64) *types.Header
	BlockHash(n uint64) common.Hash
	StateAt(root common.Hash) (state.Reader, error)
	Seal(parent *types.Header, out *motet.Outcome) (*chain.Sealed, error)
	Commit(ctx context.Context, s *chain.Sealed) error
	Rollback(ctx context.Context, to motet.BlockRef) error
	Heads() motet.Heads
	Label(safe, finalized motet.BlockRef) error
}

// Config configures a Replica.
type Config struct {
	// Build says that the chain is built from L1 and has no other writer.
	Build bool
	// Checkpoint is the file that keeps how far derivation has come; empty for
	// none.
	Checkpoint string
	// PollInterval is the time between looks at L1; 0 means 250 ms.
	PollInterval time.Duration
}

// Deps are what a Replica needs from outside.
type Deps struct {
	Rollup *motet.Rollup
	L1     L1
	Chain  Chain
	// Executor executes blocks. It is needed with Config.Build only.
	Executor   executor.Executor
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Replica derives the chain from L1. Its methods but Run may be called at any
// time.
type Replica struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	outage  telemetry.Outage

	// Owned by Run.
	points    []point // one per L1 block that is not final, oldest first
	finalized motet.BlockRef
	finalL1   uint64
	saved     uint64 // L1 block of the checkpoint on disk
	reorged   bool   // safe may fall back

	mu       sync.Mutex
	progress Progress
	ends     []end  // of the batches that this run derived, oldest first
	begun    uint64 // the block up to which ends has nothing to say
}

// point is the state after an L1 block.
type point struct {
	l1    motet.BlockRef
	state derive.State
	safe  motet.BlockRef
	acc   common.Hash // of the last batch
}

// end is the last block that a batch completes.
type end struct{ batch, block uint64 }

// Progress says how far derivation has come.
type Progress struct {
	// L1 is the newest L1 block that was derived, Head the newest one seen.
	L1   motet.BlockRef `json:"l1"`
	Head uint64         `json:"l1_head"`
	// Safe is the last complete block.
	Safe motet.BlockRef `json:"safe"`
	// Next is where the next batch must start, NextBatch its index. Acc is the
	// Inbox's accumulator after the batch before it.
	Next      derive.Position `json:"next"`
	NextBatch uint64          `json:"next_batch"`
	Acc       common.Hash     `json:"acc"`
}

const (
	defaultPoll = 250 * time.Millisecond
	// maxPoints bounds how deep an L1 reorg is undone without starting over.
	maxPoints = 4096
	// maxEnds bounds how many batches BatchOf knows.
	maxEnds = 1 << 16
)

// New returns a Replica. The first to act is Run.
func New(cfg Config, deps Deps) (*Replica, error) {
	if cfg.PollInterval == 0 {
		cfg.PollInterval = defaultPoll
	}
	if cfg.Build && deps.Executor == nil {
		return nil, errors.New("a replica that builds needs an executor")
	}
	if got := deps.Chain.Genesis().Hash(); got != deps.Rollup.GenesisHash {
		return nil, fmt.Errorf("chain has genesis %s, rollup config names %s: %w", got, deps.Rollup.GenesisHash, motet.ErrHalt)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Replica{cfg: cfg, deps: deps, metrics: m}, nil
}

// Progress returns how far derivation has come; the zero value until the first
// L1 block.
func (r *Replica) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// BatchOf returns the index of the batch that completed a block. It reports
// false for a block that is not safe, and for one that an earlier run derived.
func (r *Replica) BatchOf(block uint64) (batch uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := slices.BinarySearchFunc(r.ends, block, func(e end, n uint64) int { return cmp.Compare(e.block, n) })
	if i == len(r.ends) || block <= r.begun {
		return 0, false
	}
	return r.ends[i].batch, true
}

// Outage returns why and since when derivation does not get on, in one line; ""
// while it does.
func (r *Replica) Outage() (reason string, since time.Time) { return r.outage.State() }

// Run follows L1 until ctx ends, over outages of L1. An error that wraps
// motet.ErrHalt says that L1 and the chain contradict each other; nothing else
// ends it, since blocks go on without L1.
func (r *Replica) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.PollInterval)
	defer tick.Stop()
	var quiet string // what was logged last: an outage is one line
	for {
		err := r.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.outage.Note(err)
		switch {
		case errors.Is(err, motet.ErrHalt):
			return err
		case err == nil:
			if quiet != "" {
				r.deps.Log.Info("derivation goes on")
			}
			quiet = ""
		case errors.Is(err, motet.ErrUnavailable) || errors.Is(err, ethereum.NotFound):
			if quiet != "away" {
				r.deps.Log.Warn("derivation waits for L1", slog.Any("err", err))
			}
			quiet = "away"
		default:
			if quiet != err.Error() {
				r.deps.Log.Error("derivation does not get on", slog.Any("err", err))
			}
			quiet = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Replica) round(ctx context.Context) error {
	if r.points == nil {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	return r.follow(ctx)
}

// begin finds where to go on from.
func (r *Replica) begin(ctx context.Context) error {
	genesis := motet.RefOf(r.deps.Chain.Genesis().Header())
	p, err := r.load(ctx)
	if err != nil {
		return err
	}
	if p == nil {
		p = &point{state: derive.New(r.deps.Rollup, r.deps.Chain.Genesis().Time()), safe: genesis}
	} else {
		r.finalL1, r.saved = p.l1.Number, p.l1.Number
		r.deps.Log.Info("derivation resumes", slog.Uint64("l1_block", p.l1.Number), slog.Uint64("block", p.safe.Number))
	}
	r.points, r.finalized, r.begun = []point{*p}, p.safe, p.safe.Number
	return nil
}

func (r *Replica) last() *point { return &r.points[len(r.points)-1] }

// follow derives all that L1 has to offer now.
func (r *Replica) follow(ctx context.Context) error {
	head, err := r.deps.L1.Head(ctx)
	if err != nil {
		return err
	}
	if at := r.last().l1; at != (motet.BlockRef{}) && head.Number <= at.Number && head.Hash != at.Hash {
		if _, err := r.rewind(ctx); err != nil {
			return err
		}
	}
	for r.last().state.NextL1() <= head.Number {
		block, err := r.deps.L1.Block(ctx, r.last().state.NextL1())
		if err != nil {
			return err
		}
		err = r.step(ctx, block)
		if errors.Is(err, derive.ErrReorg) {
			rewound, rerr := r.rewind(ctx)
			switch {
			case rerr != nil:
				return rerr
			case rewound:
				continue
			case r.last().l1 == (motet.BlockRef{}):
				return fmt.Errorf("L1 is not the one that the rollup began on: %w (%w)", err, motet.ErrHalt)
			}
			return nil // L1's answers do not fit together now: look again later
		}
		if err != nil {
			return err
		}
		r.note(head.Number)
		if err := r.label(false); err != nil {
			return err
		}
	}
	if err := r.finalize(ctx); err != nil {
		return err
	}
	r.note(head.Number)
	return r.label(true)
}

// step derives one L1 block.
func (r *Replica) step(ctx context.Context, block *motet.L1Block) error {
	next := *r.last()
	var err error
	if next.state, err = next.state.Extend(block); err != nil {
		return err
	}
	next.l1 = motet.BlockRef{Number: block.Origin.Number, Hash: block.Origin.Hash}
	var ends []end
	for i := range block.Batches {
		before := next.safe.Number
		if err := r.batch(ctx, &next, &block.Batches[i]); err != nil {
			return err
		}
		if next.safe.Number > before {
			ends = append(ends, end{batch: block.Batches[i].Index, block: next.safe.Number})
		}
	}
	r.points = append(r.points, next)
	r.remember(ends)
	if len(r.points) > maxPoints {
		r.points = append([]point(nil), r.points[len(r.points)-maxPoints:]...)
	}
	return nil
}

// remember adds to what BatchOf knows.
func (r *Replica) remember(ends []end) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = append(r.ends, ends...)
	if drop := len(r.ends) - maxEnds; drop > 0 {
		r.begun = r.ends[drop-1].block
		r.ends = append([]end(nil), r.ends[drop:]...)
	}
}

// forget takes what lies above a block from what BatchOf knows.
func (r *Replica) forget(above uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ends) > 0 && r.ends[len(r.ends)-1].block > above {
		r.ends = r.ends[:len(r.ends)-1]
	}
}

// batch derives one batch and moves p if it is valid.
func (r *Replica) batch(ctx context.Context, p *point, b *motet.PostedBatch) error {
	p.acc = b.Acc
	after, derived, err := p.state.Apply(b)
	switch {
	case errors.Is(err, derive.ErrInvalid):
		p.state = after
		r.invalid(b, err)
		return nil
	case err != nil:
		return fmt.Errorf("derive L1 block %d: %w (%w)", p.l1.Number, err, motet.ErrHalt)
	}
	refused, err := r.realize(ctx, p.safe, derived)
	switch {
	case err != nil:
		return fmt.Errorf("derive batch %d: %w", b.Index, err)
	case refused != nil:
		p.state = p.state.Refuse()
		r.invalid(b, refused)
		return nil
	}
	p.state = after
	if len(derived.Blocks) > 0 {
		p.safe = derived.Last
	}
	r.metrics.batches.WithLabelValues("valid").Inc()
	r.deps.Log.Debug("batch derived", slog.Uint64("batch", b.Index), slog.Uint64("block", p.safe.Number), slog.Uint64("l1_block", p.l1.Number))
	return nil
}

func (r *Replica) invalid(b *motet.PostedBatch, reason error) {
	r.metrics.batches.WithLabelValues("invalid").Inc()
	r.deps.Log.Warn("batch derives to nothing", slog.Uint64("batch", b.Index), slog.String("l1_tx", b.TxHash.Hex()), slog.Any("err", reason))
}

var errDeepReorg = errors.New("L1 reorganised deeper than what can be undone")

// rewind goes back to the newest L1 block that L1 still holds. It does nothing
// unless L1 shows another block in the place of one that was derived, and reports
// whether it did.
func (r *Replica) rewind(ctx context.Context) (bool, error) {
	keep, replaced := len(r.points)-1, false
	for ; keep >= 0; keep-- {
		p := &r.points[keep]
		if p.l1 == (motet.BlockRef{}) {
			break // before the first L1 block
		}
		b, err := r.deps.L1.Block(ctx, p.l1.Number)
		if errors.Is(err, ethereum.NotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if b.Origin.Hash == p.l1.Hash {
			break
		}
		replaced = true
	}
	if !replaced {
		return false, nil // L1 is behind, or its node is
	}
	if keep < 0 {
		return false, fmt.Errorf("%w (%w)", errDeepReorg, motet.ErrHalt)
	}
	r.deps.Log.Warn("L1 reorganised", slog.Uint64("l1_block", r.points[keep].l1.Number), slog.Int("blocks", len(r.points)-1-keep))
	r.points = r.points[:keep+1]
	r.forget(r.last().safe.Number)
	r.reorged = true
	r.metrics.reorgs.Inc()
	return true, nil
}

// note publishes the progress.
func (r *Replica) note(head uint64) {
	last := r.last()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = Progress{
		L1: last.l1, Head: head, Safe: last.safe, Next: last.state.Next(), NextBatch: last.state.NextBatch(), Acc: last.acc,
	}
	r.metrics.l1Block.Set(float64(last.l1.Number))
	r.metrics.safe.Set(float64(last.safe.Number))
}

// finalize moves the finalized block to the last one of a batch in a block that
// L1 calls final, and keeps a checkpoint of that point.
func (r *Replica) finalize(ctx context.Context) error {
	l1, err := r.deps.L1.Finalized(ctx)
	if err != nil {
		return err
	}
	final := -1
	for i := range r.points {
		if r.points[i].l1.Number <= l1.Number && r.points[i].l1 != (motet.BlockRef{}) {
			final = i
		}
	}
	if final < 0 || r.points[final].l1.Number <= r.finalL1 {
		return nil
	}
	// What was derived may lie on another fork by now, and final is for good.
	p := r.points[final]
	if p.l1.Number < l1.Number {
		b, err := r.deps.L1.Block(ctx, p.l1.Number)
		if err != nil {
			return err
		}
		l1 = b.Origin
	}
	if p.l1.Hash != l1.Hash {
		return nil
	}
	r.finalized, r.finalL1 = p.safe, p.l1.Number
	r.points = append([]point(nil), r.points[final:]...)
	r.save(&p)
	return nil
}

// label tells the chain. While L1 is still being caught up with, what an earlier
// run found safe stays so.
func (r *Replica) label(caughtUp bool) error {
	safe, now := r.last().safe, r.deps.Chain.Heads()
	if safe.Number < now.Safe.Number && !caughtUp && !r.reorged {
		return nil
	}
	r.reorged = r.reorged && !caughtUp
	finalized := r.finalized
	if finalized.Number < now.Finalized.Number {
		finalized = now.Finalized
	}
	if safe == now.Safe && finalized == now.Finalized || finalized.Number > safe.Number {
		return nil
	}
	if err := r.deps.Chain.Label(safe, finalized); err != nil {
		return fmt.Errorf("label block %d safe, %d finalized: %w", safe.Number, finalized.Number, err)
	}
	return nil
}
