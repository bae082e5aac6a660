package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// retryWait is the pause before an append is repeated.
const retryWait = 25 * time.Millisecond

// append appends bodies as one message. While the log cannot be reached it
// repeats the very same append, as the log's rule of doubt demands, until that
// is answered or ctx ends. It is called by one goroutine at a time.
func (s *Sequencer) append(ctx context.Context, bodies ...eventlog.Body) (eventlog.Cursor, error) {
	start := time.Now()
	for {
		at, err := s.deps.Log.Append(ctx, bodies...)
		switch {
		case err == nil:
			if s.away {
				s.away = false
				s.deps.Logger.Info("log is back", slog.Duration("elapsed", time.Since(start)))
			}
			s.metrics.appendSeconds.Observe(time.Since(start).Seconds())
			return at, nil
		case errors.Is(err, motet.ErrHalt):
			return at, err
		case ctx.Err() != nil:
			return at, fmt.Errorf("append %s: %w", bodies[0].Kind(), ctx.Err())
		case !errors.Is(err, motet.ErrUnavailable):
			return at, err
		}
		if !s.away {
			s.away = true
			s.deps.Logger.Warn("log is away, no block is built", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryWait):
		}
	}
}

// flight is the append of a slice that is under way. While it is, the next slice
// may be executed.
type flight struct {
	block  *openBlock
	slice  *executed
	open   bool // the message holds the OPEN too
	done   chan struct{}
	cursor eventlog.Cursor // of the SLICE, valid once done is closed, as err
	err    error
}

func (f *flight) landed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// launch begins to append a slice. No other append may be under way.
func (s *Sequencer) launch(ctx context.Context, b *openBlock, e *executed) {
	f := &flight{block: b, slice: e, done: make(chan struct{})}
	bodies := make([]eventlog.Body, 0, 2)
	if f.open = e.record.Index == 0; f.open {
		bodies = append(bodies, eventlog.Body{Open: b.open})
	}
	bodies = append(bodies, eventlog.Body{Slice: e.record})
	s.flight = f
	go func() {
		defer close(f.done)
		f.cursor, f.err = s.append(ctx, bodies...)
	}()
}

// land waits for the append under way, if there is one, and applies its slice.
func (s *Sequencer) land() error {
	f := s.flight
	if f == nil {
		return nil
	}
	<-f.done
	s.flight = nil
	if f.err != nil {
		return f.err
	}
	if f.open {
		at := f.cursor
		at.Counter--
		s.opened(f.block, at)
	}
	first := uint64(len(f.block.txs))
	s.absorb(f.block, f.slice, f.cursor)
	s.settle(f.slice, f.block.open.Number, first)
	return nil
}
