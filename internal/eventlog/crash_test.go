package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/natstest"
)

const (
	kills    = 6
	killWait = 300 * time.Millisecond
)

// TestKillServer kills the server in the middle of appends again and again. What
// was acknowledged is there, once and in order, and appends go on by themselves.
func TestKillServer(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	c := newConn(t, Config{URL: server.URL(), Timeout: time.Second}, nil)
	l := newLog(t, c)
	live := newFeed(t, newLog(t, newConn(t, Config{URL: server.URL()}, nil)), Cursor{})

	var wg sync.WaitGroup
	stop := make(chan struct{})
	var slowest time.Duration
	wg.Go(func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			start := time.Now()
			if err := appendUntilKnown(t, l, numbered(n)); err != nil {
				t.Errorf("append %d: %v", n, err)
				return
			}
			slowest = max(slowest, time.Since(start))
		}
	})
	var down time.Duration
	for range kills {
		time.Sleep(time.Duration(rand.Int64N(int64(killWait)))) //nolint:gosec // no secret
		start := time.Now()
		server.Kill()
		server.Resume()
		down = max(down, time.Since(start))
	}
	time.Sleep(killWait)
	close(stop)
	wg.Wait()
	tail, _ := l.Tail()
	t.Logf("%d records, longest outage %v, longest append %v", tail.Counter, down, slowest)
	if slowest > down+5*time.Second {
		t.Errorf("an append took %v, the longest outage %v", slowest, down)
	}
	for _, f := range []*Feed{live, newFeed(t, l, Cursor{})} {
		for n := uint64(1); n <= tail.Counter; n++ {
			if r := next(t, f); binary.BigEndian.Uint64(r.Slice.Txs[0]) != n {
				t.Fatalf("record %s holds append %x", r.Cursor, r.Slice.Txs[0])
			}
		}
	}
}

func numbered(n uint64) Body {
	return Body{Slice: &Slice{Number: n, Txs: []hexutil.Bytes{binary.BigEndian.AppendUint64(nil, n)}, Digests: []Digest{{}}}}
}

// TestKillServerIntake does the same to the intake: whatever AppendTxs accepted
// is replayed, under the sequence that it returned.
func TestKillServerIntake(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	in := newIntake(t, newConn(t, Config{URL: server.URL(), Timeout: time.Second}, nil))
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		accepted = map[uint64]uint64{} // sequence to transaction
		stop     = make(chan struct{})
	)
	for w := range uint64(4) {
		wg.Go(func() {
			for n := w << 32; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				seq, err := in.AppendTxs(t.Context(), [][]byte{binary.BigEndian.AppendUint64(nil, n)})
				switch {
				case err == nil:
					mu.Lock()
					if _, twice := accepted[seq]; twice {
						t.Errorf("sequence %d was given twice", seq)
					}
					accepted[seq] = n
					mu.Unlock()
				case !errors.Is(err, motet.ErrUnavailable):
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(rand.Int64N(int64(killWait)))) //nolint:gosec // no secret
		server.Kill()
		server.Resume()
	}
	time.Sleep(killWait)
	close(stop)
	wg.Wait()
	again := newIntake(t, newConn(t, Config{URL: server.URL()}, nil))
	var last uint64
	err := again.Replay(t.Context(), func(seq uint64, raw []byte) error {
		if seq != last+1 {
			t.Errorf("sequence %d follows %d", seq, last)
		}
		last = seq
		if want, ok := accepted[seq]; ok && want != binary.BigEndian.Uint64(raw) {
			t.Errorf("sequence %d is another transaction", seq)
		}
		delete(accepted, seq)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(accepted) > 0 {
		t.Fatalf("%d accepted transactions are lost", len(accepted))
	}
	t.Logf("%d transactions stored", last)
}

// TestOutage shows that an append while the server is away ends in time, and
// that the next one succeeds once it is back.
func TestOutage(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	l := newLog(t, newConn(t, Config{URL: server.URL(), Timeout: 400 * time.Millisecond}, nil))
	mustAppend(t, l, epochBody(1))
	server.Stop()
	start := time.Now()
	if _, err := l.Append(t.Context(), openBody(1)); !errors.Is(err, motet.ErrUnavailable) {
		t.Fatalf("append while away: %v", err)
	}
	if d := time.Since(start); d > 8*time.Second {
		t.Fatalf("took %v to give up", d)
	}
	server.Resume()
	start = time.Now()
	if err := appendUntilKnown(t, l, openBody(1)); err != nil {
		t.Fatal(err)
	}
	t.Logf("appends go on %v after the server", time.Since(start))
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("appends go on only %v after the server", d)
	}
	expectRecords(t, l, 2)

	server.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Append(ctx, sliceBody(1, 0, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append to a frozen server: %v", err)
	}
	server.Thaw()
	if err := appendUntilKnown(t, l, sliceBody(1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	expectRecords(t, l, 3)
}
