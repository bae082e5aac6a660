package execbench

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

// disk is a state that nothing has in its memory: each look takes as long as one
// at a disk.
type disk struct{ state.Reader }

const seek = 100 * time.Microsecond

func (d disk) Account(addr common.Address) (*types.StateAccount, error) {
	time.Sleep(seek)
	return d.Reader.Account(addr)
}

func (d disk) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	time.Sleep(seek)
	return d.Reader.Storage(addr, key)
}

// BenchmarkReadAhead shows what it brings on a cold state to read what is predicted
// ahead of the execution: independent calls, and calls that all conflict, on two
// workers.
func BenchmarkReadAhead(b *testing.B) {
	for _, name := range []string{"erc20-mixed", "erc20-hot", "amm-rows-declared"} {
		for _, from := range []struct {
			name    string
			sources predict.Sources
		}{{"off", 0}, {"access-list", predict.AccessList}, {"all", predict.AllSources}} {
			b.Run(name+"/"+from.name, func(b *testing.B) {
				s, err := build(name, setting{gas: 20_000_000})
				if err != nil {
					b.Fatal(err)
				}
				e := executor.NewParallel(executor.Config{Workers: 2, Predict: predict.New(from.sources)})
				ahead := 0
				for b.Loop() {
					open, err := e.Open(b.Context(), executor.Env{
						Config: s.config, Header: s.header, Parent: s.parent, State: disk{s.state}, BlockHash: s.blockHash,
					})
					if err != nil {
						b.Fatal(err)
					}
					slice, err := open.Verify(b.Context(), s.txs)
					if err != nil {
						b.Fatal(err)
					}
					ahead = slice.Stats.ReadAhead
				}
				b.ReportMetric(float64(ahead), "ahead/op")
			})
		}
	}
}
