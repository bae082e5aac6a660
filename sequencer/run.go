package sequencer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

const (
	// stopGrace is how long the step under way may take when Run is to end.
	stopGrace = 2 * time.Second
	// sickWait is the pause before the chain store is asked again whether it is
	// healthy.
	sickWait = 250 * time.Millisecond
	// originPoll is how often an idle sequencer looks for a newer origin.
	originPoll = time.Second

	digestRoom   = 48 // bytes that a transaction takes in a SLICE beside its own
	recordRoom   = 16 << 10
	maxTxBytes   = 128 << 10
	txListRoom   = 4        // bytes that a block's encoding adds to a transaction
	blockMargin  = 64 << 10 // header, withdrawals and lists of a block
	maxBlockSize = params.MaxBlockSize - blockMargin
)

var errNotRecovered = errors.New("sequencer: Run needs Recover to have returned")

// Run builds blocks until ctx ends. It finishes the step that is under way, and
// leaves an open block to the next start. An error that is not motet.ErrHalt can
// be recovered from by starting anew.
func (s *Sequencer) Run(ctx context.Context) error {
	if s.head == nil {
		return errNotRecovered
	}
	defer close(s.stopped)
	work, cancel := graceful(ctx, stopGrace)
	defer cancel()
	err := s.loop(ctx, work)
	if s.flight != nil {
		if err != nil {
			cancel()
		}
		err = errors.Join(err, s.land())
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.Is(err, motet.ErrHalt) {
		return nil
	}
	return err
}

// graceful returns a context that ends some time after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	g, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return g, func() { stop(); cancel() }
}

func (s *Sequencer) loop(ctx, work context.Context) error {
	for ctx.Err() == nil {
		again, err := s.step(work)
		if err != nil {
			return err
		}
		if !again {
			s.wait(ctx)
		}
	}
	return nil
}

// step does what is due now and reports whether there may be more.
func (s *Sequencer) step(ctx context.Context) (again bool, err error) {
	if s.flight != nil && s.flight.landed() {
		if err := s.land(); err != nil {
			return false, err
		}
	}
	s.hear()
	if !s.healthy() {
		return false, nil
	}
	took, err := s.slice(ctx)
	if err != nil {
		return false, err
	}
	if !s.sealDue(ctx, took) {
		return took, nil
	}
	return s.seal(ctx)
}

// hear takes in the requests to mine that wait.
func (s *Sequencer) hear() {
	for {
		select {
		case done := <-s.mine:
			s.mines = append(s.mines, done)
		default:
			return
		}
	}
}

// wait returns when something may be due.
func (s *Sequencer) wait(ctx context.Context) {
	var flown <-chan struct{}
	if s.flight != nil {
		flown = s.flight.done
	}
	var timer <-chan time.Time
	if at := s.nextDue(); !at.IsZero() {
		t := time.NewTimer(max(0, at.Sub(s.deps.Now())))
		defer t.Stop()
		timer = t.C
	}
	arrivals := s.deps.Pool.Wait()
	if s.sick {
		arrivals = nil
	}
	select {
	case <-ctx.Done():
	case <-timer:
	case <-flown:
	case <-arrivals:
	case done := <-s.mine:
		s.mines = append(s.mines, done)
	}
}

// nextDue returns when step has to run without being asked to, zero if never.
func (s *Sequencer) nextDue() time.Time {
	switch {
	case s.sick:
		return s.deps.Now().Add(sickWait)
	case s.block != nil && s.config.BlockTime > 0:
		return s.block.begun.Add(s.config.BlockTime)
	case s.block == nil && s.retry.After(s.deps.Now()):
		return s.retry
	case s.flight != nil || s.config.BlockTime == 0:
		return time.Time{}
	case s.config.EmptyBlocks:
		return s.lastOpen.Add(s.config.BlockTime)
	case s.config.OriginAge > 0:
		return s.deps.Now().Add(originPoll)
	default:
		return time.Time{}
	}
}

// healthy reports whether blocks may be produced.
func (s *Sequencer) healthy() bool {
	err := s.deps.Chain.Healthy()
	if sick := err != nil; sick != s.sick {
		s.sick = sick
		if sick {
			s.deps.Logger.Warn("block production stops", slog.Any("err", err))
		} else {
			s.deps.Logger.Info("block production goes on")
		}
	}
	return err == nil
}

// slice takes transactions, executes them and begins to append them, after the
// slice before has landed. It reports whether there was anything to take.
func (s *Sequencer) slice(ctx context.Context) (took bool, err error) {
	b := s.block
	if s.flight != nil {
		b = s.flight.block
	}
	if b != nil && b.full {
		return false, nil
	}
	var open *motet.Open
	if b == nil {
		if open = s.nextOpen(ctx); open == nil {
			return false, nil
		}
	}
	txs := s.deps.Pool.Take(s.limit(b, open))
	if len(txs) == 0 {
		return false, nil
	}
	if b == nil {
		if b, err = s.begin(ctx, open); err != nil {
			return false, err
		}
		b.begun = s.deps.Now()
	}
	start := time.Now()
	e, err := s.execute(ctx, b, txs)
	if err != nil {
		return false, err
	}
	elapsed := time.Since(start)
	s.pace.observe(e.slice.Cut, elapsed)
	s.metrics.sliceSeconds.Observe(elapsed.Seconds())
	if err := s.land(); err != nil {
		return false, err
	}
	e.slice.Skipped = append(e.slice.Skipped, cutOff(txs[e.slice.Cut:])...)
	if len(e.slice.Included) == 0 {
		// A block that nothing is in yet is not begun: its time would grow old.
		s.settle(e, b.open.Number, 0)
		b.full = e.slice.Cut < len(txs)
		return e.dropped(), nil
	}
	b.full = e.slice.Cut < len(txs) || maxBlockSize-b.bytes < maxTxBytes
	s.metrics.sliceTxs.Observe(float64(len(e.slice.Included)))
	s.lastOpen = b.begun
	s.launch(ctx, b, e)
	return true, nil
}

// cutOff returns transactions that did not fit the block as deferred.
func cutOff(txs []*motet.Tx) []executor.Skip {
	out := make([]executor.Skip, len(txs))
	for i, tx := range txs {
		out[i] = executor.Skip{Tx: tx, Verdict: executor.Defer}
	}
	return out
}

// limit returns what may be taken for b, or for the block that open would begin.
// One transaction more than fits is taken, since it is what tells that the block
// is full.
func (s *Sequencer) limit(b *openBlock, open *motet.Open) mempool.Limit {
	l := mempool.Limit{Count: s.pace.count()}
	l.Bytes = eventlog.MaxBodies - recordRoom - l.Count*digestRoom
	if b == nil {
		l.Gas = open.GasLimit + params.MaxTxGas
		return l
	}
	l.Gas = b.open.GasLimit - b.gasUsed + params.MaxTxGas
	l.Bytes = min(l.Bytes, maxBlockSize-b.bytes)
	return l
}

// settle tells the pool what became of the transactions of a slice; first is the
// index of the first in the block.
func (s *Sequencer) settle(e *executed, number, first uint64) {
	out := mempool.Settlement{Included: make([]mempool.Inclusion, len(e.slice.Included))}
	for i, tx := range e.slice.Included {
		out.Included[i] = mempool.Inclusion{Tx: tx, Block: number, Index: first + uint64(i)}
	}
	if len(e.slice.Included) > 0 {
		out.View = s.poolView(e.view)
	}
	for _, skip := range e.slice.Skipped {
		if skip.Verdict == executor.Drop {
			out.Dropped = append(out.Dropped, mempool.Drop{Tx: skip.Tx, Reason: skip.Err})
		} else {
			out.Deferred = append(out.Deferred, skip.Tx)
		}
	}
	s.metrics.dropped.Add(float64(len(out.Dropped)))
	s.metrics.deferred.Add(float64(len(out.Deferred)))
	s.deps.Pool.Settle(out)
}

// sealDue reports whether a block has to be sealed now.
func (s *Sequencer) sealDue(ctx context.Context, took bool) bool {
	b := s.block
	if s.flight != nil {
		b = s.flight.block
	}
	now := s.deps.Now()
	switch {
	case b != nil && b.full:
		return true
	case len(s.mines) > 0:
		return b == nil || !took || now.Sub(b.begun) >= maxOnDemand
	case b == nil:
		return s.emptyDue(ctx, now)
	case s.config.BlockTime == 0:
		return !took || now.Sub(b.begun) >= maxOnDemand
	default:
		return !now.Before(b.begun.Add(s.config.BlockTime))
	}
}

// emptyDue reports whether an empty block is wanted.
func (s *Sequencer) emptyDue(ctx context.Context, now time.Time) bool {
	if s.config.BlockTime == 0 || now.Before(s.lastOpen.Add(s.config.BlockTime)) || now.Before(s.retry) {
		return false
	}
	if s.config.EmptyBlocks {
		return true
	}
	if s.config.OriginAge == 0 {
		return false
	}
	next := s.nextOrigin(ctx)
	return next.Time >= s.origin.Time+uint64(s.config.OriginAge.Seconds()) && next.Number > s.origin.Number
}
