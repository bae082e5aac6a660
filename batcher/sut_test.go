package batcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/batcher"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Started once per process by go-ethereum, or outliving its Close by seconds.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

const genesisTime = 1_000_000

// sut is a batcher on a chain that nobody executed and an L1 in memory. Its
// tests run in a synctest bubble: hours take no time.
type sut struct {
	t      *testing.T
	l1     *rolluptest.FakeL1
	chain  *rolluptest.Blocks
	cfg    batcher.Config
	deps   batcher.Deps
	checks atomic.Int64
	logged rolluptest.LogCounts

	derived atomic.Pointer[batcher.Derived]
	known   *rolluptest.Derivation
	seen    common.Hash // L1 head of known
	mu      sync.Mutex  // of those two
	// derivation is the time between looks of derivation at L1.
	derivation time.Duration
}

func newSUT(t *testing.T) *sut {
	t.Helper()
	s := &sut{t: t, l1: rolluptest.NewFakeL1(genesisTime, 3), chain: rolluptest.NewBlocks(genesisTime), derivation: 250 * time.Millisecond}
	s.l1.Mine(3)
	s.cfg = batcher.Config{StateFile: filepath.Join(t.TempDir(), "batch.json"), Codec: batchcodec.Zstd}
	s.deps = batcher.Deps{
		Rollup: s.chain.Rollup(s.l1.Origin(0)), Chain: s.chain, Inbox: s.l1,
		Derived: func() batcher.Derived { return *s.derived.Load() },
		Check:   func(context.Context, *types.Block) error { s.checks.Add(1); return nil },
		Log:     slog.New(&s.logged),
	}
	return s
}

// grow adds blocks with those numbers of transactions.
func (s *sut) grow(txs ...int) {
	s.t.Helper()
	for _, n := range txs {
		s.chain.Grow(s.t, s.l1.Origin(min(s.chain.Head().Number.Uint64()/3, 2)), n, 200)
	}
}

func (s *sut) derive() *rolluptest.Derivation {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if head := s.l1.Newest().Hash; s.known == nil || s.seen != head {
		d, err := rolluptest.Derive(s.deps.Rollup, genesisTime, s.l1)
		if err != nil {
			s.t.Error(err)
			return new(rolluptest.Derivation)
		}
		s.known, s.seen = d, head
	}
	return s.known
}

func (s *sut) look() {
	d := s.derive()
	s.derived.Store(&batcher.Derived{L1: d.L1, Index: d.Index, Acc: d.Acc, Next: d.Next})
}

// posted tells whether L1 stands for the whole chain.
func (s *sut) posted() bool {
	return s.derive().Next == derive.Position{Block: s.chain.Head().Number.Uint64() + 1}
}

var errNever = errors.New("it did not come true")

// start runs a new batcher, as after a restart. The returned function ends it
// and gives Run's error; the channel is closed when it has ended.
func (s *sut) start() (stop func() error, ended <-chan struct{}) {
	s.t.Helper()
	s.deps.Registerer = prometheus.NewRegistry()
	b, err := batcher.New(s.cfg, s.deps)
	if err != nil {
		s.t.Fatal(err)
	}
	s.derived.Store(new(batcher.Derived)) // derivation knows nothing after a start
	ctx, cancel := context.WithCancel(s.t.Context())
	looking, done := make(chan struct{}), make(chan struct{})
	var end error
	go func() {
		defer close(looking)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(s.derivation):
				s.look()
			}
		}
	}()
	go func() {
		defer close(done)
		end = b.Run(ctx)
	}()
	return func() error {
		cancel()
		<-looking
		<-done
		return end
	}, done
}

// run runs a new batcher until cond holds, for two hours at most.
func (s *sut) run(cond func() bool) error {
	s.t.Helper()
	stop, ended := s.start()
	for range 2 * 60 * 60 * 4 {
		if cond() {
			time.Sleep(2 * time.Second) // the last word is written
			return stop()
		}
		select {
		case <-ended:
			return stop()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return errors.Join(errNever, stop())
}

// mustPost runs a new batcher until L1 stands for the whole chain, and judges.
func (s *sut) mustPost() *rolluptest.Derivation {
	s.t.Helper()
	if err := s.run(s.posted); err != nil {
		s.t.Fatal(err)
	}
	return s.judge()
}

// judge compares what L1 derives to with the chain: no batch is invalid, and
// none starts anywhere but where the one before it ended.
func (s *sut) judge() *rolluptest.Derivation {
	s.t.Helper()
	d := s.derive()
	if len(d.Invalid) > 0 || d.Again > 0 {
		s.t.Fatalf("invalid batches: %v; blocks begun anew: %d", d.Invalid, d.Again)
	}
	for i, got := range d.Blocks {
		want := s.chain.BlockByNumber(uint64(i) + 1) //nolint:gosec // small
		if err := same(want, &got); err != nil {
			s.t.Fatalf("block %d: %v", i+1, err)
		}
	}
	for _, last := range d.Lasts {
		if got := s.chain.BlockByNumber(last.Number).Hash(); got != last.Hash {
			s.t.Fatalf("block %d is %s, L1 says %s", last.Number, got, last.Hash)
		}
	}
	return d
}

func same(want *types.Block, got *derive.Block) error {
	origin, err := motet.ParseExtraData(want.Extra())
	if err != nil {
		return err
	}
	if got.Number != want.NumberU64() || got.Timestamp != want.Time() || got.Origin.Number != origin || len(got.Txs) != want.Transactions().Len() {
		return fmt.Errorf("derived as number %d, time %d, origin %d, %d transactions", got.Number, got.Timestamp, got.Origin.Number, len(got.Txs))
	}
	for i, tx := range want.Transactions() {
		if raw, err := tx.MarshalBinary(); err != nil || !bytes.Equal(raw, got.Txs[i]) {
			return fmt.Errorf("transaction %d differs (%w)", i, err)
		}
	}
	return nil
}

// bubble runs a test where time is not real.
func bubble(t *testing.T, fn func(s *sut)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(newSUT(t)) })
}
