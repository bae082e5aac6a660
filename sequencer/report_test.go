package sequencer

import (
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/executor/report"
)

// TestReports: whoever sees a block finds how it was executed, over all its
// slices; blocks of an earlier process have no report.
func TestReports(t *testing.T) {
	history, err := report.NewHistory(report.DefaultLimits(), nil)
	noErr(t, err)
	with := func(o *setup) { o.reports = history }
	s := newSUT(t, onDemand, with).run()
	for range 3 {
		var txs []*types.Transaction
		for i := range 10 {
			txs = append(txs, s.transfer(i, testAddr(i+1)))
		}
		s.included(s.submit(txs...)...)
	}
	noErr(t, s.halt())
	total := 0
	for n := uint64(1); n <= s.chain.Head().Number.Uint64(); n++ {
		block := s.chain.BlockByNumber(n)
		b := history.Block(block.Hash())
		if b == nil || b.Transactions != len(block.Transactions()) || b.Gas != block.GasUsed() || b.Slices == 0 {
			t.Fatalf("block %d: %+v", n, b)
		}
		total += b.Summarise().Executions[report.Committed]
	}
	if total != 30 {
		t.Errorf("%d executions are committed, want 30", total)
	}
	head := s.chain.Head().Hash()
	if history, err = report.NewHistory(report.DefaultLimits(), nil); err != nil {
		t.Fatal(err)
	}
	s = s.reopen(onDemand, with)
	if head != s.chain.Head().Hash() || history.Block(head) != nil {
		t.Errorf("head %v, its report %v", s.chain.Head().Hash(), history.Block(head))
	}
}
