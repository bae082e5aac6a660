package batcher_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

// busy makes a chain of about four batches that begin and end within blocks.
func (s *sut) busy() {
	s.cfg.MaxPayload = 1500
	s.grow(1, 9, 0, 5, 2)
}

// calls counts the calls of a run without faults.
func calls(t *testing.T) int {
	t.Helper()
	n := 0
	bubble(t, func(s *sut) {
		s.busy()
		s.l1.Faults = func(string) rolluptest.Fault { n++; return rolluptest.None }
		if d := s.mustPost(); d.Index < 3 {
			t.Fatalf("%d batches", d.Index)
		}
	})
	return n
}

var faults = map[string]rolluptest.Fault{
	"fail": rolluptest.Fail, "persist": rolluptest.Persist, "refuse": rolluptest.Refuse, "displace": rolluptest.Displace,
}

// at gives the n-th call a fault.
func at(n int, f rolluptest.Fault, then func()) func(string) rolluptest.Fault {
	var seen atomic.Int64
	return func(string) rolluptest.Fault {
		if seen.Add(1) != int64(n) {
			return rolluptest.None
		}
		if then != nil {
			then()
		}
		return f
	}
}

// TestFaultAnywhere gives every call every fault, once. The batches come out the
// same, all of them valid.
func TestFaultAnywhere(t *testing.T) {
	for n := range calls(t) {
		for name, f := range faults {
			t.Run(fmt.Sprintf("call %d %s", n+1, name), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(s *sut) {
					s.busy()
					s.l1.Faults = at(n+1, f, nil)
					s.mustPost()
				})
			})
		}
	}
}

// TestKillAnywhere ends the process at every call, before and after it has its
// effect, and starts another one, with the state file and without: L1 is trusted,
// not the file. The file's states are all met.
func TestKillAnywhere(t *testing.T) {
	var met sync.Map
	t.Cleanup(func() {
		for _, state := range []string{"encoded", "signed", "broadcast", "mined"} {
			if _, ok := met.Load(state); !ok {
				t.Errorf("no kill while the batch was %s", state)
			}
		}
	})
	for n := range calls(t) {
		for _, f := range []rolluptest.Fault{rolluptest.Fail, rolluptest.Persist} {
			for _, lose := range []bool{false, true} {
				t.Run(fmt.Sprintf("call %d fault %d lose %t", n+1, f, lose), func(t *testing.T) {
					t.Parallel()
					bubble(t, func(s *sut) {
						s.busy()
						killed := make(chan struct{})
						s.l1.Faults = at(n+1, f, func() { close(killed) })
						stop, ended := s.start()
						<-killed
						if err := stop(); err != nil {
							t.Fatal(err)
						}
						<-ended
						enc, err := os.ReadFile(s.cfg.StateFile)
						if err == nil {
							_, state, _ := strings.Cut(string(enc), `"state":"`)
							state, _, _ = strings.Cut(state, `"`)
							met.Store(state, true)
						}
						if lose && err == nil {
							if err := os.Remove(s.cfg.StateFile); err != nil {
								t.Fatal(err)
							}
						}
						s.l1.Faults = nil
						s.mustPost()
					})
				})
			}
		}
	}
}

// TestReorgAnywhere lets L1 lose its newest blocks at every call, of a batcher
// that goes on and of one that is killed then. Derivation learns of it only at
// its next look.
func TestReorgAnywhere(t *testing.T) {
	for n := range calls(t) {
		for _, depth := range []int{1, 64} {
			for _, kill := range []bool{false, true} {
				t.Run(fmt.Sprintf("call %d depth %d kill %t", n+1, depth, kill), func(t *testing.T) {
					t.Parallel()
					bubble(t, func(s *sut) {
						s.reorgAt(n+1, depth, kill)
					})
				})
			}
		}
	}
}

func (s *sut) reorgAt(n, depth int, kill bool) {
	s.busy()
	s.l1.Mine(70) // origins stay
	s.derivation = 3 * time.Second
	done := make(chan struct{})
	s.l1.Faults = at(n, rolluptest.None, func() { s.l1.Reorg(depth); close(done) })
	if kill {
		stop, _ := s.start()
		<-done
		if err := stop(); err != nil {
			s.t.Fatal(err)
		}
		s.l1.Faults = nil
	}
	s.mustPost()
}

// TestReorgWhileIdle posts again what L1 lost though no block comes after it:
// before derivation saw it, and after.
func TestReorgWhileIdle(t *testing.T) {
	for _, idle := range []time.Duration{500 * time.Millisecond, time.Hour} {
		bubble(t, func(s *sut) {
			s.derivation = 3 * time.Second
			s.grow(1, 2)
			s.l1.Mine(10)
			stop, _ := s.start()
			for !s.posted() {
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(idle)
			s.l1.Reorg(2)
			if s.posted() {
				t.Fatal("nothing was lost")
			}
			time.Sleep(time.Minute)
			if err := stop(); err != nil || !s.posted() {
				t.Errorf("posted again: %t, %v", s.posted(), err)
			}
			s.judge()
		})
	}
}

// TestLateInclusion leaves batches in L1's pool for longer than the batcher
// waits, loses them from there, and mines one while nobody runs.
func TestLateInclusion(t *testing.T) {
	bubble(t, func(s *sut) {
		s.busy()
		s.l1.Manual = true
		var prepared, sent atomic.Int64
		s.l1.Faults = func(call string) rolluptest.Fault {
			switch call {
			case "Prepare":
				prepared.Add(1)
			case "Send":
				sent.Add(1)
			}
			return rolluptest.None
		}
		stop, _ := s.start()
		time.Sleep(100 * time.Second)
		if prepared.Load() != 1 || sent.Load() < 3 || s.l1.Evict() != 1 {
			t.Errorf("%d signed, %d sent", prepared.Load(), sent.Load())
		}
		time.Sleep(100 * time.Second) // sent again, it is in the pool again
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		s.l1.Mine(1)
		if n := len(s.l1.Batches()); n != 1 {
			t.Fatalf("%d batches mined", n)
		}
		stop, _ = s.start()
		for range 100 {
			time.Sleep(20 * time.Second)
			s.l1.Mine(1)
		}
		if err := stop(); err != nil || !s.posted() {
			t.Error(err)
		}
		if d := s.judge(); prepared.Load() != int64(d.Index) {
			t.Errorf("%d batches, %d signed", d.Index, prepared.Load())
		}
	})
}

// TestLateTwin restarts without a state file while a batch is in L1's pool: both
// it and its successor for the same place are mined, and one counts.
func TestLateTwin(t *testing.T) {
	bubble(t, func(s *sut) {
		s.busy()
		s.l1.Manual = true
		stop, _ := s.start()
		time.Sleep(10 * time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(s.cfg.StateFile); err != nil {
			t.Fatal(err)
		}
		stop, _ = s.start()
		for range 100 {
			time.Sleep(20 * time.Second)
			s.l1.Mine(1)
		}
		if err := stop(); err != nil || !s.posted() {
			t.Error(err)
		}
		s.judge()
	})
}

// TestRefusal pauses between tries while L1 refuses, as for want of funds, and
// says so once.
func TestRefusal(t *testing.T) {
	bubble(t, func(s *sut) {
		s.grow(3)
		var sent atomic.Int64
		broke := true
		s.l1.Faults = func(call string) rolluptest.Fault {
			if call != "Send" {
				return rolluptest.None
			}
			sent.Add(1)
			if broke {
				return rolluptest.Refuse
			}
			return rolluptest.None
		}
		if err := s.run(func() bool { return sent.Load() == 20 }); err != nil {
			t.Fatal(err)
		}
		if took := time.Duration(sent.Load()) * 15 * time.Second; s.logged.Err.Load() != 1 {
			t.Errorf("%d lines in %s", s.logged.Err.Load(), took)
		}
		start := time.Now()
		err := s.run(func() bool { return sent.Load() == 60 })
		if took := time.Since(start); err != nil || took < 9*time.Minute {
			t.Errorf("40 tries in %s, %v", took, err)
		}
		broke = false
		s.mustPost()
	})
}

// TestAway takes L1 away for an hour. The backlog has its second opinions once
// each, one line is logged, and everything is posted afterwards.
func TestAway(t *testing.T) {
	for _, begun := range []bool{false, true} {
		bubble(t, func(s *sut) {
			var away atomic.Bool
			s.l1.Faults = func(string) rolluptest.Fault {
				if away.Load() {
					return rolluptest.Fail
				}
				return rolluptest.None
			}
			if begun {
				s.busy()
			}
			checked := map[uint64]int{}
			s.deps.Check = func(_ context.Context, b *types.Block) error { checked[b.NumberU64()]++; return nil }
			stop, _ := s.start()
			time.Sleep(time.Minute)
			away.Store(true)
			for range 60 {
				s.grow(1, 0)
				time.Sleep(time.Minute)
			}
			if s.posted() || s.logged.Warn.Load() != 1 || s.logged.Err.Load() != 0 {
				t.Errorf("%d warnings, %d errors", s.logged.Warn.Load(), s.logged.Err.Load())
			}
			away.Store(false)
			time.Sleep(time.Minute)
			if err := stop(); err != nil || !s.posted() {
				t.Error(err)
			}
			s.judge()
			for n := range s.chain.Head().Number.Uint64() {
				if checked[n+1] != 1 {
					t.Errorf("block %d has %d second opinions", n+1, checked[n+1])
				}
			}
		})
	}
}

// TestChainGivesWay rolls the chain back under a batch that is not on L1 yet:
// what the chain does not hold any more is not posted. Every state that a batch
// can be in then is met.
func TestChainGivesWay(t *testing.T) {
	for _, call := range []string{"Prepare", "Send"} {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s kill %t", call, kill), func(t *testing.T) {
				bubble(t, func(s *sut) {
					s.grow(1, 2, 3)
					var failed atomic.Bool
					s.l1.Faults = func(c string) rolluptest.Fault {
						if c == call && failed.CompareAndSwap(false, true) {
							s.chain.Rollback(1)
							s.grow(4, 1)
							return rolluptest.Fail
						}
						return rolluptest.None
					}
					if kill {
						if err := s.run(failed.Load); err != nil {
							t.Fatal(err)
						}
					}
					s.mustPost()
				})
			})
		}
	}
}
