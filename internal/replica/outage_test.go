package replica_test

import (
	"bytes"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

// TestOutage takes L1 away for minutes: the log has one line for it, and what was
// posted meanwhile is derived afterwards.
func TestOutage(t *testing.T) {
	both(t, func(s *sut) {
		var away bool // set between sleeps, when the replica sleeps too
		s.l1.Faults = func(string) rolluptest.Fault {
			if away {
				return rolluptest.Fail
			}
			return rolluptest.None
		}
		s.grow(1)
		s.post(whole(1, 1))
		r, stop, ended := s.start()
		for range 3 {
			time.Sleep(time.Minute)
			before := s.logged.Warn.Load()
			away = true
			s.grow(2)
			s.post(cut{from: s.want().next, to: at(s.posted.Head().Number.Uint64()+1, 0)})
			time.Sleep(10 * time.Minute)
			if lines := s.logged.Warn.Load() - before; lines != 1 {
				s.t.Errorf("%d lines for an outage", lines)
			}
			away = false
			if err := await(ended, s.caughtUp(r)); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := stop(); err != nil || s.logged.Err.Load() > 0 {
			s.t.Errorf("Run returned %v, %d errors logged", err, s.logged.Err.Load())
		}
		s.judge(r)
	})
}

// TestLagging asks an L1 node that falls behind what it has shown: nothing is
// taken back.
func TestLagging(t *testing.T) {
	both(t, func(s *sut) {
		s.story()
		r, stop, ended := s.start()
		if err := await(ended, s.caughtUp(r)); err != nil {
			s.t.Fatal(err)
		}
		labels := len(s.chain.labels)
		for _, behind := range []uint64{1, 2, finality, 7} {
			s.l1.behind.Store(behind)
			time.Sleep(time.Minute)
		}
		s.l1.behind.Store(0)
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			s.t.Fatal(err)
		}
		s.judge(r)
		if len(s.chain.labels) != labels {
			s.t.Errorf("labelled again: %v", s.chain.labels[labels:])
		}
	})
}

// TestUnfitCheckpoint gives a new replica a checkpoint that it must not go on from:
// it starts over, and comes to the same.
func TestUnfitCheckpoint(t *testing.T) {
	other := []byte(common.Hash{1}.Hex())
	for name, spoil := range map[string]func(s *sut, enc []byte) []byte{
		"truncated":   func(_ *sut, enc []byte) []byte { return enc[:len(enc)/2] },
		"not JSON":    func(_ *sut, enc []byte) []byte { return append([]byte("x"), enc...) },
		"old version": func(_ *sut, enc []byte) []byte { return bytes.Replace(enc, []byte(`:2,`), []byte(`:1,`), 1) },
		"another rollup": func(s *sut, enc []byte) []byte {
			return bytes.ReplaceAll(enc, []byte(s.deps.Rollup.Hash().Hex()), other)
		},
		"L1 lacks its block": func(s *sut, enc []byte) []byte {
			return bytes.ReplaceAll(enc, []byte(s.checkpoint().L1.Hash.Hex()), other)
		},
		"the chain lacks its block": func(s *sut, enc []byte) []byte {
			return bytes.ReplaceAll(enc, []byte(s.checkpoint().Safe.Hash.Hex()), other)
		},
		"contradicts itself": func(s *sut, enc []byte) []byte {
			return bytes.Replace(enc, []byte(s.checkpoint().L1.Hash.Hex()), other, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(s *sut) {
				for range 12 {
					s.grow(2)
					s.repost()
				}
				s.mustFollow()
				enc, err := os.ReadFile(s.cfg.Checkpoint)
				if err != nil {
					s.t.Fatal(err)
				}
				spoilt := spoil(s, enc)
				if bytes.Equal(enc, spoilt) {
					s.t.Fatalf("the checkpoint is as it was: %s", enc)
				}
				if err := os.WriteFile(s.cfg.Checkpoint, spoilt, 0o600); err != nil {
					s.t.Fatal(err)
				}
				s.mustFollow()
				if first := slices.Min(s.l1.reads[s.reads:]); first > 1 {
					s.t.Errorf("went on from L1 block %d", first)
				}
			})
		})
	}
}

// TestLostChain loses the chain but not the checkpoint.
func TestLostChain(t *testing.T) {
	bubble(t, true, func(s *sut) {
		s.story()
		s.mustFollow()
		s.chain.Chain = rolluptest.NewLedger(rolluptest.Genesis(s.posted.Genesis().Time()))
		s.mustFollow()
	})
}

// TestRealChain derives into a chain with geth beneath, by a parallel execution of
// what a serial one has made.
func TestRealChain(t *testing.T) {
	genesis := rolluptest.Genesis(rolluptest.GenesisTime())
	posted, own := rolluptest.Open(t, t.TempDir(), genesis), rolluptest.Open(t, t.TempDir(), genesis)
	s := assemble(t, posted, own, true)
	s.posted = rolluptest.NewNode(posted, executor.NewSerial(executor.Config{}), s.deps.Rollup)
	told := &sealedCount{Executor: executor.NewParallel(executor.Config{Workers: 4, Warm: true})}
	s.deps.Executor = told
	s.story()
	s.mustFollow()
	refused := s.again() // blocks of the batches that had to be undone
	s.grow(9, 9)
	s.repost()
	s.mustFollow()
	if again := s.again() - refused; again > 0 {
		t.Errorf("%d blocks built twice", again)
	}
	if blocks := int64(own.Head().Number.Uint64()); told.n.Load() < blocks { //nolint:gosec // a short chain
		t.Errorf("the executor was told of %d blocks of %d", told.n.Load(), blocks)
	}
}

// sealedCount counts the blocks that the executor is told were sealed.
type sealedCount struct {
	executor.Executor
	n atomic.Int64
}

func (s *sealedCount) Sealed(out *motet.Outcome, header *types.Header) {
	s.n.Add(1)
	s.Executor.Sealed(out, header)
}
