package executor

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// TestBlooms: the blooms are geth's, whoever makes which part of them.
func TestBlooms(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	item := func() (h common.Hash) {
		for i := range h {
			h[i] = byte(rng.Uint32() >> (8 * rng.IntN(3)))
		}
		if rng.IntN(2) == 0 { // seen before, perhaps as the end of the other kind
			h = common.Hash{31: byte(rng.IntN(3))}
		}
		return h
	}
	for round := range 300 {
		var receipts types.Receipts
		for range rng.IntN(6) {
			r := new(types.Receipt)
			for range rng.IntN(2) * rng.IntN(400) {
				log := &types.Log{Address: common.Address(item().Bytes()[12:])}
				for range rng.IntN(5) {
					log.Topics = append(log.Topics, item())
				}
				r.Logs = append(r.Logs, log)
			}
			if rng.IntN(5) == 0 {
				r.Bloom = types.CreateBloom(r) // somebody needed it
			}
			receipts = append(receipts, r)
		}
		SetBlooms(receipts, 1+rng.IntN(8))
		for i, r := range receipts {
			if r.Bloom != types.CreateBloom(r) {
				t.Fatalf("round %d: the bloom of receipt %d with %d logs is another", round, i, len(r.Logs))
			}
		}
	}
}

func BenchmarkBlooms(b *testing.B) {
	var receipts types.Receipts
	for i := range byte(200) {
		transfer := &types.Log{Address: common.Address{i % 8}, Topics: []common.Hash{{1}, {2, i}, {3, i}}}
		receipts = append(receipts, &types.Receipt{Logs: []*types.Log{transfer, transfer, {Address: common.Address{9}, Topics: []common.Hash{{4, i % 3}}}}})
	}
	b.Run("geth", func(b *testing.B) {
		for b.Loop() {
			for _, r := range receipts {
				r.Bloom = types.CreateBloom(r)
			}
		}
	})
	for _, hands := range []int{1, 2} {
		b.Run(map[int]string{1: "one hand", 2: "two hands"}[hands], func(b *testing.B) {
			for b.Loop() {
				for _, r := range receipts {
					r.Bloom = types.Bloom{}
				}
				SetBlooms(receipts, hands)
			}
		})
	}
}
