package report

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
)

func ran(at int64, task int32, kind Kind) Lap { return Lap{At: at, Task: task, Many: 1, Kind: kind} }

// sample is a block of two workers: transaction 1 lost its first execution to 0,
// 2 cannot be included, 3 is index 2 in the block and reads what 1 wrote.
func sample() *Block {
	return &Block{
		Workers: 2, Slices: 1, Wall: 400, Transactions: 3, Gas: 90_000, CriticalGas: 90_000,
		Lanes: [][]Lap{
			{{At: 100}, ran(200, 0, Speculated), {At: 220}, ran(300, 1, Settled), {At: 310, Kind: Idle}},
			{{At: 100}, ran(180, 1, Speculated), ran(190, 2, Speculated), {At: 200, Kind: Idle}, {At: 350}, ran(500, 3, Settled)},
		},
		Edges:  []Edge{{Reader: 1, Writer: 0, Place: 0}, {Reader: 2, Writer: 1, Place: 1}},
		Places: []Location{{Address: common.Address{1}, Slot: common.Hash{7}}, {Address: common.Address{2}, Field: Balance}},
		Aborts: []Abort{{At: 210, Task: 1, Place: 0, Writer: 0, Cause: CauseSlot}},
		Gaps:   []Gap{{From: 2, To: 3}},
	}
}

func TestSummary(t *testing.T) {
	s := sample().Summarise()
	if s.Executions != [...]int{Committed: 3, Skipped: 1, Aborted: 1, Discarded: 0} {
		t.Errorf("executions %v", s.Executions)
	}
	if s.Work != 100+80+10+150 || s.Wasted != 80 || s.Overhead != 20+10+10 || s.Burnt() != 460 {
		t.Errorf("work %d, wasted %d, overhead %d", s.Work, s.Wasted, s.Overhead)
	}
	if s.Critical != 100+80+150 || len(s.Path) != 3 || s.Path[1] != (Step{Index: 1, Time: 80, Place: 0}) {
		t.Errorf("critical path %d %v", s.Critical, s.Path)
	}
	if s.Achieved != 340./400 || s.Ideal != 340./330 {
		t.Errorf("speed-up %v of %v", s.Achieved, s.Ideal)
	}
	if s.Aborts[CauseSlot] != 1 {
		t.Errorf("aborts %v", s.Aborts)
	}
}

// TestIdealIsBoundByWorkers: without dependencies the workers are the limit.
func TestIdealIsBoundByWorkers(t *testing.T) {
	b := sample()
	b.Edges = nil
	if s := b.Summarise(); len(s.Path) != 1 || s.Critical != 150 || s.Ideal != 2 {
		t.Errorf("path %v, ideal %v", s.Path, s.Ideal)
	}
}

// TestPaused: what an execution waits is no work and no overhead; it takes what it takes
// before and after.
func TestPaused(t *testing.T) {
	b := &Block{Workers: 1, Transactions: 2, Wall: 200, Lanes: [][]Lap{
		{{At: 100}, ran(120, 0, Speculated), {At: 150, Kind: Paused}, {At: 190, Kind: Resumed}, ran(200, 1, Speculated), {At: 205, Kind: Idle}},
	}}
	s := b.Summarise()
	if runs := b.Executions(); s.Work != 20+30+10 || s.Overhead != 5 || runs[1].Start != 160 || runs[1].End != 200 {
		t.Errorf("work %d, overhead %d, %+v", s.Work, s.Overhead, runs)
	}
}

// TestHelped: what is executed meanwhile has its own time.
func TestHelped(t *testing.T) {
	laps := []Lap{
		{At: 100},
		ran(120, 0, Speculated),
		{At: 150, Kind: Paused},
		{At: 155},
		{At: 160, Kind: Paused},
		{At: 170, Kind: Resumed},
		ran(180, 1, Speculated),
		{At: 190, Kind: Resumed},
		ran(200, 2, Speculated), ran(210, 2, Speculated),
		{At: 215, Kind: Idle},
	}
	b := &Block{Workers: 2, Transactions: 3, Wall: 250, Lanes: [][]Lap{laps, {{At: 150}, ran(153, 1, Speculated), {At: 153, Kind: Idle}}}, Aborts: []Abort{
		{At: 155, Task: 1, Place: Nowhere, Writer: Nowhere}, {At: 200, Task: 2, Place: Nowhere, Writer: Nowhere},
	}}
	want := []Execution{
		{Worker: 0, Task: 0, Index: 0, Start: 100, End: 120},
		{Worker: 0, Task: 1, Index: 1, Start: 165, End: 180, Incarnation: 1},
		{Worker: 0, Task: 2, Index: 2, Start: 160, End: 200, Outcome: Aborted},
		{Worker: 0, Task: 2, Index: 2, Start: 200, End: 210, Incarnation: 1},
		{Worker: 1, Task: 1, Index: 1, Start: 150, End: 153, Outcome: Aborted},
	}
	if runs, s := b.Executions(), b.Summarise(); !slices.Equal(runs, want) || s.Overhead != 10+5 {
		t.Errorf("overhead %d, %+v", s.Overhead, runs)
	}
}

// TestIncarnations: the runs of a transaction are numbered in order, and the one
// that counts is the last.
func TestIncarnations(t *testing.T) {
	b := sample()
	b.Gaps = append(b.Gaps, Gap{From: 4, To: 6, Unseen: true})
	b.Aborts = append(b.Aborts, Abort{At: 330, Task: 5, Place: Nowhere, Writer: Nowhere})
	b.Lanes[0] = append(b.Lanes[0], Lap{At: 320}, ran(330, 3, Speculated), ran(340, 4, Speculated), ran(342, 5, Speculated), Lap{At: 345, Kind: Idle})
	b.Lanes[1] = append(b.Lanes[1], ran(510, 5, Speculated))
	want := map[[2]int]string{ // by worker and task
		{0, 0}: "0 committed", {1, 1}: "0 aborted", {0, 1}: "1 committed", {1, 2}: "0 skipped",
		{0, 3}: "0 discarded", {1, 3}: "1 committed", {0, 4}: "0 discarded",
		{0, 5}: "0 aborted", {1, 5}: "1 discarded", // it ran once more before the end
	}
	for _, r := range b.Executions() {
		key := [2]int{r.Worker, r.Task}
		if got := string(rune('0'+r.Incarnation)) + " " + r.Outcome.String(); got != want[key] {
			t.Errorf("worker %d, task %d: %s, want %s", r.Worker, r.Task, got, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestSharedTimes: executions without a time of their own share what lies
// between two laps, and leave the rest to a long one among them.
func TestSharedTimes(t *testing.T) {
	b := &Block{
		Workers: 1, Wall: 1000, Transactions: 7,
		Lanes: [][]Lap{{
			{At: 100},
			{Task: 0, Many: 4, Kind: Speculated},
			{At: 140},
			{Task: 4, Many: 2, Kind: Settled},
			ran(260, 6, Settled),
			{At: 300, Kind: Idle},
		}},
	}
	want := [][2]time.Duration{{100, 110}, {110, 120}, {120, 130}, {130, 140}, {140, 150}, {150, 160}, {160, 260}}
	for i, r := range b.Executions() {
		if r.Task != i || r.Start != want[i][0] || r.End != want[i][1] {
			t.Errorf("task %d: from %d to %d, want %v", r.Task, r.Start, r.End, want[i])
		}
	}
}

func TestLane(t *testing.T) {
	var l Lane
	l.Reset(time.Now())
	l.Rest() // nothing happened yet
	for task := range 200 {
		if task%8 == 0 {
			l.Begin()
		}
		l.Ran(task, Speculated, true)
	}
	l.Ran(200, Settled, false)
	l.Rest()
	l.Rest()
	laps := l.Laps()
	short, timed := 0, 0
	for _, lap := range laps {
		if lap.At == 0 {
			short += int(lap.Many)
		} else {
			timed++
		}
	}
	// Three ticks at most 71 short runs apart, the long run, and one rest.
	if short != 200 || timed != 4+1+1 || laps[len(laps)-1].Kind != Idle {
		t.Errorf("%d short runs, %d times in %v", short, timed, laps)
	}
	if n := testing.AllocsPerRun(100, func() { l.Reset(l.start); l.Begin(); l.Ran(0, Speculated, true); l.Rest() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestView(t *testing.T) {
	v := sample().View(func(i int) common.Hash { return common.Hash{31: byte(i)} })
	enc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Aborts struct {
			List []struct {
				Index, Writer *int
				Location      struct{ Field, Slot string }
			}
		}
		Hottest []struct {
			Field                          string
			Dependencies, Critical, Aborts int
		}
		Lanes []struct{ Executions []struct{ Index *int } }
	}
	if err := json.Unmarshal(enc, &got); err != nil {
		t.Fatal(err)
	}
	abort := got.Aborts.List[0]
	if *abort.Index != 1 || *abort.Writer != 0 || abort.Location.Field != "slot" || abort.Location.Slot != (common.Hash{7}).Hex() {
		t.Errorf("abort: %s", enc)
	}
	if hot := got.Hottest; len(hot) != 2 || hot[0].Field != "slot" || hot[0].Aborts != 1 || hot[0].Dependencies != 1 || hot[1].Critical != 1 {
		t.Errorf("hottest: %+v", hot)
	}
	if runs := got.Lanes[1].Executions; len(runs) != 3 || runs[1].Index != nil || *runs[2].Index != 2 {
		t.Errorf("lane 1: %s", enc)
	}
}

// TestViewIsBounded: long lists are cut, and the view says so.
func TestViewIsBounded(t *testing.T) {
	const n = 3 * maxListed
	b := &Block{Workers: 1, Wall: 1, Transactions: n, Lanes: [][]Lap{{{At: 1}}}, Places: []Location{{}}}
	for i := range int32(n) {
		b.Lanes[0] = append(b.Lanes[0], ran(int64(i)+2, i, Settled))
		b.Aborts = append(b.Aborts, Abort{Task: i, Place: Nowhere, Writer: Nowhere})
		if i > 0 {
			b.Edges = append(b.Edges, Edge{Reader: i, Writer: i - 1})
		}
	}
	v := b.View(func(int) common.Hash { return common.Hash{} })
	if len(v.Lanes[0].Executions) != maxListed || len(v.Aborts.List) != maxListed || len(v.CriticalPath.Steps) != maxListed {
		t.Errorf("lists are not bounded")
	}
	if *v.Omitted != (OmittedView{Steps: n - maxListed, Aborts: n - maxListed, Executions: n - maxListed}) || v.CriticalPath.Length != n {
		t.Errorf("omitted %+v", v.Omitted)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	small := sample().Bytes()
	h, err := NewHistory(Limits{Blocks: 10, Bytes: 4 * small}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(i int) common.Hash { return common.Hash{byte(i)} }
	for i := range 20 {
		h.Add(hash(i), sample())
		h.Add(hash(i), sample()) // sealed again after a rollback
	}
	if blocks, bytes := h.size(); blocks != 4 || bytes != 4*small {
		t.Errorf("%d blocks, %d bytes", blocks, bytes)
	}
	if h.Block(hash(15)) != nil || h.Block(hash(16)) == nil || h.Block(hash(19)) == nil {
		t.Errorf("not the newest are kept")
	}
	h.limits = Limits{Blocks: 2, Bytes: 1 << 20}
	h.Add(hash(20), sample())
	if blocks, _ := h.size(); blocks != 2 {
		t.Errorf("%d blocks", blocks)
	}
	large := sample()
	large.Edges = make([]Edge, 1<<20)
	h.Add(hash(21), large)
	if blocks, bytes := h.size(); blocks != 0 || bytes != 0 {
		t.Errorf("a report beyond the limits leaves %d blocks of %d bytes", blocks, bytes)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	h, err := NewHistory(DefaultLimits(), registry)
	if err != nil {
		t.Fatal(err)
	}
	b := sample()
	b.Solos = []Solo{{"conflicts", 3}}
	h.Add(common.Hash{1}, b)
	h.Add(common.Hash{2}, &Block{Workers: 2}) // an empty block has no speed-up
	got := gather(t, registry)
	for name, want := range map[string]float64{
		"motet_executor_aborts_total slot":                   1,
		"motet_executor_aborts_total balance":                0,
		"motet_executor_executions_total committed":          3,
		"motet_executor_executions_total skipped":            1,
		"motet_executor_seconds_total useful":                340e-9,
		"motet_executor_seconds_total wasted":                80e-9,
		"motet_executor_seconds_total overhead":              40e-9,
		"motet_executor_serial_transactions_total conflicts": 3,
		"motet_executor_achieved_speedup_ratio ":             1,
		"motet_executor_ideal_speedup_ratio ":                1,
		"motet_executor_kept_reports ":                       2,
		"motet_executor_kept_reports_bytes ":                 float64(b.Bytes() + (&Block{}).Bytes()),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if _, err := NewHistory(DefaultLimits(), registry); err == nil {
		t.Error("registered twice")
	}
	if _, err := NewHistory(Limits{}, nil); err == nil {
		t.Error("a history without room")
	}
}

// gather returns what a registry serves, by name and label; of a histogram the
// number of observations.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName() + " "
			for _, l := range m.GetLabel() {
				name += l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}
