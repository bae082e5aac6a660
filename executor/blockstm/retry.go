package blockstm

import (
	"math/bits"
	"sync/atomic"
)

// phase is what became of a task in the window.
type phase int64

const (
	executed phase = iota + 1
	// stale means: executed, but it would read other things now.
	stale
	// running means: being executed once more, or settled. Whoever meets what it
	// published before waits for what replaces that.
	running
)

// place is where the window keeps the state of the last task there that was executed.
type place struct {
	atomic.Int64 // a state
	_            [56]byte
}

// state is a task, its phase and the worker that executed it.
type state int64

const (
	workerBits = 16
	phaseBits  = 2
)

// newState packs its arguments. Workers whose lower bits are the same take each other's tasks
// for their own, which does no harm.
func newState(task int, p phase, worker int) state {
	return state(task+1)<<(workerBits+phaseBits) | state(p)<<workerBits | state(uint16(worker)) //nolint:gosec // as told
}

func (s state) task() int          { return int(s>>(workerBits+phaseBits)) - 1 }
func (s state) phase() phase       { return phase(s>>workerBits) & (1<<phaseBits - 1) }
func (s state) by(worker int) bool { return uint16(s) == uint16(worker) } //nolint:gosec // as newState made it

func (p *place) load() state { return state(p.Load()) }

func (p *place) swap(from, to state) bool { return p.CompareAndSwap(int64(from), int64(to)) }

func (s *Scheduler) place(task int) *place { return &s.places[task%s.plan.Window] }

// marks is a set of places: those whose task may be stale.
type marks []atomic.Uint64

func (m marks) set(i int) { m[i/64].Or(1 << (i % 64)) }

func (m marks) any() bool {
	for i := range m {
		if m[i].Load() != 0 {
			return true
		}
	}
	return false
}

// first returns the first member from i on, of n places that form a ring.
func (m marks) first(i, n int) (int, bool) {
	for seen := 0; seen < n; {
		at := i % 64
		if v := m[i/64].Load() >> at; v != 0 {
			return i + bits.TrailingZeros64(v), true
		}
		step := min(64-at, n-i)
		seen += step
		if i += step; i == n {
			i = 0
		}
	}
	return 0, false
}

func (m marks) has(i int) bool { return m[i/64].Load()>>(i%64)&1 != 0 }

// take takes a member out and reports whether it was there.
func (m marks) take(i int) bool {
	bit := uint64(1) << (i % 64)
	return m[i/64].And(^bit)&bit != 0
}

// ran notes that a worker has executed task, when it knew of so many pushes before.
func (s *Scheduler) ran(worker, task int, pushes int64) {
	to, known := executed, s.pushes.Load()
	if known != pushes && !s.program.Stands(worker, task) {
		to = stale
	}
	s.place(task).Store(int64(newState(task, to, worker)))
	s.yield(worker)
	if to == stale {
		s.stale.set(task % s.plan.Window)
		s.wake()
	} else if s.pushes.Load() != known { // which may have come before the task counted as executed
		s.doubt(task)
	}
}

// doubt makes a task stale if it counts as executed.
func (s *Scheduler) doubt(task int) {
	p := s.place(task)
	v := p.load()
	if v.task() != task || v.phase() != executed || !p.swap(v, v+state(stale-executed)<<workerBits) {
		return
	}
	s.stale.set(task % s.plan.Window)
	s.wake()
}

// Invalidate is for the program to call when task has changed what it published, and
// tasks up to reader may have read what was there before. They are looked at again, the
// one nearest the frontier first, and before tasks that nobody claimed.
func (s *Scheduler) Invalidate(task, reader int) {
	s.pushes.Add(1)
	next, _ := s.credit()
	for t := task + 1; t <= reader && t < next; t++ {
		s.doubt(t)
	}
}

// retry executes the first stale task below the limit once more, if there is one and
// the window has credit for it. The one at the frontier is left to who holds that.
func (s *Scheduler) retry(worker, below int) bool {
	if !s.stale.any() {
		return false
	}
	frontier := int(s.frontier.Load())
	i, found := s.stale.first(frontier%s.plan.Window, s.plan.Window)
	if !found {
		return false
	}
	p := &s.places[i]
	if p.load().task() >= below || !s.stale.take(i) {
		return false
	}
	v := p.load()
	if v.phase() == stale && v.task() >= frontier && p.swap(v, newState(v.task(), running, worker)) {
		s.again(worker, p, v)
	} // else somebody has seen to it
	return true
}

// again executes a task once more if it would read something else now. The worker has
// taken it up; its place was in state v before.
func (s *Scheduler) again(worker int, p *place, v state) {
	task := v.task()
	s.yield(worker)
	if int(s.frontier.Load()) >= task {
		if p.swap(newState(task, running, worker), v) { // unless it is being settled, or was
			s.wake()
		}
		s.advance(worker, true) // whoever looked meanwhile saw a task that runs
		return
	}
	pushes := s.pushes.Load()
	if !s.program.Stands(worker, task) {
		if !s.spend() {
			p.Store(int64(v))
			s.wake()
			s.advance(worker, true)
			return
		}
		s.program.Execute(worker, task)
		s.executions.Add(1)
		s.retries.Add(1)
		s.yield(worker)
	}
	s.ran(worker, task, pushes)
	s.wake()
}

// Await is for the program to call when an execution meets what task has published. If
// that is being replaced, it waits for what comes. If it is stale and marked, so that
// nobody is known to have come to it, the worker looks at it on the spot, and executes it
// once more if there is credit and the frontier is not there. Then the execution is to
// look again: Await reports true. It is never called for a task after the one that is
// executed.
func (s *Scheduler) Await(worker, task int) bool {
	p := s.place(task)
	for !s.stopped.Load() {
		v := p.load()
		switch {
		case v.task() == task && v.phase() == running:
			s.pause(worker)
			s.park(worker, func() bool { return p.load() != v || int(s.frontier.Load()) > task })
			s.yield(worker)
			return true
		case v.task() == task && v.phase() == stale && !s.helping[worker] && s.stale.has(task%s.plan.Window):
			s.yield(worker)
			if p.swap(v, newState(task, running, worker)) {
				s.help(worker, p, v)
				return true
			}
		default:
			return false
		}
	}
	return false
}

// help calls again in the middle of another execution. A worker that helps does not help
// once more in the middle of that: it has one execution at most that is interrupted.
func (s *Scheduler) help(worker int, p *place, v state) {
	s.yield(worker)
	if i := v.task() % s.plan.Window; s.stale.take(i) && p.load().task() != v.task() {
		s.stale.set(i) // of a later task: this one is committed
		s.wake()
	}
	s.pause(worker)
	s.helping[worker] = true
	s.again(worker, p, v)
	s.helping[worker] = false
}

func (s *Scheduler) pause(worker int) {
	if s.plan.Pause != nil {
		s.plan.Pause(worker)
	}
}
