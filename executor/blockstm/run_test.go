package blockstm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	cell    = Cell[struct{}, int]
	version = Version[struct{}, int]
)

// op is what a task of the toy program does: add up some cells and write the
// sum, plus the task's own number, to others.
type op struct {
	reads, writes []int
}

// program runs ops over cells as an executor would.
type program struct {
	ops       []op
	cells     []cell
	workers   []Arena[struct{}, int]
	records   []toyRecord
	scheduler *Scheduler
	stop      int // Commit refuses this task; -1 for none
	order     []int
	commits   atomic.Int64
	onTask    func(task int)
	compute   func(task int)   // called between reads and writes, if set
	pause     func(worker int) // called before each access to a cell, if set
}

type toyRecord struct {
	task      int // -1 for none
	published bool
	reads     []int
	versions  []*version
	before    []*version // of the execution before
}

func newProgram(ops []op, cells, workers, window int) *program {
	p := &program{
		ops:     ops,
		cells:   make([]cell, cells),
		workers: make([]Arena[struct{}, int], workers),
		records: make([]toyRecord, window),
		stop:    -1,
	}
	for i := range p.cells {
		p.cells[i].Load(&version{Task: -1, Value: i})
	}
	for i := range p.records {
		p.records[i].task = -1
	}
	return p
}

// execute runs the program under the plan.
func (p *program) execute(ctx context.Context, plan Plan) (Result, error) {
	p.scheduler = New(plan, p)
	r, err := p.scheduler.Run(ctx)
	if err == nil && !bounded(r, plan) {
		err = fmt.Errorf("%d tasks, window %d: %+v", plan.Tasks, plan.Window, r)
	}
	return r, err
}

// bounded reports whether no more was lost than may be. Between two renewals of the credit,
// that is less than an eighth of the window more than what is committed; before each
// renewal half of the window was lost, so 3/8 were committed.
func bounded(r Result, plan Plan) bool {
	ahead := max(1, plan.Window/retryShare)
	return r.Executions <= plan.Tasks+r.Aborts && r.Aborts <= r.Committed+1+ahead*(1+(r.Committed+1)/max(1, plan.Window/2-ahead)) && r.Aborts >= 0
}

func (p *program) record(task int) *toyRecord { return &p.records[task%len(p.records)] }

// guess is the value that task takes the cell to have. It waits for what is being
// replaced, if it may.
func (p *program) guess(worker, task, c int, wait bool) int {
	for {
		p.yield(worker)
		committed := p.cells[c].Committed()
		p.yield(worker)
		v := p.cells[c].Below(task, committed.Task)
		if v == nil {
			return committed.Value
		}
		if !wait || !p.scheduler.Await(worker, v.Task) {
			return v.Value
		}
	}
}

func (p *program) run(worker, task int, guess bool) {
	r := p.record(task)
	r.before = r.before[:0]
	if r.task == task {
		r.before = append(r.before, r.versions...)
	}
	r.task, r.published, r.reads, r.versions = task, guess, r.reads[:0], r.versions[:0]
	sum := task
	for _, c := range p.ops[task].reads {
		value := 0
		if guess {
			p.cells[c].Read(uint64(task) + 1)
			value = p.guess(worker, task, c, true)
		} else {
			p.yield(worker)
			value = p.cells[c].Committed().Value
		}
		r.reads = append(r.reads, value)
		sum += value
	}
	if p.compute != nil {
		p.compute(task)
	}
	for _, c := range p.ops[task].writes {
		v := p.workers[worker].New(task)
		v.Value = sum
		r.versions = append(r.versions, v)
		if guess {
			p.yield(worker)
			p.cells[c].Publish(v)
		}
	}
	p.takeBack(worker, r.before)
	if guess {
		p.push(worker, task)
	}
}

func (p *program) takeBack(worker int, versions []*version) {
	for _, v := range versions {
		p.yield(worker)
		v.Withdraw()
	}
}

// push tells who has read a cell that task wrote.
func (p *program) push(worker, task int) {
	reader := -1
	for _, c := range p.ops[task].writes {
		p.yield(worker)
		reader = max(reader, int(p.cells[c].Reader())-1)
	}
	if reader > task {
		p.scheduler.Invalidate(task, reader)
	}
}

func (p *program) yield(worker int) {
	if p.pause != nil {
		p.pause(worker)
	}
}

// Prepare implements Program.
func (p *program) Prepare(_, _, _ int) {}

func (p *program) Execute(worker, task int) {
	if p.onTask != nil {
		p.onTask(task)
	}
	p.run(worker, task, true)
}

func (p *program) Settle(worker, task int) { p.run(worker, task, false) }

func (p *program) Stands(worker, task int) bool {
	for i, c := range p.ops[task].reads {
		if p.guess(worker, task, c, false) != p.record(task).reads[i] {
			return false
		}
	}
	return true
}

func (p *program) Holds(worker, task int) bool {
	for i, c := range p.ops[task].reads {
		p.yield(worker)
		if p.cells[c].Committed().Value != p.record(task).reads[i] {
			return false
		}
	}
	return true
}

func (p *program) Withdraw(task int) {
	r := p.record(task)
	p.takeBack(0, r.versions)
	r.task = -1
}

func (p *program) Commit(worker, task int) bool {
	if task == p.stop {
		return false
	}
	r := p.record(task)
	for i, c := range p.ops[task].writes {
		p.yield(worker)
		p.cells[c].Commit(r.versions[i])
	}
	if !r.published {
		p.push(worker, task)
	}
	p.order = append(p.order, task)
	p.commits.Add(1)
	return true
}

// serial is what the first n ops do one after the other.
func serial(ops []op, cells, n int) []int {
	state := make([]int, cells)
	for i := range state {
		state[i] = i
	}
	for task, o := range ops[:n] {
		sum := task
		for _, c := range o.reads {
			sum += state[c]
		}
		for _, c := range o.writes {
			state[c] = sum
		}
	}
	return state
}

func (p *program) check(t *testing.T, committed int) {
	t.Helper()
	if err := p.judge(committed); err != nil {
		t.Fatal(err)
	}
}

// judge compares what is committed with what the first tasks do serially.
func (p *program) judge(committed int) error {
	for i, want := range serial(p.ops, len(p.cells), committed) {
		if got := p.cells[i].Committed().Value; got != want {
			return fmt.Errorf("cell %d after %d tasks: want %d, got %d", i, committed, want, got)
		}
	}
	for i, task := range p.order {
		if i != task {
			return fmt.Errorf("commit %d was of task %d", i, task)
		}
	}
	if len(p.order) != committed {
		return fmt.Errorf("%d tasks committed, result says %d", len(p.order), committed)
	}
	return nil
}

var plans = []Plan{
	{Workers: 1, Window: 8, Batch: 4},
	{Workers: 2, Window: 4, Batch: 1},
	{Workers: 2, Window: 64, Batch: 8},
	{Workers: 4, Window: 16, Batch: 2},
	{Workers: 8, Window: 64, Batch: 8},
	{Workers: 1, Window: 64, Batch: 8, Order: Forward},
	{Workers: 4, Window: 16, Batch: 2, Order: Forward},
	{Workers: 1, Window: 64, Batch: 8, Order: Backward},
	{Workers: 4, Window: 64, Batch: 8, Order: Backward},
}

// TestHotCounter has every task increment one counter: the plain lost update.
func TestHotCounter(t *testing.T) {
	ops := make([]op, 2000)
	for i := range ops {
		ops[i] = op{reads: []int{0}, writes: []int{0}}
	}
	for _, plan := range plans {
		plan.Tasks = len(ops)
		p := newProgram(ops, 1, plan.Workers, plan.Window)
		result, err := p.execute(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		p.check(t, result.Committed)
		if result.Committed != len(ops) || result.Executions != len(ops)+result.Aborts {
			t.Fatalf("%+v: %+v", plan, result)
		}
	}
}

func randomOps(rng *rand.Rand, n, cells int) []op {
	ops := make([]op, n)
	for i := range ops {
		for range rng.IntN(4) {
			ops[i].reads = append(ops[i].reads, rng.IntN(cells))
		}
		for range rng.IntN(3) {
			c := rng.IntN(cells)
			if len(ops[i].writes) == 0 || ops[i].writes[0] != c {
				ops[i].writes = append(ops[i].writes, c)
			}
		}
	}
	return ops
}

func checkRandom(t *testing.T, seed uint64, tasks, cells int, plan Plan) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	ops := randomOps(rng, tasks, cells)
	plan.Tasks = tasks

	whole := newProgram(ops, cells, plan.Workers, plan.Window)
	result, err := whole.execute(t.Context(), plan)
	if err != nil || result.Committed != tasks {
		t.Fatalf("committed %d of %d: %v", result.Committed, tasks, err)
	}
	whole.check(t, tasks)

	stopped := newProgram(ops, cells, plan.Workers, plan.Window)
	if tasks > 0 {
		stopped.stop = rng.IntN(tasks)
	}
	result, err = stopped.execute(t.Context(), plan)
	if err != nil || result.Committed != max(stopped.stop, 0) {
		t.Fatalf("committed %d, stopped at %d: %v", result.Committed, stopped.stop, err)
	}
	stopped.check(t, result.Committed)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cancelled := newProgram(ops, cells, plan.Workers, plan.Window)
	at := rng.IntN(tasks + 1)
	cancelled.onTask = func(task int) {
		if task >= at {
			cancel()
		}
	}
	result, err = cancelled.execute(ctx, plan)
	if result.Committed < tasks && !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled run gave %v", err)
	}
	cancelled.check(t, result.Committed)
}

func TestSerialEquivalence(t *testing.T) {
	for seed := range uint64(60) {
		for _, plan := range plans {
			checkRandom(t, seed, int(seed)*5, 1+int(seed)%17, plan)
		}
	}
}

func FuzzSerialEquivalence(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint8(3), uint8(2))
	f.Add(uint64(2), uint16(300), uint8(1), uint8(4))
	f.Fuzz(func(t *testing.T, seed uint64, tasks uint16, cells, plan uint8) {
		checkRandom(t, seed, int(tasks)%500, 1+int(cells)%50, plans[int(plan)%len(plans)])
	})
}

// TestWasteEndsRun shows that a run of dependent tasks ends early if it is to pay, with all
// that was claimed committed, and goes on if not; and that one of independent tasks does.
func TestWasteEndsRun(t *testing.T) {
	chain, free := make([]op, 4000), make([]op, 4000)
	for i := range chain {
		chain[i] = op{reads: []int{0}, writes: []int{0}}
		free[i] = op{reads: []int{i}, writes: []int{i}}
	}
	plan := Plan{Tasks: len(chain), Workers: 2, Window: 96, Batch: 8, Order: Backward}
	for _, c := range []struct {
		ops      []op
		maxWaste float64
		wasteful bool
	}{{free, 0.2, false}, {chain, 0.2, true}, {chain, 0, false}} {
		plan.MaxWaste = c.maxWaste
		p := newProgram(c.ops, len(c.ops), 2, plan.Window)
		r, err := p.execute(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		p.check(t, r.Committed)
		if r.Wasteful != c.wasteful || c.wasteful == (r.Committed == len(c.ops)) || r.Executions != r.Committed+r.Aborts {
			t.Errorf("at most %v to be lost for each: %+v", c.maxWaste, r)
		}
		if c.wasteful && (r.Aborts < 24 || r.Aborts > plan.Window) {
			t.Errorf("%+v", r)
		}
	}
}

// TestLinger: what each worker but the first does after its end, the run does not wait for.
func TestLinger(t *testing.T) {
	ops := make([]op, 50)
	for i := range ops {
		ops[i] = op{writes: []int{i}}
	}
	let := make(chan struct{})
	who := make(chan int)
	plan := Plan{Tasks: len(ops), Workers: 3, Window: 16, Batch: 2, Linger: func(worker int) { <-let; who <- worker }}
	result, err := newProgram(ops, len(ops), 3, plan.Window).execute(t.Context(), plan)
	if err != nil || result.Committed != len(ops) {
		t.Fatalf("%+v, %v", result, err)
	}
	close(let)
	if a, b := <-who, <-who; a+b != 3 || a == b {
		t.Errorf("workers %d and %d linger", a, b)
	}
}

// TestFollowing: tasks that follow the one they depend on do not conflict. Here 64
// neighbours each add up a cell of their own.
func TestFollowing(t *testing.T) {
	const chains, length, workers = 40, 64, 4
	ops, after := make([]op, chains*length), make([]int, chains*length)
	for i := range ops {
		ops[i] = op{reads: []int{i / length}, writes: []int{i / length}}
		if after[i] = i - 1; i%length == 0 {
			after[i] = -1
		}
	}
	plan := Plan{Tasks: len(ops), Workers: workers, Window: workers * length, Batch: 8, Order: Forward}
	run := func(after func(int) int) Result {
		p := newProgram(ops, chains, workers, plan.Window)
		p.onTask = func(int) { runtime.Gosched() }
		plan.After = after
		result, err := p.execute(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.judge(result.Committed); err != nil || result.Committed != len(ops) {
			t.Fatalf("%+v: %v", result, err)
		}
		return result
	}
	if r := run(func(task int) int { return after[task] }); r.Aborts > len(ops)/10 { // 0, or a chain if a worker stops at the wrong moment; 1,500 without hints
		t.Errorf("with hints: %+v", r)
	}
	// Hints that are all wrong change no result.
	run(func(task int) int { return task - 1 - task%7 })
}

// TestPublishOrder inserts versions in every order of arrival and reads below
// each task.
func TestPublishOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		var c cell
		c.Load(&version{Task: 2, Value: 2})
		tasks := rng.Perm(10)
		versions := make(map[int]*version)
		for _, task := range tasks {
			v := &version{Task: task, Value: task}
			c.Publish(v)
			versions[task] = v
		}
		withdrawn := 3 + rng.IntN(7)
		versions[withdrawn].Withdraw()
		for task := range 12 {
			want := -1
			for i := 3; i < min(task, 10); i++ {
				if i != withdrawn {
					want = i
				}
			}
			got := -1
			if v := c.Below(task, 2); v != nil {
				got = v.Value
			}
			if got != want {
				t.Fatalf("below %d: want %d, got %d", task, want, got)
			}
		}
	}
}
