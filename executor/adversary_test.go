package executor

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/internal/oracle"
)

// adversary makes up a transaction, the state that it is executed on, and
// another one that is committed by the time it is judged. What it relied on must
// tell the difference, or there must be none.
type adversary struct {
	d        dice
	config   *params.ChainConfig
	parallel *Parallel
	serial   *Serial
	addrs    []common.Address
	coinbase common.Address
	codes    [][]byte
	held     int
	paused   int  // executions that waited for others, or helped them
	helped   bool // some worker did
}

func newAdversary(config *params.ChainConfig) *adversary {
	v := &adversary{config: config, parallel: NewParallel(Config{Workers: 1}), serial: NewSerial(Config{})}
	for i := range 5 {
		v.addrs = append(v.addrs, common.Address{0xaa, byte(i)})
	}
	v.addrs = append(v.addrs, common.BytesToAddress([]byte{4}))
	for _, addr := range v.addrs {
		ask := func(op vm.OpCode, then ...vm.OpCode) {
			code := append([]byte{byte(vm.PUSH20)}, addr[:]...)
			for _, op := range append([]vm.OpCode{op}, then...) {
				code = append(code, byte(op))
			}
			v.codes = append(v.codes, code)
		}
		store := []vm.OpCode{vm.PUSH1, 0, vm.SSTORE}
		ask(vm.BALANCE, store...)
		ask(vm.BALANCE, append([]vm.OpCode{vm.ISZERO}, store...)...)
		ask(vm.EXTCODEHASH, store...)
		ask(vm.EXTCODESIZE, store...)
		ask(vm.SELFDESTRUCT)
		for value := range vm.OpCode(2) {
			code := append([]byte{
				byte(vm.PUSH1), 0, byte(vm.PUSH1), 0, byte(vm.PUSH1), 0, byte(vm.PUSH1), 0, byte(vm.PUSH1), byte(value), byte(vm.PUSH20),
			}, addr[:]...)
			v.codes = append(v.codes, append(code, byte(vm.GAS), byte(vm.CALL), byte(vm.PUSH1), 1, byte(vm.SSTORE)))
		}
		v.codes = append(v.codes, types.AddressToDelegation(addr))
	}
	v.codes = append(v.codes,
		[]byte{byte(vm.PUSH1), 0, byte(vm.SLOAD), byte(vm.PUSH1), 1, byte(vm.ADD), byte(vm.PUSH1), 0, byte(vm.SSTORE)},
		[]byte{byte(vm.SELFBALANCE), byte(vm.PUSH1), 1, byte(vm.SSTORE)},
		[]byte{byte(vm.PUSH1), 0, byte(vm.PUSH1), 0, byte(vm.PUSH1), 1, byte(vm.CREATE), byte(vm.PUSH1), 1, byte(vm.SSTORE)},
		[]byte{byte(vm.PUSH1), 9, byte(vm.PUSH1), 0, byte(vm.SSTORE), byte(vm.PUSH1), 0, byte(vm.PUSH1), 0, byte(vm.REVERT)},
	)
	return v
}

// account makes up an account, or changes one in something.
func (v *adversary) account(was *oracle.MemoryAccount, need *big.Int) *oracle.MemoryAccount {
	d, a := v.d, &oracle.MemoryAccount{CodeHash: types.EmptyCodeHash, Storage: map[common.Hash]common.Hash{}}
	if d(8) == 0 {
		return a // empty
	}
	if was != nil {
		a.Balance, a.Nonce, a.CodeHash = was.Balance, was.Nonce, was.CodeHash
		maps.Copy(a.Storage, was.Storage)
	}
	all := was == nil || d(8) == 0
	if all || d(3) == 0 {
		a.Balance = *about(d, need)
		if d(3) == 0 {
			a.Balance.SetUint64(roll[uint64](d, 0, 1, 2, 1e18))
		}
	}
	if all || d(4) == 0 {
		a.Nonce = roll[uint64](d, 0, 0, 1, 2, 7)
	}
	if all || d(6) == 0 {
		if a.CodeHash = types.EmptyCodeHash; d(2) == 0 {
			a.CodeHash = crypto.Keccak256Hash(v.codes[d(len(v.codes))])
		}
	}
	if all || d(3) == 0 {
		a.Storage[common.Hash{31: byte(d(2))}] = common.Hash{31: byte(d(3))}
	}
	return a
}

func (v *adversary) memory() *oracle.Memory {
	m := oracle.NewMemory()
	for _, code := range v.codes {
		m.Codes[crypto.Keccak256Hash(code)] = code
	}
	return m
}

func (v *adversary) tx() *motet.Tx {
	var (
		d    = v.d
		to   = v.addrs[d(len(v.addrs))]
		from = v.addrs[d(len(v.addrs)-1)]
		gas  = roll[uint64](d, 21_000, 50_000, 200_000, 200_000, 200_000)
		tip  = big.NewInt(int64(d(3)))
		cap  = new(big.Int).Add(big.NewInt(7), tip)
	)
	data := &types.DynamicFeeTx{Nonce: roll[uint64](d, 0, 1, 2, 7), GasFeeCap: cap, GasTipCap: tip, Gas: gas, To: &to, Value: big.NewInt(int64(d(3)))}
	if d(16) == 15 {
		data.To, data.Data = nil, v.codes[d(len(v.codes))]
	}
	return motet.NewTx(types.NewTx(data), from)
}

// try runs one case.
func (v *adversary) try(d dice) error {
	v.d = d
	tx := v.tx()
	v.coinbase = append([]common.Address{{0xc0}, {0xc0}}, v.addrs...)[d(len(v.addrs)+2)]
	need := new(big.Int).Mul(tx.GasFeeCap(), new(big.Int).SetUint64(tx.Gas()))
	need.Add(need, tx.Value())
	before, now := v.memory(), v.memory()
	for _, addr := range append([]common.Address{v.coinbase}, v.addrs...) {
		old := v.account(nil, need)
		next := v.account(old, need)
		keep := func(m *oracle.Memory, a *oracle.MemoryAccount) {
			// An empty account may be one from before Spurious Dragon.
			if a.Nonce != 0 || !a.Balance.IsZero() || a.CodeHash != types.EmptyCodeHash || d(2) == 0 {
				m.Accounts[addr] = a
			}
		}
		keep(before, old)
		keep(now, next)
	}
	if err := v.compare(tx, before, now); err != nil {
		return fmt.Errorf("transaction %+v of %v: %w", tx.Call(), tx.From, err)
	}
	return nil
}

func (v *adversary) env(m *oracle.Memory) Env {
	h := &types.Header{Number: big.NewInt(5), GasLimit: 30_000_000, Time: 1000, Coinbase: v.coinbase, Difficulty: new(big.Int), BaseFee: big.NewInt(7)}
	if v.config.CancunTime != nil {
		h.ExcessBlobGas = new(uint64)
	}
	return Env{Config: v.config, Header: h, Parent: &types.Header{Number: big.NewInt(4)}, State: m, BlockHash: func(uint64) common.Hash { return common.Hash{} }}
}

func (v *adversary) compare(tx *motet.Tx, before, now *oracle.Memory) error {
	reference, err := v.serial.Open(context.Background(), v.env(now))
	if err != nil {
		return err
	}
	want, err := reference.Run(context.Background(), []*motet.Tx{tx})
	if err != nil {
		return err
	}
	open, err := v.parallel.Open(context.Background(), v.env(before))
	if err != nil {
		return err
	}
	p := open.(*parallelBlock)
	got := newSlice([]*motet.Tx{tx})
	s := &speculation{parallelBlock: p, scheduler: new(blockstm.Scheduler), txs: []*motet.Tx{tx}, out: got}
	s.Prepare(0, 0, 1)
	s.Execute(0, 0)
	v.overwrite(p.memory, now)
	if s.Holds(0, 0) {
		v.held++
	} else {
		s.Withdraw(0)
		s.Settle(0, 0)
	}
	s.Commit(0, 0)
	p.memory.settleFees()
	if s.err != nil {
		return s.err
	}
	if w, g := fmt.Sprint(skips(want)), fmt.Sprint(skips(got)); w != g {
		return fmt.Errorf("skipped: want %s, got %s", w, g)
	}
	if err := oracle.CompareReceipts(want.Receipts, got.Receipts); err != nil {
		return err
	}
	keys := make(oracle.Keys)
	for _, addr := range append([]common.Address{v.coinbase, crypto.CreateAddress(tx.From, tx.Nonce())}, v.addrs...) {
		keys[addr] = map[common.Hash]struct{}{{}: {}, {31: 1}: {}}
	}
	if err := oracle.Compare(keys, reference.View(), open.View()); err != nil {
		return err
	}
	_, _ = open.Finish(context.Background(), nil) // gives the memory back
	_, _ = reference.Finish(context.Background(), nil)
	return nil
}

func skips(s *Slice) (list []string) {
	for _, skip := range s.Skipped {
		list = append(list, fmt.Sprint(skip.Verdict, skip.Err))
	}
	return list
}

// overwrite commits the whole of a state, as transactions before would have.
func (v *adversary) overwrite(m *memory, now *oracle.Memory) {
	for _, addr := range append([]common.Address{v.coinbase}, v.addrs...) {
		e, err := m.account(&addr, m.seeds.address(&addr))
		if err != nil {
			panic(err) // the state in memory gives none
		}
		var value accountValue
		a := now.Accounts[addr]
		if a != nil {
			value = accountValue{balance: a.Balance, nonce: a.Nonce, exists: true}
			if blob, ok := now.Codes[a.CodeHash]; ok {
				value.code = newCode(a.CodeHash, blob)
			}
		}
		m.setAccount(e, &value)
		for key := range byte(2) {
			slot, err := m.slot(e, &common.Hash{31: key})
			if err != nil {
				panic(err)
			}
			var word common.Hash
			if a != nil {
				word = a.Storage[common.Hash{31: key}]
			}
			m.setSlot(slot, word)
		}
	}
}

// TestAdversary: a transaction that was executed on one state and judged on
// another does what it would have done on the other.
func TestAdversary(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 4000
	}
	for i, config := range transferRules()[:5] {
		v := newAdversary(config)
		for seed := range n / 5 {
			rng := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			if err := v.try(rng.IntN); err != nil {
				t.Fatalf("rules %d, seed %d: %v", i, seed, err)
			}
		}
		t.Logf("%d of %d executions held", v.held, n/5)
		if v.held < n/5/20 || v.held > n/5*19/20 {
			t.Error("the states are too far apart, or too near")
		}
	}
}

func FuzzAdversary(f *testing.F) {
	var list []*adversary
	for _, config := range transferRules()[:5] {
		list = append(list, newAdversary(config))
		f.Add(uint8(len(list)), randomBytes(uint64(len(list)), 120))
	}
	f.Fuzz(func(t *testing.T, rules uint8, data []byte) {
		if err := list[int(rules)%len(list)].try(bytesDice(data)); err != nil {
			t.Fatal(err)
		}
	})
}
