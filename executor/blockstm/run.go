package blockstm

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Program is an ordered list of tasks. Tasks are numbered from 0 within one run.
//
// Prepare, Execute and Stands are called concurrently, for one task by one worker at a
// time; the other methods are only called by the holder of the frontier, one call at a
// time, and for tasks in ascending order. While an execution is in [Scheduler.Await], its
// worker may call any but Prepare and Withdraw for earlier tasks. An execution that is
// called so is not interrupted by another.
type Program interface {
	// Prepare tells a worker which tasks it is about to execute. It is called
	// concurrently and changes nothing.
	Prepare(worker, from, to int)
	// Execute runs task on a guess of the state before it, records what it
	// reads and publishes what it writes. When it is called for a task once more, what
	// the execution before published must stay until the new versions stand beside it.
	Execute(worker, task int)
	// Stands reports whether task would read now what its last execution read.
	Stands(worker, task int) bool
	// Holds reports whether all that the task read is what is committed now.
	Holds(worker, task int) bool
	// Withdraw takes back what Execute published, at the end of a run that came to an
	// end before the task.
	Withdraw(task int)
	// Settle runs task on the committed state. What it does is final. What an execution
	// before published stays until then, and is taken back.
	Settle(worker, task int)
	// Commit makes the writes of the task's last execution the committed state.
	// A false ends the run before the task, which is not committed then.
	Commit(worker, task int) bool
}

// Plan says how to run a program.
type Plan struct {
	Tasks   int
	Workers int
	// Window bounds what may be lost: executions that were lost, and tasks that have
	// started and could yet be, are never more together. Two thirds of it may be in
	// flight. When half of it was lost and that pays, the count begins anew; in between
	// a run takes at most as many executions as it commits tasks, and Window.
	Window int
	// Batch is how many consecutive tasks a worker claims at a time. Tasks that
	// depend on their predecessor do not conflict within a batch.
	Batch int
	// Alone, unless it is nil, tells a task that is claimed by itself: one that takes
	// so long that whoever claims more would keep others from what lies next.
	Alone func(task int) bool
	// MaxWaste is how many executions may be lost for each committed task. When they are
	// more, and a quarter of the window, nothing more is claimed, and the run ends with
	// what is in flight. 0 never ends it.
	MaxWaste float64
	// Order is how a worker goes through a batch.
	Order Order
	// After, unless it is nil, returns an earlier task whose writes the task is
	// expected to read, or -1. The task is then executed after that one, by the
	// worker that executed it. Wrong answers cost time and nothing else.
	After func(task int) int
	// Idle, unless it is nil, is called by a worker that finds nothing to do, and
	// at its end; Pause by one whose execution begins to wait, or to help. Await reports
	// true after that, and only then.
	Idle, Pause func(worker int)
	// Linger, unless it is nil, is called by each worker but the first when it has
	// ended. Run does not wait for it.
	Linger func(worker int)
	// Yield, if set, is called between any two steps that the steps of other
	// workers may come between. Tests explore the orders of steps with it.
	Yield func(worker int)
}

// Order is how a worker goes through a batch.
type Order uint8

const (
	// Leading goes forward and runs a task that is at the frontier already
	// without speculation. Batches shrink towards the end.
	Leading Order = iota
	// Forward speculates with every task. It is for tests.
	Forward
	// Backward is Forward from the last task of a batch to the first, so that
	// most guesses are wrong. It is for tests.
	Backward
)

// Result tells how a run went.
type Result struct {
	// Committed is the number of tasks committed, from the first one on.
	Committed int
	// Executions counts calls of Execute and Settle, Aborts the executions
	// among them that did not hold.
	Executions int
	Aborts     int
	// Wasteful tells that the run ended before its last task because of Plan.MaxWaste.
	Wasteful bool
}

// Scheduler runs a program once.
type Scheduler struct {
	plan    Plan
	program Program
	ahead   int // tasks that may be in flight

	_        [128]byte
	claims   atomic.Int64 // first task that nobody claimed, and what was lost; see credit
	_        [120]byte
	frontier atomic.Int64 // first task that is not committed; moved by the baton's holder
	_        [120]byte

	// Every worker looks at these for each task, and hardly anybody changes them.
	stopped   atomic.Bool
	over      atomic.Bool // nothing is claimed any more
	places    []place     // of the window
	stale     marks       // places whose task may be stale
	pushes    atomic.Int64
	followers *followers // nil without Plan.After
	_         [128]byte

	helping []bool // by worker: it executes a task in the middle of another

	since  atomic.Int64 // the frontier when the count of what is lost began; moved under baton
	baton  sync.Mutex
	result Result // under baton

	executions atomic.Int64
	retries    atomic.Int64
	ended      atomic.Int32 // workers but the first

	parking sync.Mutex
	moved   sync.Cond
	parked  atomic.Int32
}

// New returns a scheduler for one run of the program.
func New(plan Plan, program Program) *Scheduler {
	s := &Scheduler{plan: plan, program: program, ahead: plan.Window - plan.Window/3}
	s.places, s.stale = make([]place, plan.Window), make(marks, (plan.Window+63)/64)
	s.helping = make([]bool, plan.Workers)
	s.moved.L = &s.parking
	if plan.After != nil {
		s.followers = newFollowers(plan.Window)
	}
	return s
}

// Run runs the program and returns when all workers have. The error is the
// context's; the tasks committed before it stay committed.
func (s *Scheduler) Run(ctx context.Context) (Result, error) {
	var wg sync.WaitGroup
	for worker := 1; worker < s.plan.Workers; worker++ {
		wg.Add(1)
		go func() {
			s.work(ctx, worker)
			s.ended.Add(1)
			wg.Done()
			if s.plan.Linger != nil {
				runtime.Gosched() // whoever waits for the run goes first
				s.plan.Linger(worker)
			}
		}()
	}
	s.work(ctx, 0)
	for i := 0; i < endSpins && int(s.ended.Load()) < s.plan.Workers-1; i++ {
		runtime.Gosched()
	}
	wg.Wait()

	done := int(s.frontier.Load())
	claimed, _ := s.credit()
	for task := done; task < claimed; task++ {
		if p := s.place(task).load(); p.task() == task && p.phase() != running {
			s.program.Withdraw(task)
		}
	}
	result := s.result
	result.Committed = done
	result.Executions += int(s.executions.Load())
	result.Aborts += int(s.retries.Load())
	result.Wasteful = s.over.Load() && done < s.plan.Tasks
	if done < s.plan.Tasks && ctx.Err() != nil {
		return result, ctx.Err()
	}
	return result, nil
}

// Frontier returns the first task of the run that was not committed a moment ago.
func (s *Scheduler) Frontier() int { return int(s.frontier.Load()) }

func (s *Scheduler) yield(worker int) {
	if s.plan.Yield != nil {
		s.plan.Yield(worker)
	}
}

func (s *Scheduler) work(ctx context.Context, worker int) {
	executions := 0
	defer func() {
		s.executions.Add(int64(executions))
		s.idle(worker)
		s.wake() // whoever waits must see that the run ended
	}()
	var queue []int // claimed tasks, the first one last
	for !s.stopped.Load() {
		s.yield(worker)
		if ctx.Err() != nil {
			s.stopped.Store(true)
			return
		}
		if s.retry(worker, s.plan.Tasks) {
			s.advance(worker, false)
			continue
		}
		s.yield(worker)
		from, to, frontier := s.claim()
		if from == to {
			if s.done(frontier) {
				return
			}
			if s.advance(worker, true) {
				continue
			}
			s.idle(worker)
			s.wait(worker, frontier)
			continue
		}
		s.program.Prepare(worker, from, to)
		queue = s.order(queue[:0], worker, from, to)
		for sinceAdvance := 1; len(queue) > 0 && !s.stopped.Load(); sinceAdvance++ {
			task := queue[len(queue)-1]
			if s.retry(worker, task) { // what lies nearer the frontier first
				s.advance(worker, false)
				continue
			}
			queue = queue[:len(queue)-1]
			if s.followers != nil && s.follow(worker, task) {
				continue
			}
			if s.plan.Order == Leading && int(s.frontier.Load()) == task {
				var led bool
				if queue, led = s.lead(worker, queue, task); led {
					continue
				}
			}
			pushes := s.pushes.Load()
			s.program.Execute(worker, task)
			executions++
			s.yield(worker)
			queue = s.release(queue, task)
			s.yield(worker)
			s.ran(worker, task, pushes)
			s.yield(worker)
			if s.followers != nil && sinceAdvance%s.plan.Batch == 0 {
				s.advance(worker, false)
			}
		}
		s.advance(worker, false)
	}
}

// order appends the tasks of a batch, the one to begin with last.
func (s *Scheduler) order(queue []int, worker, from, to int) []int {
	for i := range to - from {
		if s.plan.Order == Backward {
			queue = append(queue, from+i)
		} else {
			queue = append(queue, to-1-i)
		}
		if s.followers != nil {
			s.yield(worker)
			s.followers.open(from + i)
		}
	}
	return queue
}

// release puts the followers of task into the queue. What task wrote must be there
// for them, and its place in the window must not be another's yet: so it is called
// before a task that was executed counts as executed, and before the frontier
// leaves one that was led.
func (s *Scheduler) release(queue []int, task int) []int {
	if s.followers == nil {
		return queue
	}
	return s.followers.release(queue, task)
}

// follow reports whether task was left to the worker that executes the one it
// comes after.
func (s *Scheduler) follow(worker, task int) bool {
	s.yield(worker)
	leader := s.plan.After(task)
	if leader < 0 || leader < int(s.frontier.Load()) {
		return false
	}
	s.yield(worker)
	return s.followers.add(leader, task)
}

func (s *Scheduler) idle(worker int) {
	if s.plan.Idle != nil {
		s.plan.Idle(worker)
	}
}

const (
	retryShare = 8 // of the window
	lostBits   = 31
	lostMask   = 1<<lostBits - 1
)

// credit returns what claims says.
func (s *Scheduler) credit() (next, lost int) {
	v := s.claims.Load()
	return int(v >> lostBits), int(v & lostMask)
}

// claim takes the next batch, which is empty if there is none at present.
func (s *Scheduler) claim() (from, to, frontier int) {
	for {
		v := s.claims.Load()
		next, lost := int(v>>lostBits), int(v&lostMask)
		frontier = int(s.frontier.Load())
		limit := min(s.plan.Tasks, frontier+min(s.ahead, s.plan.Window-lost))
		if next >= limit || s.over.Load() {
			return 0, 0, frontier
		}
		end := next + s.batch(next, limit)
		if s.claims.CompareAndSwap(v, int64(end)<<lostBits|int64(lost)) {
			return next, end, frontier
		}
	}
}

// batch returns how many tasks to claim from next on.
func (s *Scheduler) batch(next, limit int) int {
	size := min(s.plan.Batch, limit-next)
	if s.plan.Order == Leading {
		// The last batches shrink, so that the workers end together.
		size = min(size, max(1, (s.plan.Tasks-next)/(2*s.plan.Workers)))
	}
	if s.plan.Alone == nil {
		return size
	}
	for n := range size {
		if s.plan.Alone(next + n) {
			return max(1, n)
		}
	}
	return size
}

// done reports whether nothing is left to commit.
func (s *Scheduler) done(frontier int) bool {
	if frontier == s.plan.Tasks {
		return true
	}
	next, _ := s.credit()
	return s.over.Load() && next == frontier
}

// spend takes the credit for one more execution that is lost: that of a task which is
// about to run once more. Retries may only be an eighth of the window ahead of what is
// committed, so that a run which loses much gets somewhere. A task that is lost at the
// frontier is committed there.
func (s *Scheduler) spend() bool {
	for {
		v := s.claims.Load()
		next, lost := int(v>>lostBits), int(v&lostMask)
		frontier := int(s.frontier.Load())
		committed := frontier - int(s.since.Load())
		if next-frontier+lost >= s.plan.Window || lost >= committed+max(1, s.plan.Window/retryShare) || s.over.Load() {
			return false
		}
		if s.claims.CompareAndSwap(v, v+1) {
			return true
		}
	}
}

// weigh judges what was lost, under the baton: it lets nothing more be claimed when that
// does not pay, and begins to count anew when it does and little of the window is left.
func (s *Scheduler) weigh() {
	_, lost := s.credit()
	if 4*lost < s.plan.Window {
		return
	}
	frontier := s.frontier.Load()
	most := s.plan.MaxWaste * float64(frontier-s.since.Load())
	switch {
	case s.plan.MaxWaste > 0 && float64(lost) > most:
		s.over.Store(true)
	case 2*lost > s.plan.Window:
		s.since.Store(frontier)
		s.claims.Add(-int64(lost))
	}
}

// lead runs task, at the frontier already, without speculation. It reports
// whether the caller is done with the task; then its followers are in the queue.
func (s *Scheduler) lead(worker int, queue []int, task int) ([]int, bool) {
	s.yield(worker)
	if !s.baton.TryLock() {
		return queue, false
	}
	defer s.baton.Unlock()
	if int(s.frontier.Load()) != task || s.stopped.Load() {
		return queue, false
	}
	s.program.Settle(worker, task)
	s.result.Executions++
	if s.commit(worker, task) {
		queue = s.release(queue, task)
		s.pass(task)
	}
	return queue, true
}

// advance commits executed tasks at the frontier and reports whether it held the
// baton. It leaves tasks of other workers to them, in whose caches the tasks' records
// are, unless it is to take all. Each worker advances after its batch, and takes all
// before it rests; and whoever held the baton looks again before it rests. So whoever
// finds it held may leave what is executed.
func (s *Scheduler) advance(worker int, all bool) (held bool) {
	if !s.ready(worker, all) {
		return false
	}
	s.yield(worker)
	if !s.baton.TryLock() {
		return false
	}
	defer s.baton.Unlock()
	for s.ready(worker, all) {
		task := int(s.frontier.Load())
		if !s.program.Holds(worker, task) {
			s.place(task).Store(int64(newState(task, running, worker)))
			s.yield(worker)
			s.program.Settle(worker, task)
			s.result.Executions++
			s.result.Aborts++
			s.claims.Add(1)
		}
		if s.commit(worker, task) {
			s.pass(task)
		}
		s.weigh()
	}
	s.yield(worker)
	return true
}

func (s *Scheduler) ready(worker int, all bool) bool {
	frontier := int(s.frontier.Load())
	if frontier >= s.plan.Tasks || s.stopped.Load() {
		return false
	}
	p := s.place(frontier).load()
	return p.task() == frontier && p.phase() != running && (all || p.by(worker))
}

// commit runs under the baton and reports whether task is committed; if not, the
// run ends.
func (s *Scheduler) commit(worker, task int) bool {
	done := s.program.Commit(worker, task)
	if !done {
		s.stopped.Store(true)
		s.wake()
	}
	s.yield(worker)
	return done
}

// pass moves the frontier past task, under the baton.
func (s *Scheduler) pass(task int) {
	s.frontier.Store(int64(task) + 1)
	s.wake()
}

// spins is how often a worker looks whether the frontier has moved before it parks, and
// endSpins how often the first looks whether the others have ended: to be woken takes
// longer.
const (
	spins    = 200
	endSpins = 500
)

// wait returns when the frontier has moved on from where it was, when a task became
// stale, or soon after.
func (s *Scheduler) wait(worker, frontier int) {
	s.park(worker, func() bool { return int(s.frontier.Load()) != frontier || s.stale.any() })
}

// park returns when the run has stopped or until says so, or soon after.
func (s *Scheduler) park(worker int, until func() bool) {
	for i := range spins {
		if s.stopped.Load() || until() {
			return
		}
		if i%8 == 7 {
			runtime.Gosched()
		}
	}
	s.yield(worker)
	s.parked.Add(1)
	s.parking.Lock()
	for !s.stopped.Load() && !until() {
		s.moved.Wait()
	}
	s.parking.Unlock()
	s.parked.Add(-1)
}

// wake lets the parked workers look again.
func (s *Scheduler) wake() {
	if s.parked.Load() > 0 {
		s.parking.Lock()
		s.moved.Broadcast()
		s.parking.Unlock()
	}
}
