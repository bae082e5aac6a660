package blockstm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/motet-evm/motet/executor/scheduletest"
)

// scenario is a small program and a plan.
type scenario struct {
	ops   []op
	after []int  // hints; nil for none
	alone []bool // tasks that are claimed by themselves; nil for none
	cells int
	plan  Plan
	stop  int  // task that Commit refuses; -1 for none
	blind bool // nothing is validated: a fault, to try the explorer on
}

func newScenario(rng *rand.Rand) scenario {
	s := scenario{cells: 1 + rng.IntN(4), stop: -1}
	s.ops = randomOps(rng, 2+rng.IntN(12), s.cells)
	if rng.IntN(3) == 0 { // a hot counter
		for i := range s.ops {
			s.ops[i] = op{reads: []int{0}, writes: []int{0}}
		}
	}
	if rng.IntN(5) == 0 {
		s.stop = rng.IntN(len(s.ops))
	}
	s.plan = Plan{Workers: 2 + rng.IntN(3), Window: 2 + rng.IntN(7), Batch: 1 + rng.IntN(3), Order: Order(rng.IntN(3))}
	if rng.IntN(3) == 0 { // much may be lost
		s.plan.Window *= 8
	}
	if rng.IntN(2) == 0 {
		for range s.ops {
			s.alone = append(s.alone, rng.IntN(2) == 0)
		}
	}
	if rng.IntN(2) == 0 {
		for i := range s.ops {
			s.after = append(s.after, i-1-rng.IntN(i+1)) // -1 among others
			if rng.IntN(2) == 0 {
				s.after[i] = i - 1
			}
		}
	}
	return s
}

func (s scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers, window %d, batch %d, order %d, refuses %d, after %v, alone %v\n", s.plan.Workers, s.plan.Window, s.plan.Batch, s.plan.Order, s.stop, s.after, s.alone)
	for i, o := range s.ops {
		fmt.Fprintf(&b, "task %d reads %v, writes %v\n", i, o.reads, o.writes)
	}
	return b.String()
}

// watched is a program that also sees whether the scheduler keeps its promises.
type watched struct {
	*program
	blind bool

	mu       sync.Mutex
	owner    []int  // of each place in the window
	ended    int    // tasks below are committed
	held     bool   // some worker is in a method of the frontier's holder
	depth    []int  // by worker: executions in the middle of which it is
	nested   int    // executions in the middle of others
	busy     []bool // per task: in Execute
	done     []int  // per task: Execute returned
	withdrew []int
	broken   error
}

func (w *watched) expect(ok bool, format string, args ...any) {
	if !ok && w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
	}
}

// sound reports whether no promise was broken; the program's records cannot be
// trusted otherwise.
func (w *watched) sound() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken == nil
}

// use notes that a worker is about to fill the record of task.
func (w *watched) use(worker, task int) {
	if w.depth[worker]++; w.depth[worker] > 1 {
		w.nested++
	}
	w.expect(w.depth[worker] <= 2, "task %d is executed in the middle of %d others", task, w.depth[worker]-1)
	place := task % len(w.owner)
	w.expect(w.owner[place] < w.ended || w.owner[place] == task, "task %d takes the place of task %d", task, w.owner[place])
	w.owner[place] = task
}

func (w *watched) Execute(worker, task int) {
	w.mu.Lock()
	w.use(worker, task)
	w.expect(!w.busy[task], "task %d is executed twice at a time", task)
	w.busy[task] = true
	w.expect(task >= w.ended, "task %d is executed and committed", task)
	next, lost := w.scheduler.credit()
	ahead := next - int(w.scheduler.frontier.Load())
	w.expect(ahead+lost <= len(w.owner)+1, "%d tasks in flight, %d executions lost", ahead, lost) // one may have been lost at the frontier, and not left it
	w.mu.Unlock()
	w.program.Execute(worker, task)
	w.mu.Lock()
	w.depth[worker]--
	w.busy[task] = false
	w.done[task]++
	w.mu.Unlock()
}

func (w *watched) Stands(worker, task int) bool {
	w.mu.Lock()
	w.expect(task >= w.ended && w.owner[task%len(w.owner)] == task, "task %d is looked at, which is over", task)
	w.expect(!w.busy[task], "task %d is looked at while it runs", task)
	w.mu.Unlock()
	return !w.sound() || w.program.Stands(worker, task)
}

// hold surrounds what only the frontier's holder may do, for the task whose turn
// it is.
func (w *watched) hold(task int, what string) func() {
	w.mu.Lock()
	w.expect(!w.held, "%s of task %d beside another holder", what, task)
	w.expect(task == w.ended, "%s of task %d, the frontier is at %d", what, task, w.ended)
	w.expect(!w.busy[task], "%s of task %d while it runs", what, task)
	w.held = true
	w.mu.Unlock()
	return func() {
		w.mu.Lock()
		w.held = false
		w.mu.Unlock()
	}
}

func (w *watched) Holds(worker, task int) bool {
	defer w.hold(task, "validation")()
	w.mu.Lock()
	w.expect(w.done[task] > 0, "task %d is validated and not executed", task)
	w.mu.Unlock()
	return w.blind || !w.sound() || w.program.Holds(worker, task)
}

func (w *watched) Settle(worker, task int) {
	defer w.hold(task, "settlement")()
	w.mu.Lock()
	w.use(worker, task)
	w.mu.Unlock()
	w.program.Settle(worker, task)
	w.mu.Lock()
	w.depth[worker]--
	w.mu.Unlock()
}

func (w *watched) Withdraw(task int) {
	w.withdrew[task]++
	w.program.Withdraw(task)
}

func (w *watched) Commit(worker, task int) bool {
	defer w.hold(task, "commit")()
	ok := !w.sound() || w.program.Commit(worker, task)
	if ok {
		w.mu.Lock()
		w.ended++
		w.mu.Unlock()
	}
	return ok
}

// play runs s under choose.
func (s scenario) play(t *testing.T, choose scheduletest.Policy) ([]scheduletest.Preemption, error) {
	list, _, err := s.watch(t, choose)
	return list, err
}

// watch is play, and also tells how many executions there were in the middle of others.
func (s scenario) watch(t *testing.T, choose scheduletest.Policy) (list []scheduletest.Preemption, nested int, err error) {
	n := s.plan.Workers
	st := scheduletest.New(n)
	p := newProgram(s.ops, s.cells, n, s.plan.Window)
	p.stop, p.pause = s.stop, st.Yield
	w := &watched{program: p, blind: s.blind, owner: make([]int, s.plan.Window), depth: make([]int, n), busy: make([]bool, len(s.ops)), done: make([]int, len(s.ops)), withdrew: make([]int, len(s.ops))}
	for i := range w.owner {
		w.owner[i] = -1
	}
	plan := s.plan
	plan.Tasks, plan.Yield = len(s.ops), st.Yield
	if s.after != nil {
		plan.After = func(task int) int { return s.after[task] }
	}
	var result Result
	if s.alone != nil {
		plan.Alone = func(task int) bool { return s.alone[task] }
	}
	p.scheduler = New(plan, w)
	list, stuck := st.Conduct(choose, func() { result, err = p.scheduler.Run(t.Context()) })
	if stuck != nil {
		return list, 0, stuck
	}
	if w.broken != nil {
		return list, 0, w.broken
	}
	return list, w.nested, errors.Join(err, w.outcome(result, s.stop))
}

// outcome judges a finished run.
func (w *watched) outcome(result Result, stop int) error {
	want := len(w.ops)
	if stop >= 0 {
		want = stop
	}
	if result.Committed != want {
		return fmt.Errorf("committed %d of %d: %+v", result.Committed, want, result)
	}
	if result.Executions < result.Committed || !bounded(result, Plan{Tasks: len(w.ops), Window: len(w.owner)}) {
		return fmt.Errorf("%d tasks, window %d: %+v", len(w.ops), len(w.owner), result)
	}
	for task := result.Committed; task < len(w.ops); task++ {
		if task != stop && w.done[task] > 0 && w.withdrew[task] != 1 {
			return fmt.Errorf("task %d was left published", task)
		}
	}
	if slices.Contains(w.scheduler.helping, true) {
		return errors.New("some worker is taken to help still")
	}
	return w.judge(result.Committed)
}

// schedule returns the seed's scenario and policy.
func schedule(seed uint64) (scenario, scheduletest.Policy) {
	s := newScenario(rand.New(rand.NewPCG(seed/8, 11)))
	rng := rand.New(rand.NewPCG(seed, 12))
	if seed%8 == 0 {
		return s, scheduletest.Anyhow(rng)
	}
	return s, scheduletest.ByPriority(rng, s.plan.Workers, 20*len(s.ops), int(seed%8))
}

// of returns s with the tasks of keep alone.
func (s scenario) of(keep []int) scenario {
	less := s
	less.ops, less.after, less.alone, less.stop = nil, nil, nil, slices.Index(keep, s.stop)
	for _, task := range keep {
		less.ops = append(less.ops, s.ops[task])
		if s.alone != nil {
			less.alone = append(less.alone, s.alone[task])
		}
		if s.after != nil {
			less.after = append(less.after, slices.Index(keep, s.after[task])) // -1 among others
		}
	}
	return less
}

// shrink drops tasks and preemptions from a failing case as long as it fails.
func shrink(t *testing.T, s scenario, list []scheduletest.Preemption) (scenario, []scheduletest.Preemption, error) {
	keep, list, err := scheduletest.Shrink(len(s.ops), list, func(keep []int, choose scheduletest.Policy) ([]scheduletest.Preemption, error) {
		return s.of(keep).play(t, choose)
	}, func(seed uint64) scheduletest.Policy {
		return scheduletest.ByPriority(rand.New(rand.NewPCG(seed, 13)), s.plan.Workers, 20*len(s.ops), int(seed%3))
	})
	return s.of(keep), list, err
}

// TestSchedules explores orders of the workers' steps, one worker running at a
// time. A failure names its seed, which repeats it.
func TestSchedules(t *testing.T) {
	schedules := uint64(20_000)
	if testing.Short() {
		schedules = 4000
	}
	synctest.Test(t, func(t *testing.T) {
		total := 0
		for seed := range schedules {
			s, choose := schedule(seed)
			list, nested, err := s.watch(t, choose)
			if total += nested; err == nil {
				continue
			}
			t.Errorf("seed %d: %v\n%v", seed, err, s)
			if !errors.Is(err, scheduletest.ErrStuck) { // whoever is stuck cannot be run again
				small, few, why := shrink(t, s, list)
				t.Errorf("smallest: %v\n%vpreemptions %v", why, small, few)
			}
			return
		}
		if t.Logf("%d executions in the middle of others", total); total < int(schedules/400) { //nolint:gosec // thousands
			t.Errorf("%d executions in the middle of others", total)
		}
	})
}

// TestScheduleReplays: the same seed gives the same steps, and so does the list
// of its preemptions.
func TestScheduleReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(300) {
			var runs [3][]scheduletest.Preemption
			for i := range runs {
				s, choose := schedule(seed)
				if i == 2 {
					choose = scheduletest.Following(runs[0])
				}
				list, err := s.play(t, choose)
				if err != nil {
					t.Fatal(err)
				}
				runs[i] = list
			}
			if !slices.Equal(runs[0], runs[1]) || !slices.Equal(runs[0], runs[2]) {
				t.Fatalf("seed %d: %v, then %v, then %v", seed, runs[0], runs[1], runs[2])
			}
		}
	})
}

// TestExplorerShrinks tries the explorer on a program that validates nothing:
// three tasks and a preemption or two show that, sooner or later.
func TestExplorerShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cases := 0
		for seed := range uint64(200) {
			s, choose := schedule(seed)
			s.blind, s.stop = true, -1
			list, err := s.play(t, choose)
			if err == nil {
				continue
			}
			small, few, why := shrink(t, s, list)
			if why == nil || len(small.ops) == len(s.ops) {
				t.Fatalf("from %d tasks and %d preemptions to: %v\n%v%v", len(s.ops), len(list), why, small, few)
			}
			if len(small.ops) <= 3 && len(few) <= 2 {
				return
			}
			if cases++; cases == 10 {
				break
			}
		}
		t.Errorf("none of %d cases shrank to three tasks", cases)
	})
}
