package replay

import (
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

type (
	traceCell    = blockstm.Cell[struct{}, uint64]
	traceVersion = blockstm.Version[struct{}, uint64]
)

// traced is a recorded block as a scheduler sees it: tasks that take the time that the
// serial executor takes for a transaction, read what others wrote, one after the other in
// the first two thirds of that time, and write at its end what depends on all they read.
type traced struct {
	takes  []time.Duration
	reads  [][]int // cells
	writes [][]int
	cells  int
}

// traceOf executes the block a few times and returns the least costs.
func traceOf(t *testing.T, e executor.Executor, b *recordedBlock) *traced {
	t.Helper()
	tr := new(traced)
	for range 5 {
		open, err := e.Open(t.Context(), executor.Env{
			Config: b.config, Header: b.header, Parent: b.parent(), State: b.state, BlockHash: b.blockHash,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open.Verify(t.Context(), b.txs); err != nil {
			t.Fatal(err)
		}
		if _, err := open.Finish(t.Context(), b.withdrawals); err != nil {
			t.Fatal(err)
		}
		r := open.Report()
		if tr.takes == nil {
			n := r.Transactions
			tr.takes, tr.reads, tr.writes, tr.cells = make([]time.Duration, n), make([][]int, n), make([][]int, n), len(r.Places)
			last := make(map[[2]int]bool)
			for _, edge := range r.Edges {
				reader, writer, place := int(edge.Reader), int(edge.Writer), int(edge.Place)
				tr.reads[reader] = append(tr.reads[reader], place)
				if at := [2]int{writer, place}; !last[at] {
					last[at] = true
					tr.writes[writer] = append(tr.writes[writer], place)
				}
			}
		}
		for _, run := range r.Executions() {
			took := max(run.End-run.Start, 100*time.Nanosecond)
			if was := tr.takes[run.Index]; was == 0 || took < was {
				tr.takes[run.Index] = took
			}
		}
	}
	return tr
}

// tracedRun is one run of a traced block.
type tracedRun struct {
	*traced
	scheduler *blockstm.Scheduler
	deaf      bool         // nobody is told what was written, and nobody waits
	busy      []bool       // by worker: it executes something
	nested    atomic.Int64 // executions in the middle of others
	cells     []traceCell
	arenas    []blockstm.Arena[struct{}, uint64]
	records   []tracedRecord
}

type tracedRecord struct {
	task      int
	published bool
	reads     []uint64
	versions  []*traceVersion
	before    []*traceVersion
}

func (r *tracedRun) guess(worker, task, cell int, wait bool) uint64 {
	for {
		committed := r.cells[cell].Committed()
		v := r.cells[cell].Below(task, committed.Task)
		if v == nil {
			return committed.Value
		}
		if !wait || r.deaf || !r.scheduler.Await(worker, v.Task) {
			return v.Value
		}
	}
}

func (r *tracedRun) run(worker, task int, guess bool) {
	if r.busy[worker] {
		r.nested.Add(1)
	} else {
		r.busy[worker] = true
		defer func() { r.busy[worker] = false }()
	}
	rec := &r.records[task%len(r.records)]
	rec.before = rec.before[:0]
	if rec.task == task {
		rec.before = append(rec.before, rec.versions...)
	}
	rec.task, rec.published, rec.reads, rec.versions = task, guess, rec.reads[:0], rec.versions[:0]
	sum, spent := uint64(task), time.Duration(0)
	for i, cell := range r.reads[task] {
		until := r.takes[task] * time.Duration(2*i+1) / time.Duration(3*len(r.reads[task]))
		time.Sleep(until - spent)
		spent = until
		value := r.cells[cell].Committed().Value
		if guess {
			r.cells[cell].Read(uint64(task) + 1)
			value = r.guess(worker, task, cell, true)
		}
		rec.reads = append(rec.reads, value)
		sum = sum*1_000_003 + value
	}
	time.Sleep(r.takes[task] - spent)
	for _, cell := range r.writes[task] {
		v := r.arenas[worker].New(task)
		v.Value = sum
		rec.versions = append(rec.versions, v)
		if guess {
			r.cells[cell].Publish(v)
		}
	}
	for _, v := range rec.before {
		v.Withdraw()
	}
	if guess {
		r.push(task)
	}
}

func (r *tracedRun) push(task int) {
	reader := -1
	for _, cell := range r.writes[task] {
		reader = max(reader, int(r.cells[cell].Reader())-1) //nolint:gosec // transactions of a block
	}
	if reader > task && !r.deaf {
		r.scheduler.Invalidate(task, reader)
	}
}

func (r *tracedRun) Prepare(_, _, _ int)      {}
func (r *tracedRun) Execute(worker, task int) { r.run(worker, task, true) }
func (r *tracedRun) Settle(worker, task int)  { r.run(worker, task, false) }

func (r *tracedRun) Stands(worker, task int) bool {
	for i, cell := range r.reads[task] {
		if r.guess(worker, task, cell, false) != r.records[task%len(r.records)].reads[i] {
			return false
		}
	}
	return true
}

func (r *tracedRun) Holds(_, task int) bool {
	for i, cell := range r.reads[task] {
		if r.cells[cell].Committed().Value != r.records[task%len(r.records)].reads[i] {
			return false
		}
	}
	return true
}

func (r *tracedRun) Withdraw(task int) {
	for _, v := range r.records[task%len(r.records)].versions {
		v.Withdraw()
	}
}

func (r *tracedRun) Commit(_, task int) bool {
	rec := &r.records[task%len(r.records)]
	for i, cell := range r.writes[task] {
		r.cells[cell].Commit(rec.versions[i])
	}
	if !rec.published {
		r.push(task)
	}
	return true
}

// simulate runs the block on as many workers, and as many processors, as told, and returns
// how many times as fast as one that is, and how many executions were lost and were in the
// middle of others.
func (tr *traced) simulate(t *testing.T, workers int, deaf bool) (speedUp float64, lost, nested int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		window := executor.Window(workers) * 3 / 2
		r := &tracedRun{
			traced: tr, deaf: deaf, cells: make([]traceCell, tr.cells),
			arenas: make([]blockstm.Arena[struct{}, uint64], workers), busy: make([]bool, workers), records: make([]tracedRecord, window),
		}
		for i := range r.cells {
			r.cells[i].Load(&traceVersion{Task: -1})
		}
		for i := range r.records {
			r.records[i].task = -1
		}
		total, begin := time.Duration(0), time.Now()
		for _, took := range tr.takes {
			total += took
		}
		r.scheduler = blockstm.New(blockstm.Plan{Tasks: len(tr.takes), Workers: workers, Window: window, Batch: 1}, r)
		result, err := r.scheduler.Run(t.Context())
		if err != nil || result.Committed != len(tr.takes) {
			t.Fatalf("%+v, %v", result, err)
		}
		lost, nested = result.Aborts, int(r.nested.Load())
		speedUp = float64(total) / float64(time.Since(begin))
	})
	return speedUp, lost, nested
}

// TestManyWorkers lets the scheduler run the mainnet blocks on more processors than this
// machine has, by a clock that is simulated: nothing but the transactions takes time. To
// tell those that have read what is written later, and to let others wait for them, must
// pay from eight workers on.
func TestManyWorkers(t *testing.T) {
	files, err := findBlocks([]string{fixtures.Dir(t, "mainnet")})
	if err != nil {
		t.Fatal(err)
	}
	if err := kzg4844.UseCKZG(false); err != nil {
		t.Fatal(err)
	}
	var load loader
	var traces []*traced
	serial := executor.NewSerial(executor.Config{Warm: true})
	transactions := 0
	for _, file := range files {
		b, err := load.load(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.txs) >= 8 && b.config.IsEIP158(b.header.Number) {
			traces = append(traces, traceOf(t, serial, b))
			transactions += len(b.txs)
		}
	}
	for _, workers := range []int{2, 4, 8, 16, 32} {
		mean, lost, helped := [2]float64{}, [2]int{}, 0
		for _, tr := range traces {
			for i, deaf := range []bool{true, false} {
				s, l, h := tr.simulate(t, workers, deaf)
				helped += h
				mean[i] += math.Log(s) / float64(len(traces))
				lost[i] += l
			}
		}
		without, with := math.Exp(mean[0]), math.Exp(mean[1])
		t.Logf("%d blocks, %d transactions, %2d workers: %.2f times as fast as one, %d executions lost, %d in the middle of others; %.2f and %d where nobody is told",
			len(traces), transactions, workers, with, lost[1], helped, without, lost[0])
		if workers >= 8 && with < 1.05*without {
			t.Errorf("%d workers: %.2f, and %.2f where nobody is told", workers, with, without)
		}
	}
}

var _ blockstm.Program = (*tracedRun)(nil)
