package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/internal/oracle"
	"github.com/motet-evm/motet/internal/testkit/listtest"
	"github.com/motet-evm/motet/internal/testkit/natstest"
)

func TestMain(m *testing.M) {
	natstest.ServeIfChild()
	goleak.VerifyTestMain(m,
		// geth starts the first for the life of the process; the second ends by itself.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

const testWait = 30 * time.Second

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	said []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, r.Level.String()+" "+r.Message)
	return nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said)
}

// sut is a publisher between a chain and a NATS server, both real.
type sut struct {
	*listtest.Chain
	t        testing.TB
	stream   *eventlog.Derived
	pub      *Publisher
	registry *prometheus.Registry
	said     *lines
	stop     func()
}

// newSUT starts a publisher. wrap may put faults between it and the chain.
func newSUT(t testing.TB, c *listtest.Chain, conn *eventlog.Conn, wrap func(Chain) Chain) *sut {
	t.Helper()
	s := newIdle(t, c, conn, wrap)
	s.run()
	return s
}

// newIdle makes a publisher without running it.
func newIdle(t testing.TB, c *listtest.Chain, conn *eventlog.Conn, wrap func(Chain) Chain) *sut {
	t.Helper()
	s := &sut{Chain: c, t: t, registry: prometheus.NewRegistry(), said: new(lines)}
	var err error
	if s.stream, err = conn.OpenDerived(t.Context(), eventlog.Identity{ChainID: listtest.ChainID, Genesis: c.Genesis().Hash()}, 1<<30); err != nil {
		t.Fatal(err)
	}
	from := Chain(c.Chain)
	if wrap != nil {
		from = wrap(from)
	}
	if s.pub, err = New(Deps{Chain: from, Stream: s.stream, Log: slog.New(s.said), Registerer: s.registry}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sut) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.pub.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(s.stop)
}

// read returns the lists on the stream up to the one of a block, and what the
// reader was told it cannot have.
func (s *sut) read(last *types.Block) (lists []*eventlog.AccessList) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testWait)
	defer cancel()
	f, err := s.stream.Read(ctx, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for {
		list, err := f.Next(ctx)
		if err != nil {
			s.t.Fatalf("%v; the publisher says %v", err, s.said.all())
		}
		lists = append(lists, list)
		if list.Block.Hash == last.Hash() {
			return lists
		}
	}
}

// expect demands that the stream holds the lists of exactly these blocks, as geth
// makes them.
func (s *sut) expect(blocks ...*types.Block) {
	s.t.Helper()
	lists := s.read(blocks[len(blocks)-1])
	var want, got []motet.BlockRef
	for _, b := range blocks {
		want = append(want, motet.RefOf(b.Header()))
	}
	for _, l := range lists {
		got = append(got, l.Block)
	}
	if !slices.Equal(want, got) {
		s.t.Fatalf("the stream holds the lists of %v\nwant %v", got, want)
	}
	for i, block := range blocks {
		list := listtest.Want(s.t, s.Chain.Chain, block)
		if err := oracle.CompareAccesses(list, lists[i].List); err != nil || lists[i].Hash != list.Hash() {
			s.t.Fatalf("block %d: %v", block.NumberU64(), err)
		}
	}
}

// metric returns the sum of a metric's values.
func (s *sut) metric(name string) (sum float64) {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func (s *sut) eventually(what string, cond func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(testWait); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not in time: %s; the publisher says %v", what, s.said.all())
		}
	}
}

func embedded(t testing.TB, dir string) (conn *eventlog.Conn, stop func()) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	server, err := eventlog.StartServer(eventlog.ServerConfig{StoreDir: dir}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err = eventlog.Connect(t.Context(), eventlog.Config{}, eventlog.Deps{Server: server, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { conn.Close(); server.Shutdown() })
	t.Cleanup(stop)
	return conn, stop
}

// TestPublishes: every block's list comes out as geth makes it, one that takes
// several messages among them.
func TestPublishes(t *testing.T) {
	for name, setup := range map[string]listtest.Setup{"osaka": {}, "amsterdam": {Amsterdam: true}} {
		t.Run(name, func(t *testing.T) {
			conn, _ := embedded(t, t.TempDir())
			s := newSUT(t, listtest.Open(t, t.TempDir(), setup), conn, nil)
			var blocks []*types.Block
			for range 6 {
				blocks = append(blocks, s.Grow(t, 40))
			}
			blocks = append(blocks, s.Large(t), s.Grow(t, 10))
			s.expect(blocks...)
			if bytes := s.metric("motet_publish_bytes_total"); bytes < 1_000_000 && !setup.Amsterdam {
				t.Errorf("%v bytes: no list took two messages", bytes)
			}
			s.eventually("the publisher has caught up", func() bool { return s.metric("motet_publish_lag_blocks") == 0 })
			if n := s.metric("motet_publish_access_lists_total"); n != float64(len(blocks)) || s.metric("motet_publish_gaps_total") != 0 {
				t.Errorf("%v lists, %v gaps", n, s.metric("motet_publish_gaps_total"))
			}
		})
	}
}

// TestRestart: the next process publishes what the last one did not come to, from
// blocks that nobody remembers the execution of, and nothing twice.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	chainDir, natsDir := filepath.Join(dir, "chain"), filepath.Join(dir, "nats")
	conn, stopNATS := embedded(t, natsDir)
	c := listtest.Open(t, chainDir, listtest.Setup{})
	s := newSUT(t, c, conn, nil)
	blocks := []*types.Block{s.Grow(t, 20), s.Grow(t, 20)}
	s.expect(blocks...)
	s.stop()
	blocks = append(blocks, c.Grow(t, 20), c.Grow(t, 20))
	stopNATS()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	conn, _ = embedded(t, natsDir)
	c = listtest.Open(t, chainDir, listtest.Setup{})
	s = newSUT(t, c, conn, nil)
	blocks = append(blocks, s.Grow(t, 20))
	s.expect(blocks...)
	s.stop()
	if n := s.metric("motet_publish_access_lists_total"); n != 3 {
		t.Errorf("%v lists were published after the restart, want 3", n)
	}
	s = newSUT(t, c, conn, nil) // and a restart with nothing to do
	s.expect(append(blocks, s.Grow(t, 1))...)
}

// TestOutage: blocks go on while NATS is away, and their lists follow.
func TestOutage(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	conn, err := eventlog.Connect(t.Context(), eventlog.Config{URL: server.URL(), Timeout: 400 * time.Millisecond},
		eventlog.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := newSUT(t, listtest.Open(t, t.TempDir(), listtest.Setup{}), conn, nil)
	defer s.stop()
	blocks := []*types.Block{s.Grow(t, 20)}
	s.expect(blocks...)
	server.Kill()
	for range 5 {
		blocks = append(blocks, s.Grow(t, 20))
	}
	s.eventually("the outage is told", func() bool { reason, _ := s.pub.Outage(); return reason != "" })
	s.eventually("the lag is told", func() bool { return s.metric("motet_publish_lag_blocks") == 5 })
	server.Resume()
	s.eventually("the server is back", conn.Connected)
	s.expect(blocks...)
	s.eventually("the outage is over", func() bool { reason, _ := s.pub.Outage(); return reason == "" })
	if said := s.said.all(); !slices.Equal(said, []string{"WARN access lists wait", "INFO access lists go on"}) {
		t.Errorf("an outage is two lines, not %v", said)
	}
}

// TestRollback: new blocks follow under their own hashes, whether the publisher was
// there or not when the chain was rolled back.
func TestRollback(t *testing.T) {
	conn, _ := embedded(t, t.TempDir())
	s := newSUT(t, listtest.Open(t, t.TempDir(), listtest.Setup{}), conn, nil)
	var old []*types.Block
	for range 5 {
		old = append(old, s.Grow(t, 10))
	}
	published := func(b *types.Block) {
		s.eventually("the list is there", func() bool {
			tail, _, err := s.stream.Tail(t.Context())
			return err == nil && tail.Hash == b.Hash()
		})
	}
	published(old[4])
	s.Rollback(t, old[2])
	fresh := []*types.Block{s.Grow(t, 11), s.Grow(t, 11)}
	published(fresh[1])
	s.stop()
	s.Rollback(t, old[1])
	again := []*types.Block{s.Grow(t, 12), s.Grow(t, 12), s.Grow(t, 12), s.Grow(t, 12)}
	s.run()
	var got []uint64
	hashes := map[string]bool{}
	for _, l := range s.read(again[3]) {
		got = append(got, l.Block.Number)
		hashes[l.Block.Hash.Hex()] = true
	}
	if want := []uint64{1, 2, 3, 4, 5, 4, 5, 3, 4, 5, 6}; !slices.Equal(got, want) || len(hashes) != len(want) {
		t.Errorf("lists of %v, want %v", got, want)
	}
}

// forgetful is a chain that does not have the state of some blocks, and fails once
// for others.
type forgetful struct {
	Chain
	gone func(n uint64) bool
	once map[uint64]error
}

func (f *forgetful) AccessList(ctx context.Context, b *types.Block) (*bal.BlockAccessList, error) {
	n := b.NumberU64()
	if f.gone(n) {
		return nil, fmt.Errorf("block %d: %w", n, chain.ErrStateGone)
	}
	if err := f.once[n]; err != nil {
		delete(f.once, n)
		return nil, err
	}
	return f.Chain.AccessList(ctx, b)
}

// TestGaps: what cannot be made is left out, logged once and counted; what fails is
// tried again.
func TestGaps(t *testing.T) {
	conn, _ := embedded(t, t.TempDir())
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	var blocks []*types.Block
	for range 12 {
		blocks = append(blocks, c.Grow(t, 3))
	}
	s := newIdle(t, c, conn, func(c Chain) Chain {
		return &forgetful{c, func(n uint64) bool { return n == 5 || n == 6 || n == 7 || n == 9 }, map[uint64]error{8: errors.New("the disk is slow"), 10: chain.ErrNotCanonical}}
	})
	s.pub.backlog = 10
	s.run()
	s.expect(blocks[2], blocks[3], blocks[7], blocks[9], blocks[10], blocks[11])
	if n := s.metric("motet_publish_gaps_total"); n != 2+4 {
		t.Errorf("%v gaps are counted", n)
	}
	s.eventually("all is well again", func() bool { reason, _ := s.pub.Outage(); return reason == "" })
	want := []string{
		"INFO access lists of old blocks are left out", "WARN block is left out of the access lists",
		"WARN access lists wait", "INFO access lists go on", "WARN block is left out of the access lists",
	}
	if said := s.said.all(); !slices.Equal(said, want) {
		t.Errorf("logged:\n%s", strings.Join(said, "\n"))
	}
}

// TestHalts: an execution that gives another block is not for trying again.
func TestHalts(t *testing.T) {
	conn, _ := embedded(t, t.TempDir())
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	c.Grow(t, 1)
	s := newIdle(t, c, conn, func(c Chain) Chain {
		return &forgetful{c, func(uint64) bool { return false }, map[uint64]error{1: motet.ErrHalt}}
	})
	if err := s.pub.Run(t.Context()); !errors.Is(err, motet.ErrHalt) {
		t.Fatal(err)
	}
}
