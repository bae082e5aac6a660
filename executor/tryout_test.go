package executor

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// TestTryOut: a slice that takes no time runs serially to its end; of one that takes long,
// though its gas limits are as small, others take their part after a few transactions.
func TestTryOut(t *testing.T) {
	txs := make([]*motet.Tx, 60)
	for i := range txs {
		txs[i] = traceTx(i, 0, common.Address{0xbb}, nil)
	}
	for _, c := range []struct {
		schedule  Schedule
		first     time.Duration // from one look at the clock to the next
		later     time.Duration
		alone     int // that run serially
		otherwise string
	}{
		{WherePays, 0, 0, len(txs), "small slice"},
		{WherePays, 5 * time.Microsecond, 5 * time.Microsecond, len(txs), "small slice"},
		{WherePays, 70 * time.Microsecond, time.Microsecond, 8, ""}, // 73 µs for 8, and 52 are left
		{WherePays, 40 * time.Microsecond, time.Microsecond, len(txs), "small slice"},
		{WherePays, 100 * time.Microsecond, 0, 2, ""},
		{WherePays, 40 * time.Microsecond, 40 * time.Microsecond, 4, ""},
		{Throughout, time.Second, time.Second, 0, ""},
	} {
		e := NewParallel(Config{Workers: 2, Schedule: c.schedule})
		now, step := time.Time{}, time.Duration(0)
		e.now = func() time.Time {
			now, step = now.Add(step), c.later
			if now.IsZero() {
				step = c.first
			}
			return now
		}
		open, err := e.Open(context.Background(), traceEnv())
		if err != nil {
			t.Fatal(err)
		}
		slice, err := open.Run(context.Background(), txs)
		if err != nil || len(slice.Included) != len(txs) {
			t.Fatalf("%d included, %v", len(slice.Included), err)
		}
		if _, err := open.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		alone := 0
		for _, s := range open.Report().Solos {
			alone += s.Transactions
		}
		if alone != c.alone || slice.Stats.Fallback != c.otherwise {
			t.Errorf("schedule %d, %s and %s: %d transactions ran serially, %+v", c.schedule, c.first, c.later, alone, slice.Stats)
		}
	}
}

// TestTryOutCuts: the block's gas ends a slice as early as it does serially.
func TestTryOutCuts(t *testing.T) {
	env := traceEnv()
	env.Header = types.CopyHeader(env.Header)
	env.Header.GasLimit = 21_000*15 + 20_000
	txs := make([]*motet.Tx, 40)
	for i := range txs {
		txs[i] = traceTx(i, 0, common.Address{0xbb}, nil)
	}
	parallel := NewParallel(Config{Workers: 2})
	parallel.now = func() time.Time { return time.Time{} } // so that nobody else is called
	for _, e := range []Executor{NewSerial(Config{}), parallel} {
		open, err := e.Open(context.Background(), env)
		if err != nil {
			t.Fatal(err)
		}
		slice, err := open.Run(context.Background(), txs)
		if err != nil || slice.Cut != 15 || len(slice.Included) != 15 {
			t.Errorf("%T: cut at %d with %d included, %v", e, slice.Cut, len(slice.Included), err)
		}
		if _, err := open.Finish(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
}
