package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/nats-io/nats.go/jetstream"
)

// Feed reads the log from a position on: every record, in order, each checked
// against the one before it. At the tail it waits for new ones. It is used by
// one goroutine at a time; there may be many feeds.
type Feed struct {
	log    *Log
	stream jetstream.Stream
	from   Cursor // records up to here are not handed out

	pos     Cursor // last record read
	hash    common.Hash
	trusted bool   // hash is that of the record at pos
	next    uint64 // stream sequence of the next message
	ready   []Record

	consumer string
	messages jetstream.MessagesContext
}

// Read opens a feed of the records after from. The zero Cursor stands for the
// beginning of what the log holds. The caller must Close the feed.
func (l *Log) Read(ctx context.Context, from Cursor) (*Feed, error) {
	l.mu.Lock()
	sp, stream := l.span, l.w.stream
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.conn.cfg.Timeout)
	defer cancel()
	f := &Feed{log: l, stream: stream, from: from}
	if err := f.locate(ctx, sp); err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", logStream, from, err)
	}
	return f, nil
}

// locate finds the message to start with.
func (f *Feed) locate(ctx context.Context, sp span) error {
	info, err := f.stream.Info(ctx)
	if err != nil {
		return unavailable(err)
	}
	if f.from == (Cursor{}) {
		f.from = sp.start()
	}
	if f.from.Generation != sp.generation {
		return fmt.Errorf("generation is %d: %w", sp.generation, ErrGeneration)
	}
	if f.from.Counter < sp.first-1 {
		return fmt.Errorf("generation starts with record %d: %w", sp.first, ErrTrimmed)
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	f.pos, f.hash, f.trusted, f.next = sp.start(), sp.seed(f.log.id), true, sp.base
	if last < sp.base {
		if f.from.Counter > f.pos.Counter {
			return ErrAhead
		}
		return nil
	}
	if first > sp.base {
		// The predecessor of the first message is gone, and its hash with it.
		f.trusted, f.next = false, first
	}
	if f.from.Counter < sp.first {
		if first > sp.base {
			return ErrTrimmed
		}
		return nil
	}
	return f.search(ctx, sp, first, last)
}

// search finds the message that holds the record at from by bisection: counters
// grow with sequences, and both are dense.
func (f *Feed) search(ctx context.Context, sp span, lo, hi uint64) error {
	_, end, err := f.bounds(ctx, hi)
	if err != nil {
		return err
	}
	if f.from.Counter > end {
		return fmt.Errorf("last record is %d: %w", end, ErrAhead)
	}
	start, _, err := f.bounds(ctx, lo)
	if err != nil {
		return err
	}
	if f.from.Counter < start {
		if f.from.Counter+1 < start {
			return fmt.Errorf("first record is %d: %w", start, ErrTrimmed)
		}
		return nil
	}
	for lo < hi {
		mid := lo + (hi-lo)/2
		_, end, err := f.bounds(ctx, mid)
		if err != nil {
			return err
		}
		if end < f.from.Counter {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo > sp.base {
		f.trusted = false
	}
	f.next = lo
	return nil
}

// bounds returns the counters of the first and the last record of a message.
func (f *Feed) bounds(ctx context.Context, seq uint64) (first, last uint64, err error) {
	msg, err := f.stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, 0, f.damage(seq, err)
	}
	if err != nil {
		return 0, 0, unavailable(err)
	}
	records, _, err := decodeMessage(msg.Data)
	if err != nil {
		return 0, 0, f.damage(seq, err)
	}
	return records[0].Counter, records[len(records)-1].Counter, nil
}

func (f *Feed) damage(seq uint64, err error) error {
	return &DamageError{Stream: logStream, Sequence: seq, After: f.pos, Err: err}
}

// Next returns the next record, waiting for it if need be. While the server is
// away it waits too. A log that is not what was written gives a *DamageError.
func (f *Feed) Next(ctx context.Context) (Record, error) {
	for {
		for len(f.ready) > 0 {
			r := f.ready[0]
			f.ready = f.ready[1:]
			if r.Counter > f.from.Counter {
				return r, nil
			}
		}
		if err := f.fill(ctx); err != nil {
			return Record{}, err
		}
	}
}

// fill waits for one message.
func (f *Feed) fill(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.messages == nil {
			if err := f.subscribe(ctx); err != nil {
				return err
			}
		}
		msg, err := f.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			// The server restarted or forgot the consumer: make a new one.
			f.unsubscribe()
			continue
		}
		meta, err := msg.Metadata()
		if err != nil {
			return f.damage(f.next, err)
		}
		switch seq := meta.Sequence.Stream; {
		case seq < f.next: // delivered again
			continue
		case seq > f.next:
			return f.gap(ctx, seq)
		}
		return f.accept(msg.Data())
	}
}

// gap tells a message that was lost on the way from one that is not stored.
func (f *Feed) gap(ctx context.Context, seq uint64) error {
	f.unsubscribe()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	switch _, err := f.stream.GetMsg(ctx, f.next); {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		info, err := f.stream.Info(ctx)
		if err == nil && info.State.FirstSeq > f.next {
			return fmt.Errorf("read %s after %s: %w", logStream, f.pos, ErrTrimmed)
		}
		return f.damage(f.next, fmt.Errorf("message is missing, the next one is %d", seq))
	default:
		return nil // read it again from there
	}
}

func (f *Feed) accept(data []byte) error {
	records, hash, err := decodeMessage(data)
	if err != nil {
		return f.damage(f.next, err)
	}
	if got := records[0].Generation; got != f.pos.Generation {
		return fmt.Errorf("read %s after %s: generation is %d: %w", logStream, f.pos, got, ErrGeneration)
	}
	if f.trusted {
		if err := follows(&records[0], f.pos, f.hash); err != nil {
			return f.damage(f.next, err)
		}
	}
	f.pos, f.hash, f.trusted = records[len(records)-1].Cursor, hash, true
	f.next++
	f.ready = records
	return nil
}

const (
	feedPrefetch  = 32
	feedHeartbeat = 500 * time.Millisecond
	feedExpiry    = 5 * time.Second
	feedIdle      = 30 * time.Second
)

// subscribe makes a consumer that starts with the next message, as often as it
// takes.
func (f *Feed) subscribe(ctx context.Context) error {
	for {
		err := f.trySubscribe(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("read %s: %w (%w)", logStream, err, ErrGeneration)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryWait):
		}
	}
}

func (f *Feed) trySubscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c, err := f.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.next,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: feedIdle,
	})
	if err != nil {
		return err
	}
	f.consumer = c.CachedInfo().Name
	f.messages, err = c.Messages(jetstream.PullMaxMessages(feedPrefetch),
		jetstream.PullHeartbeat(feedHeartbeat), jetstream.PullExpiry(feedExpiry))
	return err
}

func (f *Feed) unsubscribe() {
	if f.messages != nil {
		f.messages.Stop()
		f.messages = nil
	}
}

// Close ends the feed.
func (f *Feed) Close() {
	f.unsubscribe()
	if f.consumer == "" || !f.log.conn.Connected() {
		return // the server forgets it by itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	_ = f.stream.DeleteConsumer(ctx, f.consumer) // likewise
}
