package replica_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motet-evm/motet/internal/testkit/rolluptest"
)

// tell gives the n-th call of the replica to L1 or to its chain a fault, after
// calling then. It counts all of them.
func (s *sut) tell(n int64, f rolluptest.Fault, then func()) *atomic.Int64 {
	seen := new(atomic.Int64)
	faults := func(string) rolluptest.Fault {
		if seen.Add(1) != n {
			return rolluptest.None
		}
		if then != nil {
			then()
		}
		return f
	}
	s.l1.Faults, s.chain.faults = faults, faults
	return seen
}

func (s *sut) heal() { s.l1.Faults, s.chain.faults = nil, nil }

// calls counts the calls of a run without faults.
func calls(t *testing.T, build bool) (n int64) {
	t.Helper()
	bubble(t, build, func(s *sut) {
		s.story()
		seen := s.tell(-1, rolluptest.None, nil)
		s.mustFollow()
		n = seen.Load()
	})
	return n
}

// anywhere runs a test for each call of a run.
func anywhere(t *testing.T, fn func(s *sut, call int64)) {
	t.Helper()
	for _, build := range []bool{true, false} {
		for n := range calls(t, build) {
			t.Run(fmt.Sprintf("build %t call %d", build, n+1), func(t *testing.T) {
				t.Parallel()
				bubble(t, build, func(s *sut) {
					s.story()
					fn(s, n+1)
				})
			})
		}
	}
}

// TestFaultAnywhere lets every call fail once, with and without its effect.
func TestFaultAnywhere(t *testing.T) {
	for _, f := range []rolluptest.Fault{rolluptest.Fail, rolluptest.Persist} {
		anywhere(t, func(s *sut, call int64) {
			s.tell(call, f, nil)
			s.mustFollow()
		})
	}
}

// TestKillAnywhere ends the process at every call, before and after it has its
// effect, and starts another one, with the checkpoint and without.
func TestKillAnywhere(t *testing.T) {
	for _, f := range []rolluptest.Fault{rolluptest.Fail, rolluptest.Persist} {
		anywhere(t, func(s *sut, call int64) {
			killed := make(chan struct{})
			s.tell(call, f, func() { close(killed) })
			_, stop, _ := s.start()
			<-killed
			if err := stop(); err != nil {
				s.t.Fatal(err)
			}
			s.heal()
			s.chain.Chain.(*rolluptest.Ledger).Restart()
			s.mustFollow()
		})
	}
}

// TestReorgAnywhere lets L1 lose its newest blocks at every call; what was lost is
// posted again, at once or later.
func TestReorgAnywhere(t *testing.T) {
	for _, depth := range []int{1, finality} {
		for _, later := range []time.Duration{0, time.Minute} {
			anywhere(t, func(s *sut, call int64) {
				lost := make(chan struct{})
				s.tell(call, rolluptest.None, func() {
					defer close(lost)
					s.l1.Reorg(depth)
					if later == 0 {
						s.repost()
					}
				})
				r, stop, ended := s.start()
				<-lost
				if later > 0 {
					time.Sleep(later)
					if heads := s.chain.Heads(); heads.Safe.Number != s.want().safe {
						s.t.Errorf("safe is %v, want %+v", heads.Safe, s.want())
					}
					s.repost()
				}
				if err := await(ended, s.caughtUp(r)); err != nil {
					s.t.Error(err)
				}
				if err := stop(); err != nil {
					s.t.Fatal(err)
				}
				s.judge(r)
			})
		}
	}
}
