package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
)

// writer appends messages to a stream on the condition that nobody else did. Its
// owner guards it.
//
// An append that was not acknowledged is in doubt: it may be stored, be lost, or
// still be under way. It is never sent again blindly. What happened is read from
// the stream's leader, if need be in the next call.
type writer struct {
	conn    *Conn
	stream  jetstream.Stream
	subject string

	last  uint64 // stream sequence that the next message must follow
	doubt []byte // payload whose fate at last+1 is not known; nil if none
	link  uint64 // number of the connection that carried it
}

// verdict is what became of a message in doubt.
type verdict uint8

const (
	// unknown: it could not be found out in time.
	unknown verdict = iota
	// landed: it stands where it was to be.
	landed
	// missing: it is not stored and the connection that carried it is gone.
	missing
	// conflict: another message stands there.
	conflict
)

// outcomes are the values of the metric's label.
func (v verdict) String() string {
	return [...]string{"unknown", "landed", "missing", "conflict"}[v]
}

var (
	errNoAck   = errors.New("no acknowledgement")
	errBroken  = errors.New("connection broke")
	errShrunk  = errors.New("stream lost messages")
	errUnready = fmt.Errorf("stream cannot be reached: %w", motet.ErrUnavailable)
	errLost    = fmt.Errorf("append did not arrive: %w", motet.ErrUnavailable)
)

// send appends payload after last. On success last has moved on. Errors that
// leave no doubt are returned as they are; any other leaves doubt set.
func (w *writer) send(ctx context.Context, payload []byte) error {
	if err := w.conn.await(ctx); err != nil {
		return err
	}
	link, broken := w.conn.nc.Stats().Reconnects, w.conn.broken()
	future, err := w.conn.js.PublishAsync(w.subject, payload,
		jetstream.WithExpectLastSequence(w.last),
		jetstream.WithExpectStream(w.stream.CachedInfo().Config.Name),
		jetstream.WithRetryAttempts(0))
	if errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) {
		return unavailable(err) // nothing was sent
	}
	w.doubt, w.link = payload, link
	if err != nil {
		return err
	}
	timer := time.NewTimer(w.conn.cfg.Timeout)
	defer timer.Stop()
	select {
	case ack := <-future.Ok():
		if ack.Sequence != w.last+1 {
			return fmt.Errorf("append to %s: stored as message %d, not %d: %w", ack.Stream, ack.Sequence, w.last+1, motet.ErrHalt)
		}
		w.last, w.doubt = ack.Sequence, nil
		return nil
	case err := <-future.Err():
		return w.refused(err)
	case <-broken:
		return errBroken
	case <-timer.C:
		return errNoAck
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused clears the doubt when the server's answer leaves none.
func (w *writer) refused(err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
			w.doubt = nil         // no stream listened
			time.Sleep(retryWait) // it is starting; callers repeat at once
			return unavailable(err)
		}
		return err
	}
	const (
		codeMaxBytes        = 10077 // stream store failed, text says why
		codeNoResources     = 10023
		codeStorageExceeded = 10047
	)
	switch api.ErrorCode {
	case codeNoResources, codeStorageExceeded:
		w.doubt = nil
		return unavailable(err)
	case codeMaxBytes:
		if api.Description == "maximum bytes exceeded" {
			w.doubt = nil
			return ErrFull
		}
		return err
	default:
		return err
	}
}

// settle finds out what became of the message in doubt, within the configured
// time. After landed and missing there is no doubt left; after conflict the
// message that stands at last+1 is returned.
func (w *writer) settle(ctx context.Context) (verdict, *jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, w.conn.cfg.Timeout)
	defer cancel()
	absent := 0
	for {
		v, msg, err := w.look(ctx)
		switch {
		case err != nil && errors.Is(err, motet.ErrHalt):
			return conflict, nil, err
		case err != nil: // not reachable now, or a connection that says nothing
			absent = 0
			if errors.Is(err, context.DeadlineExceeded) {
				w.renew()
			}
		case v == landed:
			w.last, w.doubt = w.last+1, nil
		case v == missing:
			// Seen from the connection that carried it, it may still be on its
			// way. Seen twice from a later one, it is not: and if it should
			// arrive all the same, the next append is refused and finds it.
			if w.renew() {
				absent = 0
			} else if absent++; absent > 2 {
				w.doubt = nil
				w.conn.metrics.doubts.WithLabelValues(missing.String()).Inc()
				return missing, nil, nil
			}
		}
		if v == landed || v == conflict {
			w.conn.metrics.doubts.WithLabelValues(v.String()).Inc()
			return v, msg, nil
		}
		select {
		case <-ctx.Done():
			w.conn.metrics.doubts.WithLabelValues(unknown.String()).Inc()
			return unknown, nil, errUnready
		case <-time.After(retryWait):
		}
	}
}

// renew replaces the connection that carried the message in doubt, unless that
// has happened already. It reports whether it did.
func (w *writer) renew() bool {
	if w.conn.nc.Stats().Reconnects != w.link {
		return false
	}
	_ = w.conn.nc.ForceReconnect() // fails only when closed or already at it
	return true
}

// look asks the stream's leader what stands at last+1.
func (w *writer) look(ctx context.Context) (verdict, *jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, w.conn.cfg.Timeout/4))
	defer cancel()
	info, err := w.stream.Info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return unknown, nil, fmt.Errorf("stream %s is gone: %w", w.stream.CachedInfo().Config.Name, motet.ErrHalt)
	}
	if err != nil {
		return unknown, nil, err
	}
	switch {
	case info.State.LastSeq < w.last:
		return unknown, nil, fmt.Errorf("stream %s ends at message %d, expected %d: %w (%w)",
			info.Config.Name, info.State.LastSeq, w.last, errShrunk, motet.ErrHalt)
	case info.State.LastSeq == w.last:
		return missing, nil, nil
	}
	msg, err := w.stream.GetMsg(ctx, w.last+1)
	if err != nil {
		return unknown, nil, err
	}
	if bytes.Equal(msg.Data, w.doubt) {
		return landed, msg, nil
	}
	return conflict, msg, nil
}
