package executor

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

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
	var txs []*motet.Tx
	for range 3 + d(8) {
		to, from := v.addrs[d(len(v.addrs))], v.addrs[d(len(v.addrs)-1)]
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

// scheduled runs txs on p as speculate does, with the workers' steps in the
// order of choose.
func scheduled(p *parallelBlock, state *yielding, txs []*motet.Tx, plan blockstm.Plan, choose scheduletest.Policy) (*Slice, error) {
	st := scheduletest.New(plan.Workers)
	out := newSlice(txs)
	s := &speculation{parallelBlock: p, txs: txs, out: out}
	var (
		result blockstm.Result
		err    error
	)
	plan.Yield, state.yield = st.Yield, st.YieldNow
	_, stuck := st.Conduct(choose, func() { result, err = blockstm.Run(context.Background(), plan, s) })
	state.yield = nil
	p.memory.settleFees()
	switch {
	case stuck != nil:
		return nil, stuck
	case err != nil:
		return nil, err
	case s.err != nil:
		return nil, s.err
	}
	p.tasks += result.Committed
	out.Cut = result.Committed
	return out, nil
}

// explore compares one made-up block under one schedule with the serial result.
func (v *adversary) explore(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed/4, 21))
	memory, txs := v.block(rng.IntN)
	reference, err := v.serial.Open(context.Background(), v.env(memory))
	if err != nil {
		return err
	}
	want, err := reference.Run(context.Background(), txs)
	if err != nil {
		return err
	}
	state := &yielding{Memory: memory}
	env := v.env(memory)
	env.State = state
	open, err := v.parallel.Open(context.Background(), env)
	if err != nil {
		return err
	}
	plan := blockstm.Plan{
		Tasks: len(txs), Workers: 2 + rng.IntN(2), Window: 2 + rng.IntN(8), Batch: 1 + rng.IntN(3),
		Order: blockstm.Order(rng.IntN(3)),
	}
	steps := rand.New(rand.NewPCG(seed, 22))
	got, err := scheduled(open.(*parallelBlock), state, txs, plan, scheduletest.ByPriority(steps, plan.Workers, 20*len(txs), int(seed%4)))
	if err != nil {
		return err
	}
	if w, g := fmt.Sprint(want.Cut, skips(want)), fmt.Sprint(got.Cut, skips(got)); w != g {
		return fmt.Errorf("skipped: want %s, got %s", w, g)
	}
	if err := oracle.CompareReceipts(want.Receipts, got.Receipts); err != nil {
		return err
	}
	keys := make(oracle.Keys)
	for _, addr := range append([]common.Address{v.coinbase}, v.addrs...) {
		keys[addr] = map[common.Hash]struct{}{{}: {}, {31: 1}: {}}
		for nonce := range uint64(12) {
			keys[crypto.CreateAddress(addr, nonce)] = nil
		}
	}
	if err := oracle.Compare(keys, reference.View(), open.View()); err != nil {
		return err
	}
	_, _ = open.Finish(context.Background(), nil) // gives the memory back
	_, _ = reference.Finish(context.Background(), nil)
	return nil
}

// TestSchedules explores orders of the workers' steps on real transactions. A
// failure names its seed, which repeats it.
func TestSchedules(t *testing.T) {
	schedules := uint64(4000)
	if testing.Short() {
		schedules = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		v := newAdversary(transferRules()[4])
		v.parallel = NewParallel(Config{Workers: 3})
		for seed := range schedules {
			if err := v.explore(seed); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
}
