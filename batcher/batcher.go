package batcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/l1bridge"
)

// Config configures a Batcher.
type Config struct {
	// StateFile keeps the batch that is under way.
	StateFile string
	// MaxLag is how long a sealed block may wait before a batch is posted that
	// is not full; 0 posts at once.
	MaxLag time.Duration
	// MaxPayload bounds a batch; 0 means what fits one L1 transaction.
	MaxPayload int
	// Codec compresses batches; the zero value leaves them as they are.
	Codec batchcodec.Codec
	// PollInterval is the time between looks at the chain; 0 means 100 ms.
	PollInterval time.Duration
	// RetryAfter is the pause after L1 refused a batch for good; 0 means 15 s.
	RetryAfter time.Duration
	// ResendAfter is how long a sent batch may stay unmined before it is sent
	// again; 0 means 30 s.
	ResendAfter time.Duration
}

// Validate reports settings that cannot work.
func (c *Config) Validate() error {
	switch {
	case c.MaxPayload < 0 || c.MaxPayload > l1bridge.MaxPayload:
		return fmt.Errorf("batch size %d is not in 0..%d", c.MaxPayload, l1bridge.MaxPayload)
	case c.MaxLag < 0 || c.PollInterval < 0 || c.RetryAfter < 0 || c.ResendAfter < 0:
		return errors.New("batcher: durations must not be negative")
	case c.Codec > batchcodec.Zstd:
		return fmt.Errorf("batcher: no codec %d", c.Codec)
	default:
		return nil
	}
}

const (
	defaultPoll   = 100 * time.Millisecond
	defaultRetry  = 15 * time.Second
	defaultResend = 30 * time.Second
)

func (c Config) withDefaults() Config {
	if c.MaxPayload == 0 {
		c.MaxPayload = l1bridge.MaxPayload
	}
	if c.PollInterval == 0 {
		c.PollInterval = defaultPoll
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = defaultRetry
	}
	if c.ResendAfter == 0 {
		c.ResendAfter = defaultResend
	}
	return c
}

// Chain is what is posted, implemented by chain.Chain.
type Chain interface {
	Head() *types.Header
	BlockByNumber(n uint64) *types.Block
}

// Inbox is where it is posted to, implemented by l1bridge.Inbox.
type Inbox interface {
	Next(ctx context.Context) (l1bridge.Tip, error)
	Prepare(ctx context.Context, b l1bridge.Batch) (*l1bridge.Signed, error)
	Send(ctx context.Context, s *l1bridge.Signed) error
	Wait(ctx context.Context, hash common.Hash) (*types.Receipt, error)
}

// Derived says how far derivation has come.
type Derived struct {
	// L1 is the newest L1 block.
	L1 uint64
	// Index and Acc are what the Inbox's tip is if L1 holds no more batches than
	// those derived.
	Index uint64
	Acc   common.Hash
	// Next is where the next batch must start; Block is 0 while that is not
	// known.
	Next derive.Position
}

// at tells whether derivation has come to just that tip of the Inbox. Numbers
// alone do not show it: two forks of L1 may hold different batches of one index.
func (d *Derived) at(tip l1bridge.Tip) bool {
	return d.Next.Block != 0 && d.Index == tip.Index && d.Acc == tip.Acc
}

// Deps are what a Batcher needs from outside.
type Deps struct {
	Rollup  *motet.Rollup
	Chain   Chain
	Inbox   Inbox
	Derived func() Derived
	// Check executes a block again by the serial path. An error that wraps
	// motet.ErrHalt says that the result differs.
	Check      func(ctx context.Context, block *types.Block) error
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Batcher posts batches.
type Batcher struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	outage  telemetry.Outage

	// Owned by Run.
	job     *job            // the batch under way, or the last one
	next    derive.Position // where the next batch starts; Block 0: not known
	tip     l1bridge.Tip    // index and accumulator that the Inbox has then
	since   time.Time       // when the oldest unposted block was first seen
	piece   *piece          // what is gathered for the next batch
	checked span            // blocks that have their second opinion
	marks   []mark          // of batches that derivation has not seen yet, in order
	density float64         // bytes of payload per byte of transactions, of late
}

// mark is where derivation must be after a batch of ours.
type mark struct {
	index uint64
	acc   common.Hash
	end   derive.Position
}

// New returns a Batcher. The first to act is Run.
func New(cfg Config, deps Deps) (*Batcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Batcher{cfg: cfg.withDefaults(), deps: deps, metrics: m, density: 1}, nil
}

// Outage returns why and since when no batch can be posted, in one line; "" while
// they can.
func (b *Batcher) Outage() (reason string, since time.Time) { return b.outage.State() }

// Run posts batches until ctx ends. An error that wraps motet.ErrHalt says that
// the chain must not be posted: a second opinion differs, or derivation refused
// a batch of ours.
func (b *Batcher) Run(ctx context.Context) error {
	if err := b.load(); err != nil {
		return err
	}
	var quiet string // what was logged last: an outage is one line
	for {
		pause := b.cfg.PollInterval
		err := b.round(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what ended the round is the stop
		}
		b.outage.Note(err)
		switch {
		case err == nil:
			quiet = ""
		case errors.Is(err, motet.ErrHalt):
			return err
		case errors.Is(err, motet.ErrUnavailable):
			if quiet != "away" {
				b.deps.Log.Warn("batcher waits for L1", slog.Any("err", err))
			}
			quiet = "away"
		case errors.Is(err, l1bridge.ErrSuperseded), errors.Is(err, l1bridge.ErrDisplaced):
			b.deps.Log.Info("batch gives way, reading the inbox again", slog.Any("err", err))
			b.next = derive.Position{}
		default:
			// Not healed by trying again at once, and not worth a halt: blocks
			// go on without L1.
			if quiet != err.Error() {
				b.deps.Log.Error("batch cannot be posted", slog.Any("err", err))
			}
			quiet, pause = err.Error(), b.cfg.RetryAfter
			b.next = derive.Position{}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// round posts what is due.
func (b *Batcher) round(ctx context.Context) error {
	if b.job.underWay() {
		if err := b.resume(ctx); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		if err := b.watch(ctx); err != nil {
			return err
		}
		if b.next.Block == 0 {
			known, err := b.locate(ctx)
			if err != nil || !known {
				return err
			}
		}
		posted, err := b.post(ctx)
		if err != nil || !posted {
			return err
		}
	}
	return ctx.Err()
}

// locate finds out where the next batch must start. It reports false while
// derivation has not seen the last one.
func (b *Batcher) locate(ctx context.Context) (bool, error) {
	tip, err := b.deps.Inbox.Next(ctx)
	if err != nil {
		return false, err
	}
	d := b.deps.Derived()
	if !d.at(tip) {
		return false, nil
	}
	if b.tip != tip { // a batch that L1 refuses again and again is not worth a line each time
		b.deps.Log.Info("batches go on", slog.Uint64("batch", tip.Index), slog.Uint64("block", d.Next.Block))
	}
	b.next, b.tip = d.Next, tip
	return true, nil
}

var errNotDerived = errors.New("derivation did not accept a batch that we posted")

// watch follows the last batch: until derivation has seen it, and whether L1
// keeps it.
func (b *Batcher) watch(ctx context.Context) error {
	j := b.job
	if j == nil || j.State != Mined && j.State != Safe {
		return nil
	}
	d := b.deps.Derived()
	if d.Next.Block == 0 {
		return nil
	}
	if err := b.agree(&d); err != nil {
		return err
	}
	switch {
	case d.Index <= j.Index:
		if d.L1 < j.L1Block || b.next.Block == 0 {
			return nil
		}
		// Derivation is beyond the L1 block that held the batch, without it.
		tip, err := b.deps.Inbox.Next(ctx)
		if err != nil || tip.Index > j.Index {
			return err
		}
		return b.giveUp(tip)
	case j.State == Safe:
		return nil
	default:
		return b.enter(Safe)
	}
}

// agree holds what derivation made of our batches against what they are. One
// that it refused makes all that follow worthless.
func (b *Batcher) agree(d *Derived) error {
	seen := 0
	for ; seen < len(b.marks) && b.marks[seen].index < d.Index; seen++ {
		m := &b.marks[seen]
		if m.index+1 == d.Index && m.acc == d.Acc && d.Next != m.end {
			return fmt.Errorf("batch %d ends before transaction %d of block %d, derivation is at %d of %d: %w (%w)",
				m.index, m.end.Tx, m.end.Block, d.Next.Tx, d.Next.Block, errNotDerived, motet.ErrHalt)
		}
	}
	b.marks = b.marks[seen:]
	return nil
}

// post posts the next batch if it is due, and reports whether it did.
func (b *Batcher) post(ctx context.Context) (bool, error) {
	c, err := b.cut(ctx)
	if err != nil || c == nil {
		return false, err
	}
	tip, err := b.deps.Inbox.Next(ctx)
	if err != nil {
		return false, err
	}
	// Where the batch starts is right for that tip alone: L1 may have lost
	// batches since, and then one more would leave a gap.
	if tip.Index != b.tip.Index || tip.Acc != b.tip.Acc {
		return false, fmt.Errorf("the inbox is at %d, not %d as before: %w", tip.Index, b.tip.Index, l1bridge.ErrSuperseded)
	}
	payload, header, err := b.encode(c, tip.Index)
	if err != nil {
		return false, err
	}
	b.job = &job{
		Inbox: b.deps.Rollup.Inbox, Index: tip.Index, PrevAcc: tip.Acc, Header: *header, Payload: payload,
		Tail: motet.RefOf(c.blocks[len(c.blocks)-1].Header()), End: c.end, Txs: c.txs,
	}
	if err := b.enter(Encoded); err != nil {
		return false, err
	}
	b.piece = nil
	return true, b.resume(ctx)
}

// resume takes the batch under way through its states until it is mined. A
// batch whose place in the Inbox is gone is given up.
func (b *Batcher) resume(ctx context.Context) error {
	j := b.job
	tip, err := b.deps.Inbox.Next(ctx)
	if err != nil {
		return err
	}
	switch {
	case j.Signed != nil && tip.Index == j.Index+1 && tip.Acc == j.Signed.Acc:
		return b.mined(tip.L1Block)
	case tip.Index != j.Index || tip.Acc != j.PrevAcc || !b.canonical(j.Tail):
		return b.giveUp(tip)
	}
	if j.Signed == nil {
		if j.Signed, err = b.deps.Inbox.Prepare(ctx, l1bridge.Batch{
			Index: j.Index, PrevAcc: j.PrevAcc, Header: j.Header, Payload: j.Payload,
		}); err != nil {
			return b.dropped(err)
		}
		if err := b.enter(Signed); err != nil {
			return err
		}
	}
	if err := b.deps.Inbox.Send(ctx, j.Signed); err != nil {
		return b.dropped(err)
	}
	if err := b.enter(Broadcast); err != nil {
		return err
	}
	return b.await(ctx)
}

// await waits until the batch is mined, for the time after which it is to be
// sent again at most.
func (b *Batcher) await(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, b.cfg.ResendAfter)
	defer cancel()
	receipt, err := b.deps.Inbox.Wait(wait, b.job.Signed.Hash)
	switch {
	case err == nil:
		return b.mined(receipt.BlockNumber.Uint64())
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("batch %d is not mined yet, sending it again: %w", b.job.Index, motet.ErrUnavailable)
	default:
		return b.dropped(err)
	}
}

// dropped gives the batch up if err says that it will never be accepted as it
// is.
func (b *Batcher) dropped(err error) error {
	if errors.Is(err, motet.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	b.metrics.batches.WithLabelValues("refused").Inc()
	if enterErr := b.enter(Pending); enterErr != nil {
		return enterErr
	}
	return err
}

func (b *Batcher) mined(l1Block uint64) error {
	j := b.job
	j.L1Block, j.Acc = l1Block, j.Signed.Acc
	if err := b.enter(Mined); err != nil {
		return err
	}
	b.next, b.tip, b.since = j.End, l1bridge.Tip{Index: j.Index + 1, Acc: j.Acc}, time.Time{}
	b.marks = append(b.marks, j.mark())
	b.metrics.batches.WithLabelValues("mined").Inc()
	b.metrics.bytes.Add(float64(len(j.Payload)))
	b.metrics.txs.Add(float64(j.Txs))
	b.deps.Log.Info("batch posted", slog.Uint64("batch", j.Index), slog.Uint64("block", j.Header.LastBlock),
		slog.Int("txs", j.Txs), slog.Int("bytes", len(j.Payload)), slog.Int("blobs", j.Signed.Blobs), slog.Uint64("l1_block", l1Block))
	return nil
}

// giveUp forgets a batch whose place another one took, or whose blocks the
// chain gave up.
func (b *Batcher) giveUp(tip l1bridge.Tip) error {
	j := b.job
	b.metrics.batches.WithLabelValues("superseded").Inc()
	if err := b.enter(Pending); err != nil {
		return err
	}
	return fmt.Errorf("batch %d: the inbox is at %d: %w", j.Index, tip.Index, l1bridge.ErrSuperseded)
}
