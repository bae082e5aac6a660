package report

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

const (
	// maxListed bounds each list of a view; what it leaves out is counted.
	maxListed = 10_000
	maxHot    = 20
)

// View is a report as users read it. Times are in seconds, starts and ends since
// the block was opened; an index is a transaction's in the block.
type View struct {
	Transactions int          `json:"transactions"`
	GasUsed      uint64       `json:"gas_used"`
	Workers      int          `json:"workers"`
	Slices       int          `json:"slices"`
	Wall         float64      `json:"wall_seconds"` // running the slices
	Speedup      SpeedupView  `json:"speedup"`
	CPU          CPUView      `json:"cpu"`
	Executions   CountView    `json:"executions"`
	Serial       []SoloView   `json:"serial"` // transactions that ran one after the other
	CriticalPath PathView     `json:"critical_path"`
	Hottest      []HotView    `json:"hottest"` // locations with the most dependencies and aborts
	Aborts       AbortsView   `json:"aborts"`
	Lanes        []LaneView   `json:"lanes,omitempty"`
	Omitted      *OmittedView `json:"omitted,omitempty"`
}

// SpeedupView compares the time taken with one lane, and with the best that the
// block's dependencies and the number of workers allow.
type SpeedupView struct {
	Achieved        float64 `json:"achieved"`
	Ideal           float64 `json:"ideal"`
	FractionOfIdeal float64 `json:"fraction_of_ideal"`
}

// CPUView is where the workers' time went.
type CPUView struct {
	Burnt    float64 `json:"burnt_seconds"` // sum of the others
	Useful   float64 `json:"useful_seconds"`
	Wasted   float64 `json:"wasted_seconds"`
	Overhead float64 `json:"overhead_seconds"`
}

// CountView counts executions by what became of them.
type CountView struct {
	Total     int `json:"total"`
	Committed int `json:"committed"`
	Skipped   int `json:"skipped"`
	Aborted   int `json:"aborted"`
	Discarded int `json:"discarded"`
}

// SoloView counts transactions that ran one after the other.
type SoloView struct {
	Reason       string `json:"reason"`
	Transactions int    `json:"transactions"`
}

// PathView is the longest chain of dependent transactions.
type PathView struct {
	Seconds float64    `json:"seconds"`
	Gas     uint64     `json:"gas"` // of the costliest chain, which may be another one
	Length  int        `json:"length"`
	Steps   []StepView `json:"steps"` // the newest ones, if there are too many
}

// StepView is a transaction of the critical path. Location is what it read of
// the step before.
type StepView struct {
	Index    int           `json:"index"`
	Hash     common.Hash   `json:"hash"`
	Seconds  float64       `json:"seconds"`
	Location *LocationView `json:"location,omitempty"`
}

// LocationView is a place in the state.
type LocationView struct {
	Address common.Address `json:"address"`
	Field   string         `json:"field"`
	Slot    *common.Hash   `json:"slot,omitempty"`
}

// HotView is a location that transactions wait for one another at.
type HotView struct {
	LocationView

	Dependencies int `json:"dependencies"` // transactions that read what an earlier one wrote
	Critical     int `json:"critical"`     // steps of the critical path among them
	Aborts       int `json:"aborts"`
}

// AbortsView are the executions lost to conflicts.
type AbortsView struct {
	Total   int            `json:"total"`
	ByCause map[string]int `json:"by_cause"`
	List    []AbortView    `json:"list"`
}

// AbortView is one of them. Index is null for a transaction that cannot be
// included, Writer for what no transaction of the block wrote.
type AbortView struct {
	Index    *int          `json:"index"`
	Hash     *common.Hash  `json:"hash,omitempty"`
	At       float64       `json:"at"`
	Cause    string        `json:"cause"`
	Location *LocationView `json:"location,omitempty"`
	Writer   *int          `json:"writer"`
}

// LaneView is what one worker did.
type LaneView struct {
	Worker     int             `json:"worker"`
	Busy       float64         `json:"busy_seconds"` // executing
	Executions []ExecutionView `json:"executions"`
}

// ExecutionView is one run of one transaction. Index is null if it is not in
// the block.
type ExecutionView struct {
	Index       *int    `json:"index"`
	Start       float64 `json:"start"`
	End         float64 `json:"end"`
	Incarnation int     `json:"incarnation"`
	Outcome     string  `json:"outcome"`
}

// OmittedView counts what was left out of lists that would be too long.
type OmittedView struct {
	Steps      int `json:"steps,omitempty"`
	Aborts     int `json:"aborts,omitempty"`
	Executions int `json:"executions,omitempty"`
}

// View computes what users read. hash names the transaction at an index.
func (b *Block) View(hash func(index int) common.Hash) *View {
	s := b.Summarise()
	v := &View{
		Transactions: b.Transactions, GasUsed: b.Gas, Workers: b.Workers, Slices: b.Slices, Wall: b.Wall.Seconds(),
		Speedup: SpeedupView{Achieved: s.Achieved, Ideal: s.Ideal},
		CPU: CPUView{
			Burnt: s.Burnt().Seconds(), Useful: s.Work.Seconds(), Wasted: s.Wasted.Seconds(), Overhead: s.Overhead.Seconds(),
		},
		Executions: CountView{
			Committed: s.Executions[Committed], Skipped: s.Executions[Skipped],
			Aborted: s.Executions[Aborted], Discarded: s.Executions[Discarded],
		},
		Serial:  make([]SoloView, 0, len(b.Solos)),
		Hottest: b.hottest(s.Path),
	}
	if s.Ideal > 0 {
		v.Speedup.FractionOfIdeal = s.Achieved / s.Ideal
	}
	for _, n := range s.Executions {
		v.Executions.Total += n
	}
	for _, solo := range b.Solos {
		v.Serial = append(v.Serial, SoloView(solo))
	}
	omitted := OmittedView{}
	v.CriticalPath, omitted.Steps = b.pathView(s, hash)
	v.Lanes, omitted.Executions = b.lanesView()
	v.Aborts, omitted.Aborts = b.abortsView(s, hash)
	if omitted != (OmittedView{}) {
		v.Omitted = &omitted
	}
	return v
}

func (b *Block) location(place int) *LocationView {
	if place == Nowhere {
		return nil
	}
	at := &b.Places[place]
	v := &LocationView{Address: at.Address, Field: at.Field.String()}
	if at.Field == Slot {
		v.Slot = &at.Slot
	}
	return v
}

func (b *Block) pathView(s *Summary, hash func(int) common.Hash) (PathView, int) {
	v := PathView{Seconds: s.Critical.Seconds(), Gas: b.CriticalGas, Length: len(s.Path)}
	steps := s.Path[max(0, len(s.Path)-maxListed):]
	v.Steps = make([]StepView, len(steps))
	for i, step := range steps {
		v.Steps[i] = StepView{Index: step.Index, Hash: hash(step.Index), Seconds: step.Time.Seconds(), Location: b.location(step.Place)}
	}
	return v, len(s.Path) - len(steps)
}

func (b *Block) hottest(path []Step) []HotView {
	counts := make([]HotView, len(b.Places))
	for _, e := range b.Edges {
		counts[e.Place].Dependencies++
	}
	for _, step := range path {
		if step.Place != Nowhere {
			counts[step.Place].Critical++
		}
	}
	for _, a := range b.Aborts {
		if a.Place != Nowhere {
			counts[a.Place].Aborts++
		}
	}
	order := make([]int, len(counts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		x, y := &counts[i], &counts[j]
		return cmp.Compare(y.Dependencies+y.Aborts, x.Dependencies+x.Aborts)
	})
	hot := make([]HotView, 0, maxHot)
	for _, i := range order[:min(maxHot, len(order))] {
		counts[i].LocationView = *b.location(i)
		hot = append(hot, counts[i])
	}
	return hot
}

func (b *Block) lanesView() ([]LaneView, int) {
	lanes := make([]LaneView, len(b.Lanes))
	for i := range lanes {
		lanes[i] = LaneView{Worker: i, Executions: []ExecutionView{}}
	}
	runs := b.Executions()
	room := maxListed / max(1, len(lanes))
	omitted := 0
	for i := range runs {
		r := &runs[i]
		lane := &lanes[r.Worker]
		lane.Busy += (r.End - r.Start).Seconds()
		if len(lane.Executions) == room {
			omitted++
			continue
		}
		lane.Executions = append(lane.Executions, ExecutionView{
			Index: present(r.Index), Start: r.Start.Seconds(), End: r.End.Seconds(),
			Incarnation: r.Incarnation, Outcome: r.Outcome.String(),
		})
	}
	return lanes, omitted
}

func (b *Block) abortsView(s *Summary, hash func(int) common.Hash) (AbortsView, int) {
	listed := b.Aborts[:min(maxListed, len(b.Aborts))]
	v := AbortsView{Total: len(b.Aborts), ByCause: make(map[string]int), List: make([]AbortView, 0, len(listed))}
	for cause, n := range s.Aborts {
		if n > 0 {
			v.ByCause[causeNames[cause]] = n
		}
	}
	gaps, missing := b.Gaps, 0
	for _, a := range listed { // in the order of the stream
		for len(gaps) > 0 && gaps[0].To <= a.Task {
			missing += int(gaps[0].To - gaps[0].From)
			gaps = gaps[1:]
		}
		view := AbortView{
			At: float64(a.At) / 1e9, Cause: a.Cause.String(), Location: b.location(int(a.Place)), Writer: present(int(a.Writer)),
		}
		if len(gaps) == 0 || gaps[0].From > a.Task {
			view.Index = present(int(a.Task) - missing)
			h := hash(*view.Index)
			view.Hash = &h
		}
		v.List = append(v.List, view)
	}
	return v, len(b.Aborts) - len(listed)
}

func present(index int) *int {
	if index == Nowhere {
		return nil
	}
	return &index
}
