package sequencer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/eventlog"
)

// fill makes some blocks and returns the hashes of their transactions.
func (s *sut) fill(blocks int) (hashes []common.Hash) {
	s.t.Helper()
	for i := range blocks {
		txs := []*types.Transaction{s.transfer(i%8, testAddr(20)), s.transfer(9, testAddr(i%8))}
		hs := s.submit(txs...)
		s.included(hs...)
		hashes = append(hashes, hs...)
	}
	return hashes
}

// TestResumeOpenBlock stops with an open block and goes on in it, under the same
// OPEN.
func TestResumeOpenBlock(t *testing.T) {
	t.Parallel()
	s := newSUT(t).run()
	hashes := s.submit(s.transfer(0, testAddr(1)), s.transfer(1, testAddr(1)))
	s.eventually("slice", func() bool { p := s.seq.Pending(); return p != nil && len(p.Txs) == 2 })
	hashes = append(hashes, s.submit(s.transfer(0, testAddr(2)))...)
	s.eventually("slice", func() bool { p := s.seq.Pending(); return p != nil && len(p.Txs) == 3 })
	before := s.seq.Pending()
	noErr(t, s.halt())

	r := s.reopen()
	noErr(t, r.seq.Recover(t.Context()))
	after := r.seq.Pending()
	if after == nil {
		t.Fatal("no block is open")
	}
	if before.Header.Hash() != after.Header.Hash() {
		t.Fatalf("the open block's header differs: %v, was %v", after.Header, before.Header)
	}
	if len(after.Txs) != 3 || after.Cursor != before.Cursor {
		t.Fatalf("%d transactions at %s, want 3 at %s", len(after.Txs), after.Cursor, before.Cursor)
	}
	if n, err := r.pool.Nonce(testAddr(0)); err != nil || n != 2 {
		t.Fatalf("the pool says nonce %d, want 2 (%v)", n, err)
	}
	r.run()
	r.included(hashes...)
	if h := r.chain.HeaderByNumber(1); h.Time != before.Open.Timestamp {
		t.Fatalf("block 1 has time %d, its OPEN said %d", h.Time, before.Open.Timestamp)
	}
	noErr(t, r.halt())
	r.agree()
}

// TestStoreLost rebuilds the chain store from the log alone, to the same blocks.
func TestStoreLost(t *testing.T) {
	t.Parallel()
	s := newSUT(t, onDemand).run()
	hashes := s.fill(6)
	noErr(t, s.halt())
	before := s.hashes()
	s.close()
	noErr(t, os.RemoveAll(filepath.Join(s.dir, "chain")))
	r := s.reopen(onDemand)
	noErr(t, r.seq.Recover(t.Context()))
	r.sameHashes(before)
	r.included(hashes...)
	r.run().fill(1)
	noErr(t, r.halt())
	r.agree()
}

// TestLogLost writes the log anew from the chain store, all of it or what an
// older state of it misses.
func TestLogLost(t *testing.T) {
	t.Parallel()
	for _, older := range []bool{false, true} {
		s := newSUT(t, onDemand).run()
		s.fill(3)
		s = s.reopen(onDemand)
		generation := s.log.Generation()
		s.close()
		backup := t.TempDir()
		noErr(t, os.CopyFS(filepath.Join(backup, "nats"), os.DirFS(filepath.Join(s.dir, "nats"))))
		s = s.reopen(onDemand)
		noErr(t, s.seq.Recover(t.Context()))
		s.run().fill(3)
		noErr(t, s.halt())
		before := s.hashes()
		s.close()
		noErr(t, os.RemoveAll(filepath.Join(s.dir, "nats")))
		if older {
			noErr(t, os.CopyFS(filepath.Join(s.dir, "nats"), os.DirFS(filepath.Join(backup, "nats"))))
		}
		r := s.reopen(func(o *setup) {
			onDemand(o)
			o.expect = []string{"log is behind the chain store and is written anew"}
		})
		noErr(t, r.seq.Recover(t.Context()))
		if r.log.Generation() <= generation {
			t.Fatalf("generation is %d, was %d", r.log.Generation(), generation)
		}
		r.sameHashes(before)
		r.run().fill(1)
		noErr(t, r.halt())
		r.agree()
		if epochs := r.epochs(); !slices.IsSorted(epochs) || older && epochs[0] < 2 {
			t.Fatalf("epochs are %v", epochs)
		}
	}
}

func (s *sut) epochs() (out []uint64) {
	for _, r := range s.records() {
		if r.Epoch != nil {
			out = append(out, r.Epoch.Epoch)
		}
	}
	return out
}

// TestForeignLog gives a chain store the log of another history of its chain.
func TestForeignLog(t *testing.T) {
	t.Parallel()
	a, b := newSUT(t, onDemand).run(), newSUT(t, onDemand).run()
	a.fill(3)
	b.included(b.submit(b.transfer(11, testAddr(12)))...)
	for _, s := range []*sut{a, b} {
		noErr(t, s.halt())
		s.close()
	}
	for _, dirs := range [][2]*sut{{a, b}, {b, a}} {
		dir := t.TempDir()
		noErr(t, os.CopyFS(filepath.Join(dir, "nats"), os.DirFS(filepath.Join(dirs[0].dir, "nats"))))
		noErr(t, os.CopyFS(filepath.Join(dir, "chain"), os.DirFS(filepath.Join(dirs[1].dir, "chain"))))
		s := openSUT(t, dir)
		before := s.hashes()
		tail, _ := s.log.Tail()
		err := s.seq.Recover(t.Context())
		wantErr(t, err, motet.ErrHalt)
		wantErr(t, err, errForeignLog)
		if now, _ := s.log.Tail(); now != tail {
			t.Fatal("a foreign log was written to")
		}
		s.sameHashes(before)
		s.close()
	}
}

// TestBadRecords appends records that a writer must not have appended.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	type change func(open *motet.Open, slice *eventlog.Slice, seal *eventlog.Seal)
	rows := map[string]struct {
		change change
		seal   bool
		want   error
	}{
		"status":    {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Digests[0].Status ^= 1 }, false, errDigest},
		"gas":       {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Digests[1].GasUsed++ }, false, errDigest},
		"receipt":   {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Digests[1].ReceiptHash[0]++ }, false, errDigest},
		"missing":   {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Digests = s.Digests[:1] }, false, errDigest},
		"invalid":   {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Txs[1] = s.Txs[0] }, false, errDigest},
		"junk":      {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Txs[0] = hexutil.Bytes{1} }, false, motet.ErrHalt},
		"index":     {func(_ *motet.Open, s *eventlog.Slice, _ *eventlog.Seal) { s.Index = 1 }, false, errOrder},
		"number":    {func(o *motet.Open, _ *eventlog.Slice, _ *eventlog.Seal) { o.Number++ }, false, motet.ErrHalt},
		"time":      {func(o *motet.Open, _ *eventlog.Slice, _ *eventlog.Seal) { o.Timestamp = 1 }, false, motet.ErrHalt},
		"deposits":  {func(o *motet.Open, _ *eventlog.Slice, _ *eventlog.Seal) { o.Deposits.Count = 1 }, false, errDoors},
		"header":    {func(_ *motet.Open, _ *eventlog.Slice, s *eventlog.Seal) { s.Header.Root[0]++ }, true, errResult},
		"seal of 7": {func(_ *motet.Open, _ *eventlog.Slice, s *eventlog.Seal) { s.Number = 7 }, true, errOrder},
	}
	// A good block to falsify, taken from a sequencer that stays at genesis otherwise.
	s := newSUT(t, onDemand).run()
	s.included(s.submit(s.transfer(0, testAddr(1)), s.transfer(1, testAddr(1)))...)
	noErr(t, s.halt())
	var good []eventlog.Body
	for _, r := range s.records() {
		good = append(good, r.Body)
	}
	s.close()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			open, slice, seal := *good[1].Open, *good[2].Slice, *good[3].Seal
			slice.Txs, slice.Digests = slices.Clone(slice.Txs), slices.Clone(slice.Digests)
			seal.Header = types.CopyHeader(seal.Header)
			row.change(&open, &slice, &seal)
			bodies := []eventlog.Body{{Open: &open}, {Slice: &slice}}
			if row.seal {
				bodies = append(bodies, eventlog.Body{Seal: &seal})
			}
			r := openSUT(t, t.TempDir())
			_, err := r.log.Append(t.Context(), bodies...)
			noErr(t, err)
			err = r.seq.Recover(t.Context())
			wantErr(t, err, motet.ErrHalt)
			wantErr(t, err, row.want)
			if n := r.chain.Head().Number.Uint64(); n != 0 {
				t.Fatalf("block %d was committed", n)
			}
		})
	}
}

// TestReorgRecord applies a REORG at a restart: the transactions of the blocks
// that it takes back, and of the open one, go into new blocks.
func TestReorgRecord(t *testing.T) {
	t.Parallel()
	s := newSUT(t, onDemand).run()
	hashes := s.fill(5)
	noErr(t, s.halt())
	before := s.hashes()
	_, err := s.log.Append(t.Context(), eventlog.Body{Reorg: &eventlog.Reorg{
		Fork: motet.BlockRef{Number: 2, Hash: before[2]}, Reason: "test",
	}})
	noErr(t, err)
	s.close()
	for range 2 { // the second time the chain store is at the fork already
		r := s.reopen(onDemand)
		noErr(t, r.seq.Recover(t.Context()))
		if n := r.chain.Head().Number.Uint64(); n != 2 {
			t.Fatalf("head is block %d, want 2", n)
		}
		r.sameHashes(before[:3])
		r.close()
	}
	r := s.reopen(onDemand)
	noErr(t, r.seq.Recover(t.Context()))
	r.run().included(hashes...)
	noErr(t, r.halt())
	r.agree()
}
