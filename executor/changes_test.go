package executor

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// TestSorted: however much of them is the same, addresses and slots come out in order.
func TestSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fill := func(b []byte, from, to int) { // random between the two, zero elsewhere
		for i := from; i < to; i++ {
			b[i] = byte(rng.Uint32())
		}
	}
	for _, n := range []int{0, 1, 2, 47, 48, 300, 5000} {
		for _, hands := range []int{1, 2, 3, 8} {
			for _, part := range [][2]int{{0, 52}, {0, 1}, {7, 9}, {19, 21}, {18, 24}, {20, 22}, {23, 26}, {24, 30}, {50, 52}, {0, 0}} {
				keys := make([][52]byte, n) // an address and a slot of it
				for i := range keys {
					fill(keys[i][:], part[0], part[1])
				}
				got := new(sorting).sorted(n, hands, func(i int) rank {
					addr, slot := common.Address(keys[i][:20]), common.Hash(keys[i][20:])
					return rankOf(&addr, &slot)
				}, func(i, j uint32) int { return bytes.Compare(keys[i][20:], keys[j][20:]) })
				seen := slices.Clone(got)
				slices.Sort(seen)
				for i := range seen {
					if seen[i] != uint32(i) {
						t.Fatalf("%d keys that differ in %v: %v", n, part, got)
					}
				}
				if len(got) != n || !slices.IsSortedFunc(got, func(i, j uint32) int { return bytes.Compare(keys[i][:], keys[j][:]) }) {
					t.Errorf("%d keys that differ in %v are not in order", n, part)
				}
			}
		}
	}
}
