package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// source reads the messages of a stream one after the other, without gaps, over
// restarts of the server.
type source struct {
	conn   *Conn
	stream jetstream.Stream
	next   uint64 // sequence of the next message
	// created, unless it is zero, is when the stream was made. Another one that
	// takes its name ends the reading.
	created time.Time

	consumer string
	messages jetstream.MessagesContext
}

const (
	sourcePrefetch  = 32
	sourceHeartbeat = 500 * time.Millisecond
	sourceExpiry    = 5 * time.Second
	sourceIdle      = 30 * time.Second
)

// errMissing says that the stream does not hold a message that it must hold.
var errMissing = errors.New("message is missing")

// missingError is errMissing with the sequence of the message that follows.
type missingError struct{ got uint64 }

func (e *missingError) Error() string {
	return fmt.Sprintf("%v, the next one is %d", errMissing, e.got)
}
func (e *missingError) Unwrap() error { return errMissing }

// read waits for the next message and returns what it holds.
func (s *source) read(ctx context.Context) ([]byte, error) {
	msg, err := s.message(ctx)
	if err != nil {
		return nil, err
	}
	return msg.Data(), nil
}

// message waits for the next message.
func (s *source) message(ctx context.Context) (jetstream.Msg, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.messages == nil {
			if err := s.subscribe(ctx); err != nil {
				return nil, err
			}
		}
		msg, err := s.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			// The server restarted or forgot the consumer: make a new one.
			s.unsubscribe()
			continue
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read position of message %d: %w", s.next, err)
		}
		switch seq := meta.Sequence.Stream; {
		case seq < s.next: // delivered again
		case seq > s.next:
			if err := s.explain(ctx, seq); err != nil {
				return nil, err
			}
		default:
			s.next++
			return msg, nil
		}
	}
}

// explain tells a message that was lost on the way, which is read again, from
// one that is not stored.
func (s *source) explain(ctx context.Context, got uint64) error {
	s.unsubscribe()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := s.stream.GetMsg(ctx, s.next); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	info, err := s.stream.Info(ctx)
	if err != nil {
		return nil // the next attempt finds out
	}
	if info.State.FirstSeq > s.next {
		return ErrTrimmed
	}
	return &missingError{got: got}
}

// subscribe makes a consumer that starts with the next message, as often as it
// takes.
func (s *source) subscribe(ctx context.Context) error {
	for {
		err := s.trySubscribe(ctx)
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, ErrRecreated) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryWait):
		}
	}
}

func (s *source) trySubscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if !s.created.IsZero() {
		info, err := s.stream.Info(ctx)
		if err != nil {
			return err
		}
		if !info.Created.Equal(s.created) {
			return ErrRecreated
		}
	}
	c, err := s.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       s.next,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: sourceIdle,
	})
	if err != nil {
		return err
	}
	s.consumer = c.CachedInfo().Name
	s.messages, err = c.Messages(jetstream.PullMaxMessages(sourcePrefetch),
		jetstream.PullHeartbeat(sourceHeartbeat), jetstream.PullExpiry(sourceExpiry))
	return err
}

func (s *source) unsubscribe() {
	if s.messages != nil {
		s.messages.Stop()
		s.messages = nil
	}
}

// close ends the reading.
func (s *source) close() {
	s.unsubscribe()
	if s.consumer == "" || !s.conn.Connected() {
		return // the server forgets it by itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	_ = s.stream.DeleteConsumer(ctx, s.consumer) // likewise
}
