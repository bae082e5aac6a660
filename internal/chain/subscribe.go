package chain

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

// Event is a change of the canonical chain. Block and Receipts are shared: they
// must not be modified.
type Event struct {
	Block    *types.Block
	Receipts types.Receipts
	// Removed: a rollback removed the block; events come newest block first.
	Removed bool
}

// Subscription is a bounded queue of events for one reader.
type Subscription struct {
	events chan Event
	lost   atomic.Bool
	ended  chan struct{}
	once   sync.Once
	from   *subscribers
}

// Subscribe returns the events from now on. It waits for a change that is being made:
// a reader that then looks at the head knows what the events change. The reader must
// call Close.
func (c *Chain) Subscribe() *Subscription {
	s := &Subscription{events: make(chan Event, c.conf.SubscriptionEvents), ended: make(chan struct{}), from: &c.subs}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs.add(s)
	return s
}

// Next waits for the next event. After ErrOverflow the stream has a gap and is
// over: subscribe again and catch up from the chain. ErrClosed means that the
// subscription or the chain was closed.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	select {
	case ev := <-s.events: // what was queued before the end is still delivered
		return ev, nil
	default:
	}
	select {
	case ev := <-s.events:
		return ev, nil
	case <-s.ended:
		if s.lost.Load() {
			return Event{}, ErrOverflow
		}
		return Event{}, ErrClosed
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.from.remove(s)
	s.end()
}

// Wait returns when the head is another block than known. It keeps no events.
func (c *Chain) Wait(ctx context.Context, known motet.BlockRef) error {
	sub := c.Subscribe()
	defer sub.Close()
	for motet.RefOf(c.Head()) == known {
		if _, err := sub.Next(ctx); err != nil && !errors.Is(err, ErrOverflow) {
			return err
		}
	}
	return nil
}

func (s *Subscription) end() { s.once.Do(func() { close(s.ended) }) }

// subscribers are the live subscriptions. Publishing never waits: a full queue
// ends its subscription.
type subscribers struct {
	lost prometheus.Counter

	mu     sync.Mutex
	set    map[*Subscription]struct{}
	closed bool
}

func (s *subscribers) add(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		sub.end()
		return
	}
	if s.set == nil {
		s.set = make(map[*Subscription]struct{})
	}
	s.set[sub] = struct{}{}
}

func (s *subscribers) remove(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, sub)
}

func (s *subscribers) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set) > 0
}

func (s *subscribers) publish(ev Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.set {
		select {
		case sub.events <- ev:
		default:
			s.lost.Inc()
			sub.lost.Store(true)
			sub.end()
			delete(s.set, sub)
		}
	}
}

func (s *subscribers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for sub := range s.set {
		sub.end()
		delete(s.set, sub)
	}
}
