package conformance

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

// TestSample runs a part of the official tests; make conformance runs all.
func TestSample(t *testing.T) {
	for name, k := range map[string]struct {
		run    func(context.Context, Config, func(Result)) (Summary, error)
		sample int
		least  int
	}{
		"state": {StateTests, 40, 300},
		"block": {BlockTests, 20, 300},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Paths: []string{fixtures.Dir(t, "ethereum-tests")}, Workers: []int{1, 2, 4}, Sample: k.sample}
			sum, err := k.run(t.Context(), c, func(r Result) {
				if r.Verdict == Failed {
					t.Errorf("%s: %s", r.ID(), r.Reason)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", sum)
			if name == "state" && sum.Combined < 50 {
				t.Errorf("want more than %d blocks of all cases", sum.Combined)
			}
			// By a serial and five parallel executors.
			if sum.Passed < k.least || sum.Executions < 6*k.least {
				t.Errorf("%+v is too little for a sample", sum)
			}
		})
	}
}

// TestSpeculation: what the parallel executors do to blocks with several
// transactions, and to transactions that are offered several times, is
// speculation, some of it in vain.
func TestSpeculation(t *testing.T) {
	blocks := members(t, blockTests,
		"BlockchainTests/ValidBlocks/bcValidBlockTest/eip2930.json",
		"BlockchainTests/InvalidBlocks/bcEIP1559/feeCap.json")
	states := members(t, stateTests, "GeneralStateTests/stLogTests/log1_MaxTopic.json")
	for _, f := range append(blocks, states...) {
		k := blockTests
		if f.name == states[0].name {
			k = stateTests
		}
		for _, r := range tested(t, newTester(nil), k, f) {
			if r.Verdict != Passed || r.stats.Aborts == 0 || r.combined && r.stats.Executions < 4*leastCombined {
				t.Errorf("%s: %s, %s, %+v", r.ID(), r.Verdict, r.Reason, r.stats)
			}
		}
	}
}

func tested(t *testing.T, by *tester, k kind, f file) []Result {
	t.Helper()
	results, err := by.file(t.Context(), k, f)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 {
		t.Fatalf("%s holds no %s", f.name, k)
	}
	return results
}

// TestExceptions: the reason of an exception counts only where geth does what the
// executors do, and there it counts as skipped.
func TestExceptions(t *testing.T) {
	f := members(t, stateTests, "GeneralStateTests/stCreate2/create2collisionStorageParis.json")[0]
	results := tested(t, newTester(nil), stateTests, f)
	if len(results) != 4 || !results[3].combined || results[3].Verdict != Passed {
		t.Fatalf("want 3 cases and a block of them all, got %+v", results)
	}
	for _, r := range results[:3] {
		if r.Verdict != Skipped || !strings.Contains(r.Reason, "EIP-7610") {
			t.Errorf("%s: %s, %s", r.ID(), r.Verdict, r.Reason)
		}
	}
	for _, r := range tested(t, newTester(richer), stateTests, f) {
		if r.Verdict != Failed {
			t.Errorf("with a defect, %s: %s, %s", r.ID(), r.Verdict, r.Reason)
		}
	}
}

// TestSeesErrors runs tests by executors that have a defect, and tests whose
// expectations are wrong.
func TestSeesErrors(t *testing.T) {
	var (
		states  = members(t, stateTests, "GeneralStateTests/stLogTests/log1_MaxTopic.json", "GeneralStateTests/stEIP1559/lowGasLimit.json")
		blocks  = members(t, blockTests, "BlockchainTests/ValidBlocks/bcStateTests/logRevert.json", "BlockchainTests/InvalidBlocks/bcStateTests/NotEnoughCashContractCreation.json")
		logs    = states[0]
		refused = states[1]
		block   = blocks[0]
		invalid = blocks[1]
	)
	for name, c := range map[string]struct {
		file   file
		defect func(*motet.Outcome)
		from   string // in the file
		to     string
		says   string
	}{
		"nothing, logs":          {file: logs},
		"nothing, refused":       {file: refused},
		"nothing, block":         {file: block},
		"nothing, invalid block": {file: invalid},
		"state, wrong balance":   {file: logs, defect: richer, says: "state root"},
		"state, logs are lost":   {file: logs, defect: silent, says: "hash of logs"},
		"state, not accepted":    {file: logs, from: `"hash" : "`, to: `"expectException" : "TR_Nonsense", "hash" : "`, says: "not refused"},
		"state, not refused":     {file: refused, from: `"expectException"`, to: `"ignored"`, says: "is refused"},
		"block, wrong balance":   {file: block, defect: richer, says: "state root"},
		"block, gas is lost":     {file: block, defect: func(o *motet.Outcome) { o.GasUsed-- }, says: "gas used"},
		"block, not refused":     {file: block, from: `"blockHeader"`, to: `"ignored"`, says: "is accepted"},
		"block, not accepted":    {file: invalid, from: `"expectException"`, to: `"blockHeader"`, says: ""},
		"block, last hash":       {file: block, from: `"lastblockhash"`, to: `"ignored"`, says: "last block"},
	} {
		t.Run(name, func(t *testing.T) {
			k := stateTests
			if strings.HasPrefix(c.file.name, "BlockchainTests") {
				k = blockTests
			}
			damaged := file{name: c.file.name, raw: bytes.ReplaceAll(c.file.raw, []byte(c.from), []byte(c.to))}
			if c.from == "" {
				damaged.raw = c.file.raw
			} else if bytes.Equal(damaged.raw, c.file.raw) {
				t.Fatalf("there is no %s", c.from)
			}
			results := tested(t, newTester(c.defect), k, damaged)
			want := Passed
			if c.defect != nil || c.from != "" {
				want = Failed
			}
			seen := false
			for _, r := range results {
				seen = seen || r.Verdict == want && strings.Contains(r.Reason, c.says)
				if want == Passed && r.Verdict != Passed {
					t.Errorf("%s: %s", r.ID(), r.Reason)
				}
			}
			if !seen {
				t.Errorf("no result is %s for %q: %+v", want, c.says, results)
			}
		})
	}
}

// newTester returns one whose last engine has the defect.
func newTester(defect func(*motet.Outcome)) *tester {
	c := Config{Workers: []int{2}}
	t := &tester{engines: c.engines()}
	if defect != nil {
		e := &t.engines[len(t.engines)-1]
		e.exec = spoiled{e.exec, defect}
	}
	return t
}

func richer(o *motet.Outcome) {
	if len(o.Changes.Accounts) > 0 {
		a := &o.Changes.Accounts[0]
		a.Balance.AddUint64(&a.Balance, 1)
	}
}

func silent(o *motet.Outcome) {
	for _, r := range o.Receipts {
		r.Logs = nil
	}
}

// spoiled is an executor with a defect.
type spoiled struct {
	executor.Executor
	defect func(*motet.Outcome)
}

type spoiledBlock struct {
	executor.Block
	defect func(*motet.Outcome)
}

func (s spoiled) Open(ctx context.Context, env executor.Env) (executor.Block, error) {
	b, err := s.Executor.Open(ctx, env)
	return spoiledBlock{b, s.defect}, err
}

func (s spoiledBlock) Finish(ctx context.Context, withdrawals types.Withdrawals) (*motet.Outcome, error) {
	o, err := s.Block.Finish(ctx, withdrawals)
	if err == nil {
		s.defect(o)
	}
	return o, err
}

// members returns files of the archive.
func members(t *testing.T, k kind, names ...string) []file {
	t.Helper()
	found := make([]file, len(names))
	c := Config{Paths: []string{filepath.Join(fixtures.Dir(t, "ethereum-tests"), "ethereum-tests.tar.gz")}}
	if err := c.files(k, func(f file) error {
		if i := slices.Index(names, f.name); i >= 0 {
			found[i] = f
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, f := range found {
		if f.raw == nil {
			t.Fatalf("%s is not there", names[i])
		}
	}
	return found
}

func TestMayHold(t *testing.T) {
	for path, want := range map[string]kind{
		"GeneralStateTests/stLogTests/log0.json":                 stateTests,
		"fixtures/state_tests/prague/x.json":                     stateTests,
		"BlockchainTests/GeneralStateTests/stLogTests/log0.json": blockTests,
		"blockchain_tests/prague/x.json":                         blockTests,
		"blockchain_tests_engine/prague/x.json":                  otherTests,
		"TransactionTests/ttNonce/x.json":                        otherTests,
		"fixtures/.meta/index.json":                              otherTests,
		"GeneralStateTests/stLogTests/README.md":                 otherTests,
	} {
		for _, k := range []kind{stateTests, blockTests} {
			if got := k.mayHold(path); got != (k == want) {
				t.Errorf("%s may hold a %s: %v", path, k, got)
			}
		}
	}
	if !stateTests.mayHold("x/y.json") || !blockTests.mayHold("x/y.json") {
		t.Error("a folder without an official name must be looked into")
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := []int{1}
	for name, c := range map[string]Config{
		"no path":        {Workers: one},
		"absent":         {Workers: one, Paths: []string{filepath.Join(dir, "absent")}},
		"empty":          {Workers: one, Paths: []string{t.TempDir()}},
		"not JSON":       {Workers: one, Paths: []string{write("broken.json", "{")}},
		"not a test":     {Workers: one, Paths: []string{write("other.json", `{"a":{}}`)}},
		"not an archive": {Workers: one, Paths: []string{write("a.tar.gz", "no")}},
		"no workers":     {Paths: []string{dir}},
		"bad workers":    {Workers: []int{1, 0}, Paths: []string{dir}},
		"executor":       {Workers: one, Paths: []string{dir}, Executor: "fast"},
		"sample":         {Workers: one, Paths: []string{dir}, Sample: -1},
	} {
		for k, run := range map[string]func(context.Context, Config, func(Result)) (Summary, error){"state": StateTests, "block": BlockTests} {
			if _, err := run(t.Context(), c, func(Result) {}); err == nil {
				t.Errorf("%s, %s tests: no error", name, k)
			}
		}
	}
}

// TestMatch selects one case, and none.
func TestMatch(t *testing.T) {
	f := members(t, stateTests, "GeneralStateTests/stLogTests/log1_MaxTopic.json")[0]
	path := filepath.Join(t.TempDir(), "log1.json")
	if err := os.WriteFile(path, f.raw, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Paths: []string{path}, Executor: Serial, Match: regexp.MustCompile(`MaxTopic Cancun/0$`)}
	sum, err := StateTests(t.Context(), c, func(Result) {})
	if err != nil || sum.Passed != 1 || sum.Executions != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	c.Match = regexp.MustCompile("nothing")
	if _, err := StateTests(t.Context(), c, func(Result) {}); err == nil {
		t.Error("no test ran, and nothing was said")
	}
}
