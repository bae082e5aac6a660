package executor

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

// inert is a state of one contract that keeps nothing and allocates nothing: what a
// call on it allocates is core's and core/vm's. Methods that no call of the test comes
// to are missing.
type inert struct {
	vm.StateDB

	contract common.Address
	code     []byte
	hash     common.Hash
	rich     uint256.Int
}

func (s *inert) GetCode(addr common.Address) []byte {
	if addr == s.contract {
		return s.code
	}
	return nil
}

func (s *inert) GetCodeHash(addr common.Address) common.Hash {
	if addr == s.contract {
		return s.hash
	}
	return types.EmptyCodeHash
}

func (s *inert) GetBalance(common.Address) *uint256.Int { return &s.rich }

func (s *inert) SubBalance(common.Address, *uint256.Int, tracing.BalanceChangeReason) uint256.Int {
	return s.rich
}

func (s *inert) AddBalance(common.Address, *uint256.Int, tracing.BalanceChangeReason) uint256.Int {
	return s.rich
}

func (s *inert) GetStateAndCommittedState(common.Address, common.Hash) (current, committed common.Hash) {
	return current, committed
}

func (s *inert) Prepare(params.Rules, common.Address, common.Address, *common.Address, []common.Address, types.AccessList) {
}

func (s *inert) GetNonce(common.Address) uint64                                     { return 0 }
func (s *inert) SetNonce(common.Address, uint64, tracing.NonceChangeReason)         {}
func (s *inert) Exist(common.Address) bool                                          { return true }
func (s *inert) GetState(common.Address, common.Hash) (value common.Hash)           { return value }
func (s *inert) SetState(_ common.Address, _, _ common.Hash) (previous common.Hash) { return previous }

func (s *inert) SlotInAccessList(common.Address, common.Hash) (address, slot bool) {
	return true, false
}
func (s *inert) AddSlotToAccessList(common.Address, common.Hash) {}
func (s *inert) GetRefund() uint64                               { return 0 }
func (s *inert) Snapshot() int                                   { return 0 }
func (s *inert) AddLog(*types.Log)                               {}

// mallocs counts what f allocates, the way testing.AllocsPerRun does, but on all CPUs and
// to the last one.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// least repeats a count: the first time what it needs is not there yet, and now and then
// the runtime allocates for itself.
func least(count func() uint64) uint64 {
	best := count()
	for range 5 {
		best = min(best, count())
	}
	return best
}

// coreAllocates returns what core.ApplyMessage allocates for a transaction.
func coreAllocates(t *testing.T, env Env, tx *motet.Tx, code []byte) float64 {
	t.Helper()
	s := &inert{contract: *tx.To(), code: code, hash: crypto.Keccak256Hash(code), rich: *uint256.NewInt(1e18)}
	evm := vm.NewEVM(blockContext(env), s, env.Config, vm.Config{})
	rules := env.Config.Rules(env.Header.Number, true, env.Header.Time)
	var m message
	if err := m.set(tx, uint256.MustFromBig(env.Header.BaseFee), &rules); err != nil {
		t.Fatal(err)
	}
	pool, full := new(core.GasPool), core.NewGasPool(env.Header.GasLimit)
	const n = 300
	return float64(least(func() uint64 {
		return mallocs(func() {
			for range n {
				*pool = *full
				if result, err := core.ApplyMessage(evm, &m.Message, pool); err != nil || result.Failed() {
					t.Fatal(result, err)
				}
			}
		})
	})) / n
}

// blockAllocates returns what a transaction allocates in a block that knows all it
// touches: what further ones add to it.
func blockAllocates(t *testing.T, e Executor, env Env, txs []*motet.Tx) float64 {
	t.Helper()
	run := func(txs []*motet.Tx) uint64 {
		b, err := e.Open(context.Background(), env)
		if err != nil {
			t.Fatal(err)
		}
		var slice *Slice
		n := mallocs(func() { slice, err = b.Run(context.Background(), txs) })
		if err != nil || slice.Stats.Executions != len(txs) || len(slice.Included) != len(txs) {
			t.Fatalf("%d included, %+v, %v", len(slice.Included), slice.Stats, err)
		}
		for _, r := range slice.Receipts {
			if r.Status != types.ReceiptStatusSuccessful {
				t.Fatal("a call fails")
			}
		}
		if _, err := b.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		return n
	}
	few := len(txs) / 3
	all := least(func() uint64 { return run(txs) })
	return float64(all-least(func() uint64 { return run(txs[:few]) })) / float64(len(txs)-few)
}

// TestCallsAllocate: on a state that is in the memory, a transaction allocates what core
// and core/vm do for it, and its receipt's list of logs; a transfer that does without them
// allocates nothing. The state, its cells and versions and the receipts add nothing, however many slots it
// reads and writes, whether it runs speculatively or not.
func TestCallsAllocate(t *testing.T) {
	slot := func(i byte) []byte { // one of the caller's own: CALLER<<8 | i
		return []byte{byte(vm.CALLER), byte(vm.PUSH1), 8, byte(vm.SHL), byte(vm.PUSH1), i, byte(vm.OR)}
	}
	slots := []byte{byte(vm.PUSH1), 1} // and all that sixteen hold goes to two of them
	for i := range byte(16) {
		slots = append(append(slots, slot(i)...), byte(vm.SLOAD), byte(vm.ADD))
	}
	for i := range byte(2) {
		slots = append(append(append(slots, byte(vm.DUP1)), slot(i)...), byte(vm.SSTORE))
	}
	// The caller's slot and that of the account that the calldata names change by one
	// each, and LOG3 tells of it.
	token := common.FromHex("6001335403" + "3355" + "60015f355401" + "5f3555" + "60015f52" + "5f353360076020" + "5fa3" + "00")
	for _, c := range []struct {
		name string
		to   common.Address
		code []byte
		list float64 // of logs
	}{
		{"a transfer", common.Address{0xbb}, nil, 0},
		{"a call of nothing", common.Address{0xcc}, []byte{byte(vm.STOP)}, 0},
		{"a call of slots", common.Address{0xcc}, slots, 0},
		{"a call of a token", common.Address{0xcc}, token, 1},
	} {
		env := traceEnv()
		if c.code != nil {
			m, hash := env.State.(*oracle.Memory), crypto.Keccak256Hash(c.code)
			m.Accounts[c.to] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
			m.Codes[hash] = c.code
		}
		txs := make([]*motet.Tx, 300)
		for i := range txs {
			var data []byte
			if c.code != nil {
				data = common.LeftPadBytes([]byte{1, byte(i >> 8), byte(i)}, 32)
			}
			txs[i] = traceTx(i, 0, c.to, data)
		}
		core := coreAllocates(t, env, txs[0], c.code)
		for name, e := range map[string]Executor{
			"serial":      NewSerial(Config{Warm: true}),
			"parallel(1)": NewParallel(Config{Workers: 1, Warm: true}),
			"parallel(2)": NewParallel(Config{Workers: 2, Warm: true}),
			"always(2)":   NewParallel(Config{Workers: 2, Warm: true, Schedule: Always}),
		} {
			want := core + c.list
			if c.code == nil && name != "serial" {
				want = 0 // it does not go through core
			}
			if got := blockAllocates(t, e, env, txs); math.Abs(got-want) > 0.3 {
				t.Errorf("%s, %s: %.2f allocations a transaction, want %v", c.name, name, got, want)
			}
		}
	}
}
