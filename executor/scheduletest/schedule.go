// Package scheduletest runs the workers of a blockstm run one at a time, in an
// order that a seed decides, so that a schedule can be repeated and explored.
package scheduletest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
)

// Policy chooses the worker that runs next, out of those that are at a yield
// point. now ran last and may not be among them.
type Policy func(step, now int, ready []int) int

// stay is the policy without preemptions: whoever runs goes on until it waits
// for others.
func stay(now int, ready []int) int {
	if slices.Contains(ready, now) {
		return now
	}
	return ready[0]
}

// ByPriority runs the ready worker of highest priority; at each of a few random
// steps the running one falls behind all others (PCT: a bug that takes d ordered
// steps shows with d-1 of them).
func ByPriority(rng *rand.Rand, workers, steps, changes int) Policy {
	rank := rng.Perm(workers)
	at := make(map[int]bool)
	for range changes {
		at[rng.IntN(steps)] = true
	}
	lowest := 0
	return func(step, now int, ready []int) int {
		if at[step] {
			lowest--
			rank[now] = lowest
		}
		return slices.MaxFunc(ready, func(a, b int) int { return rank[a] - rank[b] })
	}
}

// Anyhow runs any ready worker.
func Anyhow(rng *rand.Rand) Policy {
	return func(_, _ int, ready []int) int { return ready[rng.IntN(len(ready))] }
}

// Preemption is a step at which a policy did not stay.
type Preemption struct{ Step, Worker int }

// Following repeats preemptions, as far as they are possible.
func Following(list []Preemption) Policy {
	at := make(map[int]int, len(list))
	for _, p := range list {
		at[p.Step] = p.Worker
	}
	return func(step, now int, ready []int) int {
		if w, ok := at[step]; ok && slices.Contains(ready, w) {
			return w
		}
		return stay(now, ready)
	}
}

// Stage lets one worker run at a time, from yield point to yield point. It lives
// in a synctest bubble, which tells when all others are blocked.
type Stage struct {
	turn []chan struct{}

	mu       sync.Mutex
	ready    []bool
	now      int
	finished bool
}

// New returns a stage for one run.
func New(workers int) *Stage {
	s := &Stage{ready: make([]bool, workers)}
	for range workers {
		s.turn = append(s.turn, make(chan struct{}, 1))
	}
	return s
}

// Yield is blockstm.Plan.Yield: it returns when it is the worker's turn.
func (s *Stage) Yield(worker int) {
	s.mu.Lock()
	s.ready[worker] = true
	s.mu.Unlock()
	<-s.turn[worker]
}

// YieldNow is Yield for the worker that runs.
func (s *Stage) YieldNow() {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	s.Yield(now)
}

// maxSteps is more than any run that is explored takes.
const maxSteps = 20_000

// ErrStuck says that no worker can go on. Those of the run are lost.
var ErrStuck = errors.New("the workers wait for each other")

// Conduct calls run and lets its workers go on as choose says, until run
// returns. It returns the steps at which choose did not stay.
func (s *Stage) Conduct(choose Policy, run func()) ([]Preemption, error) {
	go func() {
		run()
		s.mu.Lock()
		s.finished = true
		s.mu.Unlock()
	}()
	var list []Preemption
	for step := range maxSteps {
		synctest.Wait()
		ready, finished := s.waiting()
		switch {
		case finished:
			return list, nil
		case len(ready) == 0:
			return list, ErrStuck
		}
		next := choose(step, s.now, ready)
		if next != stay(s.now, ready) {
			list = append(list, Preemption{step, next})
		}
		s.mu.Lock()
		s.now, s.ready[next] = next, false
		s.mu.Unlock()
		s.turn[next] <- struct{}{}
	}
	return list, fmt.Errorf("%w: no end after %d steps", ErrStuck, maxSteps)
}

// waiting returns the workers that are at a yield point.
func (s *Stage) waiting() (ready []int, finished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w, is := range s.ready {
		if is {
			ready = append(ready, w)
		}
	}
	return ready, s.finished
}

// Play runs the tasks of keep, in order, with the workers' steps as choose says. It
// returns the steps at which choose did not stay, and what was wrong.
type Play func(keep []int, choose Policy) ([]Preemption, error)

// Shrink drops tasks and preemptions from a case that fails, as long as it fails. Of
// those that are tried after a task was dropped, most are what random returns.
func Shrink(tasks int, list []Preemption, play Play, random func(seed uint64) Policy) ([]int, []Preemption, error) {
	keep := make([]int, tasks)
	for i := range keep {
		keep[i] = i
	}
	_, err := play(keep, Following(list))
	for smaller := true; smaller; {
		smaller = false
		for i := range slices.Backward(keep) {
			less := slices.Delete(slices.Clone(keep), i, i+1)
			if found, why := search(less, list, play, random); why != nil {
				keep, list, err, smaller = less, found, why, true
			}
		}
		for i := range slices.Backward(list) {
			less := slices.Delete(slices.Clone(list), i, i+1)
			if _, why := play(keep, Following(less)); wrong(why) {
				list, err, smaller = less, why, true
			}
		}
	}
	return keep, list, err
}

// wrong reports whether a case has failed so that it can be run again: the workers of
// one that is stuck are lost.
func wrong(err error) bool { return err != nil && !errors.Is(err, ErrStuck) }

// search looks for preemptions under which the tasks fail, beginning with list.
func search(keep []int, list []Preemption, play Play, random func(seed uint64) Policy) ([]Preemption, error) {
	if len(keep) == 0 {
		return nil, nil
	}
	if found, err := play(keep, Following(list)); wrong(err) {
		return found, err
	}
	for seed := range uint64(30) {
		if found, err := play(keep, random(seed)); wrong(err) {
			return found, err
		}
	}
	return nil, nil
}
