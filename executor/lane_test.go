package executor

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/internal/oracle"
)

// evms returns what the block runs on.
func evms(b Block) []*vm.EVM {
	switch b := b.(type) {
	case *parallelBlock:
		list := []*vm.EVM{b.evm}
		for _, w := range b.workers {
			list = append(list, w.evm)
		}
		return list
	default:
		return []*vm.EVM{b.(*block).evm}
	}
}

// TestEVMOutlivesBlocks: a block runs on the EVMs of the last one, but not on those of
// other rules, and not once the memory is emptied.
func TestEVMOutlivesBlocks(t *testing.T) {
	young := common.Address{0xcc}
	code := []byte{byte(vm.PUSH0), byte(vm.TLOAD), byte(vm.STOP)} // TLOAD came with Cancun
	before, after := traceEnv(), traceEnv()
	cancun := uint64(2000)
	before.Config.CancunTime, after.Config = &cancun, before.Config
	before.Header.ExcessBlobGas, before.Header.ParentBeaconRoot = nil, nil
	after.Header.Time = cancun
	for _, env := range []Env{before, after} {
		m := env.State.(*oracle.Memory)
		hash := crypto.Keccak256Hash(code)
		m.Accounts[young] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
		m.Codes[hash] = code
	}
	for name, make := range map[string]func(warm bool) Executor{
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
			on := evms(b)
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
		warm, cold := make(true), make(false)
		first := run(warm, before, types.ReceiptStatusFailed)
		second := run(warm, before, types.ReceiptStatusFailed)
		third := run(warm, after, types.ReceiptStatusSuccessful)
		coldFirst, coldSecond := run(cold, after, types.ReceiptStatusSuccessful), run(cold, after, types.ReceiptStatusSuccessful)
		for i := range first {
			switch {
			case first[i] != second[i]:
				t.Errorf("%s: EVM %d is not kept", name, i)
			case second[i] == third[i]:
				t.Errorf("%s: EVM %d is kept under other rules", name, i)
			case coldFirst[i] == coldSecond[i]:
				t.Errorf("%s: EVM %d outlives the memory", name, i)
			}
		}
	}
}
