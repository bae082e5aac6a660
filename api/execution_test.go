package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet/executor/report"
)

func TestBlockExecution(t *testing.T) {
	history, err := report.NewHistory(report.DefaultLimits(), nil)
	noErr(t, err)
	s := newSUT(t, func(_ *Config, d *Deps) { d.Reports = history })
	first, second := transfer(0, 0), transfer(1, 0)
	s.send(first, second)
	s.mine()
	block := s.chain.BlockByHash(s.chain.Head().Hash())
	history.Add(block.Hash(), &report.Block{
		Workers: 2, Slices: 1, Wall: 300, Transactions: 2, Gas: 42_000,
		Lanes: [][]report.Lap{
			{{At: 100}, {At: 200, Task: 0, Many: 1, Kind: report.Speculated}, {At: 220}, {At: 300, Task: 1, Many: 1, Kind: report.Settled}},
			{{At: 100}, {At: 180, Task: 1, Many: 1, Kind: report.Speculated}},
		},
		Edges:  []report.Edge{{Reader: 1, Writer: 0, Place: 0}},
		Places: []report.Location{{Address: loggerAddr, Slot: common.Hash{31: 5}}},
		Aborts: []report.Abort{{At: 210, Task: 1, Writer: 0, Cause: report.CauseSlot}},
	})

	var out, byHash json.RawMessage
	noErr(t, s.rpc.Call(&out, "motet_getBlockExecution", "0x1"))
	noErr(t, s.rpc.Call(&byHash, "motet_getBlockExecution", block.Hash()))
	status, rest := s.get("/v1/blocks/1/execution")
	if status != 200 || strings.TrimSpace(rest) != string(out) || string(byHash) != string(out) {
		t.Fatalf("REST says %d %s\nJSON-RPC %s\nby hash %s", status, rest, out, byHash)
	}
	var got struct {
		Number  uint64
		Hash    common.Hash
		Speedup struct{ Achieved, Ideal float64 }
		Path    struct {
			Steps []struct {
				Hash     common.Hash
				Location *struct {
					Address common.Address
					Slot    common.Hash
				}
			}
		} `json:"critical_path"`
		Aborts struct {
			List []struct {
				Hash   common.Hash
				Cause  string
				Writer int
			}
		}
		Lanes []struct {
			Executions []struct {
				Index, Incarnation int
				Outcome            string
			}
		}
	}
	noErr(t, json.Unmarshal(out, &got))
	// The order of the two in the block is the pool's.
	a, b := block.Transactions()[0].Hash(), block.Transactions()[1].Hash()
	steps := got.Path.Steps
	if got.Number != 1 || got.Hash != block.Hash() || got.Speedup.Achieved != 180./300 || got.Speedup.Ideal != 1 {
		t.Errorf("figures: %s", out)
	}
	if len(steps) != 2 || steps[0].Hash != a || steps[1].Hash != b || steps[1].Location.Address != loggerAddr || steps[1].Location.Slot != (common.Hash{31: 5}) {
		t.Errorf("critical path: %s", out)
	}
	if abort := got.Aborts.List; len(abort) != 1 || abort[0].Hash != b || abort[0].Cause != "slot" {
		t.Errorf("aborts: %s", out)
	}
	if last := got.Lanes[0].Executions[1]; last.Index != 1 || last.Incarnation != 1 || last.Outcome != "committed" || got.Lanes[1].Executions[0].Outcome != "aborted" {
		t.Errorf("lanes: %s", out)
	}
	if _, brief := s.get("/v1/blocks/latest/execution?lanes=false"); strings.Contains(brief, `"lanes"`) || !strings.Contains(brief, `"critical_path"`) {
		t.Errorf("without lanes: %s", brief)
	}
}

// TestBlockExecutionUnknown: what there is no report of is told apart from what
// there is no block of.
func TestBlockExecutionUnknown(t *testing.T) {
	history, err := report.NewHistory(report.Limits{Blocks: 3, Bytes: 1 << 20}, nil)
	noErr(t, err)
	s := newSUT(t, func(_ *Config, d *Deps) { d.Reports = history })
	for path, want := range map[string]struct {
		status int
		detail string
	}{
		"/v1/blocks/0/execution":               {404, "there is no report of block 0: this process did not execute it, or has forgotten it (at most 3 blocks and 1 MiB are kept)"},
		"/v1/blocks/9/execution":               {404, "there is no block 9"},
		"/v1/blocks/nine/execution":            {400, "neither a number"},
		"/v1/blocks/0/execution?lanes=perhaps": {400, "lanes must be true or false"},
	} {
		if status, answer := s.get(path); status != want.status || !strings.Contains(answer, want.detail) || !strings.Contains(answer, `"title"`) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for _, unknown := range []any{"0x9", "pending", common.Hash{1}} {
		var out json.RawMessage
		if err := s.rpc.Call(&out, "motet_getBlockExecution", unknown); err != nil || string(out) != "null" {
			t.Errorf("%v: %s %v", unknown, out, err)
		}
	}
	var out json.RawMessage
	if err := s.rpc.Call(&out, "motet_getBlockExecution", "earliest"); err == nil || !strings.Contains(err.Error(), "there is no report of block 0") {
		t.Errorf("genesis: %s %v", out, err)
	}
	none := newSUT(t)
	if status, answer := none.get("/v1/blocks/0/execution"); status != 404 || !strings.Contains(answer, "does not execute blocks") {
		t.Errorf("a node without executor: %d %s", status, answer)
	}
}
