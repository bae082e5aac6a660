package mempool

import (
	"context"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
)

// pooled returns transfers of the given number of senders, signed ahead of time.
func (s *sut) pooled(senders, each int) []*types.Transaction {
	txs := make([]*types.Transaction, 0, senders*each)
	for n := range each {
		for i := range senders {
			txs = append(txs, s.transfer(i, uint64(n), int64(1+(i*7919+n*104729)%1000)))
		}
	}
	return txs
}

// refill gives an empty pool transactions.
func (s *sut) refill(txs []*types.Transaction) {
	s.intake = &testIntake{}
	s.restart(s.config)
	s.start()
	s.mustAdd(txs...)
}

// BenchmarkTake hands out everything of a pool of 100,000.
func BenchmarkTake(b *testing.B) {
	for _, senders := range []int{2_000, 50_000} {
		each := 100_000 / senders
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			s := newSUT(b, senders, nil).start()
			txs := s.pooled(senders, each)
			taken := 0
			for b.Loop() {
				b.StopTimer()
				s.refill(txs)
				b.StartTimer()
				for {
					out := s.Take(Limit{Count: 2000})
					if len(out) == 0 {
						break
					}
					taken += len(out)
				}
			}
			b.ReportMetric(float64(taken)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}

// BenchmarkSettle settles what was taken, without a view in between.
func BenchmarkSettle(b *testing.B) {
	const senders, each = 2_000, 50
	s := newSUT(b, senders, nil).start()
	txs := s.pooled(senders, each)
	total := 0
	for b.Loop() {
		b.StopTimer()
		s.refill(txs)
		var sets []Settlement
		for {
			out := s.Take(Limit{Count: 2000})
			if len(out) == 0 {
				break
			}
			var set Settlement
			for i, tx := range out {
				set.Included = append(set.Included, Inclusion{tx, 1, uint64(i)})
			}
			sets = append(sets, set)
		}
		b.StartTimer()
		for _, set := range sets {
			s.Settle(set)
			total += len(set.Included)
		}
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "tx/s")
}

// BenchmarkAdd admits signed transfers: in batches of 100, and one by one from
// parallel callers. The senders are recovered anew each time.
func BenchmarkAdd(b *testing.B) {
	const senders, each = 1_000, 20
	s := newSUT(b, senders, nil).start()
	signed := s.pooled(senders, each)
	fresh := func() []*types.Transaction {
		s.intake = &testIntake{}
		s.restart(s.config)
		s.start()
		txs := make([]*types.Transaction, len(signed))
		for i, tx := range signed {
			raw, err := tx.MarshalBinary()
			if err != nil {
				b.Fatal(err)
			}
			txs[i] = new(types.Transaction)
			if err := txs[i].UnmarshalBinary(raw); err != nil {
				b.Fatal(err)
			}
		}
		return txs
	}
	b.Run("batch=100", func(b *testing.B) {
		total := 0
		for b.Loop() {
			b.StopTimer()
			txs := fresh()
			b.StartTimer()
			for ; len(txs) > 0; txs = txs[100:] {
				s.mustAdd(txs[:100]...)
			}
			total += len(signed)
		}
		b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "tx/s")
	})
	b.Run("known", func(b *testing.B) {
		txs := fresh()[:100]
		s.mustAdd(txs...)
		for b.Loop() {
			s.Add(context.Background(), txs)
		}
		b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "tx/s")
	})
}
