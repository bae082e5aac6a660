package blockstm

import (
	"context"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// Program is an ordered list of tasks. Tasks are numbered from 0 within one run.
//
// Prepare and Execute are called concurrently; the other methods are only called
// by the holder of the frontier, one call at a time, and for tasks in ascending order.
type Program interface {
	// Prepare tells a worker which tasks it is about to execute. It is called
	// concurrently and changes nothing.
	Prepare(worker, from, to int)
	// Execute runs task on a guess of the state before it, records what it
	// reads and publishes what it writes.
	Execute(worker, task int)
	// Holds reports whether all that the task read is what is committed now.
	Holds(worker, task int) bool
	// Withdraw takes back what Execute published.
	Withdraw(task int)
	// Settle runs task on the committed state. What it does is final.
	Settle(worker, task int)
	// Commit makes the writes of the task's last execution the committed state.
	// A false ends the run before the task, which is not committed then.
	Commit(worker, task int) bool
}

// Plan says how to run a program.
type Plan struct {
	Tasks   int
	Workers int
	// Window is how many tasks beyond the frontier may have started.
	Window int
	// Batch is how many consecutive tasks a worker claims at a time. Tasks that
	// depend on their predecessor do not conflict within a batch.
	Batch int
	// MaxWaste ends the run early when the share of executions that did not
	// hold, among the last 64, exceeds it; 0 never does.
	MaxWaste float64
	// Order is how a worker goes through a batch.
	Order Order
	// After, unless it is nil, returns an earlier task whose writes the task is
	// expected to read, or -1. The task is then executed after that one, by the
	// worker that executed it. Wrong answers cost time and nothing else.
	After func(task int) int
	// Idle, unless it is nil, is called by a worker that finds nothing to do, and
	// at its end.
	Idle func(worker int)
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
	// Wasteful tells that the run ended because of Plan.MaxWaste.
	Wasteful bool
}

// Run runs the program and returns when all workers have. The error is the
// context's; the tasks committed before it stay committed.
func Run(ctx context.Context, plan Plan, program Program) (Result, error) {
	r := &run{plan: plan, program: program, executed: make([]executed, plan.Window)}
	r.moved.L = &r.parking
	if plan.After != nil {
		r.followers = newFollowers(plan.Window)
	}
	var wg sync.WaitGroup
	for worker := 1; worker < plan.Workers; worker++ {
		wg.Add(1)
		go func() {
			r.work(ctx, worker)
			r.ended.Add(1)
			wg.Done()
			if plan.Linger != nil {
				runtime.Gosched() // whoever waits for the run goes first
				plan.Linger(worker)
			}
		}()
	}
	r.work(ctx, 0)
	for i := 0; i < endSpins && int(r.ended.Load()) < plan.Workers-1; i++ {
		runtime.Gosched()
	}
	wg.Wait()

	done := int(r.frontier.Load())
	for task := done; task < min(int(r.next.Load()), plan.Tasks); task++ {
		if r.isExecuted(task) {
			program.Withdraw(task)
		}
	}
	result := r.result
	result.Committed = done
	result.Executions += int(r.executions.Load())
	if done < plan.Tasks && ctx.Err() != nil {
		return result, ctx.Err()
	}
	return result, nil
}

// executed holds which task was the last that was executed in this place of the
// window, and by whom.
type executed struct {
	by atomic.Int64 // as packed by executedBy
	_  [56]byte
}

const workerBits = 16

// executedBy packs both. Workers whose lower bits are the same take each other's tasks
// for their own, which does no harm.
func executedBy(worker, task int) int64 { return int64(task+1)<<workerBits | int64(uint16(worker)) } //nolint:gosec // as told

type run struct {
	plan    Plan
	program Program

	_        [128]byte
	next     atomic.Int64 // first task that nobody claimed
	_        [120]byte
	frontier atomic.Int64 // first task that is not committed; moved by the baton's holder
	_        [120]byte
	stopped  atomic.Bool
	executed []executed

	followers *followers // nil without Plan.After

	baton  sync.Mutex
	result Result // under baton
	recent uint64 // under baton: one bit for each of the last settled tasks, set for aborts
	known  int    // under baton: bits of recent that are in use

	executions atomic.Int64
	ended      atomic.Int32 // workers but the first

	parking sync.Mutex
	moved   sync.Cond
	parked  atomic.Int32
}

func (r *run) yield(worker int) {
	if r.plan.Yield != nil {
		r.plan.Yield(worker)
	}
}

func (r *run) isExecuted(task int) bool {
	return r.executed[task%r.plan.Window].by.Load()>>workerBits == int64(task)+1
}

func (r *run) work(ctx context.Context, worker int) {
	executions := 0
	defer func() {
		r.executions.Add(int64(executions))
		r.idle(worker)
		r.wake() // whoever waits must see that the run ended
	}()
	var queue []int // claimed tasks, the first one last
	for !r.stopped.Load() {
		r.yield(worker)
		if ctx.Err() != nil {
			r.stopped.Store(true)
			return
		}
		from, to, frontier := r.claim()
		if from == to {
			if frontier == r.plan.Tasks {
				return
			}
			if r.advance(worker, true) {
				continue
			}
			r.idle(worker)
			r.wait(worker, frontier)
			continue
		}
		r.program.Prepare(worker, from, to)
		queue = r.order(queue[:0], worker, from, to)
		for sinceAdvance := 1; len(queue) > 0 && !r.stopped.Load(); sinceAdvance++ {
			task := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if r.followers != nil && r.follow(worker, task) {
				continue
			}
			if r.plan.Order == Leading && int(r.frontier.Load()) == task {
				var led bool
				if queue, led = r.lead(worker, queue, task); led {
					continue
				}
			}
			r.program.Execute(worker, task)
			executions++
			r.yield(worker)
			queue = r.release(queue, task)
			r.yield(worker)
			r.executed[task%r.plan.Window].by.Store(executedBy(worker, task))
			r.yield(worker)
			if r.followers != nil && sinceAdvance%r.plan.Batch == 0 {
				r.advance(worker, false)
			}
		}
		r.advance(worker, false)
	}
}

// order appends the tasks of a batch, the one to begin with last.
func (r *run) order(queue []int, worker, from, to int) []int {
	for i := range to - from {
		if r.plan.Order == Backward {
			queue = append(queue, from+i)
		} else {
			queue = append(queue, to-1-i)
		}
		if r.followers != nil {
			r.yield(worker)
			r.followers.open(from + i)
		}
	}
	return queue
}

// release puts the followers of task into the queue. What task wrote must be there
// for them, and its place in the window must not be another's yet: so it is called
// before a task that was executed counts as executed, and before the frontier
// leaves one that was led.
func (r *run) release(queue []int, task int) []int {
	if r.followers == nil {
		return queue
	}
	return r.followers.release(queue, task)
}

// follow reports whether task was left to the worker that executes the one it
// comes after.
func (r *run) follow(worker, task int) bool {
	r.yield(worker)
	leader := r.plan.After(task)
	if leader < 0 || leader < int(r.frontier.Load()) {
		return false
	}
	r.yield(worker)
	return r.followers.add(leader, task)
}

func (r *run) idle(worker int) {
	if r.plan.Idle != nil {
		r.plan.Idle(worker)
	}
}

// claim takes the next batch, which is empty if there is none at present.
func (r *run) claim() (from, to, frontier int) {
	for {
		frontier = int(r.frontier.Load())
		next := int(r.next.Load())
		limit := min(r.plan.Tasks, frontier+r.plan.Window)
		if next >= limit {
			return 0, 0, frontier
		}
		size := r.plan.Batch
		if r.plan.Order == Leading {
			// The last batches shrink, so that the workers end together.
			size = min(size, max(1, (r.plan.Tasks-next)/(2*r.plan.Workers)))
		}
		end := min(limit, next+size)
		if r.next.CompareAndSwap(int64(next), int64(end)) {
			return next, end, frontier
		}
	}
}

// lead runs task, at the frontier already, without speculation. It reports
// whether the caller is done with the task; then its followers are in the queue.
func (r *run) lead(worker int, queue []int, task int) ([]int, bool) {
	r.yield(worker)
	if !r.baton.TryLock() {
		return queue, false
	}
	defer r.baton.Unlock()
	if int(r.frontier.Load()) != task || r.stopped.Load() {
		return queue, false
	}
	r.program.Settle(worker, task)
	r.result.Executions++
	if r.commit(worker, task) {
		queue = r.release(queue, task)
		r.pass(task, false)
	}
	return queue, true
}

// advance commits executed tasks at the frontier and reports whether it did. It
// leaves those of other workers to them, in whose caches the tasks' records are,
// unless it is to take all. Each worker advances after its batch, and takes all
// before it rests: so whoever finds the baton held may leave what is executed, since
// the holder comes again.
func (r *run) advance(worker int, all bool) (advanced bool) {
	if !r.ready(worker, all) || !r.baton.TryLock() {
		return false
	}
	defer r.baton.Unlock()
	for r.ready(worker, all) {
		task := int(r.frontier.Load())
		aborted := !r.program.Holds(worker, task)
		if aborted {
			r.program.Withdraw(task)
			r.program.Settle(worker, task)
			r.result.Executions++
			r.result.Aborts++
		}
		if r.commit(worker, task) {
			r.pass(task, aborted)
		}
		advanced = true
	}
	r.yield(worker)
	return advanced
}

func (r *run) ready(worker int, all bool) bool {
	frontier := int(r.frontier.Load())
	if frontier >= r.plan.Tasks || r.stopped.Load() {
		return false
	}
	if all {
		return r.isExecuted(frontier)
	}
	return r.executed[frontier%r.plan.Window].by.Load() == executedBy(worker, frontier)
}

// commit runs under the baton and reports whether task is committed; if not, the
// run ends.
func (r *run) commit(worker, task int) bool {
	done := r.program.Commit(worker, task)
	if !done {
		r.stopped.Store(true)
		r.wake()
	}
	r.yield(worker)
	return done
}

// pass moves the frontier past task, under the baton.
func (r *run) pass(task int, aborted bool) {
	r.frontier.Store(int64(task) + 1)
	if r.wasteful(aborted) {
		r.result.Wasteful = true
		r.stopped.Store(true)
	}
	r.wake()
}

func (r *run) wasteful(aborted bool) bool {
	r.recent <<= 1
	if aborted {
		r.recent |= 1
	}
	r.known = min(r.known+1, 64)
	if r.plan.MaxWaste == 0 || !aborted || r.known < 32 {
		return false
	}
	return float64(bits.OnesCount64(r.recent)) > r.plan.MaxWaste*float64(r.known)
}

// spins is how often a worker looks whether the frontier has moved before it parks, and
// endSpins how often the first looks whether the others have ended: to be woken takes
// longer.
const (
	spins    = 200
	endSpins = 500
)

// wait returns when the frontier has moved on from where it was, or soon after.
func (r *run) wait(worker, frontier int) {
	for i := range spins {
		if int(r.frontier.Load()) != frontier || r.stopped.Load() {
			return
		}
		if i%8 == 7 {
			runtime.Gosched()
		}
	}
	r.yield(worker)
	r.parked.Add(1)
	r.parking.Lock()
	for int(r.frontier.Load()) == frontier && !r.stopped.Load() {
		r.moved.Wait()
	}
	r.parking.Unlock()
	r.parked.Add(-1)
}

// wake lets the parked workers look at the frontier again.
func (r *run) wake() {
	if r.parked.Load() > 0 {
		r.parking.Lock()
		r.moved.Broadcast()
		r.parking.Unlock()
	}
}
