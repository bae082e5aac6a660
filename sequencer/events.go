package sequencer

import (
	"context"
	"errors"
	"sync"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// Event is a record of the log that was applied, with what execution made of it.
// Exactly one field beside Cursor is set. All of it is shared: it must not be
// modified.
type Event struct {
	Cursor eventlog.Cursor
	Open   *motet.Open
	Slice  *PreconfirmedSlice
	Sealed *SealedBlock
	Reorg  *eventlog.Reorg
}

// PreconfirmedSlice is a slice that the log holds.
type PreconfirmedSlice struct {
	Number   uint64 // of the block
	Index    uint64 // of the slice in the block
	First    uint64 // index in the block of the first transaction
	Txs      []*motet.Tx
	Receipts types.Receipts // without the block's hash
}

// SealedBlock is a block that is canonical.
type SealedBlock struct {
	Block    *types.Block
	Receipts types.Receipts
}

var (
	// ErrLagged ends a subscription whose reader fell too far behind.
	ErrLagged = errors.New("subscriber fell behind and lost events")
	// ErrStopped is returned when the sequencer has stopped.
	ErrStopped = errors.New("sequencer has stopped")
)

// events keeps the newest events for any number of readers. Publishing takes the
// same short time however many there are, and waits for none.
type events struct {
	mu     sync.Mutex
	ring   []Event
	next   uint64        // number of the next event
	more   chan struct{} // closed when the next event is there
	closed bool
}

func newEvents(size int) *events {
	return &events{ring: make([]Event, size), more: make(chan struct{})}
}

func (e *events) publish(evs ...Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(evs) == 0 {
		return
	}
	for _, ev := range evs {
		e.ring[e.next%uint64(len(e.ring))] = ev
		e.next++
	}
	close(e.more)
	e.more = make(chan struct{})
}

func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		close(e.more)
	}
}

// Subscription reads events from where it began. It needs no closing.
type Subscription struct {
	events *events
	at     uint64
}

// Subscribe returns the events from now on.
func (s *Sequencer) Subscribe() *Subscription {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return &Subscription{events: s.events, at: s.events.next}
}

// Next waits for the next event. It returns ErrLagged when the reader fell
// behind further than Config.Events, after which it has to go on from the log,
// and ErrStopped after the last event. One goroutine may use a Subscription.
func (sub *Subscription) Next(ctx context.Context) (Event, error) {
	e := sub.events
	for {
		e.mu.Lock()
		switch {
		case e.next-sub.at > uint64(len(e.ring)):
			e.mu.Unlock()
			return Event{}, ErrLagged
		case sub.at < e.next:
			ev := e.ring[sub.at%uint64(len(e.ring))]
			sub.at++
			e.mu.Unlock()
			return ev, nil
		case e.closed:
			e.mu.Unlock()
			return Event{}, ErrStopped
		}
		more := e.more
		e.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}
