package replica_test

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

func wrongHash(h *motet.BatchHeader, payload []byte) []byte {
	h.LastHash[0] ^= 1
	return payload
}

func garbage(_ *motet.BatchHeader, payload []byte) []byte {
	payload[len(payload)/2] ^= 1
	return payload
}

// unreadable puts bytes into the last block that are no transaction.
func unreadable(b *batchcodec.Batch) {
	last := &b.Blocks[len(b.Blocks)-1]
	last.Txs = append(slices.Clone(last.Txs), []byte{0xc0})
}

// unsendable puts a transaction into the last block that cannot be in any.
func unsendable(t testing.TB) func(*batchcodec.Batch) {
	return func(b *batchcodec.Batch) {
		tx := rolluptest.Sign(t, 0, types.DynamicFeeTx{Gas: 21_000, To: new(common.Address), Value: rolluptest.Unsendable})
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		last := &b.Blocks[len(b.Blocks)-1]
		last.Txs = append(slices.Clone(last.Txs), raw)
	}
}

// story fills L1: batches of one block and of several, of parts of a block, with a
// part that is begun anew, two in one L1 block. If the replica builds, there are
// also some that only execution can refuse.
func (s *sut) story() {
	s.t.Helper()
	s.grow(2, 0, 3, 5, 1)
	s.post(whole(1, 2))
	s.post(cut{from: at(3, 0), to: at(4, 2)})
	s.post(cut{from: at(3, 0), to: at(5, 0), bad: true, damage: garbage})
	s.post(cut{from: at(4, 2), to: at(5, 0)})
	s.grow(4, 1)
	if s.cfg.Build {
		s.post(cut{from: at(5, 0), to: at(7, 0), bad: true, damage: wrongHash})
		s.post(cut{from: at(5, 0), to: at(7, 0), bad: true, bend: unsendable(s.t)})
	}
	s.post(whole(5, 6))
	s.grow(3, 3, 2)
	s.post(cut{from: at(8, 0), to: at(9, 0), bad: true})
	s.post(whole(7, 7), cut{from: at(8, 0), to: at(8, 1)}, cut{from: at(8, 1), to: at(9, 2)})
	s.post(cut{from: at(9, 1), to: at(10, 0), bad: true})
	s.post(cut{from: at(9, 2), to: at(10, 0)})
	s.l1.Mine(2)
	s.grow(2)
	s.post(cut{from: at(10, 0), to: at(10, 1)})
	s.post(whole(10, 10))
	s.l1.Mine(1)
}

// TestDerive derives the posted chain, hash by hash, and its labels.
func TestDerive(t *testing.T) {
	both(t, func(s *sut) {
		s.story()
		s.mustFollow()
		if w := s.want(); w.safe != 10 || w.finalized != 9 {
			s.t.Fatalf("the story came to %+v", w)
		}
	})
}

// TestLabelsInOrder lets L1 grow block by block: what is derived is safe at once,
// no sooner and in order, and final when L1 calls it so. The spy judges each label.
func TestLabelsInOrder(t *testing.T) {
	both(t, func(s *sut) {
		r, stop, ended := s.start()
		for n := range uint64(12) {
			s.grow(int(n) % 3)
			if n%4 == 3 {
				s.l1.Mine(1)
			} else {
				s.repost()
			}
			if err := await(ended, s.caughtUp(r)); err != nil {
				s.t.Fatalf("%v after %d blocks: %v", err, n, s.chain.Heads())
			}
		}
		if err := stop(); err != nil {
			s.t.Fatal(err)
		}
		s.judge(r)
		for i, safe := range s.chain.labels {
			if i > 0 && safe.Number < s.chain.labels[i-1].Number {
				s.t.Errorf("safe falls from %v to %v", s.chain.labels[i-1], safe)
			}
		}
		if s.want().finalized == 0 || s.logged.Warn.Load() != 0 {
			s.t.Errorf("final is %d, %d warnings", s.want().finalized, s.logged.Warn.Load())
		}
	})
}

// TestResume ends the replica after each batch and starts another one: no block is
// built twice, and of L1 it reads its checkpoint's block and what comes after.
func TestResume(t *testing.T) {
	both(t, func(s *sut) {
		resumed := 0
		for n := range uint64(30) {
			s.grow(3)
			end := at(n+2, 0)
			if n%3 == 0 {
				end = at(n+1, 2) // the block is in two batches
			}
			s.post(cut{from: s.want().next, to: end})
			s.mustFollow()
			if s.found.L1.Number > 0 {
				resumed++
			}
			if first := slices.Min(s.l1.reads[s.reads:]); first < s.found.L1.Number || s.found.L1.Number > 0 && s.l1.reads[s.reads] != first {
				s.t.Errorf("read from L1 block %d with a checkpoint at %v", first, s.found.L1)
			}
		}
		if s.again() > 0 || resumed < 15 {
			s.t.Errorf("%d blocks built twice, resumed %d times", s.again(), resumed)
		}
	})
}
