package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/internal/telemetry"
)

// Chain is where the blocks are, implemented by [chain.Chain].
type Chain interface {
	Head() *types.Header
	BlockByNumber(n uint64) *types.Block
	BlockHash(n uint64) common.Hash
	AccessList(ctx context.Context, block *types.Block) (*bal.BlockAccessList, error)
	Wait(ctx context.Context, known motet.BlockRef) error
}

// Stream is where the lists go, implemented by [eventlog.Derived].
type Stream interface {
	Tail(ctx context.Context) (motet.BlockRef, bool, error)
	First(ctx context.Context) (uint64, error)
	Holds(ctx context.Context, block motet.BlockRef) (bool, error)
	Publish(ctx context.Context, block motet.BlockRef, list *bal.BlockAccessList) (bytes int, err error)
}

// Deps are what a publisher needs from outside.
type Deps struct {
	Chain      Chain
	Stream     Stream
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

const (
	// backlog is how many blocks below the head the publisher goes back. Executing
	// a whole chain again would take the sequencer's processors for hours.
	backlog  = 8192
	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// Publisher publishes the access list of every block.
type Publisher struct {
	deps    Deps
	metrics *metrics
	outage  telemetry.Outage
	backlog uint64

	// These belong to Run.

	last motet.BlockRef // newest block that is published, or left out
	sent motet.BlockRef // newest that is published, or what stands before the first
	gap  bool           // last was left out
}

// New makes a publisher. It starts nothing.
func New(deps Deps) (*Publisher, error) {
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Publisher{deps: deps, metrics: m, backlog: backlog}, nil
}

// Outage returns why and since when no list can be published, in one line; ""
// while all is well.
func (p *Publisher) Outage() (reason string, since time.Time) { return p.outage.State() }

// Run publishes until ctx ends. It returns an error only for what does not heal:
// motet.ErrHalt.
func (p *Publisher) Run(ctx context.Context) error {
	pause := retryMin
	for {
		progress, err := p.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // what ended the work is the stop
		case errors.Is(err, motet.ErrHalt):
			return fmt.Errorf("publish access lists: %w", err)
		case progress:
			pause = retryMin
		}
		p.measure()
		if p.outage.Fail(err) {
			p.deps.Log.Warn("access lists wait", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2+1)): //nolint:gosec // spreads retries
		}
		pause = min(2*pause, retryMax)
	}
}

// follow publishes what the stream lacks, and every new block, until something
// fails. It reports whether it got anywhere.
func (p *Publisher) follow(ctx context.Context) (progress bool, err error) {
	if err := p.locate(ctx); err != nil {
		return false, err
	}
	for {
		head := motet.RefOf(p.deps.Chain.Head())
		p.measure()
		if p.deps.Chain.BlockHash(p.last.Number) != p.last.Hash {
			if err := p.locate(ctx); err != nil {
				return progress, err
			}
			continue
		}
		if head.Number <= p.last.Number {
			p.recovered()
			if err := p.deps.Chain.Wait(ctx, head); err != nil {
				return progress, err
			}
			continue
		}
		p.catchUp(head)
		block := p.deps.Chain.BlockByNumber(p.last.Number + 1)
		if block == nil || block.ParentHash() != p.last.Hash {
			continue // rolled back meanwhile
		}
		if err := p.publish(ctx, block); err != nil {
			return progress, err
		}
		progress = true
	}
}

func (p *Publisher) measure() {
	head := p.deps.Chain.Head().Number.Uint64()
	p.metrics.lag.Set(float64(max(head, p.last.Number) - p.last.Number))
}

// recovered ends the outage, if there was one.
func (p *Publisher) recovered() {
	if lasted, ended := p.outage.End(); ended {
		p.deps.Log.Info("access lists go on", slog.Uint64("block", p.last.Number), slog.Duration("elapsed", lasted))
	}
}

// locate finds out where to go on: after the newest canonical block whose list the
// stream holds, or after those that were left out since.
func (p *Publisher) locate(ctx context.Context) error {
	newest, err := p.newest(ctx)
	if err != nil {
		return err
	}
	if newest == p.sent && p.canonical(p.last.Number) == p.last {
		return nil
	}
	p.last, p.sent, p.gap = newest, newest, false
	return nil
}

// newest returns the newest canonical block whose list the stream holds; if it
// holds none, the one before the first that it could hold.
func (p *Publisher) newest(ctx context.Context) (motet.BlockRef, error) {
	tail, stored, err := p.deps.Stream.Tail(ctx)
	if err != nil || !stored {
		return p.canonical(0), err
	}
	first, err := p.deps.Stream.First(ctx)
	if err != nil {
		return motet.BlockRef{}, err
	}
	n := min(tail.Number, p.deps.Chain.Head().Number.Uint64())
	for ; n >= max(first, 1); n-- {
		holds, err := p.deps.Stream.Holds(ctx, p.canonical(n))
		if err != nil {
			return motet.BlockRef{}, err
		}
		if holds {
			break
		}
	}
	return p.canonical(n), nil
}

func (p *Publisher) canonical(n uint64) motet.BlockRef {
	return motet.BlockRef{Number: n, Hash: p.deps.Chain.BlockHash(n)}
}

// catchUp leaves out what is too far below the head.
func (p *Publisher) catchUp(head motet.BlockRef) {
	if head.Number-p.last.Number <= p.backlog {
		return
	}
	to := p.canonical(head.Number - p.backlog)
	left := to.Number - p.last.Number
	p.metrics.gaps.WithLabelValues(causeBehind).Add(float64(left))
	p.deps.Log.Info("access lists of old blocks are left out", slog.Uint64("block", to.Number), slog.Uint64("blocks", left))
	p.last, p.gap = to, false
}

// publish publishes the list of a block, or leaves it out if there is none to be
// had. A block that a rollback removes meanwhile is neither.
func (p *Publisher) publish(ctx context.Context, block *types.Block) error {
	start := time.Now()
	ref := motet.BlockRef{Number: block.NumberU64(), Hash: block.Hash()}
	list, err := p.deps.Chain.AccessList(ctx, block)
	var bytes int
	if err == nil {
		bytes, err = p.deps.Stream.Publish(ctx, ref, list)
		p.metrics.bytes.Add(float64(bytes))
	}
	switch {
	case errors.Is(err, chain.ErrNotCanonical):
		return nil
	case errors.Is(err, chain.ErrStateGone), errors.Is(err, chain.ErrNoAccessList):
		p.leaveOut(ref, causeState, err)
	case errors.Is(err, eventlog.ErrTooLarge):
		p.leaveOut(ref, causeSize, err)
	case err != nil:
		return err
	default:
		p.last, p.sent, p.gap = ref, ref, false
		p.metrics.lists.Inc()
		p.metrics.seconds.Observe(time.Since(start).Seconds())
		p.recovered()
	}
	return nil
}

// leaveOut leaves a gap. One line tells of blocks in a row.
func (p *Publisher) leaveOut(block motet.BlockRef, cause string, err error) {
	p.metrics.gaps.WithLabelValues(cause).Inc()
	if !p.gap {
		p.deps.Log.Warn("block is left out of the access lists", slog.Uint64("block", block.Number), slog.Any("err", err))
	}
	p.last, p.gap = block, true
}
