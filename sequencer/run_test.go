package sequencer

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// geth's, one set for the process.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		// It ends by itself, up to 30 s after its database was closed.
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

func onDemand(o *setup) { o.config.BlockTime = 0 }

func TestOnDemand(t *testing.T) {
	s := newSUT(t, onDemand).run()
	for i := range 5 {
		start := time.Now()
		s.included(s.submit(s.transfer(i, testAddr(i+1)))...)
		t.Logf("block %d after %v", s.chain.Head().Number, time.Since(start))
	}
	if n := s.chain.Head().Number.Uint64(); n != 5 {
		t.Fatalf("head is block %d, want 5", n)
	}
	noErr(t, s.halt())
	s.agree()
}

func TestBlockTime(t *testing.T) {
	s := newSUT(t).run()
	var hashes []common.Hash
	start := time.Now()
	for range 40 {
		var txs []*types.Transaction
		for i := range 20 {
			txs = append(txs, s.transfer(i, testAddr(i+1)))
		}
		hashes = append(hashes, s.submit(txs...)...)
		time.Sleep(50 * time.Millisecond)
	}
	s.included(hashes...)
	t.Logf("%d blocks in %v", s.chain.Head().Number, time.Since(start))
	noErr(t, s.halt())
	s.agree()
}
