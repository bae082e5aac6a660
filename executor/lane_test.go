package executor

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/internal/oracle"
)

// lanes returns what the block runs on.
func lanes(b Block) []*lane {
	switch b := b.(type) {
	case *parallelBlock:
		list := []*lane{b.single}
		for _, w := range b.workers {
			list = append(list, &w.lane, &w.second(b.block, b.workers).lane)
		}
		return list
	default:
		return []*lane{b.(*block).lane}
	}
}

// TestEVMOutlivesBlocks: a block runs on the EVMs of the last one, but not on those of
// other rules or of another chain, not once the memory is emptied, and not after much
// code was deployed, which nobody may know of any more.
func TestEVMOutlivesBlocks(t *testing.T) {
	young := common.Address{0xcc}
	code := []byte{byte(vm.PUSH0), byte(vm.TLOAD), byte(vm.STOP)} // TLOAD came with Cancun
	before, after := traceEnv(), traceEnv()
	cancun := uint64(2000)
	before.Config.CancunTime, after.Config = &cancun, before.Config
	before.Header.ExcessBlobGas, before.Header.ParentBeaconRoot = nil, nil
	after.Header.Time = cancun
	other, elsewhere := after, *after.Config
	other.Config = &elsewhere
	for _, env := range []Env{before, after} {
		m := env.State.(*oracle.Memory)
		hash := crypto.Keccak256Hash(code)
		m.Accounts[young] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
		m.Codes[hash] = code
	}
	for name, newExecutor := range map[string]func(warm bool) Executor{
		"serial":      func(warm bool) Executor { return NewSerial(Config{Warm: warm}) },
		"parallel(1)": func(warm bool) Executor { return NewParallel(Config{Workers: 1, Warm: warm}) },
		"parallel(2)": func(warm bool) Executor { return NewParallel(Config{Workers: 2, Warm: warm, Schedule: Always}) },
	} {
		run := func(e Executor, env Env, want uint64) []*vm.EVM {
			t.Helper()
			b, err := e.Open(context.Background(), env)
			if err != nil {
				t.Fatal(err)
			}
			var on []*vm.EVM
			for _, l := range lanes(b) {
				on = append(on, l.evm)
			}
			slice, err := b.Run(context.Background(), calls(40, always(young)))
			if err != nil || len(slice.Included) != 40 {
				t.Fatalf("%s: %d included, %v", name, len(slice.Included), err)
			}
			for i, r := range slice.Receipts {
				if r.Status != want {
					t.Fatalf("%s: transaction %d has status %d", name, i, r.Status)
				}
			}
			if _, err := b.Finish(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			return on
		}
		deploy := func(e Executor, env Env, bytes int) {
			t.Helper()
			b, err := e.Open(context.Background(), env)
			if err != nil {
				t.Fatal(err)
			}
			code := make([]byte, 24_576)
			for _, l := range lanes(b) {
				for n := len(code); n <= bytes; n += len(code) {
					l.state.SetCode(young, code, tracing.CodeChangeUnspecified)
					l.state.reset()
				}
			}
			if _, err := b.Finish(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
		}
		warm, cold := newExecutor(true), newExecutor(false)
		first := run(warm, before, types.ReceiptStatusFailed)
		second := run(warm, before, types.ReceiptStatusFailed)
		third := run(warm, after, types.ReceiptStatusSuccessful)
		another := run(warm, other, types.ReceiptStatusSuccessful)
		deploy(warm, other, maxDeployed)
		kept := run(warm, other, types.ReceiptStatusSuccessful)
		deploy(warm, other, 24_576)
		bounded := run(warm, other, types.ReceiptStatusSuccessful)
		coldFirst, coldSecond := run(cold, after, types.ReceiptStatusSuccessful), run(cold, after, types.ReceiptStatusSuccessful)
		for i := range first {
			switch {
			case first[i] != second[i]:
				t.Errorf("%s: EVM %d is not kept", name, i)
			case second[i] == third[i]:
				t.Errorf("%s: EVM %d is kept under other rules", name, i)
			case third[i] == another[i]:
				t.Errorf("%s: EVM %d is kept for another chain", name, i)
			case another[i] != kept[i]:
				t.Errorf("%s: EVM %d is not kept", name, i)
			case kept[i] == bounded[i]:
				t.Errorf("%s: EVM %d outlives %d bytes of code", name, i, maxDeployed)
			case coldFirst[i] == coldSecond[i]:
				t.Errorf("%s: EVM %d outlives the memory", name, i)
			}
		}
	}
}

// fragileEnv returns a contract, and an environment in which its execution panics while
// its slot 0 is 0. A call with data sets that to 1.
func fragileEnv() (Env, common.Address) {
	fragile := common.Address{0xcd}
	code := []byte{
		byte(vm.CALLDATASIZE), byte(vm.PUSH1), 14, byte(vm.JUMPI),
		byte(vm.PUSH0), byte(vm.SLOAD), byte(vm.PUSH1), 12, byte(vm.JUMPI),
		byte(vm.PUSH0), byte(vm.BLOCKHASH), byte(vm.POP),
		byte(vm.JUMPDEST), byte(vm.STOP),
		byte(vm.JUMPDEST), byte(vm.PUSH1), 1, byte(vm.PUSH0), byte(vm.SSTORE), byte(vm.STOP),
	}
	env := traceEnv()
	m, hash := env.State.(*oracle.Memory), crypto.Keccak256Hash(code)
	m.Accounts[fragile] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
	m.Codes[hash] = code
	env.BlockHash = func(uint64) common.Hash { panic("no hash of this block") }
	return env, fragile
}

// TestEVMAfterPanic: an execution that panicked upon a wrong guess costs its result and
// its EVM, which stopped half way, and nothing else.
func TestEVMAfterPanic(t *testing.T) {
	env, fragile := fragileEnv()
	txs := calls(40, always(fragile))
	txs[0] = traceTx(0, 0, fragile, []byte{1})

	for _, workers := range []int{1, 2} {
		e := NewParallel(Config{Workers: workers, Schedule: Backwards})
		b, err := e.Open(context.Background(), env)
		if err != nil {
			t.Fatal(err)
		}
		before := lanes(b)
		evms := make([]*vm.EVM, len(before))
		for i, l := range before {
			evms[i] = l.evm
		}
		slice, err := b.Run(context.Background(), txs)
		if err != nil || len(slice.Included) != len(txs) {
			t.Fatalf("%d workers: %d included, %v", workers, len(slice.Included), err)
		}
		for i, r := range slice.Receipts {
			if r.Status != types.ReceiptStatusSuccessful {
				t.Fatalf("%d workers: transaction %d failed", workers, i)
			}
		}
		replaced := 0
		for i, l := range lanes(b) {
			if l.evm != evms[i] {
				replaced++
			}
		}
		if slice.Stats.Aborts == 0 || replaced == 0 {
			t.Errorf("%d workers: %d executions lost, %d EVMs replaced", workers, slice.Stats.Aborts, replaced)
		}
		if _, err := b.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}

		// Upon a right one it is the block's end.
		if b, err = e.Open(context.Background(), env); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Run(context.Background(), txs[1:]); !errors.Is(err, motet.ErrHalt) {
			t.Errorf("%d workers: %v", workers, err)
		}
	}
}

// TestApart: no two workers' EVMs write the same lines of the processor's cache.
func TestApart(t *testing.T) {
	_, before, _ := step(nil)
	for range 20 {
		open, err := NewParallel(Config{Workers: 8}).Open(t.Context(), stepEnv(before))
		if err != nil {
			t.Fatal(err)
		}
		b := open.(*parallelBlock)
		for i, w := range b.workers {
			w.second(b.block, b.workers)
			at := reflect.ValueOf(w.evm).Elem().FieldByName("arena").Pointer()
			if w.seat != seatOf(w.evm) || w.seat.top != at || w.spare.seat != seatOf(w.spare.evm) {
				t.Fatalf("worker %d: %+v, %+v, the stack at %#x", i, w.seat, w.spare.seat, at)
			}
			for k, o := range b.workers {
				if o != w && (o.seat.meets(w.seat) || o.seat.meets(w.spare.seat)) {
					t.Errorf("workers %d and %d: %+v meets %+v or %+v", i, k, o.seat, w.seat, w.spare.seat)
				}
			}
		}
		if _, err := b.Finish(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSeats: what shares a pair of lines with another meets it.
func TestSeats(t *testing.T) {
	const size = unsafe.Sizeof(vm.EVM{})
	tests := []struct {
		name  string
		a, b  seat
		meets bool
	}{
		{"far", seat{0x10000, 0x20000}, seat{0x11000, 0x20100}, false},
		{"tops in one line", seat{0x10000, 0x20000}, seat{0x11000, 0x20020}, true},
		{"tops in a pair of lines", seat{0x10000, 0x20000}, seat{0x11000, 0x20060}, true},
		{"tops in neighbouring pairs", seat{0x10000, 0x20060}, seat{0x11000, 0x20080}, false},
		{"an end beside a beginning", seat{0x10010, 0x20000}, seat{0x10010 + size, 0x20100}, true},
		{"one pair later", seat{0x10000, 0x20000}, seat{0x10000 + (size+127)/128*128, 0x20100}, false},
		{"tops unknown", seat{0x10000, 0}, seat{0x11000, 0}, false},
	}
	for _, tt := range tests {
		if tt.a.meets(tt.b) != tt.meets || tt.b.meets(tt.a) != tt.meets {
			t.Errorf("%s: %v and %v", tt.name, tt.a.meets(tt.b), tt.b.meets(tt.a))
		}
	}
}

// TestPanicWhileWaiting: what panics while an execution waits, and others run in its
// middle, is a fault of our own, and no failure of the execution.
func TestPanicWhileWaiting(t *testing.T) {
	_, before, txs := step([][3]int64{{1, 100, 10}, {10, 100, 11}})
	b, err := NewParallel(Config{Workers: 1}).Open(t.Context(), stepEnv(before))
	if err != nil {
		t.Fatal(err)
	}
	s := &speculation{parallelBlock: b.(*parallelBlock), scheduler: new(blockstm.Scheduler), txs: txs} // one that has no places to wait at
	s.Execute(0, 0)
	defer func() {
		if recover() == nil {
			t.Errorf("the execution failed: %v", s.record(1).failure)
		}
	}()
	s.Execute(0, 1)
}

// TestPanic: an execution that panics ends the block with an error, however it runs, and
// the executor goes on with the next block.
func TestPanic(t *testing.T) {
	for _, n := range []int{3, 40, 120} {
		txs := calls(n, always(own))
		want := outcomeOf(t, NewSerial(Config{}), traceEnv(), txs)
		for name, e := range map[string]Executor{
			"serial":     NewSerial(Config{Warm: true}),
			"one worker": NewParallel(Config{Workers: 1, Warm: true}),
			"as it pays": NewParallel(Config{Workers: 2, Warm: true}),
			"throughout": NewParallel(Config{Workers: 2, Warm: true, Schedule: Throughout}),
			"backwards":  NewParallel(Config{Workers: 2, Warm: true, Schedule: Backwards}),
		} {
			env, fragile := fragileEnv()
			for _, at := range []int{0, n - 1} {
				bad := slices.Clone(txs)
				bad[at] = traceTx(at, 0, fragile, nil)
				b, err := e.Open(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.Run(t.Context(), bad); !errors.Is(err, motet.ErrHalt) {
					t.Errorf("%s: a panic in transaction %d of %d: %v", name, at, n, err)
				}
				if _, err := b.Finish(t.Context(), nil); !errors.Is(err, ErrFinished) {
					t.Errorf("%s: finished: %v", name, err)
				}
			}
			if got := outcomeOf(t, e, env, txs); !reflect.DeepEqual(got.Changes, want.Changes) || !reflect.DeepEqual(got.Receipts, want.Receipts) {
				t.Errorf("%s: after a panic another block of %d comes out otherwise", name, n)
			}
		}
	}
}

func outcomeOf(t *testing.T, e Executor, env Env, txs []*motet.Tx) *motet.Outcome {
	t.Helper()
	b, err := e.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), txs); err != nil {
		t.Fatal(err)
	}
	out, err := b.Finish(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLanesShareNoCache: each lane has an EVM of its own, which searches code for jump
// destinations itself and remembers no results of precompiled contracts. What they are is
// not for others to see, so that geth's fields are looked at.
func TestLanesShareNoCache(t *testing.T) {
	b, err := NewParallel(Config{Workers: 3}).Open(context.Background(), traceEnv())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[uintptr]bool)
	for i, l := range lanes(b) {
		evm := reflect.ValueOf(l.evm)
		found := evm.Elem().FieldByName("jumpDests").Elem()
		if seen[evm.Pointer()] || found.Kind() != reflect.Map || seen[found.Pointer()] || !evm.Elem().FieldByName("precompileCache").IsNil() {
			t.Errorf("lane %d shares what it has found out: %v", i, found.Type())
		}
		seen[evm.Pointer()], seen[found.Pointer()] = true, true
	}
	if len(seen) != 14 {
		t.Errorf("%d EVMs and caches", len(seen))
	}
}
