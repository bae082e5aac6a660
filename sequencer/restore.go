package sequencer

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/mempool"
)

// searchBlocks is for how many blocks in a row without a hit the chain is
// searched for transactions of the intake.
const searchBlocks = 128

// restore fills the pool from the intake, less what is included.
func (s *Sequencer) restore(ctx context.Context) error {
	pool := s.deps.Pool
	held := make(map[common.Hash]struct{})
	tx := func(seq uint64, raw []byte) error {
		held[crypto.Keccak256Hash(raw)] = struct{}{}
		return pool.Restore(raw, seq)
	}
	fate := func(f motet.Fate) error {
		delete(held, f.Hash)
		return pool.RestoreFate(f)
	}
	if err := s.deps.Intake.Replay(ctx, tx, fate); err != nil {
		return err
	}
	pool.Settle(mempool.Settlement{Included: s.inclusions(held)})
	if b := s.block; b != nil {
		pool.Reset(b.open, s.poolView(b.view))
	} else if err := s.prepare(); err != nil {
		return err
	}
	back := s.returned
	s.returned = nil
	if len(back) == 0 {
		return nil
	}
	return pool.Readd(ctx, back)
}

// inclusions finds transactions in the open block and in those before it, newest
// first. The pool would have to look each one up, for which geth decodes a whole
// block; most of what the intake still holds is in the last few. What is not
// found here the pool does look up.
func (s *Sequencer) inclusions(of map[common.Hash]struct{}) (out []mempool.Inclusion) {
	note := func(tx *motet.Tx, block uint64, index int) bool {
		hash := tx.Hash()
		if _, ok := of[hash]; !ok {
			return false
		}
		delete(of, hash)
		out = append(out, mempool.Inclusion{Tx: tx, Block: block, Index: uint64(index)}) //nolint:gosec // not negative
		return true
	}
	if b := s.block; b != nil {
		for i, tx := range b.txs {
			note(tx, b.open.Number, i)
		}
	}
	for n, misses := s.head.Number.Uint64(), 0; n > 0 && misses < searchBlocks && len(of) > 0; n-- {
		misses++
		block := s.deps.Chain.BlockByNumber(n)
		if block == nil {
			break
		}
		for i, tx := range block.Transactions() {
			// The sender does not matter before the pool's first Reset.
			if note(&motet.Tx{Transaction: tx}, n, i) {
				misses = 0
			}
		}
	}
	return out
}
