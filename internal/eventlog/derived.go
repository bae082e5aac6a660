package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
)

const (
	derivedStream = "MOTET_DERIVED"
	// maxDerived bounds the number of messages, whatever their size: the server
	// keeps an index of subjects in memory.
	maxDerived = 1 << 18
)

// Derived is the stream of what can be made anew from the chain: the block access
// lists (EIP-7928). It has one writer at a time; nothing waits for it.
//
// A list is one or more messages on the subject motet.<chain id>.accesslist.<block
// number>. After a rollback the new blocks' lists follow under the same numbers:
// the block's hash tells which is which.
type Derived struct {
	conn  *Conn
	id    Identity
	bytes int64
	part  int // most bytes of a list in a message; tests lower it

	mu     sync.Mutex
	stream jetstream.Stream
	last   uint64 // stream sequence that the next message must follow
	tail   *chunk // what the stream ends with; nil if nothing is stored
	stale  bool   // last and tail must be read anew
}

// OpenDerived opens the chain's derived stream, creating it if there is none. It
// holds that many bytes; the oldest go first.
func (c *Conn) OpenDerived(ctx context.Context, id Identity, maxBytes int64) (*Derived, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	d := &Derived{conn: c, id: id, bytes: maxBytes, part: maxPayload}
	return d, d.resync(ctx)
}

func (d *Derived) subject(block string) string {
	return "motet." + strconv.FormatUint(d.id.ChainID, 10) + ".accesslist." + block
}

func (d *Derived) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:       derivedStream,
		Subjects:   []string{d.subject("*")},
		Storage:    jetstream.FileStorage,
		Discard:    jetstream.DiscardOld,
		MaxBytes:   d.bytes,
		MaxMsgs:    maxDerived,
		MaxMsgSize: MaxMessage,
		Replicas:   d.conn.cfg.Replicas,
		Metadata:   d.id.metadata(),
	}
}

// resync opens the stream and reads what it ends with. The stream may have been
// deleted: it can be made anew.
func (d *Derived) resync(ctx context.Context) error {
	cfg := d.streamConfig()
	s, err := d.conn.js.Stream(ctx, derivedStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = d.conn.js.CreateStream(ctx, cfg)
	}
	if err != nil {
		return fmt.Errorf("open stream %s: %w", derivedStream, unavailable(err))
	}
	have := s.CachedInfo().Config
	if err := d.id.check(derivedStream, have.Metadata); err != nil {
		return err
	}
	if have.MaxBytes != cfg.MaxBytes || have.MaxMsgs != cfg.MaxMsgs {
		maps.Copy(cfg.Metadata, have.Metadata)
		if s, err = d.conn.js.UpdateStream(ctx, cfg); err != nil {
			return fmt.Errorf("change the bounds of stream %s: %w", derivedStream, unavailable(err))
		}
	}
	info, err := s.Info(ctx)
	if err != nil {
		return fmt.Errorf("read tail of %s: %w", derivedStream, unavailable(err))
	}
	tail, err := newest(ctx, s, d.subject("*"))
	if err != nil {
		return err
	}
	d.stream, d.last, d.tail, d.stale = s, info.State.LastSeq, tail, false
	return nil
}

// newest returns what the last message on a subject is about, nil if there is
// none, or none of ours.
func newest(ctx context.Context, s jetstream.Stream, subject string) (*chunk, error) {
	msg, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last message of %s: %w", subject, unavailable(err))
	}
	c, err := parseChunk(msg.Header)
	if err != nil {
		return nil, nil //nolint:nilerr // whoever reads the stream is told
	}
	return &c, nil
}

// Tail names the block whose list the stream ends with. It reports false if the
// stream is empty.
func (d *Derived) Tail(ctx context.Context) (motet.BlockRef, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.renew(ctx); err != nil || d.tail == nil {
		return motet.BlockRef{}, false, err
	}
	return d.tail.block, true, nil
}

// renew is resync after waiting for the connection.
func (d *Derived) renew(ctx context.Context) error {
	if err := d.conn.await(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.conn.cfg.Timeout)
	defer cancel()
	return d.resync(ctx)
}

// Holds reports whether the newest list of that number on the stream is this
// block's, to its end.
func (d *Derived) Holds(ctx context.Context, block motet.BlockRef) (bool, error) {
	d.mu.Lock()
	s := d.stream
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d.conn.cfg.Timeout)
	defer cancel()
	c, err := newest(ctx, s, d.subject(strconv.FormatUint(block.Number, 10)))
	return c != nil && c.block == block && c.index == c.count, err
}

// First returns the number of the block whose list is the oldest that the stream
// holds, or that it holds the end of; 0 if it holds none.
func (d *Derived) First(ctx context.Context) (uint64, error) {
	d.mu.Lock()
	s := d.stream
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d.conn.cfg.Timeout)
	defer cancel()
	c, _, err := chunkFrom(ctx, s, 1)
	if err != nil || c == nil {
		return 0, err
	}
	return c.block.Number, nil
}

// Publish stores the list of a block and returns how many bytes it wrote: none if
// the stream ends with that list already, and what is missing if it ends with the
// beginning of it. When it returns nil, the list is stored.
//
// After an error that wraps motet.ErrUnavailable the same call may be repeated.
// A list that no reader would take gives ErrTooLarge.
func (d *Derived) Publish(ctx context.Context, block motet.BlockRef, list *bal.BlockAccessList) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what, raw, err := encodeList(block, list, d.part)
	if err != nil {
		return 0, fmt.Errorf("publish access list of block %d: %w", block.Number, err)
	}
	if d.stale {
		if err := d.renew(ctx); err != nil {
			return 0, err
		}
	}
	written := 0
	for what.index = d.stored(what); what.index < what.count; {
		from := what.index * d.part
		what.index++
		n, err := d.put(ctx, what, raw[from:min(from+d.part, len(raw))])
		if err != nil {
			return written, fmt.Errorf("publish access list of block %d: %w", block.Number, err)
		}
		written += n
	}
	return written, nil
}

// stored returns how many messages of a list the stream ends with.
func (d *Derived) stored(list chunk) int {
	if d.tail == nil || !d.tail.of(list) {
		return 0
	}
	return d.tail.index
}

// put appends one message, on the condition that the stream ends where it is
// thought to. So a message whose fate is not known is never stored twice.
func (d *Derived) put(ctx context.Context, what chunk, data []byte) (int, error) {
	if err := d.conn.await(ctx); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.conn.cfg.Timeout)
	defer cancel()
	msg := &nats.Msg{Subject: d.subject(strconv.FormatUint(what.block.Number, 10)), Header: what.header(), Data: data}
	ack, err := d.conn.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequence(d.last),
		jetstream.WithExpectStream(derivedStream), jetstream.WithRetryAttempts(0))
	if err != nil {
		d.stale = true
		return 0, unavailable(err)
	}
	d.last, d.tail = ack.Sequence, &what
	return msg.Size(), nil
}
