package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/executor/scheduletest"
	"github.com/motet-evm/motet/internal/oracle"
)

// yielding is a state whose every read another worker may come before.
type yielding struct {
	*oracle.Memory
	yield func()
}

func (y *yielding) Account(addr common.Address) (*types.StateAccount, error) {
	if y.yield != nil {
		y.yield()
	}
	return y.Memory.Account(addr)
}

func (y *yielding) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	if y.yield != nil {
		y.yield()
	}
	return y.Memory.Storage(addr, slot)
}

// block makes up a state and transactions on it, most of them with the nonce
// that is their sender's turn.
func (v *adversary) block(d dice) (*oracle.Memory, []*motet.Tx) {
	v.d = d
	v.coinbase = append([]common.Address{{0xc0}, {0xc0}}, v.addrs...)[d(len(v.addrs)+2)]
	m, nonces := v.memory(), make(map[common.Address]uint64)
	for _, addr := range append([]common.Address{v.coinbase}, v.addrs...) {
		a := v.account(nil, big.NewInt(4_000_000))
		if a.Nonce != 0 || !a.Balance.IsZero() || a.CodeHash != types.EmptyCodeHash {
			m.Accounts[addr], nonces[addr] = a, a.Nonce
		}
	}
	senders := v.addrs[:len(v.addrs)-1]
	if d(4) > 0 { // others that can pay, so that what they call is executed
		senders = []common.Address{{0xbb}, {0xbc}, {0xbd}}
		for _, addr := range senders {
			m.Accounts[addr] = &oracle.MemoryAccount{Balance: *uint256.NewInt(1e18), CodeHash: types.EmptyCodeHash}
		}
	}
	targets, n := v.addrs, 3+d(8)
	if senders[0] != v.addrs[0] && d(2) == 0 { // all of whom read what others write
		targets, n = v.addrs[:1], 6+d(10)
		m.Accounts[targets[0]] = entangled(m, d)
	}
	var txs []*motet.Tx
	for range n {
		to, from := targets[d(len(targets))], senders[d(len(senders))]
		tip := big.NewInt(int64(d(3)))
		data := &types.DynamicFeeTx{
			Nonce: nonces[from], GasFeeCap: new(big.Int).Add(big.NewInt(7), tip), GasTipCap: tip,
			Gas: roll[uint64](d, 21_000, 200_000, 200_000), To: &to, Value: big.NewInt(int64(d(3))),
		}
		if d(8) > 0 {
			nonces[from]++
		}
		txs = append(txs, motet.NewTx(types.NewTx(data), from))
	}
	return m, txs
}

// entangled makes up a contract that reads some slots, by the value with which it is
// called, and writes their sum and one to another.
func entangled(m *oracle.Memory, d dice) *oracle.MemoryAccount {
	slot := func(ops ...vm.OpCode) (code []byte) { // twice the value, or that and one
		for _, op := range append([]vm.OpCode{vm.CALLVALUE, vm.PUSH1, 1, vm.SHL, vm.PUSH1, vm.OpCode(d(2)), vm.ADD, vm.PUSH1, 3, vm.AND}, ops...) { //nolint:gosec // a bit
			code = append(code, byte(op))
		}
		return code
	}
	code := []byte{byte(vm.PUSH1), 1}
	for range 1 + d(3) {
		code = append(code, slot(vm.PUSH1, vm.OpCode(d(4)), vm.XOR, vm.SLOAD, vm.ADD)...) //nolint:gosec // two bits
	}
	code = append(code, slot(vm.SSTORE)...)
	m.Codes[crypto.Keccak256Hash(code)] = code
	return &oracle.MemoryAccount{Nonce: 1, CodeHash: crypto.Keccak256Hash(code)}
}

// scenario is a block and how it is run.
type scenario struct {
	memory   *oracle.Memory
	coinbase common.Address
	txs      []*motet.Tx
	after    []int // hints; nil for none
	plan     blockstm.Plan
	blind    bool // nothing is validated: a fault, to try the explorer on
}

// scenario makes up the seed's scenario and policy. Some seeds share the scenario.
func (v *adversary) scenario(seed uint64) (scenario, scheduletest.Policy) {
	rng := rand.New(rand.NewPCG(seed/4, 21))
	var s scenario
	s.memory, s.txs = v.block(rng.IntN)
	s.coinbase = v.coinbase
	s.plan = blockstm.Plan{Workers: 2 + rng.IntN(2), Window: 2 + rng.IntN(8), Batch: 1 + rng.IntN(3), Order: blockstm.Order(rng.IntN(3))}
	if rng.IntN(2) == 0 { // much may be lost
		s.plan.Window *= 8
	}
	if rng.IntN(3) == 0 {
		for i := range s.txs {
			s.after = append(s.after, i-1-rng.IntN(i+1)) // -1 among others
		}
	}
	rng = rand.New(rand.NewPCG(seed, 22))
	if seed%4 == 0 {
		return s, scheduletest.Anyhow(rng)
	}
	return s, s.random(rng, int(seed%4))
}

func (s scenario) random(rng *rand.Rand, changes int) scheduletest.Policy {
	return scheduletest.ByPriority(rng, s.plan.Workers, 60*len(s.txs), changes)
}

// of returns s with the transactions of keep alone.
func (s scenario) of(keep []int) scenario {
	less := s
	less.txs, less.after = nil, nil
	for _, i := range keep {
		less.txs = append(less.txs, s.txs[i])
		if s.after != nil {
			less.after = append(less.after, slices.Index(keep, s.after[i])) // -1 among others
		}
	}
	return less
}

func (s scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers, window %d, batch %d, order %d, after %v, coinbase %s\n", s.plan.Workers, s.plan.Window, s.plan.Batch, s.plan.Order, s.after, s.coinbase)
	for i, tx := range s.txs {
		fmt.Fprintf(&b, "%d: %s to %s, nonce %d, gas %d, value %s\n", i, tx.From, tx.To(), tx.Nonce(), tx.Gas(), tx.Value())
	}
	for addr, a := range s.memory.Accounts {
		fmt.Fprintf(&b, "%s: nonce %d, balance %s, storage %x, code %x\n", addr, a.Nonce, &a.Balance, a.Storage, s.memory.Codes[a.CodeHash])
	}
	return b.String()
}

// blindly is a speculation that takes every execution to hold.
type blindly struct{ *speculation }

func (blindly) Holds(int, int) bool { return true }

// run runs the scenario on p as speculate does, with the workers' steps in the order of
// choose.
func (v *adversary) run(s scenario, p *parallelBlock, state *yielding, choose scheduletest.Policy) (*Slice, []scheduletest.Preemption, error) {
	st := scheduletest.New(s.plan.Workers)
	out := newSlice(s.txs)
	spec := &speculation{parallelBlock: p, txs: s.txs, out: out}
	program := blockstm.Program(spec)
	if s.blind {
		program = blindly{spec}
	}
	var (
		result blockstm.Result
		err    error
		plan   = s.plan
	)
	plan.Tasks, plan.Yield = len(s.txs), st.Yield
	var paused atomic.Int32
	plan.Pause = func(worker int) {
		paused.Add(1)
		p.plan(1, false).Pause(worker)
	}
	defer func() { v.paused += int(paused.Load()) }()
	if s.after != nil {
		plan.After = func(task int) int { return s.after[task] }
	}
	state.yield, p.memory.yield = st.YieldNow, st.YieldNow
	list, stuck := st.Conduct(choose, func() {
		spec.scheduler = blockstm.New(plan, program)
		result, err = spec.scheduler.Run(context.Background())
	})
	state.yield, p.memory.yield = nil, nil
	p.memory.settleFees()
	if err := cmp.Or(stuck, err, spec.err); err != nil {
		return nil, list, err
	}
	p.tasks += result.Committed
	out.Cut = result.Committed
	return out, list, nil
}

// play compares the scenario under one schedule with the serial result.
func (v *adversary) play(s scenario, choose scheduletest.Policy) ([]scheduletest.Preemption, error) {
	v.coinbase = s.coinbase
	reference, err := v.serial.Open(context.Background(), v.env(s.memory))
	if err != nil {
		return nil, err
	}
	want, err := reference.Run(context.Background(), s.txs)
	if err != nil {
		return nil, err
	}
	state := &yielding{Memory: s.memory}
	env := v.env(s.memory)
	env.State = state
	open, err := v.parallel.Open(context.Background(), env)
	if err != nil {
		return nil, err
	}
	got, list, err := v.run(s, open.(*parallelBlock), state, choose)
	if err != nil {
		return list, err
	}
	if w, g := fmt.Sprint(want.Cut, skips(want)), fmt.Sprint(got.Cut, skips(got)); w != g {
		return list, fmt.Errorf("skipped: want %s, got %s", w, g)
	}
	if err := oracle.CompareReceipts(want.Receipts, got.Receipts); err != nil {
		return list, err
	}
	keys := make(oracle.Keys)
	for _, addr := range append([]common.Address{v.coinbase, {0xbb}, {0xbc}, {0xbd}}, v.addrs...) {
		keys[addr] = map[common.Hash]struct{}{{}: {}, {31: 1}: {}, {31: 2}: {}, {31: 3}: {}}
		for nonce := range uint64(12) {
			keys[crypto.CreateAddress(addr, nonce)] = nil
		}
	}
	if err := oracle.Compare(keys, reference.View(), open.View()); err != nil {
		return list, err
	}
	for _, w := range open.(*parallelBlock).workers {
		v.helped = v.helped || w.spare != nil
	}
	_, _ = open.Finish(context.Background(), nil) // gives the memory back
	_, _ = reference.Finish(context.Background(), nil)
	return list, nil
}

// shrink drops transactions and preemptions from a failing case as long as it fails.
func (v *adversary) shrink(s scenario, list []scheduletest.Preemption) (scenario, []scheduletest.Preemption, error) {
	keep, list, err := scheduletest.Shrink(len(s.txs), list, func(keep []int, choose scheduletest.Policy) ([]scheduletest.Preemption, error) {
		return v.play(s.of(keep), choose)
	}, func(seed uint64) scheduletest.Policy { return s.random(rand.New(rand.NewPCG(seed, 23)), int(seed%3)) })
	return s.of(keep), list, err
}

func newExplorer() *adversary {
	v := newAdversary(transferRules()[4])
	v.parallel = NewParallel(Config{Workers: 3})
	return v
}

// TestSchedules explores orders of the workers' steps on real transactions: each look
// of an execution at a cell, each change of one and each read of the state is a step,
// besides those of the scheduler. A failure names its seed, which repeats it.
func TestSchedules(t *testing.T) {
	schedules := uint64(10_000)
	if testing.Short() {
		schedules = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		v := newExplorer()
		for seed := range schedules {
			s, choose := v.scenario(seed)
			list, err := v.play(s, choose)
			if err == nil {
				continue
			}
			t.Errorf("seed %d: %v\n%v", seed, err, s)
			if !errors.Is(err, scheduletest.ErrStuck) { // whoever is stuck cannot be run again
				small, few, why := v.shrink(s, list)
				t.Errorf("smallest: %v\n%vpreemptions %v", why, small, few)
			}
			return
		}
		if v.paused < int(schedules/50) || !v.helped { //nolint:gosec // thousands
			t.Errorf("%d executions waited or helped; helped: %t", v.paused, v.helped)
		}
	})
}

// TestScheduleReplays: the same seed gives the same steps, and so does the list of its
// preemptions.
func TestScheduleReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newExplorer()
		preempted := 0
		for seed := range uint64(200) {
			var runs [3][]scheduletest.Preemption
			for i := range runs {
				s, choose := v.scenario(seed)
				if i == 2 {
					choose = scheduletest.Following(runs[0])
				}
				list, err := v.play(s, choose)
				if err != nil {
					t.Fatal(err)
				}
				runs[i] = list
			}
			if !slices.Equal(runs[0], runs[1]) || !slices.Equal(runs[0], runs[2]) {
				t.Fatalf("seed %d: %v, then %v, then %v", seed, runs[0], runs[1], runs[2])
			}
			preempted += len(runs[0])
		}
		if preempted < 200 {
			t.Errorf("%d preemptions in 200 schedules", preempted)
		}
	})
}

// TestExplorerShrinks tries the explorer on an executor that validates nothing:
// few transactions in an unlucky order show that.
func TestExplorerShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newExplorer()
		for seed := range uint64(400) {
			s, choose := v.scenario(seed)
			s.blind = true
			list, err := v.play(s, choose)
			if err == nil {
				continue
			}
			small, few, why := v.shrink(s, list)
			if why == nil || len(small.txs) > 3 || len(few) > 2 {
				t.Errorf("from %d transactions and %d preemptions to: %v\n%vpreemptions %v", len(s.txs), len(list), why, small, few)
			}
			return
		}
		t.Error("the fault was not seen")
	})
}
