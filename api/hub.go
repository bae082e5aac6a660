package api

import "sync"

// ring is a bounded queue between a publisher that never waits and one reader.
// A reader that falls behind by more than the ring's size loses everything and
// is told so: half a stream is worth nothing to it.
type ring[T any] struct {
	wake chan struct{} // holds a token when there may be something to read

	mu    sync.Mutex
	items []T
	size  int
	lost  bool
}

func newRing[T any](size int) *ring[T] {
	return &ring[T]{wake: make(chan struct{}, 1), size: size}
}

func (r *ring[T]) push(v T) {
	r.mu.Lock()
	switch {
	case r.lost:
	case len(r.items) == r.size:
		r.items, r.lost = nil, true
	default:
		r.items = append(r.items, v)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take returns what is queued. ok is false once something was lost.
func (r *ring[T]) take() (items []T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	items, r.items = r.items, nil
	return items, !r.lost
}

// topic hands each value to all rings that are subscribed. The zero value is
// ready.
type topic[T any] struct {
	mu    sync.Mutex
	rings map[*ring[T]]struct{}
}

func (t *topic[T]) subscribe() *ring[T] {
	r := newRing[T](ringSize)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rings == nil {
		t.rings = make(map[*ring[T]]struct{})
	}
	t.rings[r] = struct{}{}
	return r
}

func (t *topic[T]) unsubscribe(r *ring[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rings, r)
}

// publish never blocks.
func (t *topic[T]) publish(v T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.rings {
		r.push(v)
	}
}

// idle reports whether nobody is subscribed.
func (t *topic[T]) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rings) == 0
}
