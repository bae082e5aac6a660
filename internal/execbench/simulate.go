package execbench

import (
	"container/heap"

	"github.com/motet-evm/motet/executor"
)

// scaling simulates worker counts.
func (g *graph) scaling(counts []int) []Simulated {
	simulated := make([]Simulated, len(counts))
	for i, workers := range counts {
		simulated[i] = Simulated{Workers: workers, VsSerial: g.simulate(workers, executor.Window(workers))}
	}
	return simulated
}

// simulate returns how many times as fast as one worker so many are that execute
// the block as a list schedule: a free worker takes the first transaction in
// order whose writers are all done. None starts that lies window or more beyond
// the first one that is not done, as results are committed in order. Nothing else
// costs time: no wrong guess, no hand-off, no memory that cores share.
func (g *graph) simulate(workers, window int) float64 {
	s := &schedule{graph: g, window: window, waits: make([]int, len(g.costs)), readers: make([][]int, len(g.costs)), done: make([]bool, len(g.costs))}
	for reader, writers := range g.writers {
		s.waits[reader] = len(writers)
		for _, w := range writers {
			s.readers[w] = append(s.readers[w], reader)
		}
	}
	s.admit()
	for now := 0.0; ; {
		for len(s.running) < workers && len(s.ready) > 0 {
			task := heap.Pop(&s.ready).(event).task //nolint:forcetypeassert // the heap holds nothing else
			heap.Push(&s.running, event{at: now + g.costs[task], task: task})
		}
		if len(s.running) == 0 {
			return g.work() / now
		}
		next := heap.Pop(&s.running).(event) //nolint:forcetypeassert // as above
		now = next.at
		s.finish(next.task)
	}
}

// schedule is a simulation at one moment.
type schedule struct {
	*graph

	window   int
	readers  [][]int
	waits    []int // writers that are not done
	done     []bool
	frontier int    // first task that is not done
	admitted int    // first task beyond the window
	ready    events // by place in the stream
	running  events // by end
}

func (s *schedule) finish(task int) {
	s.done[task] = true
	for _, reader := range s.readers[task] {
		if s.waits[reader]--; s.waits[reader] == 0 && reader < s.admitted {
			s.offer(reader)
		}
	}
	for s.frontier < len(s.done) && s.done[s.frontier] {
		s.frontier++
	}
	s.admit()
}

// admit moves the end of the window on.
func (s *schedule) admit() {
	for ; s.admitted < min(len(s.costs), s.frontier+s.window); s.admitted++ {
		if s.waits[s.admitted] == 0 {
			s.offer(s.admitted)
		}
	}
}

func (s *schedule) offer(task int) { heap.Push(&s.ready, event{at: float64(task), task: task}) }

// event is a task with what it is ordered by.
type event struct {
	at   float64
	task int
}

// events is a heap.
type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) } //nolint:forcetypeassert // as above

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
