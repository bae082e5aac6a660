package executor

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/internal/oracle"
)

// lanes returns what the block runs on.
func lanes(b Block) []*lane {
	switch b := b.(type) {
	case *parallelBlock:
		list := []*lane{b.single}
		for _, w := range b.workers {
			list = append(list, &w.lane)
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
