package executor

import (
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/core/types/bal"

	"github.com/motet-evm/motet"
)

// TestAlong: along its access list every transaction of a block runs once, whatever
// it depends on, and a list that is none changes nothing.
func TestAlong(t *testing.T) {
	var txs []*motet.Tx
	for i := range 200 {
		txs = append(txs, traceTx(i%20, uint64(i/20), counter, nil))
		if i%20 == 7 {
			// peek stores the balance of an account that is paid now and then, and the
			// coinbase's, which all pay.
			txs = append(txs, traceTx(100+i, 0, peek, append(make([]byte, 12), traceCoinbase[:]...)))
		}
	}
	verify := func(e Executor, list *bal.BlockAccessList) (*motet.Outcome, Stats) {
		t.Helper()
		env := traceEnv()
		env.AccessList = list
		stats, out, _ := verified(t, e, env, txs)
		return out, stats
	}
	want, _ := verify(NewSerial(Config{}), nil)
	list := want.AccessList()
	backwards := slices.Clone(*list)
	slices.Reverse(backwards)
	for _, workers := range []int{1, 2, 4} {
		for _, schedule := range []Schedule{WherePays, Always, Backwards} {
			e := NewParallel(Config{Workers: workers, Warm: true, Schedule: schedule})
			fallback := ""
			if workers == 1 && schedule == WherePays {
				fallback = "one worker" // which needs no list
			}
			for round := range 3 {
				got, stats := verify(e, list)
				if stats.Aborts > 0 || stats.Executions != len(txs) || stats.Fallback != fallback {
					t.Errorf("%d workers, schedule %d, round %d: %+v", workers, schedule, round, stats)
				}
				if !reflect.DeepEqual(got.Changes, want.Changes) || !reflect.DeepEqual(got.Receipts, want.Receipts) {
					t.Errorf("%d workers, schedule %d, round %d: the list changes what the block does", workers, schedule, round)
				}
				// What a list said is forgotten with the block.
				for _, none := range []*bal.BlockAccessList{nil, {}, &backwards} {
					if got, _ := verify(e, none); !reflect.DeepEqual(got.Changes, want.Changes) {
						t.Errorf("%d workers, schedule %d, round %d: the block does something else without a list", workers, schedule, round)
					}
				}
			}
		}
	}
}
