package report

import (
	"cmp"
	"slices"
	"time"
)

// Outcome is what became of an execution.
type Outcome uint8

const (
	// Committed means: its transaction is in the block as it left it.
	Committed Outcome = iota
	// Skipped means: it showed that its transaction cannot be included.
	Skipped
	// Aborted means: something that it read had changed.
	Aborted
	// Discarded means: the run ended before its turn.
	Discarded
)

//nolint:gochecknoglobals // a constant table
var outcomeNames = [...]string{"committed", "skipped", "aborted", "discarded"}

func (o Outcome) String() string { return outcomeNames[o] }

// Execution is one run of one transaction.
type Execution struct {
	Worker      int
	Task        int // place in the stream
	Index       int // in the block, or Nowhere
	Start, End  time.Duration
	Incarnation int // runs of the same transaction before it
	Outcome     Outcome

	settled bool
}

// Summary are the figures of a block.
type Summary struct {
	Executions [len(outcomeNames)]int // by Outcome
	Aborts     [len(causeNames)]int   // by Cause

	// Work is the time of the executions that count: those of the included
	// transactions, and those that showed that others cannot be. Wasted is that
	// of all others, and Overhead what workers did beside executing: validating,
	// committing, scheduling. Times of plain transfers contain their overhead.
	Work, Wasted, Overhead time.Duration
	// Critical is the time of the longest chain of dependent transactions, and
	// Path its transactions.
	Critical time.Duration
	Path     []Step

	// Achieved is Work over the time taken, Ideal what no schedule could exceed:
	// Work over the larger of Critical and Work divided among the workers. Both
	// are 0 for a block without work.
	Achieved, Ideal float64
}

// Burnt is what all workers spent.
func (s *Summary) Burnt() time.Duration { return s.Work + s.Wasted + s.Overhead }

// Step is a transaction of the critical path.
type Step struct {
	Index int
	Time  time.Duration // of its execution
	Place int           // where it read what the step before wrote; Nowhere for the first
}

// Executions returns all runs, lane by lane in the order of their ends. One that was
// interrupted counts as begun later, by as long as that took; so it may overlap what ran
// in its middle.
func (b *Block) Executions() []Execution {
	runs, _ := b.executions()
	return runs
}

// Summarise computes the figures.
func (b *Block) Summarise() *Summary {
	runs, overhead := b.executions()
	s := &Summary{Overhead: overhead}
	times := make([]time.Duration, b.Transactions)
	for i := range runs {
		r := &runs[i]
		s.Executions[r.Outcome]++
		took := r.End - r.Start
		switch r.Outcome {
		case Committed:
			times[r.Index] = took
			s.Work += took
		case Skipped:
			s.Work += took
		case Aborted, Discarded:
			s.Wasted += took
		}
	}
	for _, a := range b.Aborts {
		s.Aborts[a.Cause]++
	}
	s.Path, s.Critical = b.path(times)
	if s.Work > 0 && b.Wall > 0 {
		s.Achieved = float64(s.Work) / float64(b.Wall)
		s.Ideal = float64(s.Work) / max(float64(s.Work)/float64(max(1, b.Workers)), float64(s.Critical))
	}
	return s
}

// path returns the longest chain of dependent transactions, each of which takes
// its time.
func (b *Block) path(times []time.Duration) ([]Step, time.Duration) {
	ends := make([]time.Duration, len(times))
	via := make([]int32, len(times)) // edge to the step before, plus one
	last, e := Nowhere, 0
	for i, took := range times {
		for ; e < len(b.Edges) && int(b.Edges[e].Reader) == i; e++ {
			if end := ends[b.Edges[e].Writer]; via[i] == 0 || end > ends[i] {
				ends[i], via[i] = end, int32(e)+1 //nolint:gosec // a block has fewer edges
			}
		}
		ends[i] += took
		if last == Nowhere || ends[i] > ends[last] {
			last = i
		}
	}
	if last == Nowhere {
		return nil, 0
	}
	critical := ends[last]
	var steps []Step
	for at := last; at != Nowhere; {
		step := Step{Index: at, Time: times[at], Place: Nowhere}
		at = Nowhere
		if e := via[step.Index]; e > 0 {
			step.Place, at = int(b.Edges[e-1].Place), int(b.Edges[e-1].Writer)
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	return steps, critical
}

// executions also returns the time that workers were busy without executing.
func (b *Block) executions() (runs []Execution, overhead time.Duration) {
	short := b.shortTime()
	for worker, laps := range b.Lanes {
		overhead += unroll(laps, short, func(task int, settled bool, start, end time.Duration) {
			runs = append(runs, Execution{Worker: worker, Task: task, Index: Nowhere, Start: start, End: end, settled: settled})
		})
	}
	b.judge(runs)
	return runs, overhead
}

// shortTime returns the mean time of executions that were not timed, where
// nothing else lies between two laps.
func (b *Block) shortTime() time.Duration {
	var total int64
	count := 0
	for _, laps := range b.Lanes {
		from, pending := int64(0), 0
		for i := range laps {
			l := &laps[i]
			if l.At == 0 {
				pending += int(l.Many)
				continue
			}
			if l.Many == 0 && l.Kind != Paused && pending > 0 {
				total, count = total+l.At-from, count+pending
			}
			from, pending = l.At, 0
		}
	}
	if count == 0 {
		return 0
	}
	return time.Duration(total / int64(count))
}

// unroll gives each execution of a lane its time and returns what is left of
// the time in which the worker was not idle.
func unroll(laps []Lap, short time.Duration, yield func(task int, settled bool, start, end time.Duration)) (rest time.Duration) {
	from, busy, pending, first := time.Duration(0), false, 0, 0
	var held []time.Duration // what executions had taken when they paused
	for i := range laps {
		l := &laps[i]
		if l.At == 0 {
			pending += int(l.Many)
			continue
		}
		at, many := time.Duration(l.At), int(l.Many)
		if l.Kind == Paused {
			many = 1 // is under way
		}
		share := (at - from) / time.Duration(max(1, pending+many))
		if many > 0 && short > 0 {
			share = min(share, short)
		}
		for _, p := range laps[first:i] {
			for n := range int(p.Many) {
				yield(int(p.Task)+n, p.Kind == Settled, from, from+share)
				from += share
			}
		}
		switch {
		case l.Many > 0:
			yield(int(l.Task), l.Kind == Settled, from, at)
		case l.Kind == Paused:
			held = append(held, at-from)
		case l.Kind == Resumed && len(held) > 0: // as if it had begun so much later
			if busy && pending == 0 {
				rest += at - from
			}
			at, held = at-held[len(held)-1], held[:len(held)-1]
		case busy && pending == 0:
			rest += at - from
		}
		from, busy, pending, first = at, l.Kind != Idle && l.Kind != Paused, 0, i+1
	}
	return rest
}

// judge sets the outcome, the index and the incarnation of each run.
func (b *Block) judge(runs []Execution) {
	lost := make(map[int32]int, len(b.Aborts)) // aborts of a transaction
	for _, a := range b.Aborts {
		lost[a.Task]++
	}
	gaps, missing := b.Gaps, 0
	byTask(runs, func(task int, same []*Execution) {
		for len(gaps) > 0 && int(gaps[0].To) <= task {
			missing += int(gaps[0].To - gaps[0].From)
			gaps = gaps[1:]
		}
		outcome, index := Committed, task-missing
		if len(gaps) > 0 && int(gaps[0].From) <= task {
			outcome, index = Skipped, Nowhere
			if gaps[0].Unseen {
				outcome = Discarded
			}
		}
		n := lost[int32(task)] //nolint:gosec // places in a stream are small
		for i, r := range slices.Backward(same) {
			r.Incarnation, r.Index, r.Outcome = i, index, outcome
			outcome = Discarded
			if i < len(same)-1 && n > 0 && !r.settled && r.Outcome == Discarded {
				r.Outcome = Aborted
				n--
			}
		}
	})
}

// byTask visits the transactions in order, each with its runs, oldest first. A
// run on committed values comes after those on guesses.
func byTask(runs []Execution, visit func(task int, same []*Execution)) {
	last := Nowhere
	for i := range runs {
		last = max(last, runs[i].Task)
	}
	ends := make([]int32, last+2) // after the pass below: where the runs of a task end
	for i := range runs {
		ends[runs[i].Task+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	order := make([]*Execution, len(runs))
	for i := range runs {
		at := &ends[runs[i].Task]
		order[*at] = &runs[i]
		*at++
	}
	from := int32(0)
	for task := 0; task <= last; task++ {
		same := order[from:ends[task]]
		from = ends[task]
		if len(same) == 0 {
			continue
		}
		slices.SortFunc(same, func(x, y *Execution) int {
			if x.settled != y.settled {
				if y.settled {
					return -1
				}
				return 1
			}
			return cmp.Compare(x.End, y.End)
		})
		visit(task, same)
	}
}
