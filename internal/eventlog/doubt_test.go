package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/natstest"
)

// TestDoubt walks through everything that can become of an append whose answer
// never came.
func TestDoubt(t *testing.T) {
	const shortly = 300 * time.Millisecond
	type sut struct {
		log   *Log // behind the proxy
		other *Log // straight at the server
		proxy *natstest.Proxy
	}
	ours, different := sliceBody(1, 0, 50), sliceBody(1, 0, 60)
	unavailable := motet.ErrUnavailable
	steps := map[string]struct {
		before func(t *testing.T, s sut)
		want   error
		// The repetition that the caller owes after ErrUnavailable.
		between func(t *testing.T, s sut)
		again   Body
		wantTwo error
		records int // in the log at the end, the opening epoch included
	}{
		"lost": {
			before: func(_ *testing.T, s sut) { s.proxy.HoldRequests() },
			want:   unavailable, again: ours, records: 2,
		},
		"persisted, not acknowledged": {
			before:  func(_ *testing.T, s sut) { s.proxy.DropAnswers() },
			records: 2,
		},
		"epoch of another": {
			before: func(t *testing.T, s sut) { mustAppend(t, s.other, epochBody(2)) },
			want:   ErrDeposed, records: 2,
		},
		"epoch of another, answers lost": {
			before: func(t *testing.T, s sut) {
				mustAppend(t, s.other, epochBody(2), openBody(1))
				s.proxy.DropAnswers()
			},
			want: ErrDeposed, records: 3,
		},
		"record of another": {
			before: func(t *testing.T, s sut) { mustAppend(t, s.other, different) },
			want:   motet.ErrHalt, records: 2,
		},
		"the same record from another": { // the bytes are what counts
			before:  func(t *testing.T, s sut) { mustAppend(t, s.other, ours) },
			records: 2,
		},
		"junk": {
			before: func(t *testing.T, s sut) {
				if _, err := s.other.conn.js.Publish(t.Context(), logSubject(testID.ChainID), []byte("junk")); err != nil {
					t.Fatal(err)
				}
			},
			want: motet.ErrHalt, records: -1,
		},
		"late, repeated": {
			before:  func(_ *testing.T, s sut) { s.proxy.HoldRequests() },
			want:    unavailable,
			between: func(t *testing.T, s sut) { deliver(t, s.proxy, s.other) },
			again:   ours, records: 2,
		},
		"late, replaced": {
			before:  func(_ *testing.T, s sut) { s.proxy.HoldRequests() },
			want:    unavailable,
			between: func(t *testing.T, s sut) { deliver(t, s.proxy, s.other) },
			again:   different, wantTwo: motet.ErrHalt, records: 2,
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natstest.Start(t, t.TempDir())
			proxy := natstest.NewProxy(t, server.Addr())
			s := sut{proxy: proxy}
			first := newLog(t, newConn(t, Config{URL: server.URL()}, nil))
			mustAppend(t, first, epochBody(1))
			s.log = newLog(t, newConn(t, Config{URL: proxy.URL(), Timeout: shortly}, nil))
			s.other = newLog(t, newConn(t, Config{URL: server.URL()}, nil))
			step.before(t, s)
			_, err := s.log.Append(t.Context(), ours)
			if !errors.Is(err, step.want) {
				t.Fatalf("append: got %v, want %v", err, step.want)
			}
			if errors.Is(step.want, unavailable) {
				if step.between != nil {
					step.between(t, s)
				}
				if err := appendUntilKnown(t, s.log, step.again); !errors.Is(err, step.wantTwo) {
					t.Fatalf("repeated append: got %v, want %v", err, step.wantTwo)
				}
			}
			if step.records >= 0 {
				expectRecords(t, newLog(t, s.other.conn), step.records)
			}
		})
	}
}

// deliver lets held requests through and waits until the log has grown.
func deliver(t *testing.T, p *natstest.Proxy, l *Log) {
	t.Helper()
	before := storedMessages(t, l)
	p.Deliver()
	for storedMessages(t, l) == before {
		time.Sleep(5 * time.Millisecond)
	}
}

func storedMessages(t *testing.T, l *Log) uint64 {
	t.Helper()
	info, err := l.w.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.LastSeq
}

// appendUntilKnown does what Append asks of its callers.
func appendUntilKnown(t *testing.T, l *Log, bodies ...Body) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	for {
		_, err := l.Append(ctx, bodies...)
		if !errors.Is(err, motet.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}

// expectRecords reads the whole log, which checks its chain.
func expectRecords(t *testing.T, l *Log, want int) {
	t.Helper()
	tail, _ := l.Tail()
	f := newFeed(t, l, Cursor{})
	for i := range want {
		if r := next(t, f); i == want-1 && r.Cursor != tail {
			t.Fatalf("record %d is %s, the tail is %s", want, r.Cursor, tail)
		}
	}
}
