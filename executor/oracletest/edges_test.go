package oracletest

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

// made is a world on which blocks are made by hand.
type made struct {
	t     *testing.T
	w     *world
	under []engine
}

func newMade(t *testing.T, f fork) *made {
	t.Helper()
	w, err := newWorld(f)
	if err != nil {
		t.Fatal(err)
	}
	return &made{t: t, w: w, under: engines()}
}

// block has fill make a block, and every engine run it. What the header is like
// and where slices end comes from choices.
func (m *made) block(choice []byte, fill func(*generator)) *blockCase {
	m.t.Helper()
	root := m.w.root
	g, err := begin(m.w, &choices{rest: choice})
	if err != nil {
		m.t.Fatal(err)
	}
	fill(g)
	if err := g.finish(); err != nil {
		m.t.Fatal(err)
	}
	for _, e := range m.under {
		if err := checkBlock(m.t.Context(), checker{db: m.w.db, root: root, exec: e.exec}, g.block, choice); err != nil {
			m.t.Fatalf("%s, block of %d transactions: %v", e.name, len(g.block.txs), err)
		}
	}
	return g.block
}

// pay offers a transaction that is valid as far as its sender can pay.
func (m *made) pay(g *generator, from, to common.Address, value *big.Int, data ...byte) *draft {
	m.t.Helper()
	d := &draft{from: from, nonce: g.db.GetNonce(from), tip: new(big.Int), cap: g.fee(), gas: params.TxGas, to: &to, value: value, data: data}
	if len(data) > 0 || g.db.GetCodeSize(to) > 0 {
		d.gas += d.extra() + 200_000
	}
	return d
}

// fee is what a unit of gas costs.
func (g *generator) fee() *big.Int { return new(big.Int).Set(g.block.env.Header.BaseFee) }

func (m *made) submit(g *generator, d *draft) {
	m.t.Helper()
	if err := g.submit(d); err != nil {
		m.t.Fatal(err)
	}
}

// need is what the sender must own.
func (d *draft) need() *big.Int {
	need := new(big.Int).Mul(d.cap, new(big.Int).SetUint64(d.gas))
	return need.Add(need, d.value)
}

// stranger is an account that nobody has heard of.
func stranger(i int) common.Address {
	a := common.Address{0xee}
	binary.BigEndian.PutUint32(a[16:], uint32(i))
	return a
}

// slices is a choice of headers and of how a block is cut into slices.
func slicesChoice(i int) []byte {
	choice := make([]byte, 40)
	choice[12] = byte(i)
	return choice
}

// TestPredicateEdges pays strangers what their transaction needs, a wei less or
// one more, right before it or long before it, by transactions that are valid,
// skipped or reverted.
func TestPredicateEdges(t *testing.T) {
	type group struct{ fund, spend *draft }
	for _, far := range []bool{false, true} {
		m := newMade(t, forks()[0])
		skipped := 0
		b := m.block(slicesChoice(0), func(g *generator) {
			var groups []group
			knife, n := m.w.knives[0], 0
			for off := -1; off <= 1; off++ {
				for way := range 4 {
					for kind := range 3 {
						n++
						who := stranger(n)
						spend := m.pay(g, who, stranger(1000+n%3), big.NewInt(5))
						switch kind {
						case 1:
							spend = m.pay(g, who, knife, big.NewInt(5), opIncrement, 0, opPayAll, 0xee, 19)
						case 2:
							spend.value = new(big.Int)
						}
						amount := spend.need()
						amount.Add(amount, big.NewInt(int64(off)))
						fund := m.pay(g, m.w.eoas[n%5], who, amount)
						switch way {
						case 1:
							fund.nonce += 9 // waits, so nobody is paid
						case 2: // a contract passes all it has on
							fund = m.pay(g, m.w.eoas[n%5], m.w.knives[3], amount, append([]byte{opPayAll}, who[:]...)...)
						case 3: // and takes it back
							fund = m.pay(g, m.w.eoas[n%5], m.w.knives[4], amount, append(append([]byte{opPayAll}, who[:]...), opRevert)...)
						}
						groups = append(groups, group{fund, spend})
					}
				}
			}
			for _, p := range groups {
				p.fund.nonce += g.db.GetNonce(p.fund.from) - min(p.fund.nonce, g.db.GetNonce(p.fund.from))
				m.submit(g, p.fund)
				if !far {
					m.submit(g, p.spend)
				}
			}
			for _, p := range groups {
				if far {
					m.submit(g, p.spend)
				}
			}
		})
		if skipped = len(b.skipped); skipped < 20 || len(b.included) < 30 {
			t.Errorf("%d skipped, %d included: the edges are missed", skipped, len(b.included))
		}
	}
}

// TestNonceCascades has one transaction of a sender's run skipped, each in turn:
// those after it wait.
func TestNonceCascades(t *testing.T) {
	m := newMade(t, forks()[0])
	const run = 24
	for bad := range run {
		b := m.block(slicesChoice(bad), func(g *generator) {
			for i := range run {
				d := m.pay(g, m.w.eoas[0], stranger(i%2), common.Big1)
				if skips := len(g.block.skipped); skips > 0 {
					d.nonce += uint64(i - bad) // as if nothing had happened
				}
				if i == bad {
					d.value = new(big.Int).Lsh(common.Big1, 200)
				}
				m.submit(g, d)
				m.submit(g, m.pay(g, m.w.eoas[1+i%3], m.w.eoas[0], common.Big1))
			}
		})
		if want := run - bad; len(b.skipped) != want {
			t.Fatalf("transaction %d is bad: want %d skipped, got %d", bad, want, len(b.skipped))
		}
	}
}

// TestCutEverywhere ends the block's gas at each transaction in turn, with a wei
// of gas too much and with none, among skipped ones.
func TestCutEverywhere(t *testing.T) {
	const n = 14
	m := newMade(t, forks()[0])
	for at := range n {
		for _, over := range []uint64{0, 1} {
			choice := slicesChoice(at)
			choice[2] = 3 // a block of a million gas
			b := m.block(choice, func(g *generator) {
				for i := range n {
					d := m.pay(g, m.w.eoas[i%4], stranger(i%3), common.Big1)
					if i%3 == 1 {
						d = m.pay(g, m.w.eoas[i%4], m.w.knives[1], common.Big0, opIncrement, 0)
						d.gas = 60_000
					}
					if i%5 == 2 {
						d.nonce++ // skipped, and takes no gas
					}
					if i == at {
						d.nonce = g.db.GetNonce(d.from)
						d.gas = g.block.env.Header.GasLimit - g.open.GasUsed() + over
					}
					if m.submit(g, d); g.block.cut >= 0 {
						break
					}
				}
			})
			if cut := b.cut < len(b.txs); over == 1 && at > 0 && (!cut || b.cut != at) {
				t.Fatalf("want a cut at %d, got one at %d", at, b.cut)
			}
		}
	}
}

// TestDelegationFlips changes an account's delegation in every transaction while
// others run it, and it sends transactions itself.
func TestDelegationFlips(t *testing.T) {
	m := newMade(t, forks()[0])
	long := []byte{opIncrement, 0, opLoadRun, 60, opSelfBalance, opLog, opSave, 5}
	for round := range 6 {
		b := m.block(slicesChoice(round), func(g *generator) {
			for i := range 40 {
				who := (i * (round + 1)) % 3
				at := m.w.eoas[who]
				d := m.pay(g, m.w.eoas[3+i%4], at, common.Big1, long[:2+i%7]...)
				d.typ = types.SetCodeTxType
				code := pick(&choices{rest: []byte{byte(i * 7)}}, []common.Address{m.w.knives[0], {}, m.w.knives[1], m.w.eoas[1], common.BytesToAddress([]byte{4})})
				d.auths, d.gas = append(d.auths, m.authorize(g, who, code)), d.gas+100_000
				m.submit(g, d)
				m.submit(g, m.pay(g, m.w.eoas[7], at, common.Big0, long...))
				if i%3 == 0 {
					m.submit(g, m.pay(g, at, m.w.eoas[(who+1)%3], common.Big2))
				}
			}
		})
		if len(b.included) < 80 {
			t.Fatalf("only %d included, first skip %+v", len(b.included), b.skipped)
		}
	}
}

// authorize has a rich account let code act for it.
func (m *made) authorize(g *generator, who int, code common.Address) types.SetCodeAuthorization {
	m.t.Helper()
	signed, err := types.SignSetCode(m.w.keys[who], types.SetCodeAuthorization{Address: code, Nonce: g.db.GetNonce(m.w.eoas[who])})
	if err != nil {
		m.t.Fatal(err)
	}
	return signed
}

// TestRebirthOrders creates a contract at one address twice, uses it, destroys
// it and pays it in every order, in transactions of their own and in one.
func TestRebirthOrders(t *testing.T) {
	for _, f := range []fork{forks()[0], forks()[3]} {
		m := newMade(t, f)
		orders := permutations(5)
		for len(orders) > 0 {
			n := min(6, len(orders))
			m.block(slicesChoice(n), func(g *generator) {
				for i, order := range orders[:n] {
					m.rebirth(g, order, byte(100+i), i%2 == 0)
				}
			})
			orders = orders[n:]
		}
	}
}

// TestRebornStorage destroys a contract from an earlier block, creates it again and
// has it read what the first one had stored: its code, nonce and existence are what
// a hasty reader found, its storage is not.
func TestRebornStorage(t *testing.T) {
	m := newMade(t, forks()[3])
	const destroy, create, load, increment = 3, 0, 5, 2
	m.block(slicesChoice(0), func(g *generator) {
		m.rebirth(g, []int{create, increment}, 100, true)
	})
	for range 2 {
		m.block(slicesChoice(0), func(g *generator) {
			for i := range 5 { // enough for speculation
				m.submit(g, m.pay(g, m.w.eoas[9], stranger(i), common.Big1))
			}
			m.rebirth(g, []int{destroy, create, load, increment, load}, 100, true)
		})
	}
}

func (m *made) rebirth(g *generator, order []int, salt byte, apart bool) {
	factory, code := m.w.knives[1+int(salt)%4], cloneKnife(m.w.knives[0].Bytes())
	child := crypto.CreateAddress2(factory, common.Hash{31: salt}, crypto.Keccak256(code))
	call := func(value byte, program ...byte) []byte {
		return sized(append(append([]byte{opCall}, child[:]...), value), program)
	}
	steps := [][]byte{
		sized([]byte{opCreate2, 1, salt}, code),
		sized([]byte{opCreate2, 0, salt}, code),
		call(0, opIncrement, 0, opLoad, 1, opLog),
		call(0, append([]byte{opIncrement, 1, opSelfDestruct}, m.w.eoas[8].Bytes()...)...),
		call(3),
		call(0, opLoad, 0, opLog),
	}
	var program []byte
	for i, step := range order {
		if program = append(program, steps[step]...); apart || i == len(order)-1 {
			d := m.pay(g, m.w.eoas[i], factory, big.NewInt(9), append(program, opLog)...)
			d.gas += 1_500_000
			m.submit(g, d)
			program = nil
		}
	}
}

// permutations returns all orders of 0..n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var list [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			q := append(append(append([]int{}, p[:i]...), n-1), p[i:]...)
			list = append(list, q)
		}
	}
	return list
}

// storm is a block that is meant to hurt an optimistic executor.
type storm struct {
	name string
	// free tells that its transactions do not conflict, so that nothing may be
	// executed twice.
	free bool
	fill func(m *made, g *generator, i int)
}

const stormSize = 300

var storms = []storm{
	{name: "hot counter", fill: func(m *made, g *generator, i int) {
		m.submit(g, m.pay(g, m.w.eoas[i%10], m.w.knives[2], common.Big0, opIncrement, 7))
	}},
	{name: "coinbase readers", fill: func(m *made, g *generator, i int) {
		d := m.pay(g, m.w.eoas[i%10], m.w.knives[i%6], common.Big0, opCoinbaseBalance, opSave, 9)
		d.typ, d.tip = types.DynamicFeeTxType, common.Big1
		d.cap.Add(d.cap, common.Big1)
		m.submit(g, d)
	}},
	{name: "insolvents", fill: func(m *made, g *generator, i int) {
		if i%2 == 0 {
			m.submit(g, m.pay(g, stranger(i), stranger(i+1), common.Big1))
			return
		}
		m.submit(g, m.pay(g, m.w.eoas[i%10], stranger(i+3), common.Big1))
	}},
	{name: "create and destroy", fill: func(m *made, g *generator, i int) {
		code := append(append([]byte{0x73}, m.w.eoas[9].Bytes()...), 0xff) // destroys itself at once
		m.submit(g, m.pay(g, m.w.eoas[i%9], m.w.knives[1], common.Big0, sized([]byte{opCreate2, 1, byte(i)}, code)...))
	}},
	{name: "authorities", fill: func(m *made, g *generator, i int) {
		// One of a few accounts, of which each is the next transaction's sender, has other
		// code act for it each time, and is called.
		next := (i + 1) % 4
		d := m.pay(g, m.w.eoas[i%4], m.w.eoas[next], common.Big0, opIncrement, byte(i%3), opSave, 5)
		d.typ, d.gas = types.SetCodeTxType, d.gas+params.CallNewAccountGas
		d.auths = append(d.auths, m.authorize(g, next, m.w.knives[i%6]))
		m.submit(g, d)
	}},
	{name: "late readers of a hot slot", fill: func(m *made, g *generator, i int) {
		m.submit(g, m.pay(g, m.w.eoas[i%10], m.w.knives[5], common.Big0, opLoadRun, 5, opIncrementOwn, 1, opIncrement, byte(i%5)))
	}},
	{name: "one sender", free: true, fill: func(m *made, g *generator, i int) {
		m.submit(g, m.pay(g, m.w.eoas[0], stranger(i), common.Big1))
	}},
	{name: "one recipient", free: true, fill: func(m *made, g *generator, i int) {
		m.submit(g, m.pay(g, m.w.eoas[i%10], m.w.poor[0], common.Big1))
	}},
	{name: "touches", free: true, fill: func(m *made, g *generator, i int) {
		data := sized(append([]byte{opStatic}, m.w.poor[0].Bytes()...), nil)
		data = append(data, sized(append(append([]byte{opCall}, m.w.poor[0].Bytes()...), 0), nil)...)
		m.submit(g, m.pay(g, m.w.eoas[i%10], m.w.knives[i%6], common.Big0, append(data, opIncrementOwn, byte(i/10))...))
	}},
}

// TestStorms: the results are geth's; every execution is the transaction's last one or
// counted as lost, and what is lost is bounded; transactions that do not conflict run
// once.
func TestStorms(t *testing.T) {
	for _, s := range storms {
		t.Run(s.name, func(t *testing.T) {
			m := newMade(t, forks()[0])
			b := m.block(slicesChoice(0), func(g *generator) {
				for i := range stormSize {
					s.fill(m, g, i)
				}
			})
			for _, schedule := range []executor.Schedule{executor.WherePays, executor.Throughout, executor.Always, executor.Backwards} {
				for _, workers := range []int{1, 2, 4, 8} {
					for _, sources := range []predict.Sources{0, predict.AllSources} {
						stats := m.stats(b, executor.Config{Workers: workers, Schedule: schedule, Predict: predict.New(sources)})
						t.Logf("schedule %d, %d workers, predictions %v: %+v", schedule, workers, sources, stats)
						if err := s.bounded(stats, schedule, workers); err != nil {
							t.Errorf("schedule %d, %d workers, predictions %v: %+v: %v", schedule, workers, sources, stats, err)
						}
					}
				}
			}
		})
	}
}

func (m *made) stats(b *blockCase, c executor.Config) executor.Stats {
	m.t.Helper()
	open, err := executor.NewParallel(c).Open(m.t.Context(), b.env)
	if err != nil {
		m.t.Fatal(err)
	}
	slice, err := open.Run(m.t.Context(), b.txs)
	if err != nil || slice.Cut != len(b.txs) {
		m.t.Fatalf("cut at %d: %v", slice.Cut, err)
	}
	return slice.Stats
}

// bounded checks how often transactions ran.
func (s *storm) bounded(stats executor.Stats, schedule executor.Schedule, workers int) error {
	// Between two renewals of its credit a run loses an eighth of its window more than it
	// commits, and before each half of it. Where it does not pay, serial stretches come between.
	window := 96 * max(workers, 2) // by predictions; others have half of it
	most := stormSize*4/3 + window/8
	if schedule == executor.WherePays {
		most = stormSize * 3 / 5
		for at, calm := 0, 128; at < stormSize; at, calm = at+calm, 4*calm {
			most += window
		}
	}
	switch {
	case stats.Executions != stormSize+stats.Aborts:
		return fmt.Errorf("%d transactions", stormSize)
	case stats.Aborts > most:
		return fmt.Errorf("more than %d lost", most)
	case s.free && (stats.Aborts > 0 || stats.Executions > stormSize):
		return fmt.Errorf("%d transactions that do not conflict", stormSize)
	}
	return nil
}
