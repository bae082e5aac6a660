package api

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
)

// pollInterval is how often a waiting request looks for what is not announced:
// moves of the posted, safe and finalized heads.
const pollInterval = 100 * time.Millisecond

// fate tells what has become of a transaction. Where the chain holds it, the
// chain decides, since it outlives the pool's memory.
func (s *Server) fate(hash common.Hash) (motet.Fate, bool) {
	if p, ok := s.recent.find(hash); ok {
		return s.included(hash, p.block.block.NumberU64(), uint64(p.index)), true
	}
	if block, index, ok := s.chain.TransactionBlock(hash); ok {
		return s.included(hash, block.Number, index), true
	}
	if s.pool == nil {
		return motet.Fate{}, false
	}
	f, ok := s.pool.Fate(hash)
	f.Hash = hash
	if ok && rank(f.State) > rank(motet.StatePreconfirmed) {
		f.State = motet.StatePreconfirmed // its block is closed, but not canonical yet
	}
	return f, ok
}

// included returns the fate of a transaction in a canonical block.
func (s *Server) included(hash common.Hash, block, index uint64) motet.Fate {
	f := motet.Fate{Hash: hash, State: motet.StateSealed, Block: block, Index: index}
	switch heads := s.chain.Heads(); {
	case block <= heads.Finalized.Number:
		f.State = motet.StateFinalized
	case block <= heads.Safe.Number:
		f.State = motet.StateSafe
	case s.posted != nil && block <= s.posted():
		f.State = motet.StatePosted
	}
	return f
}

// rank orders the states that a transaction passes through.
func rank(state motet.State) int {
	switch state {
	case motet.StatePreconfirmed:
		return 1
	case motet.StateSealed:
		return 2
	case motet.StatePosted:
		return 3
	case motet.StateSafe:
		return 4
	case motet.StateFinalized:
		return 5
	default:
		return 0
	}
}

// await waits until a transaction reaches a state, or one beyond, or ends
// without inclusion. It returns the last fate known, and whether that is it.
func (s *Server) await(ctx context.Context, hash common.Hash, target motet.State) (f motet.Fate, reached bool) {
	ch := s.waiters.add(hash)
	defer s.waiters.remove(hash, ch)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if now, ok := s.fate(hash); ok && (rank(now.State) >= rank(f.State) || now.Final()) {
			f = now
		}
		if f.Final() {
			return f, false
		}
		if rank(f.State) >= rank(target) {
			return f, true
		}
		select {
		case f = <-ch:
		case <-tick.C:
		case <-s.stopping:
			return f, false
		case <-ctx.Done():
			return f, false
		}
	}
}
