package replay

import (
	"context"
	"errors"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/internal/testkit/fixtures"
	"github.com/motet-evm/motet/internal/timing"
)

// TestGethOnMainnet shows that the recordings are read rightly: geth gets what
// the headers say.
func TestGethOnMainnet(t *testing.T) {
	replayFiles(t, onlyGeth(), "mainnet", 66)
}

func TestGethOnUnsignedBlock(t *testing.T) {
	replayFiles(t, onlyGeth(), "pectra", 1)
}

// TestWitness: the blocks with a witness, whose state root geth must meet, too, as all
// engines execute them.
func TestWitness(t *testing.T) {
	replayFiles(t, newRunner(Config{Workers: 2, Predict: predict.AllSources}), "witness", 5)
}

// TestBadWitness: a witness that lacks something, or a block of another hash, is no block
// to replay.
func TestBadWitness(t *testing.T) {
	path := filepath.Join(fixtures.Dir(t, "witness"), "mainnet-2675001.json.gz")
	change := func(s *storedBlock, how func(*types.Header, *types.Body)) {
		var block types.Block
		if err := rlp.DecodeBytes(s.Block, &block); err != nil {
			t.Fatal(err)
		}
		header, body := block.Header(), block.Body()
		how(header, body)
		changed := types.NewBlockWithHeader(header).WithBody(*body)
		var err error
		if s.Block, err = rlp.EncodeToBytes(changed); err != nil {
			t.Fatal(err)
		}
		s.Hash = changed.Hash()
	}
	for name, damage := range map[string]func(*storedBlock){
		"hash":  func(s *storedBlock) { s.Hash[0]++ },
		"block": func(s *storedBlock) { s.Block = s.Block[:len(s.Block)-1] },
		"root":  func(s *storedBlock) { s.PreStateRoot[0]++ },
		"fork": func(s *storedBlock) {
			change(s, func(h *types.Header, _ *types.Body) { h.Number = big.NewInt(20_000_000) }) // no base fee
		},
		"uncle": func(s *storedBlock) {
			change(s, func(h *types.Header, b *types.Body) { b.Uncles = append(b.Uncles, h) })
		},
		"withdrawal": func(s *storedBlock) {
			change(s, func(_ *types.Header, b *types.Body) { b.Withdrawals = types.Withdrawals{{Amount: 1}} })
		},
		"transaction": func(s *storedBlock) {
			change(s, func(_ *types.Header, b *types.Body) { b.Transactions = nil })
		},
		"none": func(s *storedBlock) { s.Witness.State = nil },
	} {
		stored := new(storedBlock)
		if err := readGzip(path, stored); err != nil {
			t.Fatal(err)
		}
		b := &recordedBlock{config: params.MainnetChainConfig}
		if damage(stored); b.takeWitness(stored) == nil {
			t.Errorf("%s: the block was taken", name)
		}
	}
}

func onlyGeth() *runner {
	return &runner{rounds: 1, engines: []engine{{gethName, new(geth).prepare}}}
}

// replayFiles replays all want blocks of a folder of fixtures.
func replayFiles(t *testing.T, r *runner, name string, want int) {
	t.Helper()
	files, err := findBlocks([]string{fixtures.Dir(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != want {
		t.Fatalf("want %d blocks, found %d", want, len(files))
	}
	var (
		load  loader
		total int
	)
	for _, file := range files {
		block, err := load.load(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.block(context.Background(), block)
		if err != nil {
			t.Fatalf("block %v: %v", block.header.Number, err)
		}
		if !result.OK {
			t.Errorf("block %d: %s", result.Number, result.Mismatch)
		}
		total += result.Transactions
	}
	t.Logf("%d transactions", total)
}

func TestShortHash(t *testing.T) {
	for text, want := range map[string]common.Hash{
		"0x0":    {},
		"0x4":    {31: 4},
		"0x0104": {30: 1, 31: 4},
		"0x104":  {30: 1, 31: 4},
	} {
		var got shortHash
		if err := got.UnmarshalText([]byte(text)); err != nil || common.Hash(got) != want {
			t.Errorf("%s: want %v, got %v, %v", text, want, common.Hash(got), err)
		}
	}
	var h shortHash
	for _, text := range []string{"0xg", "0x" + strings.Repeat("1", 65)} {
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// TestRun replays everything by every executor, as a user would.
func TestRun(t *testing.T) {
	var (
		c    = Config{Paths: []string{fixtures.Dir(t, "mainnet"), fixtures.Dir(t, "pectra")}, Workers: 3}
		seen int
	)
	sum, err := Run(t.Context(), c, func(r BlockResult) {
		seen++
		if !r.OK {
			t.Errorf("block %d: %s", r.Number, r.Mismatch)
		}
		if r.Transactions > 0 && (r.Executions < r.Transactions || r.GethSerialS <= 0 || r.SerialS <= 0 || r.ParallelS <= 0 || r.AlongS <= 0 || r.Ideal < 1 || r.Ideal > 3 ||
			r.CPUS <= 0 || r.GethCPUS <= 0 || r.SerialCPUS <= 0 || math.Abs(r.FractionOfIdeal-r.SerialS/r.ParallelS/r.Ideal) > 1e-9) {
			t.Errorf("%+v is incomplete", r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 67 || sum.Blocks != 67 || sum.OK != 67 || sum.Failed != 0 || !sum.Summary || sum.GeoMeanGeth <= 0 || sum.GeoMeanSerial <= 0 || sum.GeoMeanAlong <= 0 || sum.GeoMeanIdeal <= 1 ||
		sum.GeoMeanFraction <= 0 || sum.CPUVsSerial < 0.3 || sum.CPUVsSerial > 5 {
		t.Errorf("%d blocks seen: %+v", seen, sum)
	}
}

// TestParallelWhereTheForkAllows: what is not speculated with is either from before Spurious
// Dragon or too little.
func TestParallelWhereTheForkAllows(t *testing.T) {
	files, err := findBlocks([]string{fixtures.Dir(t, "mainnet"), fixtures.Dir(t, "pectra")})
	if err != nil {
		t.Fatal(err)
	}
	var load loader
	e := executor.NewParallel(executor.Config{Workers: 2, Warm: true, Schedule: executor.Throughout})
	speculated := 0
	for _, file := range files {
		b, err := load.load(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := execOurs(t.Context(), e, b)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		switch {
		case len(b.txs) == 0:
		case !b.config.IsEIP158(b.header.Number):
			want = "rules"
		case len(b.txs) < 8:
			want = "small slice"
		default:
			speculated++
		}
		if result.stats.Fallback != want {
			t.Errorf("block %d, %d transactions: %q, want %q", b.header.Number, len(b.txs), result.stats.Fallback, want)
		}
	}
	if speculated < 50 {
		t.Errorf("%d blocks", speculated)
	}
}

// TestSummary: means are of the blocks, processor time and disturbance of all together.
func TestSummary(t *testing.T) {
	var sum tally
	for _, r := range []measured{
		{
			BlockResult: BlockResult{OK: true, Transactions: 1, SerialS: 2, ParallelS: 1, FractionOfIdeal: 1, CPUS: 1, SerialCPUS: 2},
			runs:        1,
			others:      timing.Others{Used: -time.Second, Span: 5 * time.Second},
		},
		{
			BlockResult: BlockResult{OK: true, Transactions: 1, SerialS: 1, ParallelS: 2, FractionOfIdeal: 0.25, CPUS: 11, SerialCPUS: 6},
			runs:        1,
			others:      timing.Others{Used: 2020 * time.Millisecond, Span: 5 * time.Second},
		},
	} {
		sum.add(r)
	}
	if got := sum.sum(); math.Abs(got.GeoMeanFraction-0.5) > 1e-9 || got.CPUVsSerial != 1.5 || got.OthersCores != 0.1 {
		t.Errorf("got %+v", got)
	}
}

// TestShortTotal: blocks that are too short for a ratio have one if all their runs
// together are not, and none else.
func TestShortTotal(t *testing.T) {
	const s = shortestCPU
	for _, c := range []struct {
		cpu, serialCPU float64 // of one run
		blocks, runs   int
		want           float64
	}{
		{s / 4, s / 8, 1, 4, 0},
		{s / 8, s / 4, 1, 4, 0},
		{s / 4, s / 8, 1, 8, 2},
		{s / 4, s / 8, 4, 2, 2},
		{2 * s, s, 1, 1, 2},
	} {
		var sum tally
		for range c.blocks {
			sum.add(measured{
				BlockResult: BlockResult{OK: true, Transactions: 1, SerialS: 1, ParallelS: 1, FractionOfIdeal: 1, CPUS: c.cpu, SerialCPUS: c.serialCPU},
				runs:        c.runs,
			})
		}
		if got := sum.sum().CPUVsSerial; got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// TestProcessorTime: the ratio is that of the work, and of a block that is too short
// there is none.
func TestProcessorTime(t *testing.T) {
	block, err := new(loader).load(filepath.Join(fixtures.Dir(t, "mainnet"), "blocks", "46147.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, work := range []int{0, 2000} {
		r := newRunner(Config{Workers: 2, Rounds: 2})
		for i, e := range r.engines {
			times := map[string]int{Serial: 1, Parallel: 2}[e.name]
			r.engines[i].prepare = func(b *recordedBlock) (run, error) {
				run, err := e.prepare(b)
				return func(ctx context.Context) (*execution, error) {
					for range work * times {
						crypto.Keccak256(b.header.Extra)
					}
					return run(ctx)
				}, err
			}
		}
		got, err := r.block(t.Context(), block)
		if err != nil {
			t.Fatal(err)
		}
		if (work > 0) != (got.CPUVsSerial > 1.3 && got.CPUVsSerial < 3) || work == 0 && got.CPUVsSerial != 0 || got.others.Span <= 0 {
			t.Errorf("%d hashes: %+v", work, got)
		}
	}
}

// TestCheckSeesErrors damages what an engine returns, once for a state that has not been
// read and once for one that has.
func TestCheckSeesErrors(t *testing.T) {
	block, err := new(loader).load(filepath.Join(fixtures.Dir(t, "mainnet"), "blocks", "19934116.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	serial := newRunner(Config{Executor: Serial}).engines[1]
	for name, spoil := range map[string]func(*execution){
		"gas":     func(e *execution) { e.gasUsed++ },
		"status":  func(e *execution) { e.receipts[0].Status ^= 1 },
		"balance": func(e *execution) { e.changes.Accounts[0].Balance.AddUint64(&e.changes.Accounts[0].Balance, 1) },
		"lost":    func(e *execution) { e.changes.Accounts = e.changes.Accounts[1:] },
		"order":   func(e *execution) { slices.Reverse(e.changes.Accounts) },
	} {
		for _, warm := range []bool{false, true} {
			runs := 0
			spoiled := engine{Serial, func(b *recordedBlock) (run, error) {
				run, err := serial.prepare(b)
				return func(ctx context.Context) (*execution, error) {
					e, err := run(ctx)
					if runs++; err == nil && warm == (runs > 1) {
						spoil(e)
					}
					return e, err
				}, err
			}}
			r := runner{rounds: 1, engines: []engine{{gethName, new(geth).prepare}, spoiled}}
			result, err := r.block(t.Context(), block)
			if err != nil {
				t.Fatal(err)
			}
			if result.OK || result.Mismatch == "" || runs < 2 {
				t.Errorf("%s, warm %t: the error was not seen in %d runs: %+v", name, warm, runs, result)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	empty, broken := t.TempDir(), filepath.Join(t.TempDir(), "1.json.gz")
	if err := os.WriteFile(broken, []byte("not gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Config{Paths: []string{empty}}, func(BlockResult) {}); !errors.Is(err, ErrNoBlocks) {
		t.Errorf("an empty folder: %v", err)
	}
	for name, c := range map[string]Config{
		"no path":  {},
		"absent":   {Paths: []string{filepath.Join(empty, "absent")}},
		"empty":    {Paths: []string{empty}},
		"broken":   {Paths: []string{broken}},
		"executor": {Paths: []string{empty}, Executor: "fast"},
		"workers":  {Paths: []string{empty}, Workers: -1},
	} {
		if _, err := Run(t.Context(), c, func(BlockResult) {}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
