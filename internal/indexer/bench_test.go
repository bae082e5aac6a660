package indexer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/motet-evm/motet/internal/indexer"
)

// BenchmarkCatchUp indexes a chain of 40 blocks from the first one on, as after
// a rebuild. A quarter each are transfers, logs, creations and reverts.
func BenchmarkCatchUp(b *testing.B) {
	for _, txs := range []int{10, 1000} {
		b.Run(fmt.Sprintf("txs=%d", txs), func(b *testing.B) {
			m := newMaker()
			m.gspec.GasLimit = 500_000_000
			c := m.chain()
			c.grow(m.make(40, txs, 1))
			url := postgres.Database(b)
			config := indexer.DefaultConfig()
			config.URL = url
			for b.Loop() {
				b.StopTimer()
				if err := indexer.Rebuild(b.Context(), url); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				ix, err := indexer.New(config, indexer.Deps{Source: c, Signer: m.signer()})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error, 1)
				go func() { done <- ix.Run(ctx) }()
				waitCaughtUp(b, url, c)
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(40*b.N)/b.Elapsed().Seconds(), "blocks/s")
			b.ReportMetric(float64(40*txs*b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}
