package execbench

import (
	"slices"

	"github.com/motet-evm/motet/executor/report"
)

// graph is a block as a scheduler sees it: what each transaction costs, and which
// earlier ones wrote what it reads.
type graph struct {
	costs   []float64 // seconds, by place in the stream
	writers [][]int   // by place in the stream
}

// newGraph takes the dependencies from the report of a block that was executed,
// and the costs from its only lane.
func newGraph(b *report.Block) *graph {
	runs := b.Executions()
	tasks, at := 0, make([]int, b.Transactions) // places by index in the block
	for i := range runs {
		tasks = max(tasks, runs[i].Task+1)
		if runs[i].Outcome == report.Committed {
			at[runs[i].Index] = runs[i].Task
		}
	}
	g := &graph{costs: make([]float64, tasks), writers: make([][]int, tasks)}
	for i := range runs {
		g.costs[runs[i].Task] += (runs[i].End - runs[i].Start).Seconds()
	}
	for _, e := range b.Edges {
		writer, reader := at[e.Writer], at[e.Reader]
		if !slices.Contains(g.writers[reader], writer) {
			g.writers[reader] = append(g.writers[reader], writer)
		}
	}
	return g
}

// work returns the costs of all.
func (g *graph) work() float64 {
	total := 0.0
	for _, cost := range g.costs {
		total += cost
	}
	return total
}

// critical returns the cost of the costliest chain of transactions each of which
// reads what the one before it wrote.
func (g *graph) critical() float64 {
	ends, longest := make([]float64, len(g.costs)), 0.0
	for i, cost := range g.costs {
		for _, w := range g.writers[i] {
			ends[i] = max(ends[i], ends[w])
		}
		ends[i] += cost
		longest = max(longest, ends[i])
	}
	return longest
}

// ideal returns how many times as fast as one worker so many could be at best.
func (g *graph) ideal(workers int) float64 {
	work := g.work()
	return work / max(work/float64(workers), g.critical())
}

// typical returns the graph with the median costs of several runs of its block.
func typical(runs []*graph) *graph {
	g := &graph{costs: make([]float64, len(runs[0].costs)), writers: runs[0].writers}
	samples := make([]float64, len(runs))
	for i := range g.costs {
		for j, run := range runs {
			samples[j] = run.costs[i]
		}
		g.costs[i] = median(samples)
	}
	return g
}
