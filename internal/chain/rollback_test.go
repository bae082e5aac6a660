package chain

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// A rollback by 350 blocks, below several flushes, and a different future.
func TestDeepRollback(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	sub := s.Subscribe()
	defer sub.Close()
	var blocks types.Blocks
	for range 400 {
		blocks = append(blocks, s.extendNext())
	}
	safe := motet.RefOf(blocks[299].Header())
	noErr(t, s.Label(safe, motet.RefOf(s.Genesis().Header())))
	equal(t, safe, s.Heads().Safe)

	to := motet.RefOf(blocks[49].Header())
	noErr(t, s.Rollback(t.Context(), to))
	equal(t, to, s.Heads().Unsafe)
	equal(t, to, s.Heads().Safe)
	equal(t, common.Hash{}, s.BlockHash(51))
	noErr(t, s.Rollback(t.Context(), to)) // again: nothing happens

	for range 400 {
		ev, err := sub.Next(t.Context())
		noErr(t, err)
		equal(t, false, ev.Removed)
	}
	for i := range 350 {
		ev, err := sub.Next(t.Context())
		noErr(t, err)
		equal(t, true, ev.Removed)
		equal(t, blocks[399-i].Hash(), ev.Block.Hash())
	}
	stock := stockChain(t, testGenesis())
	future := append(types.Blocks{}, blocks[:50]...)
	future = append(future, s.extend(transfer(1, 0, common.Address{9})))
	for range 200 {
		future = append(future, s.extendNext())
	}
	_, err := stock.InsertChain(future)
	noErr(t, err)
	equal(t, s.Head().Hash(), stock.CurrentBlock().Hash())
	equal(t, nil, s.TransactionBlockError(blocks[60].Transactions()[0].Hash()))
}

// TransactionBlockError reports a transaction that was found though no
// canonical block holds it.
func (s *sut) TransactionBlockError(tx common.Hash) error {
	ref, _, ok := s.TransactionBlock(tx)
	if !ok {
		return nil
	}
	for _, in := range s.BlockByNumber(ref.Number).Transactions() {
		if in.Hash() == tx {
			return nil // it entered again
		}
	}
	return errors.New("a removed transaction is still found")
}

func TestRollbackRefusals(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(c *Config, _ *Deps) { c.FlushBlocks = 2 })
	for range 10 {
		s.extendNext()
	}
	final := motet.RefOf(s.HeaderByNumber(5))
	noErr(t, s.Label(motet.RefOf(s.Head()), final))
	s.mu.Lock()
	noErr(t, s.flushHead())
	s.flush.durable = s.flush.flushed
	s.applyFinalized()
	s.mu.Unlock()
	equal(t, final, s.Heads().Finalized)

	err := s.Rollback(t.Context(), motet.RefOf(s.HeaderByNumber(4)))
	if !errors.Is(err, ErrFinalized) {
		t.Fatalf("Rollback says %v, want ErrFinalized", err)
	}
	err = s.Rollback(t.Context(), motet.BlockRef{Number: 7, Hash: common.Hash{1}})
	if !errors.Is(err, ErrNotCanonical) {
		t.Fatalf("Rollback says %v, want ErrNotCanonical", err)
	}
	noErr(t, s.Rollback(t.Context(), motet.RefOf(s.HeaderByNumber(7))))
	equal(t, uint64(7), s.Heads().Safe.Number)
	if err := s.Label(motet.RefOf(s.Genesis().Header()), final); err == nil {
		t.Fatal("a finalized block above the safe one was accepted")
	}
}

// Right after a flush is when geth knows the state only on disk.
func TestRollbackAcrossTheFlush(t *testing.T) {
	t.Parallel()
	for _, depth := range []uint64{1, 2, 3, 5, 9} {
		s := newSUT(t, func(c *Config, _ *Deps) { c.FlushBlocks = 4 })
		for range 12 {
			s.extendNext()
		}
		noErr(t, s.Rollback(t.Context(), motet.RefOf(s.HeaderByNumber(12-depth))))
		for range depth + 6 {
			s.extendNext()
		}
		equal(t, uint64(18), s.Head().Number.Uint64())
	}
}

// geth is never told that a block is final before its state is on disk.
func TestFinalizedWaitsForFlush(t *testing.T) {
	t.Parallel()
	s := newSUT(t, func(c *Config, _ *Deps) { c.FlushBlocks, c.FlushInterval = 100, 1e15 })
	for range 10 {
		s.extendNext()
	}
	head := motet.RefOf(s.Head())
	noErr(t, s.Label(head, head))
	equal(t, head, s.Heads().Safe)
	equal(t, true, s.Heads().Finalized.Number <= 1) // the first block is flushed at once
	s.mu.Lock()
	noErr(t, s.flushHead())
	s.mu.Unlock()
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		noErr(t, s.noticeFlushed())
		return s.Heads().Finalized == head
	})
}
