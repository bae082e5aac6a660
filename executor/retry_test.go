package executor

import (
	"context"
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/oracle"
)

// sleepy is a state of which slots from 100 on take a time to read: a tenth of their
// number in milliseconds.
type sleepy struct{ *oracle.Memory }

func (s sleepy) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	if n := slot.Big().Int64(); n >= 100 {
		time.Sleep(time.Duration(n/10) * time.Millisecond)
	}
	return s.Memory.Storage(addr, slot)
}

// step returns transactions on a state: each adds 1 to what it reads in one slot and writes
// that to another, and in between reads for so many milliseconds.
func step(steps [][3]int64) (addr common.Address, before *oracle.Memory, txs []*motet.Tx) {
	code := []byte{
		byte(vm.PUSH1), 0, byte(vm.CALLDATALOAD), byte(vm.SLOAD),
		byte(vm.DUP1), byte(vm.PUSH1), 32, byte(vm.CALLDATALOAD), byte(vm.ADD), byte(vm.SLOAD), byte(vm.POP),
		byte(vm.PUSH1), 1, byte(vm.ADD), byte(vm.PUSH1), 64, byte(vm.CALLDATALOAD), byte(vm.SSTORE),
	}
	addr, before = common.Address{0xdd}, oracle.NewMemory()
	before.Codes[crypto.Keccak256Hash(code)] = code
	before.Accounts[addr] = &oracle.MemoryAccount{Nonce: 1, CodeHash: crypto.Keccak256Hash(code)}
	for i, c := range steps {
		from := common.Address{0xe0, byte(i)}
		before.Accounts[from] = &oracle.MemoryAccount{Balance: *uint256.NewInt(1e18), CodeHash: types.EmptyCodeHash}
		var data []byte
		for _, n := range []int64{c[0], 10 * c[1], c[2]} {
			data = append(data, common.BigToHash(big.NewInt(n)).Bytes()...)
		}
		txs = append(txs, motet.NewTx(types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(8), Gas: 100_000, To: &addr, Data: data}), from))
	}
	return addr, before, txs
}

// verified executes the whole block on e.
func verified(t *testing.T, e Executor, env Env, txs []*motet.Tx) (Stats, *motet.Outcome, *report.Block) {
	t.Helper()
	b, err := e.Open(context.Background(), env)
	if err != nil {
		t.Fatal(err)
	}
	slice, err := b.Verify(context.Background(), txs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Finish(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return slice.Stats, out, b.Report()
}

func stepEnv(state *oracle.Memory) Env {
	h := &types.Header{Number: big.NewInt(5), GasLimit: 300_000_000, Time: 1000, Difficulty: new(big.Int), BaseFee: big.NewInt(7)}
	return Env{Config: transferRules()[0], Header: h, Parent: &types.Header{Number: big.NewInt(4)}, State: state, BlockHash: func(uint64) common.Hash { return common.Hash{} }}
}

// TestRetries: who has read what is written later runs again before the frontier arrives,
// and who comes to read what that writes waits for it. The report says so.
func TestRetries(t *testing.T) {
	addr, before, txs := step([][3]int64{
		{1, 100, 10},
		{1, 40, 11},
		{1, 35, 12},
		{12, 30, 13}, // runs from 35 to 65 once more
		{1, 50, 14},  // begins at 30
		{13, 45, 15}, // begins at 40, and goes on at 65
		{1, 20, 16},
		{1, 21, 17},
	})
	env := stepEnv(before)
	_, want, _ := verified(t, NewSerial(Config{}), env, txs)
	synctest.Test(t, func(t *testing.T) {
		env.State = sleepy{before}
		begin := time.Now()
		stats, out, r := verified(t, NewParallel(Config{Workers: 4, Schedule: Throughout}), env, txs)
		if took := time.Since(begin); stats.Executions != 9 || stats.Aborts != 1 || took != 110*time.Millisecond {
			t.Errorf("%+v in %v", stats, took)
		}
		if err := oracle.CompareReceipts(want.Receipts, out.Receipts); err != nil {
			t.Error(err)
		}
		if len(r.Aborts) != 1 {
			t.Fatalf("aborts: %+v", r.Aborts)
		}
		a := r.Aborts[0]
		at := report.Location{Address: addr, Field: report.Slot, Slot: common.Hash{31: 12}}
		if a.Task != 3 || a.Writer != 2 || a.Cause != report.CauseSlot || r.Places[a.Place] != at || time.Duration(a.At) != 35*time.Millisecond {
			t.Errorf("abort: %+v, place %+v", a, r.Places[a.Place])
		}
		var outcomes [4]int
		for _, e := range r.Executions() {
			outcomes[e.Outcome]++
		}
		if outcomes != [4]int{report.Committed: 8, report.Aborted: 1} {
			t.Errorf("outcomes: %v", outcomes)
		}
	})
}

// TestHelps: and who comes to read what nobody has begun to execute again does so himself.
func TestHelps(t *testing.T) {
	_, before, txs := step([][3]int64{
		{1, 100, 10},
		{1, 40, 11},
		{11, 10, 12}, // from 40 to 50 once more
		{11, 12, 20}, // from 10 to 22, and from 47 to 59 in the middle of the next
		{250, 2, 14}, // begins at 22, and reads at 47 what that writes
		{1, 20, 16},
		{1, 21, 17},
		{1, 22, 18},
	})
	synctest.Test(t, func(t *testing.T) {
		e := NewParallel(Config{Workers: 3, Schedule: Throughout})
		for i := range 4 { // by the fourth, one of three workers helps a second time
			env := stepEnv(before)
			env.Header.Coinbase = common.Address{0xc0, byte(i)}
			_, want, _ := verified(t, NewSerial(Config{}), env, txs)
			env.State = sleepy{before}
			stats, out, r := verified(t, e, env, txs)
			if stats.Executions != 10 || stats.Aborts != 2 || r.Wall != 100*time.Millisecond {
				t.Errorf("%+v in %v", stats, r.Wall)
			}
			if err := oracle.CompareReceipts(want.Receipts, out.Receipts); err != nil {
				t.Error(err)
			}
			if !reflect.DeepEqual(out.AccessList(), want.AccessList()) {
				t.Errorf("block %d changes something else", i)
			}
			took := make(map[int]time.Duration)
			for _, e := range r.Executions() {
				if e.Outcome == report.Committed {
					took[e.Task] = e.End - e.Start
				}
			}
			if took[3] != 12*time.Millisecond || took[4] != 25*time.Millisecond {
				t.Errorf("by the report the transactions took %v", took)
			}
		}
	})
}

// TestRetriesOfBalance: so does who has read a balance that is changed later.
func TestRetriesOfBalance(t *testing.T) {
	addr, before, txs := step([][3]int64{{0, 100, 10}, {0, 40, 11}, {0, 41, 12}, {0, 35, 13}, {0, 30, 14}, {0, 1, 15}, {0, 2, 16}, {0, 3, 17}, {0, 4, 18}, {0, 5, 19}})
	code := []byte{
		byte(vm.ADDRESS), byte(vm.BALANCE),
		byte(vm.DUP1), byte(vm.PUSH1), 32, byte(vm.CALLDATALOAD), byte(vm.ADD), byte(vm.SLOAD), byte(vm.POP),
		byte(vm.PUSH1), 64, byte(vm.CALLDATALOAD), byte(vm.SSTORE),
	}
	before.Codes[crypto.Keccak256Hash(code)] = code
	before.Accounts[addr].CodeHash = crypto.Keccak256Hash(code)
	pays := txs[3] // the contract's balance changes at 35, when those after have read it
	txs[3] = motet.NewTx(types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(8), Gas: 100_000, To: &addr, Data: pays.Data(), Value: big.NewInt(1)}), pays.From)
	env := stepEnv(before)
	_, want, _ := verified(t, NewSerial(Config{}), env, txs)
	synctest.Test(t, func(t *testing.T) {
		env.State = sleepy{before}
		stats, out, r := verified(t, NewParallel(Config{Workers: 5, Schedule: Throughout}), env, txs)
		if err := oracle.CompareReceipts(want.Receipts, out.Receipts); err != nil {
			t.Error(err)
		}
		if stats.Aborts != len(txs)-4 || len(r.Aborts) != stats.Aborts {
			t.Fatalf("%+v, aborts: %+v", stats, r.Aborts)
		}
		for _, a := range r.Aborts { // the frontier leaves the first transaction at 100
			if a.Writer != 3 || a.Cause != report.CauseBalance || r.Places[a.Place] != (report.Location{Address: addr, Field: report.Balance}) || time.Duration(a.At) >= 100*time.Millisecond {
				t.Errorf("abort: %+v, place %+v", a, r.Places[a.Place])
			}
		}
	})
}

// TestWrongListToTheEnd: along a list that is wrong from some transaction on, what is lost
// ends the run at last, and another goes on with what is left, be it one transaction.
func TestWrongListToTheEnd(t *testing.T) {
	for n := 125; n < 150; n++ {
		steps := make([][3]int64, n)
		for i := range steps {
			steps[i] = [3]int64{1, int64(100 + i), 1}
		}
		addr, before, txs := step(steps)
		env := stepEnv(before)
		_, want, _ := verified(t, NewSerial(Config{}), env, txs)
		list := *want.AccessList()
		for i := range list {
			if list[i].Address != addr {
				continue
			}
			for _, slot := range list[i].StorageChanges {
				for k := 85; k < len(slot.SlotChanges); k++ {
					slot.SlotChanges[k].PostValue = uint256.NewInt(123456)
				}
			}
		}
		env.AccessList = &list
		synctest.Test(t, func(t *testing.T) {
			env.State = sleepy{before}
			_, out, _ := verified(t, NewParallel(Config{Workers: 2}), env, txs)
			if err := oracle.CompareReceipts(want.Receipts, out.Receipts); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestRefused: a transaction that ends a slice for its gas is forgotten, and no loss of the
// next slice's first.
func TestRefused(t *testing.T) {
	for _, schedule := range []Schedule{Always, Backwards} {
		env := traceEnv()
		env.Header.GasLimit = 150_000
		b, err := NewParallel(Config{Workers: 2, Schedule: schedule}).Open(context.Background(), env)
		if err != nil {
			t.Fatal(err)
		}
		aborts, included := 0, 0
		for _, txs := range [][]*motet.Tx{
			{traceTx(0, 0, own, nil), traceTx(1, 0, own, nil)},
			{traceTx(2, 0, own, nil), traceTx(3, 0, own, nil)},
			{traceTx(4, 0, own, nil)},
			{traceTx(5, 0, common.Address{0xbb}, nil)},
		} {
			s, err := b.Run(context.Background(), txs)
			if err != nil {
				t.Fatal(err)
			}
			aborts += s.Stats.Aborts
			included += s.Cut
		}
		if _, err := b.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if r := b.Report(); included != 3 || aborts != 2 || len(r.Aborts) != aborts {
			t.Errorf("schedule %d: %d included, %d lost, the report tells of %+v", schedule, included, aborts, r.Aborts)
		}
	}
}

// TestTurns: what a sender's nonce will be when it is a transaction's turn is told by
// his transactions before it, though none of them has been executed yet, and so is that it
// will not be its turn.
func TestTurns(t *testing.T) {
	contract, before, _ := step(nil)
	payee := common.Address{0xaa}
	for i := range 3 {
		before.Accounts[common.Address{0xe0, byte(i)}] = &oracle.MemoryAccount{Nonce: 3, Balance: *uint256.NewInt(1e18), CodeHash: types.EmptyCodeHash}
	}
	before.Accounts[common.Address{0xe0, 9}] = &oracle.MemoryAccount{Nonce: 3, CodeHash: types.EmptyCodeHash} // owns nothing
	tests := []struct {
		name   string
		txs    [][2]byte // sender and nonce
		aborts int
	}{
		{"in turn", [][2]byte{{0, 3}, {1, 3}, {0, 4}, {0, 5}, {1, 4}, {0, 6}, {1, 5}, {2, 3}, {0, 7}, {1, 6}, {2, 4}}, 0},
		{"too high", [][2]byte{{0, 4}, {0, 3}, {0, 9}, {1, 9}, {0, 4}, {0, 6}, {0, 5}, {1, 4}, {0, 6}, {1, 9}, {1, 3}}, 0},
		{"after one that is refused", [][2]byte{{1, 3}, {9, 3}, {9, 4}, {1, 4}, {2, 3}, {2, 9}, {0, 3}, {0, 4}}, 1},
	}
	for _, tt := range tests {
		for _, to := range []common.Address{payee, contract} {
			txs := make([]*motet.Tx, len(tt.txs))
			for i, x := range tt.txs {
				var data []byte
				if to == contract { // slots of its own
					data = make([]byte, 96)
					data[31], data[95] = byte(i), byte(100+i)
				}
				tx := types.NewTx(&types.LegacyTx{Nonce: uint64(x[1]), GasPrice: big.NewInt(8), Gas: 100_000, To: &to, Data: data})
				txs[i] = motet.NewTx(tx, common.Address{0xe0, x[0]})
			}
			run := func(e Executor) *Slice {
				b, err := e.Open(t.Context(), stepEnv(before))
				if err != nil {
					t.Fatal(err)
				}
				slice, err := b.Run(t.Context(), txs)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.Finish(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				return slice
			}
			want, got := run(NewSerial(Config{})), run(NewParallel(Config{Workers: 1, Schedule: Backwards}))
			if got.Stats.Aborts != tt.aborts {
				t.Errorf("%s, to %s: %+v", tt.name, to, got.Stats)
			}
			if !reflect.DeepEqual(refusals(want), refusals(got)) || len(want.Included) != len(got.Included) {
				t.Errorf("%s, to %s: refused %q, want %q", tt.name, to, refusals(got), refusals(want))
			}
			if err := oracle.CompareReceipts(want.Receipts, got.Receipts); err != nil {
				t.Errorf("%s, to %s: %v", tt.name, to, err)
			}
		}
	}
}

func refusals(s *Slice) []string {
	var out []string
	for _, r := range s.Skipped {
		out = append(out, fmt.Sprint(r.Tx.Call().Nonce, r.Verdict, r.Err))
	}
	return out
}
