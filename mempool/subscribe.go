package mempool

import (
	"sync"

	"github.com/motet-evm/motet"
)

// Event tells that a transaction was accepted (pending or queued), or that it
// ended without inclusion.
type Event struct {
	Tx   *motet.Tx
	Fate motet.Fate
}

// Subscription receives events in a ring of its own. A reader that is too slow
// loses the oldest, and is told how many; it slows nobody.
type Subscription struct {
	pool  *Pool
	ready chan struct{}

	mu    sync.Mutex
	ring  []Event
	start int
	count int
	lost  uint64
}

// Subscribe returns a subscription that keeps up to capacity events. The caller
// closes it.
func (p *Pool) Subscribe(capacity int) *Subscription {
	s := &Subscription{pool: p, ready: make(chan struct{}, 1), ring: make([]Event, max(1, capacity))}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subs[s] = struct{}{}
	return s
}

// Close ends the subscription. What it holds can still be drained.
func (s *Subscription) Close() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	delete(s.pool.subs, s)
}

// Ready receives when events have arrived since the last Drain.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Drain returns the events that have arrived, in order, and how many were lost
// before them.
func (s *Subscription) Drain() (events []Event, lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events = make([]Event, s.count)
	for i := range events {
		at := (s.start + i) % len(s.ring)
		events[i], s.ring[at] = s.ring[at], Event{}
	}
	lost = s.lost
	s.start, s.count, s.lost = 0, 0, 0
	return events, lost
}

func (s *Subscription) put(e Event) {
	s.mu.Lock()
	if s.count == len(s.ring) {
		s.ring[s.start] = e
		s.start = (s.start + 1) % len(s.ring)
		s.lost++
	} else {
		s.ring[(s.start+s.count)%len(s.ring)] = e
		s.count++
	}
	s.mu.Unlock()
	signal(s.ready)
}

// announce hands an event to all subscribers. It never blocks on one.
func (p *Pool) announce(e Event) {
	for s := range p.subs {
		s.put(e)
	}
}
