package executor

import (
	"context"
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/oracle"
)

// TestBalanceWraps lets credits overflow an account that has nothing but storage and
// a balance next to 2^256: it is empty in between, which destroys it.
func TestBalanceWraps(t *testing.T) {
	rich, coinbase := common.Address{0xdd}, common.Address{0xc0}
	for name, c := range map[string]struct {
		coinbase, to common.Address
		short        uint64
	}{
		"paid": {coinbase, rich, 2},
		"fees": {rich, common.Address{0x99}, 42_000},
	} {
		before := oracle.NewMemory()
		a := &oracle.MemoryAccount{CodeHash: types.EmptyCodeHash, Storage: map[common.Hash]common.Hash{{31: 1}: {31: 4}}}
		a.Balance.SubUint64(new(uint256.Int), c.short)
		before.Accounts[rich] = a
		var txs []*motet.Tx
		for i := range 20 {
			from := common.Address{0xe0, byte(i)}
			sender := &oracle.MemoryAccount{CodeHash: types.EmptyCodeHash}
			sender.Balance.SetUint64(1e18)
			before.Accounts[from] = sender
			txs = append(txs, motet.NewTx(types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(8), Gas: 21_000, To: &c.to, Value: big.NewInt(1)}), from))
		}
		h := &types.Header{Number: big.NewInt(5), GasLimit: 30_000_000, Time: 1000, Coinbase: c.coinbase, Difficulty: new(big.Int), BaseFee: big.NewInt(7)}
		env := Env{Config: transferRules()[0], Header: h, Parent: &types.Header{Number: big.NewInt(4)}, State: before, BlockHash: func(uint64) common.Hash { return common.Hash{} }}
		run := func(e Executor, n int) *motet.Outcome {
			b, err := e.Open(context.Background(), env)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Run(context.Background(), txs[:n]); err != nil {
				t.Fatal(err)
			}
			out, err := b.Finish(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		for n := range len(txs) + 1 {
			want := run(NewSerial(Config{}), n)
			for _, schedule := range []Schedule{WherePays, Always, Backwards} {
				got := run(NewParallel(Config{Workers: 2, Schedule: schedule}), n)
				if !reflect.DeepEqual(got.Changes, want.Changes) || !reflect.DeepEqual(got.AccessList(), want.AccessList()) {
					t.Fatalf("%s, %d transactions, schedule %d: want %+v, got %+v", name, n, schedule, want.Changes, got.Changes)
				}
			}
		}
	}
}

// TestAbortNamesVoidSlot: who read a slot of a contract that was destroyed and made
// again is told that the slot was in the way.
func TestAbortNamesVoidSlot(t *testing.T) {
	addr, from := common.Address{0xdd}, common.Address{0xe0}
	code := []byte{byte(vm.PUSH1), 1, byte(vm.SLOAD), byte(vm.PUSH1), 2, byte(vm.SSTORE)}
	before := oracle.NewMemory()
	before.Codes[crypto.Keccak256Hash(code)] = code
	before.Accounts[addr] = &oracle.MemoryAccount{Nonce: 1, CodeHash: crypto.Keccak256Hash(code), Storage: map[common.Hash]common.Hash{{31: 1}: {31: 4}}}
	before.Accounts[from] = &oracle.MemoryAccount{Balance: *uint256.NewInt(1e18), CodeHash: types.EmptyCodeHash}
	h := &types.Header{Number: big.NewInt(5), GasLimit: 30_000_000, Time: 1000, Difficulty: new(big.Int), BaseFee: big.NewInt(7)}
	open, err := NewParallel(Config{Workers: 2}).Open(context.Background(), Env{
		Config: transferRules()[0], Header: h, Parent: &types.Header{Number: big.NewInt(4)}, State: before,
		BlockHash: func(uint64) common.Hash { return common.Hash{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := open.(*parallelBlock)
	tx := motet.NewTx(types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(8), Gas: 100_000, To: &addr, Value: new(big.Int)}), from)
	s := &speculation{parallelBlock: p, scheduler: new(blockstm.Scheduler), txs: []*motet.Tx{tx}, out: newSlice([]*motet.Tx{tx})}
	s.Execute(0, 0)
	e, err := p.memory.account(&addr, p.memory.seeds.address(&addr))
	if err != nil {
		t.Fatal(err)
	}
	p.memory.list(e)
	p.memory.wipe(e)
	if s.Holds(0, 0) {
		t.Fatal("a value that is void holds")
	}
	if a := p.memory.trace.aborts(); len(a) != 1 || a[0].Cause != report.CauseSlot {
		t.Errorf("aborts: %+v", a)
	}
}
