package mempool

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/motet-evm/motet"
)

// machine drives a pool through everything that can happen to it and keeps the
// books: what was accepted, and how it ended.
type machine struct {
	*sut
	config   Config
	flights  [][]*motet.Tx // taken, not yet settled
	accepted map[common.Hash]*motet.Tx
	included map[common.Hash]int
	// before is the state at the start of the open block, since what it holds.
	before *testState
	since  []*motet.Tx
	swept  bool // balances fell without a transaction of the sender
}

func newMachine(t *rapid.T, tb testing.TB) *machine {
	m := &machine{accepted: make(map[common.Hash]*motet.Tx), included: make(map[common.Hash]int)}
	m.sut = newSUT(tb, 5, func(c *Config) {
		c.GlobalSlots, c.GlobalQueue, c.AccountSlots, c.AccountQueue = 12, 4, 4, 3
		c.IntakeSpan = 8
		c.Policy = rapid.SampledFrom([]Policy{PolicyTip, PolicyFCFS}).Draw(t, "policy")
		m.config = *c
	})
	for _, a := range m.addrs {
		m.state.set(a, 0, uint256.NewInt(1_000_000_000))
	}
	m.start()
	m.before = m.state.clone()
	return m
}

func (m *machine) draw(t *rapid.T) *types.Transaction {
	sender := rapid.IntRange(0, len(m.keys)-1).Draw(t, "sender")
	next, err := m.Nonce(m.addrs[sender])
	if err != nil {
		t.Fatal(err)
	}
	offset := rapid.SampledFrom([]int{0, 0, 0, 0, -1, -2, 1, 2}).Draw(t, "offset")
	nonce := uint64(max(0, int(next)+offset))
	tip := rapid.Int64Range(1, 30).Draw(t, "tip")
	return m.dynamic(sender, nonce, fees{tip, tip + rapid.Int64Range(testBaseFee-50, testBaseFee+100).Draw(t, "fee")}, func(tx *types.DynamicFeeTx) {
		tx.Value = big.NewInt(rapid.SampledFrom([]int64{0, 1, 400_000_000}).Draw(t, "value"))
	})
}

// submit adds transactions and checks what must hold of the step.
func (m *machine) submit(t *rapid.T) {
	txs := []*types.Transaction{m.draw(t)}
	if rapid.Bool().Draw(t, "pair") {
		txs = append(txs, m.draw(t))
	}
	before, _ := m.Content()
	gapped := len(txs) == 1
	if next, _ := m.Nonce(m.sender(t, txs[0])); txs[0].Nonce() <= next {
		gapped = false
	}
	errs := m.add(txs...)
	m.accept(t, txs, errs)
	if !gapped {
		return
	}
	for _, run := range before {
		for _, tx := range run {
			if m.Get(tx.Hash()) == nil {
				t.Fatalf("executable transaction %s went for a gapped one", tx.Hash())
			}
		}
	}
}

func (m *machine) sender(t *rapid.T, tx *types.Transaction) common.Address {
	r, err := motet.RecoverTx(m.signer, tx)
	if err != nil {
		t.Fatal(err)
	}
	return r.From
}

func (m *machine) accept(t *rapid.T, txs []*types.Transaction, errs []error) {
	for i, err := range errs {
		hash := txs[i].Hash()
		switch {
		case err == nil:
			r, rerr := motet.RecoverTx(m.signer, txs[i])
			if rerr != nil {
				t.Fatal(rerr)
			}
			if m.included[hash] > 0 {
				t.Fatalf("included transaction %s accepted again", hash)
			}
			m.accepted[hash] = r
		case errors.Is(err, txpool.ErrAlreadyKnown) && m.accepted[hash] == nil:
			t.Fatalf("transaction %s is known but was never accepted", hash)
		}
	}
}

func (m *machine) take(t *rapid.T) {
	if len(m.flights) == 2 {
		return
	}
	limit := Limit{Count: rapid.IntRange(1, 6).Draw(t, "count")}
	taken := m.Take(limit)
	last := make(map[common.Address]uint64)
	for _, flight := range append(m.flights, taken) {
		for _, tx := range flight {
			if n, ok := last[tx.From]; ok && tx.Nonce() <= n && len(m.flights) == 0 {
				t.Fatalf("nonce %d of %s after %d", tx.Nonce(), tx.From, n)
			}
			last[tx.From] = tx.Nonce()
		}
	}
	if len(taken) > 0 {
		m.flights = append(m.flights, taken)
	}
}

// settle executes the oldest flight as a sequencer would.
func (m *machine) settle(t *rapid.T) {
	if len(m.flights) == 0 {
		return
	}
	flight := m.flights[0]
	m.flights = m.flights[1:]
	cut := len(flight)
	if rapid.Bool().Draw(t, "cut") {
		cut = rapid.IntRange(0, len(flight)).Draw(t, "at")
	}
	var s Settlement
	for i, tx := range flight {
		st := m.state.get(tx.From)
		cost := uint256.MustFromBig(tx.Cost())
		switch {
		case i >= cut || tx.Nonce() > st.Nonce || tx.GasFeeCapIntCmp(m.open.BaseFee) < 0:
			s.Deferred = append(s.Deferred, tx)
		case tx.Nonce() < st.Nonce:
			s.Dropped = append(s.Dropped, Drop{tx, core.ErrNonceTooLow})
		case st.Balance.Lt(cost):
			s.Dropped = append(s.Dropped, Drop{tx, core.ErrInsufficientFunds})
		default:
			paid := uint64(rapid.IntRange(0, int(cost.Uint64())).Draw(t, "paid"))
			m.state.set(tx.From, tx.Nonce()+1, new(uint256.Int).Sub(st.Balance, uint256.NewInt(paid)))
			s.Included = append(s.Included, Inclusion{tx, m.open.Number, uint64(i)})
			m.included[tx.Hash()]++
			m.since = append(m.since, tx)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "view") > 0 {
		s.View = m.state.clone()
	}
	m.Settle(s)
}

func (m *machine) newBlock(t *rapid.T) {
	open := *m.open
	open.Number++
	open.BaseFee = big.NewInt(testBaseFee + rapid.Int64Range(-60, 60).Draw(t, "base"))
	m.open = &open
	m.before, m.since = m.state.clone(), nil
	m.Reset(m.open, m.state.clone())
}

// rollback takes the open block's transactions out of it.
func (m *machine) rollback(t *rapid.T) {
	for _, flight := range m.flights {
		m.Settle(Settlement{Deferred: flight})
	}
	m.flights = nil
	m.state = m.before.clone()
	open := *m.open
	if rapid.Bool().Draw(t, "lower") {
		open.Number--
	}
	m.open = &open
	m.Reset(m.open, m.state.clone())
	for _, tx := range m.since {
		m.included[tx.Hash()]--
		m.accepted[tx.Hash()] = tx
	}
	if err := m.Readd(context.Background(), m.since); err != nil {
		m.intake.set(nil, false)
		if err := m.Readd(context.Background(), m.since); err != nil {
			t.Fatal(err)
		}
	}
	m.since = nil
}

func (m *machine) sweep(t *rapid.T) {
	i := rapid.IntRange(0, len(m.addrs)-1).Draw(t, "swept")
	st := m.state.get(m.addrs[i])
	m.state.set(m.addrs[i], st.Nonce, new(uint256.Int).Div(st.Balance, uint256.NewInt(2)))
	m.swept = true
}

func (m *machine) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	m.expire(m.now)
}

// tendAll flushes, compacts and releases.
func (m *machine) tendAll(t *rapid.T) {
	err := m.tend(context.Background())
	if m.intake.fail == nil && err != nil {
		t.Fatal(err)
	}
	for _, it := range m.all {
		if it.durable() && it.seq < m.intake.released {
			t.Fatalf("sequence %d is released though %s lives", m.intake.released, it.hash)
		}
	}
}

func (m *machine) breakIntake(t *rapid.T) {
	if rapid.Bool().Draw(t, "broken") {
		m.intake.set(motet.ErrUnavailable, false)
	} else {
		m.intake.set(nil, false)
	}
}

// crash replaces the pool by one rebuilt from what is durable.
func (m *machine) crash(t *rapid.T) {
	included := m.included
	m.flights = nil
	m.restart(m.config)
	m.deps.Included = func(h common.Hash) (uint64, uint64, bool) { return 1, 0, included[h] > 0 }
	for _, e := range m.intake.entries {
		switch e := e.(type) {
		case uint64:
			if e < m.intake.released {
				continue
			}
			if err := m.Restore(m.intake.txs[e], e); err != nil {
				t.Fatal(err)
			}
		case motet.Fate:
			if err := m.RestoreFate(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.start()
}

// check compares the pool's figures with a recount, and every accepted
// transaction with the books.
func (m *machine) check(t *rapid.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count, bytes, queued := 0, 0, 0
	for addr, acc := range m.accounts {
		if acc.empty() || acc.addr != addr {
			t.Fatalf("account %s is stale", addr)
		}
		var spent uint256.Int
		for i, it := range acc.items {
			count++
			bytes += it.size
			spent.Add(&spent, &it.cost)
			if it.gapped {
				queued++
			}
			if contiguous := it.nonce == acc.nonce+uint64(i); it.gapped == (i < acc.run) || contiguous != (i < acc.run) {
				t.Fatalf("item %d of %s: nonce %d, account at %d, run %d, gapped %v", i, addr, it.nonce, acc.nonce, acc.run, it.gapped)
			}
			if it.gone || m.all[it.hash] != it {
				t.Fatalf("item %d of %s is gone", i, addr)
			}
		}
		if spent != acc.spent {
			t.Fatalf("spent %v, counted %v", acc.spent, spent)
		}
		if balance := m.view.(*testState).get(addr).Balance; !m.swept && spent.Gt(balance) && len(m.floors) == 0 {
			t.Fatalf("transactions of %s cost %v, balance %v", addr, &spent, balance)
		}
		next := m.next(acc)
		if (next != nil) != (acc.pos >= 0) {
			t.Fatalf("account %s at %d of the heap, next %v", addr, acc.pos, next)
		}
		if next != nil && m.ready[acc.pos] != m.candidate(next) {
			t.Fatalf("account %s has a stale key", addr)
		}
	}
	if count != m.count || bytes != m.bytes || queued != m.gapped {
		t.Fatalf("counted %d/%d/%d, have %d/%d/%d", count, bytes, queued, m.count, m.bytes, m.gapped)
	}
	for i := range m.ready {
		if i > 0 && m.ready[i].before(m.ready[(i-1)/2]) {
			t.Fatal("heap out of order")
		}
	}
}

// audit checks that every accepted transaction is in the pool or ended once.
func (m *machine) audit(t *rapid.T) {
	m.intake.set(nil, false)
	m.flush()
	ended := make(map[common.Hash]bool)
	for _, e := range m.intake.entries {
		switch e := e.(type) {
		case uint64:
			tx := new(types.Transaction)
			if err := tx.UnmarshalBinary(m.intake.txs[e]); err != nil {
				t.Fatal(err)
			}
			// A life anew: submitted again after its end, or compacted.
			delete(ended, tx.Hash())
		case motet.Fate:
			if ended[e.Hash] {
				t.Fatalf("transaction %s ended twice", e.Hash)
			}
			ended[e.Hash] = true
		}
	}
	for hash := range m.accepted {
		lives := m.all[hash] != nil
		n := m.included[hash]
		if lives {
			n++
		}
		if ended[hash] {
			n++
		}
		if n != 1 {
			t.Fatalf("transaction %s: in pool %v, included %d times, ended %v", hash, lives, m.included[hash], ended[hash])
		}
		// Where a block took it, the chain knows after a restart.
		if f, ok := m.Fate(hash); f.Final() != ended[hash] || !ok && m.included[hash] == 0 {
			t.Fatalf("transaction %s: fate %v, ended %v", hash, f, ended[hash])
		}
	}
}

func TestEveryAcceptedTransactionEndsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(rt, t)
		rt.Repeat(map[string]func(*rapid.T){
			"submit":   m.submit,
			"submit2":  m.submit,
			"submit3":  m.submit,
			"take":     m.take,
			"settle":   m.settle,
			"block":    m.newBlock,
			"rollback": m.rollback,
			"wait":     m.wait,
			"sweep":    m.sweep,
			"tend":     m.tendAll,
			"break":    m.breakIntake,
			"crash":    m.crash,
			"":         m.check,
		})
		m.audit(rt)
	})
}
