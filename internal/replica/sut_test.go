package replica_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/internal/replica"
	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Started once per process by go-ethereum, or outliving its Close by seconds.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

const (
	finality = 3 // L1 blocks; nothing deeper is reorganised
	poll     = 250 * time.Millisecond
)

// sut is a replica, an L1 in memory, and the chain that L1 stands for.
type sut struct {
	t      testing.TB
	l1     *l1
	posted *rolluptest.Node
	chain  *spy // the replica's
	cfg    replica.Config
	deps   replica.Deps
	logged rolluptest.LogCounts

	mu     sync.Mutex
	counts map[common.Hash]cut // the batches that count, by accumulator
	ends   map[common.Hash]bool

	found kept // by the last replica
	reads int  // length of l1.reads when it began
}

// newSUT returns a replica in memory. If it builds, it has a chain of its own.
func newSUT(t testing.TB, build bool) *sut {
	t.Helper()
	genesis := rolluptest.Genesis(rolluptest.GenesisTime())
	ledger := rolluptest.NewLedger(genesis)
	s := assemble(t, ledger, rolluptest.NewLedger(genesis), build)
	s.posted = rolluptest.NewNode(ledger, rolluptest.Assembler{}, s.deps.Rollup)
	s.deps.Executor = rolluptest.Assembler{}
	return s
}

func assemble(t testing.TB, posted, own rolluptest.Chain, build bool) *sut {
	t.Helper()
	s := &sut{
		t: t, l1: &l1{FakeL1: rolluptest.NewFakeL1(posted.Genesis().Time(), finality)},
		counts: map[common.Hash]cut{}, ends: map[common.Hash]bool{posted.Genesis().Hash(): true},
	}
	genesis := posted.Genesis()
	rollup := rolluptest.Rollup(genesis.Hash(), s.l1.Origin(0))
	if !build {
		own = posted
	}
	s.chain = &spy{Chain: own, sut: s, commits: map[common.Hash]int{}}
	s.cfg = replica.Config{Build: build, Checkpoint: filepath.Join(t.TempDir(), "derivation.json"), PollInterval: poll}
	s.deps = replica.Deps{Rollup: rollup, L1: s.l1, Chain: s.chain, Log: slog.New(&s.logged)}
	s.l1.Mine(finality + 2)
	return s
}

// l1 is an L1 whose node may lag behind, and that notes what was read.
type l1 struct {
	*rolluptest.FakeL1
	behind atomic.Uint64

	mu    sync.Mutex
	reads []uint64
}

func (l *l1) top() uint64 {
	n := l.Newest().Number
	return n - min(n, l.behind.Load())
}

func (l *l1) Head(ctx context.Context) (motet.Origin, error) {
	if _, err := l.FakeL1.Head(ctx); err != nil {
		return motet.Origin{}, err
	}
	return l.Origin(l.top()), nil
}

func (l *l1) Block(ctx context.Context, n uint64) (*motet.L1Block, error) {
	l.mu.Lock()
	l.reads = append(l.reads, n)
	l.mu.Unlock()
	if n > l.top() {
		return nil, ethereum.NotFound
	}
	return l.FakeL1.Block(ctx, n)
}

// spy is the replica's chain. It fails on demand, and judges every label.
type spy struct {
	rolluptest.Chain
	sut    *sut
	faults func(call string) rolluptest.Fault

	commits map[common.Hash]int
	labels  []motet.BlockRef // safe, in order
}

var errDisk = errors.New("disk is out of order")

func (s *spy) call(name string, effect func() error) error {
	fault := rolluptest.None
	if s.faults != nil {
		fault = s.faults(name)
	}
	if fault == rolluptest.Fail {
		return errDisk
	}
	if err := effect(); err != nil {
		return err
	}
	if fault != rolluptest.None {
		return errDisk
	}
	return nil
}

func (s *spy) Commit(ctx context.Context, sealed *chain.Sealed) error {
	return s.call("Commit", func() error {
		s.commits[sealed.Block.Hash()]++
		return s.Chain.Commit(ctx, sealed)
	})
}

func (s *spy) Rollback(ctx context.Context, to motet.BlockRef) error {
	return s.call("Rollback", func() error { return s.Chain.Rollback(ctx, to) })
}

func (s *spy) Label(safe, finalized motet.BlockRef) error {
	return s.call("Label", func() error {
		s.labels = append(s.labels, safe)
		switch limit := s.sut.want().finalized; {
		case !s.sut.isEnd(safe) || !s.sut.isEnd(finalized):
			s.sut.t.Errorf("%v and %v are labelled, which no batch ends with", safe, finalized)
		case finalized.Number > limit || finalized.Number > safe.Number:
			s.sut.t.Errorf("%v is labelled final; %v is safe, L1 finalized %d", finalized, safe, limit)
		}
		return s.Chain.Label(safe, finalized)
	})
}

// grow adds blocks with those numbers of transactions to the chain that L1
// stands for, on origins deep enough to stay.
func (s *sut) grow(txs ...int) {
	s.t.Helper()
	for _, n := range txs {
		s.posted.Grow(s.t, s.l1.Origin(s.l1.Newest().Number-finality), n)
	}
}

// cut is a batch of the chain from one place up to, but without, another. A bad
// one, bent or damaged or not, must not count.
type cut struct {
	from, to derive.Position
	bad      bool
	bend     func(*batchcodec.Batch)
	damage   func(*motet.BatchHeader, []byte) []byte
}

func at(block uint64, tx uint32) derive.Position { return derive.Position{Block: block, Tx: tx} }

// whole is the batch of the blocks from one to another.
func whole(first, last uint64) cut { return cut{from: at(first, 0), to: at(last+1, 0)} }

// post posts batches in one L1 block.
func (s *sut) post(cuts ...cut) {
	s.t.Helper()
	index := uint64(len(s.l1.Batches()))
	list := make([]rolluptest.Injection, len(cuts))
	for i, c := range cuts {
		list[i] = s.encode(index+uint64(i), c)
	}
	n := s.l1.InjectAll(list...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range s.l1.Blocks()[n].Batches {
		if !cuts[i].bad {
			s.counts[b.Acc] = cuts[i]
			s.ends[b.Header.LastHash] = true
		}
	}
}

func (s *sut) encode(index uint64, c cut) rolluptest.Injection {
	s.t.Helper()
	last := c.to.Block - 1
	if c.to.Tx > 0 {
		last++
	}
	b := &batchcodec.Batch{ChainID: rolluptest.ChainID, Index: index, FirstBlock: c.from.Block, FirstTx: c.from.Tx, LastComplete: c.to.Tx == 0}
	for n := c.from.Block; n <= last; n++ {
		part := rolluptest.Batch(s.t, 0, s.posted.BlockByNumber(n)).Blocks[0]
		if n == c.to.Block {
			part.Txs = part.Txs[:c.to.Tx]
		}
		if n == c.from.Block {
			part.Txs = part.Txs[c.from.Tx:]
		}
		b.Blocks = append(b.Blocks, part)
	}
	if c.bend != nil {
		c.bend(b)
	}
	var hash common.Hash
	if complete := c.to.Block - 1; complete >= c.from.Block {
		hash = s.posted.BlockHash(complete)
	}
	header, payload := rolluptest.Encode(s.t, b, hash)
	if c.damage != nil {
		payload = c.damage(header, payload)
	}
	return rolluptest.Injection{Header: header, Payload: payload}
}

// want is what derivation must come to.
type want struct {
	safe, finalized uint64
	next            derive.Position
	batches         []uint64 // that completed block i+1
}

// want says what L1 stands for now.
func (s *sut) want() want {
	s.mu.Lock()
	defer s.mu.Unlock()
	blocks := s.l1.Blocks()
	w := want{next: at(1, 0)}
	for _, block := range blocks {
		for i := range block.Batches {
			c, ok := s.counts[block.Batches[i].Acc]
			if !ok {
				continue
			}
			for w.next = c.to; w.safe+1 < c.to.Block; w.safe++ {
				w.batches = append(w.batches, block.Batches[i].Index)
			}
		}
		if block.Origin.Number+finality <= uint64(len(blocks)-1) {
			w.finalized = w.safe
		}
	}
	return w
}

// isEnd tells whether a batch that counts ends with a block.
func (s *sut) isEnd(b motet.BlockRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[b.Hash]
}

// repost posts what L1 lost.
func (s *sut) repost() {
	s.t.Helper()
	if next, end := s.want().next, at(s.posted.Head().Number.Uint64()+1, 0); next != end {
		s.post(cut{from: next, to: end})
	}
}

// start runs a new replica, as after a restart. The returned function ends it and
// gives Run's error; the channel is closed when it has ended.
func (s *sut) start() (r *replica.Replica, stop func() error, ended <-chan struct{}) {
	s.t.Helper()
	s.found, s.reads = s.checkpoint(), len(s.l1.reads)
	s.deps.Registerer = prometheus.NewRegistry()
	r, err := replica.New(s.cfg, s.deps)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var end error
	go func() {
		defer close(done)
		end = r.Run(ctx)
	}()
	return r, func() error {
		cancel()
		<-done
		return end
	}, done
}

// kept is what the tests read of a checkpoint.
type kept struct {
	L1   motet.BlockRef `json:"l1"`
	Safe motet.BlockRef `json:"safe"`
}

// checkpoint reads the file, which is empty if there is none.
func (s *sut) checkpoint() (c kept) {
	enc, err := os.ReadFile(s.cfg.Checkpoint)
	if err == nil {
		_ = json.Unmarshal(enc, &c) // a damaged one is none
	}
	return c
}

var errNever = errors.New("it did not come true")

// await waits until cond holds, for a minute at most.
func await(ended <-chan struct{}, cond func() bool) error {
	for range time.Minute / poll {
		if cond() {
			return nil
		}
		select {
		case <-ended:
			return errNever
		case <-time.After(poll):
		}
	}
	return errNever
}

// caughtUp tells whether a replica has come to all that L1 stands for.
func (s *sut) caughtUp(r *replica.Replica) func() bool {
	return func() bool {
		heads, w := s.chain.Heads(), s.want()
		return r.Progress().L1.Hash == s.l1.Newest().Hash && heads.Safe.Number == w.safe && heads.Finalized.Number == w.finalized
	}
}

// mustFollow runs a new replica until it has caught up, and judges.
func (s *sut) mustFollow() *replica.Replica {
	s.t.Helper()
	r, stop, ended := s.start()
	err := await(ended, s.caughtUp(r))
	if err := errors.Join(err, stop()); err != nil {
		s.t.Fatalf("%v; safe and final are %v, want %+v", err, s.chain.Heads(), s.want())
	}
	s.judge(r)
	return r
}

// judge compares what a replica has derived with what L1 stands for.
func (s *sut) judge(r *replica.Replica) {
	s.t.Helper()
	w, p, heads := s.want(), r.Progress(), s.chain.Heads()
	for n := range w.safe + 1 {
		if got, want := s.chain.BlockHash(n), s.posted.BlockHash(n); got != want {
			s.t.Fatalf("block %d is %s, want %s", n, got, want)
		}
		batch, ok := r.BatchOf(n)
		if n == 0 && ok || n > s.found.Safe.Number && !ok || ok && batch != w.batches[n-1] {
			s.t.Errorf("block %d is of batch %d (%t), want %v", n, batch, ok, w.batches)
		}
	}
	if batch, ok := r.BatchOf(w.safe + 1); ok {
		s.t.Errorf("block %d is of batch %d and not derived yet", w.safe+1, batch)
	}
	all := s.l1.Batches()
	var acc common.Hash
	if len(all) > 0 {
		acc = all[len(all)-1].Acc
	}
	if p.Acc != acc || p.NextBatch != uint64(len(all)) || p.Next != w.next || p.Safe.Number != w.safe || p.Safe.Hash != s.posted.BlockHash(w.safe) {
		s.t.Errorf("progress is %+v, want batch %d, %+v", p, len(all), w)
	}
	if heads.Safe != p.Safe || heads.Finalized.Number != w.finalized {
		s.t.Errorf("safe and final are %v, want %+v", heads, w)
	}
	if s.cfg.Build && heads.Unsafe != heads.Safe {
		s.t.Errorf("head is %v, safe %v: the chain holds what no batch gave", heads.Unsafe, heads.Safe)
	}
}

// again tells how often blocks of the chain were built once more.
func (s *sut) again() (n int) {
	for i := range s.want().safe {
		n += max(s.chain.commits[s.posted.BlockHash(i+1)]-1, 0)
	}
	return n
}

// both runs a test in memory, where time is not real: of a replica that builds
// its chain, and of one that compares.
func both(t *testing.T, fn func(s *sut)) {
	t.Helper()
	for _, build := range []bool{true, false} {
		t.Run(fmt.Sprintf("build %t", build), func(t *testing.T) { bubble(t, build, fn) })
	}
}

func bubble(t *testing.T, build bool, fn func(s *sut)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(newSUT(t, build)) })
}
