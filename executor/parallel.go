package executor

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/executor/report"
)

// Parallel runs the transactions of a block speculatively on several workers.
// For every input the result is that of [Serial]: whether a transaction is
// skipped, deferred or ends the slice is validated like everything else. Its
// blocks may overlap; each belongs to one goroutine at a time.
//
// Once executions are lost to conflicts it goes on by what is predicted of the
// next transactions, if Config.Predict is set and knows enough, and serially for a
// while if not. From a state that is slow to answer it reads ahead what is predicted.
//
// It runs serially with one worker, what takes next to no time, and before Spurious
// Dragon, where accounts may be empty.
//
// Where Env.AccessList says what the block changes, Verify lets each transaction
// read from the list what those before it leave, so that none waits for another or
// runs twice.
type Parallel struct {
	stock[*crew]
	schedule Schedule
	now      func() time.Time
}

var _ Executor = (*Parallel)(nil)

const (
	// smallSlice is the number of transactions below which starting workers
	// costs more than it brings. So it does where what is left of a slice takes less than
	// worthwhile, as it may where the slice's gas limits add up to less than smallGas.
	smallSlice = 8
	smallGas   = 8_000_000
	worthwhile = 300 * time.Microsecond
	// batch is how many transactions with little gas a worker takes up at a time. One with
	// more than aloneGas is taken up alone: those behind it would wait for it to end, and
	// be lost where they depend on what others do meanwhile.
	batch    = 8
	aloneGas = 150_000
	// maxWaste is how many lost executions for each committed transaction are too many for
	// speculation to pay: two workers that lose half of theirs are still a third faster than
	// one. calmMin to calmMax is how many transactions run serially then before it is tried
	// again.
	maxWaste = 0.6
	calmMin  = 128
	calmMax  = 16_384
	calmGrow = 4 // with each attempt that fails
)

// crew is what the workers of one open block need, kept from block to block.
type crew struct {
	single  *lane // for what runs alone
	workers []*worker
	records []record

	// Each block is given a try. But what one has learnt of conflicts is likely to
	// hold for the next, which goes on with stretches as long.
	calm int // length of the next serial stretch
	rest int // transactions left in the present one

	hints hints
}

func (c *crew) mem() *memory { return c.single.mem() }

// NewParallel returns a parallel executor.
func NewParallel(config Config) *Parallel {
	workers := config.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	e := &Parallel{schedule: config.Schedule, now: time.Now}
	e.warm = config.Warm
	e.make = func() *crew { return newCrew(workers, config.Predict) }
	return e
}

// Window returns how far a [Parallel] with so many workers looks ahead: a
// transaction starts only when fewer than that lie between it and the first one
// that is not committed.
func Window(workers int) int { return 4 * batch * max(workers, 2) }

// withCredit returns the window of a run, two thirds of which may be in flight.
func withCredit(window int) int { return window + window/2 }

func newCrew(workers int, predictor *predict.Predictor) *crew {
	c := &crew{calm: calmMin, hints: hints{predictor: predictor}, single: newLane(newMemory()), records: make([]record, withCredit(Window(workers)))}
	c.mem().trace = newTrace(workers)
	for range workers {
		w := newWorker(c.mem())
		w.hasher = *newBloomHasher()
		c.workers = append(c.workers, w)
	}
	return c
}

// Open implements Executor.
func (e *Parallel) Open(ctx context.Context, env Env) (Block, error) {
	if err := env.validate(); err != nil {
		return nil, err
	}
	c := e.take(env)
	c.rest, c.hints.rest, c.hints.used = 0, 0, false
	b := open(env, c.single, func() { e.giveBack(c) })
	p := &parallelBlock{block: b, crew: c, schedule: e.schedule, now: e.now}
	p.possible = b.rules.IsEIP158 && !b.rules.IsEIP4762
	b.fast, b.hands = !b.rules.IsEIP4762 && !b.rules.IsAmsterdam, len(c.workers)
	if p.possible {
		if err := b.memory.collect(b.context.Coinbase); err != nil {
			b.fail()
			return nil, err
		}
	}
	if err := b.preExecution(); err != nil {
		b.fail()
		return nil, err
	}
	for _, w := range c.workers {
		w.open(b, c.workers)
		if w.spare != nil {
			w.spare.open(b, c.workers)
		}
	}
	return p, nil
}

// parallelBlock is an open block of Parallel.
type parallelBlock struct {
	*block
	*crew

	schedule Schedule
	now      func() time.Time
	possible bool // the rules allow speculation
	along    bool // the memory is told the block's access list
	tasks    int  // committed by speculation in this block; numbers versions
}

// Run implements Block.
func (p *parallelBlock) Run(ctx context.Context, txs []*motet.Tx) (*Slice, error) {
	return p.run(ctx, txs, false)
}

// Verify implements Block.
func (p *parallelBlock) Verify(ctx context.Context, txs []*motet.Tx) (*Slice, error) {
	return p.run(ctx, txs, true)
}

func (p *parallelBlock) run(ctx context.Context, txs []*motet.Tx, strict bool) (*Slice, error) {
	if p.err != nil {
		return nil, p.err
	}
	out := newSlice(txs)
	defer p.memory.trace.slice(len(txs))()
	err := p.inspired(txs, strict, out, func() error { return p.through(ctx, txs, strict, out) })
	if err != nil {
		p.fail()
		return nil, err
	}
	p.hints.ended()
	return out, nil
}

// inspired lets run execute txs with what is known of them beforehand: the block's
// access list, or what can be predicted.
func (p *parallelBlock) inspired(txs []*motet.Tx, strict bool, out *Slice, run func() error) error {
	list := p.env.AccessList
	serially := !p.possible || p.inOrder() || len(txs) < smallSlice || p.light(txs)
	if list == nil || serially || !strict || len(p.included) > 0 || !followable(*list) {
		end := p.readAhead(txs)
		defer func() { out.Stats.ReadAhead = end() }()
		return run()
	}
	defer p.memory.untell()
	if err := p.memory.tell(*list); err != nil {
		return err
	}
	p.along = true
	defer func() { p.along = false }()
	return run()
}

// through runs txs in stretches, each as it pays.
func (p *parallelBlock) through(ctx context.Context, txs []*motet.Tx, strict bool, out *Slice) error {
	at, done, err := p.tryOut(ctx, txs, strict, out)
	if done || err != nil {
		return err
	}
	for at < len(txs) {
		alone, why := p.alone(len(txs) - at)
		hinted := 0
		if alone == 0 {
			if hinted, alone = p.consult(txs[at:]); alone > 0 {
				why = "conflicts"
			}
		}
		var (
			n, want int
			err     error
		)
		if alone > 0 {
			want, out.Stats.Fallback = alone, why
			n, err = p.serially(ctx, txs[at:at+want], strict, out)
			p.memory.trace.alone(why, n)
			p.rest = max(0, p.rest-n)
		} else {
			n, want, err = p.speculate(ctx, txs[at:], hinted, strict, out)
		}
		if err != nil {
			return err
		}
		at += n
		if n < want {
			out.Cut = at
			return nil
		}
	}
	return nil
}

// tryOut runs the beginning of a slice serially until it is known to be worth other
// workers, which are soon at work on a large one. It returns how many transactions it
// considered, and whether that is all of the slice.
func (p *parallelBlock) tryOut(ctx context.Context, txs []*motet.Tx, strict bool, out *Slice) (n int, done bool, err error) {
	const few = 2 // transactions between two looks at the clock
	if alone, _ := p.alone(len(txs)); alone > 0 || p.along || !p.light(txs) {
		return 0, false, nil
	}
	defer func() { p.memory.trace.alone("small slice", n) }()
	for start := p.now(); n < len(txs); {
		want := min(few, len(txs)-n)
		got, err := p.serially(ctx, txs[n:n+want], strict, out)
		n += got
		if err != nil {
			return n, false, err
		}
		if got < want {
			out.Cut = n
			break
		}
		took, left := p.now().Sub(start), len(txs)-n
		sure := n >= batch || took > worthwhile/4 // the first ones find nothing in the processor's cache
		if sure && left >= smallSlice && took*time.Duration(left) > worthwhile*time.Duration(n) {
			return n, false, nil
		}
	}
	out.Stats.Fallback = "small slice"
	return n, true, nil
}

// light reports whether txs have so little gas that they may take no time worth other
// workers.
func (p *parallelBlock) light(txs []*motet.Tx) bool {
	if p.schedule != WherePays {
		return false
	}
	gas := uint64(0)
	for _, tx := range txs {
		if gas += min(tx.Call().Gas, smallGas); gas >= smallGas {
			return false
		}
	}
	return true
}

// consult asks for hints while conflicts are known. It returns how many of txs to
// speculate with by them, or how many to run serially; neither if speculation goes
// on as usual.
func (p *parallelBlock) consult(txs []*motet.Tx) (hinted, alone int) {
	if p.along {
		return 0, 0
	}
	if p.schedule.exhaustive() && p.hints.predictor != nil {
		txs = txs[:min(len(txs), stretch)]
		p.hints.foresee(p.memory, txs, true)
		return len(txs), 0
	}
	if p.hints.rest < smallSlice {
		p.hints.rest = 0
		return 0, 0
	}
	txs = txs[:min(len(txs), p.hints.rest, stretch)]
	o := p.hints.foresee(p.memory, txs, p.schedule != WherePays)
	if p.schedule == WherePays && !o.promising() {
		p.hints.rest = 0
		p.calmDown()
		return 0, min(len(txs), p.rest)
	}
	p.hints.rest -= len(txs)
	return len(txs), 0
}

// inOrder reports whether there is nobody to speculate beside the frontier.
func (p *parallelBlock) inOrder() bool { return len(p.workers) == 1 && !p.schedule.exhaustive() }

// calmDown lets a stretch run serially, since speculation did not pay.
func (p *parallelBlock) calmDown() {
	p.rest, p.calm = p.calm, min(calmGrow*p.calm, calmMax)
}

// alone returns how many of the next n transactions run serially, and why.
func (p *parallelBlock) alone(n int) (int, string) {
	switch {
	case !p.possible:
		return n, "rules"
	case p.along:
		return 0, ""
	case p.inOrder():
		return n, "one worker"
	case n < smallSlice && !p.schedule.exhaustive():
		return n, "small slice"
	case p.rest > 0:
		return min(n, p.rest), "conflicts"
	default:
		return 0, ""
	}
}

// speculate runs txs until they end, the block's gas ends the slice, or
// speculation is no use. It returns how many transactions it considered and how
// many it should have: less than that ends the slice.
//
// There are hints for the first hinted of them, if any; then it goes no further.
func (p *parallelBlock) speculate(ctx context.Context, txs []*motet.Tx, hinted int, strict bool, out *Slice) (n, want int, err error) {
	if hinted > 0 {
		txs = txs[:hinted]
	}
	s := &speculation{
		parallelBlock: p,
		txs:           txs,
		strict:        strict,
		out:           out,
		first:         p.memory.trace.next,
		begin:         len(p.included),
	}
	plan := p.plan(len(txs), hinted > 0)
	if !p.schedule.exhaustive() {
		plan.Alone = func(task int) bool { return txs[task].Call().Gas > aloneGas }
	}
	if strict {
		p.linger(s, &plan)
	}
	s.scheduler = blockstm.New(plan, s)
	result, err := s.scheduler.Run(ctx)
	p.memory.settleFees()
	n = result.Committed
	p.tasks += n
	out.Stats.Executions += result.Executions
	out.Stats.Aborts += result.Aborts
	switch {
	case s.err != nil:
		return n, len(txs), s.err
	case err != nil:
		return n, len(txs), err
	case s.cut:
		return n, len(txs), nil
	case p.along:
		p.along = !result.Wasteful // so much is wrong that the list is no help
	case result.Wasteful && hinted == 0 && p.hints.predictor != nil:
		p.hints.learn()
		p.hints.rest, p.calm = p.calm, min(calmGrow*p.calm, calmMax)
	case result.Wasteful:
		p.hints.rest = 0
		p.calmDown()
	case hinted == 0:
		p.calm = calmMin
	}
	return n, n, nil
}

// linger lets the workers go on to set blooms when a run has ended.
func (p *parallelBlock) linger(s *speculation, plan *blockstm.Plan) {
	if plan.Workers < 2 {
		return
	}
	j := &blooming{receipts: s.out.Receipts[len(s.out.Receipts):cap(s.out.Receipts)]}
	j.workers.Add(plan.Workers - 1)
	plan.Linger = func(worker int) {
		w := p.workers[worker]
		w.hashing.Lock() // it may not be done with what an earlier run left
		j.work(&w.hasher)
		w.hashing.Unlock()
		j.workers.Done()
	}
	s.blooming, p.bloomings = j, append(p.bloomings, j)
}

func (p *parallelBlock) plan(tasks int, hinted bool) blockstm.Plan {
	plan := blockstm.Plan{
		Tasks:   tasks,
		Workers: min(len(p.workers), tasks),
		Window:  withCredit(Window(len(p.workers))),
		Batch:   batch,
		Idle:    func(worker int) { p.memory.trace.lanes[worker].Rest() },
		Pause:   func(worker int) { p.memory.trace.lanes[worker].Mark(report.Paused) },
	}
	if hinted {
		plan.After, plan.Window = p.hints.next, withCredit(hintWindow*len(p.workers))
		for len(p.records) < plan.Window {
			p.records = append(p.records, record{})
		}
	}
	switch p.schedule {
	case WherePays, Throughout:
		plan.Workers = min(len(p.workers), max(1, tasks/2))
		if p.schedule == WherePays || !hinted && p.hints.predictor != nil { // then hints take over
			plan.MaxWaste = maxWaste
		}
	case Always:
		plan.Order = blockstm.Forward
		plan.Batch = max(1, batch/len(p.workers)) // so that each worker gets some
	case Backwards:
		plan.Order = blockstm.Backward
	}
	return plan
}

// worker executes transactions of one block at a time.
type worker struct {
	lane
	seat seat // of the EVM

	own      *footprint // its state's when it holds no record
	guess    guess
	accounts blockstm.Arena[accountWrite, accountValue]
	slots    blockstm.Arena[struct{}, common.Hash]
	fresh    core.GasPool
	hashing  sync.Mutex
	hasher   bloomHasher // under hashing

	busy  bool    // executes something
	spare *worker // see second; nil if it was never needed
}

func newWorker(m *memory) *worker {
	w := &worker{lane: *newLane(m)}
	w.own = w.state.footprint
	return w
}

// open makes the worker ready for a block. No version of the last one is in use
// any more.
func (w *worker) open(b *block, crew []*worker) {
	w.accounts.Reset()
	w.slots.Reset()
	b.apart(w, crew)
	w.fresh = *core.NewGasPool(b.env.Header.GasLimit)
}

// second returns what the worker executes with in the middle of an execution.
func (w *worker) second(b *block, crew []*worker) *worker {
	if w.spare == nil {
		w.spare = newWorker(b.memory)
		w.spare.open(b, crew)
	}
	return w.spare
}
