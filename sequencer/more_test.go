package sequencer

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
)

// TestFullBlock offers more than a block holds: the next one follows at once.
func TestFullBlock(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	var hashes []common.Hash
	for range 60 {
		var txs []*types.Transaction
		for i := range testAccounts {
			txs = append(txs, s.transfer(i, testAddr(i)))
		}
		hashes = append(hashes, s.submit(txs...)...)
	}
	s.run().included(hashes...)
	noErr(t, s.halt())
	s.agree()
	first := s.chain.BlockByNumber(1)
	if left := first.GasLimit() - first.GasUsed(); left >= params.TxGas {
		t.Fatalf("block 1 has room for another transaction: %d gas", left)
	}
	if n := s.chain.Head().Number.Uint64(); n != 2 {
		t.Fatalf("head is block %d, want 2", n)
	}
}

// TestAddDuringCommit submits when the first block is committed and the pool's view is
// still that of its parent, which nobody can read any more: that block's state is
// flushed at once, and the history of a store whose head is old is not indexed yet. So
// too when the block was opened before a restart.
func TestAddDuringCommit(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func() (*sut, []common.Hash){
		"new": func() (*sut, []common.Hash) {
			s := newSUT(t)
			return s, s.submit(s.transfer(0, testAddr(1)))
		},
		"restarted": func() (*sut, []common.Hash) {
			s := newSUT(t).run()
			hashes := s.submit(s.transfer(0, testAddr(1)))
			s.eventually("slice", func() bool { p := s.seq.Pending(); return p != nil && len(p.Txs) == 1 })
			noErr(t, s.halt())
			s = s.reopen()
			noErr(t, s.seq.Recover(t.Context()))
			if s.seq.Pending() == nil {
				t.Fatal("no block is open")
			}
			return s, hashes
		},
	} {
		s, hashes := begin()
		late := s.transfer(5, testAddr(2))
		s.faults.committed = sync.OnceFunc(func() {
			if err := s.pool.Add(t.Context(), []*types.Transaction{late})[0]; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		s.run().included(append(hashes, late.Hash())...)
		noErr(t, s.halt())
		s.agree()
	}
}

// picky is an executor that leaves transactions out.
type picky struct {
	executor.Executor
	mu   sync.Mutex
	skip map[common.Hash]executor.Verdict // used once
}

type pickyBlock struct {
	executor.Block
	p *picky
}

func (p *picky) Open(ctx context.Context, env executor.Env) (executor.Block, error) {
	b, err := p.Executor.Open(ctx, env)
	return pickyBlock{b, p}, err
}

var errPicky = errors.New("does not please")

func (b pickyBlock) Run(ctx context.Context, txs []*motet.Tx) (*executor.Slice, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	var good []*motet.Tx
	var skipped []executor.Skip
	for _, tx := range txs {
		if v, ok := b.p.skip[tx.Hash()]; ok {
			delete(b.p.skip, tx.Hash())
			skipped = append(skipped, executor.Skip{Tx: tx, Verdict: v, Err: errPicky})
			continue
		}
		good = append(good, tx)
	}
	slice, err := b.Block.Run(ctx, good)
	if err == nil {
		slice.Skipped = append(slice.Skipped, skipped...)
		slice.Cut += len(txs) - len(good)
	}
	return slice, err
}

// TestSkipped drops and defers: a dropped transaction has its fate, a deferred
// one gets in later, and neither begins a block.
func TestSkipped(t *testing.T) {
	t.Parallel()
	p := &picky{Executor: executor.NewSerial(executor.Config{}), skip: make(map[common.Hash]executor.Verdict)}
	s := newSUT(t, onDemand, func(o *setup) { o.exec = p })
	bad, late := s.transfer(0, testAddr(1)), s.transfer(1, testAddr(1))
	p.skip[bad.Hash()], p.skip[late.Hash()] = executor.Drop, executor.Defer
	s.submit(bad)
	s.run()
	s.eventually("fate", func() bool {
		f, ok := s.pool.Fate(bad.Hash())
		return ok && f.State == motet.StateRejected && f.Reason == errPicky.Error()
	})
	if n := s.chain.Head().Number.Uint64(); n != 0 || len(s.records()) != 1 {
		t.Fatalf("head is block %d, %d records: a block was begun for nothing", n, len(s.records()))
	}
	s.included(s.submit(late, s.transfer(2, testAddr(3)))...)
	noErr(t, s.halt())
	s.agree()
}

// TestMine seals what there is, and empty blocks if there is nothing.
func TestMine(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(o *setup) { o.config.BlockTime = time.Hour; o.drift = 0 }).run()
	hashes := s.submit(s.transfer(0, testAddr(1)))
	noErr(t, s.seq.Mine(t.Context()))
	s.included(hashes...)
	for range 20 { // further ahead of the clock than a timed block may be
		noErr(t, s.seq.Mine(t.Context()))
	}
	if n := s.chain.Head().Number.Uint64(); n != 21 {
		t.Fatalf("head is block %d, want 21", n)
	}
	if s.seq.Pending() != nil {
		t.Fatal("a block is open")
	}
	noErr(t, s.halt())
	s.agree()
	wantErr(t, s.seq.Mine(t.Context()), ErrStopped)
}

// TestEmptyBlocks makes a block each block time.
func TestEmptyBlocks(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(o *setup) { o.config.EmptyBlocks = true }).run()
	start := time.Now()
	s.eventually("three blocks", func() bool { return s.chain.Head().Number.Uint64() >= 3 })
	if d := time.Since(start); d < 2*time.Second {
		t.Fatalf("three blocks in %v", d)
	}
	noErr(t, s.halt())
	s.agree()
}

// liar is an executor that credits an account out of nothing.
type liar struct{ executor.Executor }

type liarBlock struct{ executor.Block }

func (l liar) Open(ctx context.Context, env executor.Env) (executor.Block, error) {
	b, err := l.Executor.Open(ctx, env)
	return liarBlock{b}, err
}

func (b liarBlock) Finish(ctx context.Context, w types.Withdrawals) (*motet.Outcome, error) {
	out, err := b.Block.Finish(ctx, w)
	if err == nil {
		out.Changes.Accounts[0].Balance.AddUint64(&out.Changes.Accounts[0].Balance, 1)
	}
	return out, err
}

// TestSecondOpinion halts before the SEAL of a block whose executions differ.
func TestSecondOpinion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSUT(t, onDemand, func(o *setup) {
		o.exec = liar{executor.NewSerial(executor.Config{})}
		o.config.EvidenceDir = dir
	}).run()
	s.submit(s.transfer(0, testAddr(1)))
	<-s.ended
	err := s.halt()
	wantErr(t, err, motet.ErrHalt)
	var d *DivergenceError
	if !errors.As(err, &d) || d.Got == nil || d.Want == nil {
		t.Fatalf("got error %v, want both results", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "divergence-1.json")); err != nil {
		t.Fatal(err)
	}
	if recs := s.records(); recs[len(recs)-1].Slice == nil {
		t.Fatalf("the log ends with %s", recs[len(recs)-1].Kind())
	}
}

// TestSick stops production while the chain store is not healthy.
func TestSick(t *testing.T) {
	t.Parallel()
	f := new(faults)
	s := newSUT(t, onDemand, func(o *setup) { o.faults, o.expect = f, []string{"block production stops"} })
	f.sick.Store(true)
	s.run()
	hashes := s.submit(s.transfer(0, testAddr(1)))
	time.Sleep(2 * sickWait)
	if n := s.chain.Head().Number.Uint64(); n != 0 || s.seq.Pending() != nil {
		t.Fatal("a block was begun")
	}
	f.sick.Store(false)
	s.included(hashes...)
}

// movingL1 is an L1 whose head a test moves.
type movingL1 struct{ head atomic.Pointer[motet.Origin] }

func (l *movingL1) NextOrigin(_ context.Context, current motet.Origin) (motet.Origin, error) {
	if h := l.head.Load(); h != nil {
		return *h, nil
	}
	return current, motet.ErrUnavailable
}

// TestOrigin follows L1 at each OPEN, never goes back, and makes an empty block
// when the origin has grown old.
func TestOrigin(t *testing.T) {
	t.Parallel()
	l1 := new(movingL1)
	now := uint64(time.Now().Unix()) //nolint:gosec // after 1970
	s := newSUT(t, func(o *setup) { o.l1 = l1 }).run()
	want := func(number uint64, hash byte) {
		t.Helper()
		h := s.chain.Head()
		if got, err := originOf(h); err != nil || got.Number != number || got.Hash != (common.Hash{hash}) {
			t.Fatalf("block %d has origin %+v, want %d (%v)", h.Number, got, number, err)
		}
	}
	s.included(s.submit(s.transfer(0, testAddr(1)))...) // L1 is away
	l1.head.Store(&motet.Origin{Number: 5, Hash: common.Hash{5}, Time: now - 100, PrevRandao: common.Hash{55}})
	s.eventually("block for the origin", func() bool { return s.chain.Head().Number.Uint64() == 2 })
	want(5, 5)
	if got := s.chain.Head().MixDigest; got != (common.Hash{55}) {
		t.Fatalf("prevRandao is %s", got)
	}
	for _, back := range []motet.Origin{{Number: 4, Hash: common.Hash{4}}, {Number: 5, Hash: common.Hash{6}}} {
		l1.head.Store(&back)
		s.included(s.submit(s.transfer(0, testAddr(1)))...)
		want(5, 5)
	}
	l1.head.Store(&motet.Origin{Number: 9, Hash: common.Hash{9}, Time: now + 1000}) // a clock that runs ahead
	s.included(s.submit(s.transfer(0, testAddr(1)))...)
	want(5, 5)
	l1.head.Store(&motet.Origin{Number: 8, Hash: common.Hash{8}, Time: now + 9})
	s.included(s.submit(s.transfer(0, testAddr(1)))...)
	want(8, 8)
	if got := s.chain.Head().Time; got < now+9 {
		t.Fatalf("block at %d, its origin at %d", got, now+9)
	}
	noErr(t, s.halt())
	s.agree()
}

// counterCode adds one to slot 0, stores the caller in a slot of its own and
// sends on a wei.
var counterCode = []byte{
	0x5f, 0x54, 0x60, 0x01, 0x01, 0x5f, 0x55, // sstore(0, sload(0)+1)
	0x42, 0x33, 0x55, // sstore(caller, timestamp)
	0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0x01, 0x60, 0xee, 0x5a, 0xf1, 0x00, // call(gas, 0xee, 1, …)
}

// TestPendingView compares the snapshots of an open block with the state of the
// block that it becomes, and with each other: they do not change.
func TestPendingView(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(o *setup) { o.config.BlockTime = time.Hour }).run()
	n := byte(len(counterCode))
	init := append([]byte{0x60, n, 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3}, counterCode...)
	deploy := s.sign(0, types.DynamicFeeTx{Data: init, Gas: 300_000, Value: new(big.Int)})
	slices := [][]*types.Transaction{{deploy}}
	at := crypto.CreateAddress(testAddr(0), 0)
	for i := range 12 {
		call := s.sign(i%3, types.DynamicFeeTx{To: &at, Gas: 200_000, Value: big.NewInt(2)})
		slices = append(slices, []*types.Transaction{call, s.transfer(5+i%3, testAddr(5+(i+1)%3))}, []*types.Transaction{s.transfer(4, common.Address{0xee})})
	}
	// The first block reaches the disk at once, which takes the state before it
	// away until the history can be read; no other does for some seconds.
	s.submit(s.transfer(8, testAddr(7)))
	s.eventually("slice", func() bool { return s.seq.Pending() != nil })
	noErr(t, s.seq.Mine(t.Context()))

	var pendings []*Pending
	total := 0
	for _, txs := range slices {
		s.submit(txs...)
		total += len(txs)
		s.eventually("slice", func() bool { p := s.seq.Pending(); return p != nil && len(p.Txs) == total })
		pendings = append(pendings, s.seq.Pending())
	}
	noErr(t, s.seq.Mine(t.Context()))
	after, err := s.chain.StateAt(s.chain.Head().Root)
	noErr(t, err)
	last := pendings[len(pendings)-1].View
	addrs := []common.Address{at, {0xc0}, {0xee}, common.HexToAddress("0xee")}
	for i := range 9 {
		addrs = append(addrs, testAddr(i))
	}
	for _, a := range addrs {
		got, err := last.Account(a)
		noErr(t, err)
		want, err := after.Account(a)
		noErr(t, err)
		if !sameAccount(got, want) {
			t.Errorf("account %s is %+v, the sealed block says %+v", a, got, want)
		}
		slot := common.BytesToHash(a[:])
		gotSlot, err := last.Storage(at, slot)
		noErr(t, err)
		wantSlot, err := after.Storage(at, slot)
		noErr(t, err)
		if gotSlot != wantSlot {
			t.Errorf("slot of %s is %s, the sealed block says %s", a, gotSlot, wantSlot)
		}
	}
	for i, p := range pendings { // one call in every second slice
		count, err := p.View.Storage(at, common.Hash{})
		noErr(t, err)
		if want := common.BigToHash(big.NewInt(int64((i + 1) / 2))); count != want {
			t.Errorf("snapshot %d: the counter is %s, want %s", i, count, want)
		}
		acc, err := p.View.Account(at)
		noErr(t, err)
		if code := p.View.Code(at, common.BytesToHash(acc.CodeHash)); len(code) != len(counterCode) {
			t.Errorf("snapshot %d: code of %d bytes", i, len(code))
		}
	}
	noErr(t, s.halt())
	s.agree()
}

func sameAccount(a, b *types.StateAccount) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Nonce == b.Nonce && a.Balance.Eq(b.Balance) && bytes.Equal(a.CodeHash, b.CodeHash)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := DefaultConfig()
	noErr(t, good.Validate())
	for name, change := range map[string]func(*Config){
		"short block time": func(c *Config) { c.BlockTime = time.Millisecond },
		"negative":         func(c *Config) { c.BlockTime = -1 },
		"empty on demand":  func(c *Config) { c.BlockTime, c.EmptyBlocks = 0, true },
		"origin age":       func(c *Config) { c.OriginAge = -1 },
		"slice time":       func(c *Config) { c.SliceTime = 0 },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good.SecondOpinion = true
	if _, err := New(good, Deps{}); err == nil {
		t.Error("a second opinion of nobody: accepted")
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	p := pace{target: 50 * time.Millisecond}
	n := p.count()
	for range 20 {
		p.observe(n, time.Duration(n)*20*time.Microsecond)
		if next := p.count(); next > 2*n && next > 4*minTake {
			t.Fatalf("from %d to %d at once", n, next)
		} else {
			n = next
		}
	}
	if n < 2400 || n > 2600 {
		t.Fatalf("%d transactions of 20 µs in 50 ms", n)
	}
	for range 20 {
		p.observe(n, time.Duration(n)*10*time.Millisecond)
		n = p.count()
	}
	if n != minTake {
		t.Fatalf("%d transactions of 10 ms in 50 ms", n)
	}
}
