package eventlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
)

const logStream = "MOTET_CHAIN"

// Log is the log of one chain.
type Log struct {
	conn *Conn
	id   Identity

	mu   sync.Mutex
	w    writer
	span span
	tail Cursor
	hash common.Hash // of the record at tail
	last *Record
	mark *mark
}

// span says which records a stream holds.
type span struct {
	generation uint64
	first      uint64 // counter of the generation's first record
	base       uint64 // stream sequence of the generation's first message
}

func logSubject(chainID uint64) string {
	return "motet." + strconv.FormatUint(chainID, 10) + ".chain"
}

// OpenLog opens the chain's log, creating the stream if there is none. A log of
// another chain gives ErrForeign, one whose tail cannot be read a *DamageError.
func (c *Conn) OpenLog(ctx context.Context, id Identity) (*Log, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	m, err := c.openMark(logStream)
	if err != nil {
		return nil, err
	}
	l := &Log{conn: c, id: id, mark: m}
	s, err := c.openStream(ctx, id, l.streamConfig(span{generation: l.newGeneration(0), first: 1, base: 1}))
	if err != nil {
		return nil, err
	}
	if err := l.adopt(ctx, s); err != nil {
		return nil, err
	}
	return l, m.check(logStream, l.w.last, l.tail)
}

func (l *Log) streamConfig(sp span) jetstream.StreamConfig {
	meta := l.id.metadata()
	maps.Copy(meta, map[string]string{
		metaGeneration: strconv.FormatUint(sp.generation, 10),
		metaFirst:      strconv.FormatUint(sp.first, 10),
	})
	maxBytes := int64(-1)
	if l.conn.cfg.MaxLogBytes > 0 {
		maxBytes = l.conn.cfg.MaxLogBytes
	}
	return jetstream.StreamConfig{
		Name:       logStream,
		Subjects:   []string{logSubject(l.id.ChainID)},
		Storage:    jetstream.FileStorage,
		Discard:    jetstream.DiscardOld,
		MaxBytes:   maxBytes,
		MaxMsgSize: MaxMessage,
		Replicas:   l.conn.cfg.Replicas,
		DenyDelete: true,
		DenyPurge:  true,
		FirstSeq:   sp.base,
		Metadata:   meta,
	}
}

// newGeneration returns a number above after that no earlier log had, even if
// nothing of that log is left: the time in milliseconds.
func (l *Log) newGeneration(after uint64) uint64 {
	return max(after+1, uint64(l.conn.now().UnixMilli()))
}

// seed is what the first record of a generation names as its predecessor.
func (sp span) seed(id Identity) common.Hash {
	b := []byte("motet log")
	b = binary.BigEndian.AppendUint64(b, id.ChainID)
	b = append(b, id.Genesis[:]...)
	b = binary.BigEndian.AppendUint64(b, sp.generation)
	b = binary.BigEndian.AppendUint64(b, sp.first)
	return sha256.Sum256(b)
}

// start is the position before the first record.
func (sp span) start() Cursor { return Cursor{Generation: sp.generation, Counter: sp.first - 1} }

func parseSpan(cfg jetstream.StreamConfig) (sp span, err error) {
	meta := cfg.Metadata
	sp.base = max(1, cfg.FirstSeq)
	if sp.generation, err = strconv.ParseUint(meta[metaGeneration], 10, 64); err != nil {
		return sp, fmt.Errorf("stream %s: %s: %w", logStream, metaGeneration, err)
	}
	if sp.first, err = strconv.ParseUint(meta[metaFirst], 10, 64); err != nil || sp.first == 0 {
		return sp, fmt.Errorf("stream %s: %s is %q: %w", logStream, metaFirst, meta[metaFirst], errStreamConfig)
	}
	return sp, nil
}

// adopt reads the stream's tail and makes it the log's.
func (l *Log) adopt(ctx context.Context, s jetstream.Stream) error {
	sp, err := parseSpan(s.CachedInfo().Config)
	if err != nil {
		return err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return fmt.Errorf("read tail of %s: %w", logStream, unavailable(err))
	}
	l.span, l.tail, l.hash, l.last = sp, sp.start(), sp.seed(l.id), nil
	l.w = writer{conn: l.conn, stream: s, subject: logSubject(l.id.ChainID), last: info.State.LastSeq}
	if l.w.last < sp.base {
		return nil
	}
	damage := func(err error) error {
		return &DamageError{Stream: logStream, Sequence: l.w.last, Err: err}
	}
	msg, err := s.GetMsg(ctx, l.w.last)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return damage(err)
	}
	if err != nil {
		return fmt.Errorf("read tail of %s: %w", logStream, unavailable(err))
	}
	records, hash, err := decodeMessage(msg.Data)
	if err != nil {
		return damage(err)
	}
	last := records[len(records)-1]
	if last.Generation != sp.generation {
		return damage(fmt.Errorf("record %s does not belong to generation %d: %w", last.Cursor, sp.generation, ErrForeign))
	}
	l.tail, l.hash, l.last = last.Cursor, hash, &last
	return nil
}

// Tail returns the position of the last record that is known to this writer, and
// the record; nil if the log is empty.
func (l *Log) Tail() (Cursor, *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail, l.last
}

// Generation returns the generation of the log.
func (l *Log) Generation() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.span.generation
}

// Append adds records to the log as one message, all or nothing, and returns the
// position of the last one. When it returns, they are durable.
//
// An error that wraps motet.ErrUnavailable means that the log cannot be reached;
// Append has waited for a bounded time. The records may or may not be in the log
// then. The caller must repeat the very same append until it gets another
// answer; it is never applied twice. Any other record in place of the repeated
// one halts. ErrDeposed says that another writer took over. An error that wraps
// motet.ErrHalt says that the log holds what this writer cannot explain.
func (l *Log) Append(ctx context.Context, bodies ...Body) (Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.encode(bodies)
	if err != nil {
		return Cursor{}, err
	}
	if l.w.doubt != nil {
		v, msg, err := l.w.settle(ctx)
		if done, err := l.conclude(b, v, msg, err); done || err != nil {
			return l.tail, err
		}
	}
	start := l.conn.now()
	err = l.w.send(ctx, b.payload)
	if err == nil {
		l.conn.metrics.appendSeconds.Observe(l.conn.now().Sub(start).Seconds())
		l.advance(b)
		return l.tail, nil
	}
	if l.w.doubt == nil || errors.Is(err, motet.ErrHalt) || ctx.Err() != nil {
		return Cursor{}, fmt.Errorf("append record %s: %w", b.last.Cursor, err)
	}
	cause := err
	v, msg, err := l.w.settle(ctx)
	if done, err := l.conclude(b, v, msg, err); err != nil {
		return Cursor{}, fmt.Errorf("append record %s: %w: %w", b.last.Cursor, cause, err)
	} else if done {
		return l.tail, nil
	}
	return Cursor{}, fmt.Errorf("append record %s: %w: %w", b.last.Cursor, cause, errLost)
}

// batch is an encoded message.
type batch struct {
	payload []byte
	records int
	last    Record
	hash    common.Hash
}

func (l *Log) encode(bodies []Body) (batch, error) {
	var b batch
	if len(bodies) == 0 {
		return b, errEmpty
	}
	at, prev := l.tail, l.hash
	for _, body := range bodies {
		at.Counter++
		b.last = Record{Cursor: at, Prev: prev, Body: body}
		var err error
		if b.payload, prev, err = appendRecord(b.payload, &b.last); err != nil {
			return b, err
		}
	}
	if len(b.payload) > maxPayload {
		return b, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b.payload), maxPayload)
	}
	b.hash, b.records = prev, len(bodies)
	return b, nil
}

func (l *Log) advance(b batch) {
	if err := l.mark.set(b.last.Cursor); err != nil {
		l.conn.log.Warn("log cannot remember its tail", slog.Any("err", err))
	}
	l.tail, l.hash, l.last = b.last.Cursor, b.hash, &b.last
	l.conn.metrics.records.Add(float64(b.records))
	l.conn.metrics.appendBytes.Add(float64(len(b.payload)))
}

// conclude turns a verdict about the message in doubt into what it means for
// appending b. It reports true when b is in the log.
func (l *Log) conclude(b batch, v verdict, msg *jetstream.RawStreamMsg, err error) (done bool, _ error) {
	switch {
	case err != nil:
		return false, err
	case v == missing:
		return false, nil
	case v == landed && bytes.Equal(msg.Data, b.payload):
		l.advance(b)
		return true, nil
	case v == landed:
		return false, fmt.Errorf("another append was given up for this one, yet it is in the log: %w", motet.ErrHalt)
	}
	records, _, err := decodeMessage(msg.Data)
	if err != nil {
		return false, fmt.Errorf("message %d of %s is not ours: %w (%w)", msg.Sequence, logStream, err, motet.ErrHalt)
	}
	first := records[0]
	if follows(&first, l.tail, l.hash) == nil && first.Kind() == KindEpoch {
		return false, fmt.Errorf("epoch %d begins at record %s: %w", first.Epoch.Epoch, first.Cursor, ErrDeposed)
	}
	return false, fmt.Errorf("message %d of %s holds %s record %s of another writer: %w",
		msg.Sequence, logStream, first.Kind(), first.Cursor, motet.ErrHalt)
}

// Refill replaces the log by a new one of the next generation that holds the
// given bodies. It is for a single node whose chain store is ahead of its log.
// When it fails midway the log is behind again and the caller may start over.
func (l *Log) Refill(ctx context.Context, bodies iter.Seq2[Body, error]) error {
	if err := l.recreate(ctx); err != nil {
		return fmt.Errorf("refill %s: %w", logStream, err)
	}
	var (
		pending []Body
		size    int
	)
	flush := func() error {
		if len(pending) == 0 {
			return nil
		}
		_, err := l.Append(ctx, pending...)
		pending, size = pending[:0], 0
		return err
	}
	for body, err := range bodies {
		if err != nil {
			return fmt.Errorf("refill %s: %w", logStream, err)
		}
		n, err := EncodedSize(body)
		if err != nil {
			return fmt.Errorf("refill %s: %w", logStream, err)
		}
		if size+n > maxPayload {
			if err := flush(); err != nil {
				return fmt.Errorf("refill %s: %w", logStream, err)
			}
		}
		pending, size = append(pending, body), size+n
	}
	if err := flush(); err != nil {
		return fmt.Errorf("refill %s: %w", logStream, err)
	}
	return nil
}

// recreate replaces the stream by an empty one. Counters go on where they were.
func (l *Log) recreate(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.conn.cfg.Timeout)
	defer cancel()
	next := span{generation: l.newGeneration(l.span.generation), first: l.tail.Counter + 1, base: l.w.last + 1}
	if err := l.conn.js.DeleteStream(ctx, logStream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return unavailable(err)
	}
	for {
		s, err := l.conn.js.CreateStream(ctx, l.streamConfig(next))
		if err == nil {
			return l.adopt(ctx, s)
		}
		// The server may still be removing the files of the old one.
		select {
		case <-ctx.Done():
			return unavailable(err)
		case <-time.After(recreateWait):
		}
	}
}

// recreateWait is the pause before a stream is created again.
const recreateWait = 25 * time.Millisecond

// MaxBodies is the room that one append offers to the encoded sizes of its
// bodies.
const MaxBodies = maxPayload

// EncodedSize returns the room that a body takes in a message.
func EncodedSize(b Body) (int, error) {
	enc, err := encodeBody(b)
	return len(enc) + recordOverhead, err
}
