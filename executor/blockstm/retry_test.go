package blockstm

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// timed runs ops, each of which takes its time between reads and writes, in a bubble of
// its own, and returns how long all took.
func timed(t *testing.T, plan Plan, ops []op, cells int, takes []time.Duration) (result Result, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(ops, cells, plan.Workers, plan.Window)
		p.compute = func(task int) { time.Sleep(takes[task]) }
		plan.Tasks = len(ops)
		begin := time.Now()
		var err error
		if result, err = p.execute(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		took = time.Since(begin)
		p.check(t, len(ops))
	})
	return result, took
}

// TestPush: a task that has read what one before it writes later runs again at once, and
// not when the frontier arrives.
func TestPush(t *testing.T) {
	ops := []op{{writes: []int{10}}, {writes: []int{11}}, {reads: []int{11}, writes: []int{12}}}
	takes := []time.Duration{100, 50, 10}
	plan := Plan{Workers: 3, Window: 12, Batch: 1, Order: Forward}
	if r, took := timed(t, plan, ops, 20, takes); r.Aborts != 1 || r.Executions != 4 || took != 100 {
		t.Errorf("%+v in %v", r, took)
	}
}

// TestAwait: who meets what a task has published waits while that task runs again.
func TestAwait(t *testing.T) {
	ops := []op{
		{writes: []int{10}},                   // to 100
		{writes: []int{11}},                   // to 40
		{writes: []int{12}},                   // to 35
		{reads: []int{12}, writes: []int{13}}, // to 30, and from 35 to 65 once more
		{writes: []int{14}},                   // from 30 to 80
		{reads: []int{13}, writes: []int{15}}, // begins at 40, goes on from 65 to 105
	}
	takes := []time.Duration{100, 40, 35, 30, 50, 40}
	plan := Plan{Workers: 4, Window: 12, Batch: 1, Order: Forward}
	if r, took := timed(t, plan, ops, 20, takes); r.Aborts != 1 || r.Executions != 7 || took != 105 {
		t.Errorf("%+v in %v", r, took)
	}
}

// TestHelp: and runs it on the spot if nobody does.
func TestHelp(t *testing.T) {
	ops := []op{
		{writes: []int{10}},                   // to 100
		{writes: []int{11}},                   // to 40
		{reads: []int{11}, writes: []int{12}}, // to 10, and from 40 to 50 once more
		{reads: []int{11}, writes: []int{13}}, // from 10 to 20, and from 45 to 55 in the middle of the next
		{reads: []int{13}, writes: []int{14}}, // begins at 20, reads at 45, goes on from 55 to 65
	}
	takes := []time.Duration{100, 40, 10, 10, 10}
	plan := Plan{Tasks: len(ops), Workers: 3, Window: 24, Batch: 1, Order: Forward}
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(ops, 20, plan.Workers, plan.Window)
		p.compute = func(task int) { time.Sleep(takes[task]) }
		p.onTask = func(task int) {
			if task == 4 {
				time.Sleep(25 * time.Nanosecond)
			}
		}
		paused := 0
		plan.Pause = func(int) { paused++ }
		begin := time.Now()
		r, err := p.execute(t.Context(), plan)
		if took := time.Since(begin); err != nil || r.Aborts != 2 || r.Executions != 7 || took != 100 || paused != 1 {
			t.Errorf("%+v in %v, %d times in the middle of another, %v", r, took, paused, err)
		}
		p.check(t, len(ops))
	})
}

// TestHelpKeepsMarks: of a task that others have executed and pushed once more before it is
// taken up, and of a later one that has come into its place before its mark is taken.
func TestHelpKeepsMarks(t *testing.T) {
	for at, now := range []state{newState(1, stale, 3), newState(7, stale, 3)} {
		p := newProgram(make([]op, 12), 1, 1, 6)
		var s *Scheduler
		step := -1
		s = New(Plan{Tasks: 12, Workers: 1, Window: 6, Batch: 1, Yield: func(int) {
			if step++; step == at {
				s.frontier.Store(int64(now.task() / 3))
				s.places[1].Store(int64(now))
				s.stale.set(1)
			}
		}}, p)
		p.scheduler = s
		s.places[1].Store(int64(newState(1, stale, 0)))
		s.stale.set(1)
		again := s.Await(0, 1)
		v := s.places[1].load()
		if left := v.phase() == stale && s.stale.has(1); !again || v.task() != now.task() || v.phase() != executed && !left {
			t.Errorf("task %d is %d, marked: %t; looks again: %t", v.task(), v.phase(), s.stale.any(), again)
		}
	}
}

// TestSettledIsAwaited: so does who meets what was published by a task that is being
// settled.
func TestSettledIsAwaited(t *testing.T) {
	ops := []op{
		{writes: []int{10}},                   // to 100
		{reads: []int{10}, writes: []int{11}}, // to 10, and from 100 to 110 at the frontier
		{writes: []int{12}},                   // to 105
		{reads: []int{11}},                    // begins at 105
	}
	takes := []time.Duration{100, 10, 95, 10}
	plan := Plan{Workers: 2, Window: 12, Batch: 1, Order: Forward}
	if r, took := timed(t, plan, ops, 20, takes); r.Aborts != 1 || r.Executions != 5 || took != 120 {
		t.Errorf("%+v in %v", r, took)
	}
}

// TestRetriesKeepPace: eight workers run a chain from its end, so that nearly all they do is
// lost; it is never much more than what is committed.
func TestRetriesKeepPace(t *testing.T) {
	ops, takes := make([]op, 400), make([]time.Duration, 400)
	for i := range ops {
		ops[i], takes[i] = op{reads: []int{0}, writes: []int{0}}, 10
	}
	plan := Plan{Tasks: len(ops), Workers: 8, Window: 384, Batch: 8, Order: Backward}
	if r, took := timed(t, plan, ops, 1, takes); !bounded(r, plan) {
		t.Errorf("%+v in %v", r, took)
	}
}

// TestManyWorkers: sixteen workers run tasks of which one in five reads what one of the
// last forty wrote, in time that simulated clocks keep.
func TestManyWorkers(t *testing.T) {
	const n, workers = 1000, 16
	rng := rand.New(rand.NewPCG(5, 5))
	ops, takes, total := make([]op, n), make([]time.Duration, n), time.Duration(0)
	for i := range ops {
		ops[i].writes = []int{n + i}
		if i > 0 && rng.IntN(5) == 0 {
			ops[i].reads = []int{n + max(0, i-1-rng.IntN(40))}
		}
		takes[i] = time.Duration(20 + rng.IntN(80))
		total += takes[i]
	}
	plan := Plan{Workers: workers, Window: 48 * workers, Batch: 1}
	r, took := timed(t, plan, ops, 2*n, takes)
	t.Logf("%d workers: %.1f times as fast as one, %+v", workers, float64(total)/float64(took), r)
	if took > total/10 || r.Aborts > n/10 {
		t.Errorf("%v of %v, %+v", took, total, r)
	}
}

// lookedAt is a program in which task 1 is pushed after it was looked at.
type lookedAt struct{ *program }

func (p lookedAt) Stands(_, _ int) bool {
	p.scheduler.Invalidate(0, 1)
	return true
}

// TestPushBesideTheLook: a push between the look at a task and its end is not lost.
func TestPushBesideTheLook(t *testing.T) {
	p := lookedAt{newProgram(make([]op, 2), 1, 1, 6)}
	s := New(Plan{Tasks: 2, Workers: 1, Window: 6, Batch: 1}, p)
	p.scheduler = s
	if _, to, _ := s.claim(); to != 1 {
		t.Fatal(to)
	}
	s.claim()
	before := s.pushes.Load()
	s.Invalidate(0, 1) // the reason to look at it
	s.ran(0, 1, before)
	if v := s.place(1).load(); v.phase() != stale || !s.stale.any() {
		t.Errorf("task 1 counts as executed, as it was")
	}
}

// TestWhoHeldTheBatonLooksAgain: the task at the frontier, seen executed, is for a moment
// taken up by somebody else, who leaves it to the holder of the frontier, and cannot take
// it on himself while that is held. So its holder must not rest.
func TestWhoHeldTheBatonLooksAgain(t *testing.T) {
	p := newProgram(make([]op, 1), 1, 2, 6)
	var s *Scheduler
	steps := -1
	s = New(Plan{Tasks: 1, Workers: 2, Window: 6, Batch: 1, Yield: func(int) {
		switch steps++; steps {
		case 1: // he is about to take the baton
			s.place(0).Store(int64(newState(0, running, 1)))
		case 2: // and to let it go
			s.place(0).Store(int64(newState(0, stale, 1)))
		}
	}}, p)
	p.scheduler = s
	s.claim()
	s.program.Execute(0, 0)
	s.ran(0, 0, 0)
	if steps = 0; !s.advance(0, true) {
		t.Error("he rests")
	}
	if s.advance(0, true); s.frontier.Load() != 1 {
		t.Error("the task is left")
	}
}
