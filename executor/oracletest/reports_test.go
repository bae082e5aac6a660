package oracletest

import (
	"testing"

	"github.com/motet-evm/motet/executor"
)

// TestReportsAgree: what depends on what is the block's, and not the engine's: transfers
// without the EVM and a coinbase that is only paid are told as what they are. A
// speculative execution may hold that looked at less, since its guess was another
// one; so these run in order.
func TestReportsAgree(t *testing.T) {
	under := append(named(executor.NewSerial(executor.Config{}), executor.Config{}, "serial"), parallel(executor.Config{Workers: 1})...)
	for _, f := range forks() {
		for seed := range uint64(25) {
			w, err := newWorld(f)
			if err != nil {
				t.Fatal(err)
			}
			data := seeded(seed, 600+int(seed%5)*500)
			for i := range blocksPerWorld {
				b, err := grow(w, &choices{rest: data[i*len(data)/blocksPerWorld : (i+1)*len(data)/blocksPerWorld]})
				if err != nil {
					t.Fatal(err)
				}
				var want uint64
				for k, e := range under {
					got, err := criticalGas(t, e, b)
					if err != nil {
						t.Fatalf("%s, %s, seed %d, block %d: %v", f.name, e.name, seed, i, err)
					}
					if k == 0 {
						want = got
					}
					if got != want {
						t.Errorf("%s, %s, seed %d, block %d: the costliest chain takes %d gas, serially %d", f.name, e.name, seed, i, got, want)
					}
				}
			}
		}
	}
}

func criticalGas(t *testing.T, e engine, b *blockCase) (uint64, error) {
	t.Helper()
	open, err := e.exec.Open(t.Context(), b.env)
	if err != nil {
		return 0, err
	}
	if _, err := open.Verify(t.Context(), b.included); err != nil {
		return 0, err
	}
	if _, err := open.Finish(t.Context(), nil); err != nil {
		return 0, err
	}
	return open.Report().CriticalGas, nil
}
