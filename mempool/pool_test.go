package mempool

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/motet-evm/motet"
)

func hashes(txs []*motet.Tx) (out []common.Hash) {
	for _, tx := range txs {
		out = append(out, tx.Hash())
	}
	return out
}

func TestTakeOrdersByTipThenArrivalThenNonce(t *testing.T) {
	s := newSUT(t, 3, nil).start()
	a0, a1 := s.transfer(0, 0, 5), s.transfer(0, 1, 100)
	b0 := s.transfer(1, 0, 50)
	c0 := s.transfer(2, 0, 5)
	s.mustAdd(a1, c0)
	s.mustAdd(a0, b0)
	got := hashes(s.Take(Limit{}))
	want := []common.Hash{b0.Hash(), c0.Hash(), a0.Hash(), a1.Hash()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if len(s.Take(Limit{})) != 0 {
		t.Fatal("handed out twice")
	}
}

func TestFCFS(t *testing.T) {
	s := newSUT(t, 3, func(c *Config) { c.Policy = PolicyFCFS }).start()
	a, b, c := s.transfer(0, 0, 5), s.transfer(1, 0, 50), s.transfer(2, 0, 5000)
	s.mustAdd(a, b, c)
	got := hashes(s.Take(Limit{Count: 2}))
	if diff := cmp.Diff([]common.Hash{a.Hash(), b.Hash()}, got); diff != "" {
		t.Fatal(diff)
	}
}
