package execbench

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
)

const nodeModules = "../../node_modules"

// haveV3 tells whether the bytecode of Uniswap is there, as it must be where
// CI=true.
func haveV3(t *testing.T) bool {
	t.Helper()
	_, err := v3Factory(nodeModules)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	return err == nil
}

// TestRun measures every workload on a small block: the engines agree, and what
// is reported makes sense.
func TestRun(t *testing.T) {
	c := Config{Gas: 3_000_000, Workers: []int{1, 3}, Rounds: 1, Artifacts: nodeModules, Simulate: []int{2, 4}}
	complete := haveV3(t)
	var got []Result
	var steps []string
	if err := Run(t.Context(), c, func(s string) { steps = append(steps, s) }, func(r Result) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(steps) != len(Workloads()) || steps[0] != "setting up transfers …" {
		t.Errorf("progress %q", steps)
	}
	var names []string
	for _, r := range got {
		if !slices.Contains(names, r.Workload) {
			names = append(names, r.Workload)
		}
		if r.Skipped != "" {
			if complete || !strings.HasPrefix(r.Workload, "uniswap") {
				t.Errorf("%s was skipped: %s", r.Workload, r.Skipped)
			}
			continue
		}
		if r.Transactions == 0 || r.Gas < c.Gas/2 || r.Gas > c.Gas*3/2 {
			t.Errorf("%s: %d transactions use %d gas, want about %d", r.Workload, r.Transactions, r.Gas, c.Gas)
		}
		if r.GethS <= 0 || r.SerialS <= 0 || r.ParallelS <= 0 || r.VsGeth <= 0 || r.VsSerial <= 0 || r.FractionOfIdeal <= 0 ||
			r.CPUVsSerial <= 0 || r.CPUVsGeth <= 0 || r.CriticalShare <= 0 || (r.AlongVsSerial <= 0) != (r.Workload == "half-invalid") {
			t.Errorf("%+v holds a figure that is not positive", r)
		}
		if most := min(float64(r.Workers), 1/r.CriticalShare); math.Abs(r.Ideal-most) > 1e-9 {
			t.Errorf("%s, %d workers: ideally %v times as fast, want %v", r.Workload, r.Workers, r.Ideal, most)
		}
		if len(r.Simulated) != 2 || r.Simulated[1].Workers != 4 || r.Simulated[1].VsSerial < r.Simulated[0].VsSerial-1e-9 {
			t.Errorf("%s: simulated %+v", r.Workload, r.Simulated)
		}
		if r.Executions < r.Transactions {
			t.Errorf("%s: %d executions of %d transactions", r.Workload, r.Executions, r.Transactions)
		}
	}
	if !slices.Equal(names, Workloads()) {
		t.Errorf("reported %v, want %v", names, Workloads())
	}
}

func TestValidate(t *testing.T) {
	good := Config{Gas: 3_000_000, Workers: []int{1}, Rounds: 1}
	for name, spoil := range map[string]func(*Config){
		"workload":  func(c *Config) { c.Workloads = []string{"transfers", "nonsense"} },
		"gas":       func(c *Config) { c.Gas = 20_000 },
		"workers":   func(c *Config) { c.Workers = []int{2, 0} },
		"none":      func(c *Config) { c.Workers = nil },
		"rounds":    func(c *Config) { c.Rounds = 0 },
		"simulated": func(c *Config) { c.Simulate = []int{4, 0} },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", name, c)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// TestMissingArtifacts: without the bytecode there is a reason and no figure.
func TestMissingArtifacts(t *testing.T) {
	c := Config{Gas: 3_000_000, Workers: []int{1}, Rounds: 1, Artifacts: t.TempDir(), Workloads: []string{"uniswap"}}
	var got []Result
	if err := Run(t.Context(), c, func(string) {}, func(r Result) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Skipped == "" || got[0].GethS != 0 {
		t.Errorf("got %+v", got)
	}
	broken := filepath.Join(t.TempDir(), "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol")
	if err := os.MkdirAll(broken, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "UniswapV3Factory.json"), []byte(`{"bytecode":"0x"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Artifacts = filepath.Join(broken, "../../../../..")
	if err := Run(t.Context(), c, func(string) {}, func(Result) {}); err == nil || errors.Is(err, errMissing) {
		t.Errorf("an artifact without bytecode: %v", err)
	}
}

// TestGraphs: what the serial executor's report says of each workload's
// dependencies is what the workload was made for.
func TestGraphs(t *testing.T) {
	const gas = 12_000_000
	one := func(int) int { return 1 }
	all := func(n int) int { return n }
	inTurn := func(n int) int { return (n + circled - 1) / circled }
	for name, chain := range map[string]func(n int) int{
		"transfers":               one,
		"transfers-hot-recipient": one,
		"transfers-one-sender":    one,
		"transfers-chain":         one,
		"erc20":                   one,
		"erc20-hot":               all,
		"erc20-chain":             all,
		"erc20-mixed":             mixedChain,
		"uniswap":                 one,
		"uniswap-one-pool":        all,
		"uniswap-100-pools":       func(n int) int { return min(n, 64) },
		"amm":                     one,
		"amm-one-pool":            all,
		"amm-100-pools":           func(n int) int { return (n + 99) / 100 },
		"erc20-rows":              func(n int) int { return min(n, 64) },
		"amm-rows":                func(n int) int { return min(n, 64) },
		"amm-rows-declared":       func(n int) int { return min(n, 64) },
		"conflict-bomb":           all,
		"transfers-lookalikes":    one,
		"coinbase-readers":        all,
		"late-readers":            inTurn,
		"churn":                   inTurn,
		"delegations":             inTurn,
		"half-invalid":            one,
	} {
		t.Run(name, func(t *testing.T) {
			g := graphOf(t, name, gas)
			for i := range g.costs {
				if g.costs[i] <= 0 {
					t.Fatalf("transaction %d took %v s", i, g.costs[i])
				}
				g.costs[i] = 1
			}
			if want, got := float64(chain(len(g.costs))), g.critical(); got != want {
				t.Errorf("the longest chain of %d is %v, want %v", len(g.costs), got, want)
			}
		})
	}
}

// TestAdaptive: where one location rules the block, the executor goes on serially, but
// not if it is to speculate throughout.
func TestAdaptive(t *testing.T) {
	b := newTestBench(t, "erc20-hot", 100_000_000)
	for _, sources := range []predict.Sources{0, predict.AllSources} {
		for _, schedule := range []executor.Schedule{executor.WherePays, executor.Throughout} {
			e := executor.NewParallel(executor.Config{Workers: 4, Schedule: schedule, Predict: predict.New(sources)})
			adaptive, gaveUp := schedule == executor.WherePays, false
			for tries := 0; tries < 3 || adaptive && !gaveUp && tries < 20; tries++ { // a busy machine may lack the second worker
				open, _, err := b.runOurs(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := open.Finish(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				for _, s := range open.Report().Solos {
					gaveUp = gaveUp || s.Reason == "conflicts"
				}
			}
			if gaveUp != adaptive {
				t.Errorf("schedule %d, predictions from %v: gave up: %v", schedule, &sources, gaveUp)
			}
		}
	}
}

// TestPredictions: where neighbours conflict and others do not, each source of
// predictions saves nearly all executions that would be lost and nearly all
// serial stretches; without one, or where it knows nothing, the executor gives up.
func TestPredictions(t *testing.T) {
	for _, c := range []struct {
		workload string
		sources  predict.Sources
		parallel bool
	}{
		{"amm-rows-declared", predict.AccessList, true},
		{"amm-rows-declared", predict.Static, false},
		{"amm-rows-declared", 0, false},
		{"erc20-rows", predict.Static, true},
		{"erc20-rows", predict.Learned, true},
		{"erc20-rows", predict.AccessList, false},
		{"erc20-rows", 0, false},
		{"amm-rows", predict.Learned, true},
		{"amm-rows", predict.AllSources, true},
		{"amm-rows", 0, false},
		{"uniswap-100-pools", predict.Learned, true},
		{"uniswap-100-pools", predict.AllSources, true},
		{"uniswap-100-pools", 0, false},
		{"erc20-hot", predict.AllSources, false}, // nothing to be had
	} {
		t.Run(c.workload+" "+c.sources.String(), func(t *testing.T) {
			b := newTestBench(t, c.workload, 200_000_000)
			e := executor.NewParallel(executor.Config{Workers: 2, Warm: true, Predict: predict.New(c.sources)})
			var (
				n             = len(b.s.txs)
				aborts, alone int
				parallel      bool
			)
			// The first blocks teach. On a busy machine some come out otherwise, for want
			// of a second worker, or of conflicts with it.
			for i := 0; i < 4 || parallel != c.parallel && i < 20; i++ {
				open, slice, err := b.runOurs(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := open.Finish(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				aborts, alone = slice.Stats.Aborts, 0
				for _, s := range open.Report().Solos {
					alone += s.Transactions
				}
				parallel = alone < n/4 && 20*aborts <= n
			}
			if parallel != c.parallel {
				t.Errorf("of %d transactions %d ran serially, %d executions were lost", n, alone, aborts)
			}
		})
	}
}

// graphOf executes the block of a workload serially.
func graphOf(t *testing.T, name string, gas uint64) *graph {
	t.Helper()
	b := newTestBench(t, name, gas)
	s, err := b.timeOurs(t.Context(), b.serial, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := newGraph(s.report)
	if len(g.costs) != len(b.s.txs) {
		t.Fatalf("the graph has %d transactions, the block %d", len(g.costs), len(b.s.txs))
	}
	return g
}

// newTestBench skips the test if what the workload needs is not there.
func newTestBench(t *testing.T, name string, gas uint64) *bench {
	t.Helper()
	s, err := build(name, setting{gas: gas, artifacts: nodeModules})
	if errors.Is(err, errMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(t.Context(), s, Config{Workers: []int{1}, Predict: predict.AllSources})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mixedChain follows the chains through accounts that mixed makes.
func mixedChain(n int) int {
	depth, longest := make(map[common.Address]int), 0
	for i := range n {
		from, to := mixed(i, n)
		d := max(depth[from], depth[to]) + 1
		depth[from], depth[to], longest = d, d, max(longest, d)
	}
	return longest
}

// TestUniswap: swaps of the real contracts happen, and cost about what they cost on the
// public network.
func TestUniswap(t *testing.T) {
	b := newTestBench(t, "uniswap-one-pool", 2_000_000)
	open, slice, err := b.runOurs(t.Context(), b.serial)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	swap := common.HexToHash("0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67") // Swap of IUniswapV3Pool
	for i, r := range slice.Receipts {
		if len(r.Logs) != 3 || r.Logs[2].Topics[0] != swap {
			t.Errorf("swap %d: %d logs", i, len(r.Logs))
		}
		if r.GasUsed < 110_000 || r.GasUsed > 130_000 {
			t.Errorf("swap %d takes %d gas", i, r.GasUsed)
		}
	}
}

// TestLateReaders: some transactions take nearly all the gas that one may have, and depend
// on what all the others have counted.
func TestLateReaders(t *testing.T) {
	b := newTestBench(t, "late-readers", cappedEvery)
	open, slice, err := b.runOurs(t.Context(), b.serial)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	at := cappedEvery / incrementGas / 2
	if used := slice.Receipts[at].GasUsed; used < params.MaxTxGas*9/10 {
		t.Errorf("%d gas used", used)
	}
	if n := len(newGraph(open.Report()).writers[at]); n != circled {
		t.Errorf("reads what %d transactions wrote: %v", n, newGraph(open.Report()).writers[at])
	}
}

// TestFailedCall: a workload with a call that fails is not measured.
func TestFailedCall(t *testing.T) {
	s, err := build("erc20", setting{gas: 2_000_000})
	if err != nil {
		t.Fatal(err)
	}
	s.state.Accounts[address("token", 0)].Storage[balanceSlot(address("from", 3))] = common.Hash{}
	b, err := newBench(t.Context(), s, Config{Workers: []int{1}, Predict: predict.AllSources})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.agree(t.Context()); err == nil || !strings.Contains(err.Error(), "transaction 3, ") {
		t.Errorf("got %v", err)
	}
}

// TestSimulate reckons schedules by hand.
func TestSimulate(t *testing.T) {
	const n = 64
	chains := func(k int) *graph { // task i reads what task i-k wrote
		g := unit(n)
		for i := k; i < n; i++ {
			g.writers[i] = []int{i - k}
		}
		return g
	}
	rows := func(k int) *graph { // chains that lie one after the other
		g := unit(n)
		for i := range n {
			if i%(n/k) > 0 {
				g.writers[i] = []int{i - 1}
			}
		}
		return g
	}
	uneven := unit(4)
	uneven.costs[3] = 3
	for name, c := range map[string]struct {
		g               *graph
		workers, window int
		want            float64
	}{
		"one worker":                  {unit(n), 1, n, 1},
		"independent":                 {unit(n), 8, n, 8},
		"more workers than work":      {unit(n), 128, n, n},
		"a chain":                     {chains(1), 16, n, 1},
		"4 chains, 2 workers":         {chains(4), 2, n, 2},
		"4 chains, 16 workers":        {chains(4), 16, n, 4},
		"4 rows, 16 workers":          {rows(4), 16, n, 4},
		"4 rows, window of 2 rows":    {rows(4), 16, 17, 2}, // the second starts with the first and goes on as it does
		"4 rows, window of one":       {rows(4), 16, 1, 1},
		"independent, window of 4":    {unit(n), 16, 4, 4},
		"the long one last":           {uneven, 2, n, 6.0 / 4}, // 1+1, then 1 beside 3
		"the long one does not start": {uneven, 4, 1, 1},
	} {
		if got := c.g.simulate(c.workers, c.window); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v times as fast, want %v", name, got, c.want)
		}
	}
}

func unit(n int) *graph {
	g := &graph{costs: make([]float64, n), writers: make([][]int, n)}
	for i := range g.costs {
		g.costs[i] = 1
	}
	return g
}

// TestScaling: the window is that of the executor. Four chains that lie one after
// the other are not all in its reach.
func TestScaling(t *testing.T) {
	g := graphOf(t, "uniswap-100-pools", 4*64*v3SwapGas)
	for i := range g.costs {
		g.costs[i] = 1
	}
	if wide := g.simulate(4, len(g.costs)); wide != 4 {
		t.Errorf("%v times as fast, want 4", wide)
	}
	for i, narrow := range g.scaling([]int{4, 64}) {
		want := []float64{2, 4}[i] // the last chain starts when the first is done, or at once
		if math.Abs(narrow.VsSerial-want) > 0.1 {
			t.Errorf("%d workers, a window of %d: %v times as fast, want %v", narrow.Workers, executor.Window(narrow.Workers), narrow.VsSerial, want)
		}
	}
}

// TestTypical: one run that was disturbed does not count.
func TestTypical(t *testing.T) {
	slow := unit(3)
	slow.costs[1] = 50
	if g := typical([]*graph{unit(3), slow, unit(3)}); g.work() != 3 {
		t.Errorf("costs are %v", g.costs)
	}
}
