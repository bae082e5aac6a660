package replica_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/replica"
)

// mustHalt runs a new replica until it ends by itself, and returns why. Nothing
// above a block may be safe then.
func (s *sut) mustHalt(safe uint64) error {
	s.t.Helper()
	_, stop, ended := s.start()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		s.t.Error("the replica goes on")
	}
	err := stop()
	if !errors.Is(err, motet.ErrHalt) {
		s.t.Errorf("the replica ended with %v", err)
	}
	for _, label := range s.chain.labels {
		if label.Number > safe {
			s.t.Errorf("block %d is safe, %d is the last that L1 and the chain agree on", label.Number, safe)
		}
	}
	return err
}

// TestMismatchHalts gives a chain that is written by its sequencer an L1 that
// stands for something else. The first of the two batches is right.
func TestMismatchHalts(t *testing.T) {
	for _, test := range []struct {
		name  string
		field string
		bend  func(s *sut) // after the chain has grown to 6 blocks
	}{
		{"other transactions", "transactions", func(s *sut) {
			s.post(whole(3, 6))
			s.rewrite(4, 7)
		}},
		{"the chain is shorter", "existence", func(s *sut) {
			s.post(whole(3, 6))
			s.rewrite(5)
		}},
		{"another time", "timestamp", func(s *sut) {
			s.post(whole(3, 6))
			s.l1.Mine(5)
			s.rewrite(4, 0, 0, 0)
		}},
		{"the batch claims another hash", "", func(s *sut) {
			s.post(cut{from: at(3, 0), to: at(7, 0), bad: true, damage: wrongHash})
		}},
		{"the batch has a transaction that cannot be read", "", func(s *sut) {
			s.post(cut{from: at(3, 0), to: at(7, 0), bad: true, bend: unreadable})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, false, func(s *sut) {
				s.grow(2, 2, 2, 0, 0, 0)
				s.post(whole(1, 2))
				test.bend(s)
				s.l1.Mine(2 * finality)
				before := s.posted.Head().Hash()
				err := s.mustHalt(2)
				var mismatch *replica.MismatchError
				switch isOne := errors.As(err, &mismatch); {
				case isOne != (test.field != ""):
					s.t.Errorf("halted by %v", err)
				case isOne && (mismatch.Field != test.field || mismatch.Batch != 1):
					s.t.Errorf("mismatch is in %s of batch %d, want %s of batch 1", mismatch.Field, mismatch.Batch, test.field)
				}
				if s.posted.Head().Hash() != before {
					s.t.Error("the chain has changed, which is the sequencer's alone")
				}
				if heads := s.chain.Heads(); heads.Safe.Number != 2 {
					s.t.Errorf("safe is %v, want block 2", heads.Safe)
				}
			})
		})
	}
}

// rewrite replaces the chain above a block's parent by blocks with those numbers
// of transactions.
func (s *sut) rewrite(from uint64, txs ...int) {
	s.t.Helper()
	if err := s.posted.Rollback(s.t.Context(), motet.RefOf(s.posted.HeaderByNumber(from-1))); err != nil {
		s.t.Fatal(err)
	}
	s.grow(txs...)
}

// TestDeepReorgHalts lets a running replica see L1 lose what it called final.
func TestDeepReorgHalts(t *testing.T) {
	both(t, func(s *sut) {
		s.story()
		r, stop, ended := s.start()
		if err := await(ended, s.caughtUp(r)); err != nil {
			s.t.Fatal(err)
		}
		s.l1.Reorg(finality + 1)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			s.t.Error("the replica goes on")
		}
		if err := stop(); !errors.Is(err, motet.ErrHalt) {
			s.t.Errorf("the replica ended with %v", err)
		}
	})
}

// TestWrongGenesis refuses a chain that the rollup config does not name.
func TestWrongGenesis(t *testing.T) {
	both(t, func(s *sut) {
		rollup := *s.deps.Rollup
		rollup.GenesisHash = common.Hash{1}
		s.deps.Rollup = &rollup
		if _, err := replica.New(s.cfg, s.deps); !errors.Is(err, motet.ErrHalt) {
			s.t.Errorf("New returned %v", err)
		}
	})
}
