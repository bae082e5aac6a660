package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/nats-io/nats.go/jetstream"
)

// Feed reads the log from a position on: every record, in order, each checked
// against the one before it. At the tail it waits for new ones. It is used by
// one goroutine at a time; there may be many feeds.
type Feed struct {
	log  *Log
	src  source
	from Cursor // records up to here are not handed out

	pos     Cursor // last record read
	hash    common.Hash
	trusted bool // hash is that of the record at pos
	ready   []Record
}

// Read opens a feed of the records after from. The zero Cursor stands for the
// beginning of what the log holds. The caller must Close the feed.
func (l *Log) Read(ctx context.Context, from Cursor) (*Feed, error) {
	l.mu.Lock()
	sp, stream := l.span, l.w.stream
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.conn.cfg.Timeout)
	defer cancel()
	f := &Feed{log: l, src: source{conn: l.conn, stream: stream}, from: from}
	if err := f.locate(ctx, sp); err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", logStream, from, err)
	}
	return f, nil
}

// locate finds the message to start with.
func (f *Feed) locate(ctx context.Context, sp span) error {
	info, err := f.src.stream.Info(ctx)
	if err != nil {
		return unavailable(err)
	}
	begin := f.from == (Cursor{})
	if begin {
		f.from = sp.start()
	}
	if f.from.Generation != sp.generation {
		return fmt.Errorf("generation is %d: %w", sp.generation, ErrGeneration)
	}
	if f.from.Counter < sp.first-1 {
		return fmt.Errorf("generation starts with record %d: %w", sp.first, ErrTrimmed)
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	f.pos, f.hash, f.trusted, f.src.next = sp.start(), sp.seed(f.log.id), true, sp.base
	if last < sp.base {
		if f.from.Counter > f.pos.Counter {
			return ErrAhead
		}
		return nil
	}
	if first > sp.base {
		// The predecessor of the first message is gone, and its hash with it.
		f.trusted, f.src.next = false, first
	}
	if begin {
		return nil
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
	f.src.next = lo
	return nil
}

// bounds returns the counters of the first and the last record of a message.
func (f *Feed) bounds(ctx context.Context, seq uint64) (first, last uint64, err error) {
	msg, err := f.src.stream.GetMsg(ctx, seq)
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
	data, err := f.src.read(ctx)
	switch {
	case errors.Is(err, errMissing):
		return f.damage(f.src.next, err)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("read %s: %w (%w)", logStream, err, ErrGeneration)
	case err != nil:
		return fmt.Errorf("read %s after %s: %w", logStream, f.pos, err)
	}
	seq := f.src.next - 1
	records, hash, err := decodeMessage(data)
	if err != nil {
		return f.damage(seq, err)
	}
	if got := records[0].Generation; got != f.pos.Generation {
		return fmt.Errorf("read %s after %s: generation is %d: %w", logStream, f.pos, got, ErrGeneration)
	}
	if f.trusted {
		if err := follows(&records[0], f.pos, f.hash); err != nil {
			return f.damage(seq, err)
		}
	}
	f.pos, f.hash, f.trusted = records[len(records)-1].Cursor, hash, true
	f.ready = records
	return nil
}

// Close ends the feed.
func (f *Feed) Close() { f.src.close() }
