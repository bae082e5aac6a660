package execbench

import (
	"errors"
	"slices"
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

// BenchmarkSchedules shows, against the serial executor, what one worker of the parallel
// one takes in order, and with speculation, and what giving it up in time saves where
// everything conflicts. Values are times over the serial executor's, medians; there are no hints.
func BenchmarkSchedules(b *testing.B) {
	engines := []struct {
		name string
		executor.Config
	}{
		{"in-order-1/serial", executor.Config{Workers: 1}},
		{"speculating-1/serial", executor.Config{Workers: 1, Schedule: executor.Always}},
		{"speculating-2/serial", executor.Config{Workers: 2, Schedule: executor.Throughout}},
		{"adaptive-2/serial", executor.Config{Workers: 2}},
	}
	for _, name := range []string{"transfers", "erc20", "erc20-mixed", "uniswap", "amm", "erc20-hot", "amm-one-pool", "conflict-bomb"} {
		b.Run(name, func(b *testing.B) {
			s, err := build(name, setting{gas: 200_000_000, artifacts: nodeModules})
			if errors.Is(err, errMissing) {
				b.Skip(err)
			}
			if err != nil {
				b.Fatal(err)
			}
			run := func(e executor.Executor) float64 {
				open, err := e.Open(b.Context(), executor.Env{
					Config: s.config, Header: s.header, Parent: s.parent, State: s.state, BlockHash: s.blockHash,
				})
				if err != nil {
					b.Fatal(err)
				}
				took, err := timed(func() error { _, err := open.Verify(b.Context(), s.txs); return err })
				if err != nil {
					b.Fatal(err)
				}
				if _, err := open.Finish(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
				return took.wall
			}
			serial := executor.NewSerial(executor.Config{Warm: true})
			ratios := make([][]float64, len(engines))
			executors := make([]executor.Executor, len(engines))
			for i, e := range engines {
				e.Warm = true
				executors[i] = executor.NewParallel(e.Config)
				run(executors[i])
			}
			run(serial)
			for b.Loop() {
				for i, e := range executors {
					ratios[i] = append(ratios[i], run(e)/run(serial))
				}
			}
			for i, e := range engines {
				slices.Sort(ratios[i])
				b.ReportMetric(ratios[i][len(ratios[i])/2], e.name)
			}
		})
	}
}
