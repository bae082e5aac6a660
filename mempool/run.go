package mempool

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/motet-evm/motet"
)

const (
	tendInterval  = time.Second // expiry, release and compaction
	minBackoff    = 50 * time.Millisecond
	maxBackoff    = 2 * time.Second
	flushDeadline = 2 * time.Second
	compactAtOnce = 1000
)

// Run tends the pool until ctx ends: it makes final fates durable, ends those
// whose nonce gap stays open, and tells the Intake what it may forget. Errors of
// the Intake are retried, except those that wrap motet.ErrHalt.
func (p *Pool) Run(ctx context.Context) error {
	var (
		tick    = time.NewTicker(min(tendInterval, p.config.GapLife))
		backoff = minBackoff
		retry   <-chan time.Time
	)
	defer tick.Stop()
	for {
		dirty := p.dirty
		if retry != nil {
			dirty = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return p.lastFlush(ctx)
		case <-dirty:
			err = p.flushFates(ctx)
		case <-retry:
			retry = nil
			err = p.flushFates(ctx)
		case <-tick.C:
			p.expire(p.deps.Now())
			if retry == nil {
				err = p.tend(ctx)
			}
		}
		switch {
		case err == nil:
			if retry == nil {
				backoff = minBackoff
			}
		case errors.Is(err, motet.ErrHalt):
			return err
		case ctx.Err() == nil:
			p.deps.Log.Warn("mempool intake is away", "err", err)
			retry = time.After(backoff/2 + rand.N(backoff/2))
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

// lastFlush reports what is known when the process stops. What does not get
// through is found out anew after the restart.
func (p *Pool) lastFlush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushDeadline)
	defer cancel()
	if err := p.flushFates(ctx); err != nil {
		if errors.Is(err, motet.ErrHalt) {
			return err
		}
		p.deps.Log.Warn("fates not stored at stop", "err", err)
	}
	return nil
}

// tend flushes, compacts and releases.
func (p *Pool) tend(ctx context.Context) error {
	if err := p.flushFates(ctx); err != nil {
		return err
	}
	if err := p.compact(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	lowest := p.ledger.lowest()
	changed := lowest > p.ledger.told
	p.mu.Unlock()
	if !changed {
		return nil
	}
	if err := p.deps.Intake.Release(ctx, lowest); err != nil {
		return err
	}
	p.mu.Lock()
	p.ledger.told = lowest
	p.mu.Unlock()
	return nil
}

// compact appends the oldest transactions anew when they hold back too much.
func (p *Pool) compact(ctx context.Context) error {
	p.mu.Lock()
	old := p.ledger.stragglers(p.config.IntakeSpan, compactAtOnce)
	b := &batch{}
	if len(old) > 0 {
		p.ledger.begin(b)
	}
	p.mu.Unlock()
	if len(old) == 0 {
		return nil
	}
	raw := make([][]byte, len(old))
	for i, e := range old {
		var err error
		if raw[i], err = e.it.tx.MarshalBinary(); err != nil {
			return err
		}
	}
	first, err := p.deps.Intake.AppendTxs(ctx, raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger.end(b)
	if err != nil {
		return err
	}
	for i, e := range old {
		e.it.seq = first + uint64(i)
		p.ledger.add(e.it)
	}
	return nil
}
