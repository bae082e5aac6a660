package execbench

import (
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/metrics"
)

// TestAmsterdam: stock geth takes the blocks of workloads, serially and in
// parallel along its list, and what is reported makes sense.
func TestAmsterdam(t *testing.T) {
	metrics.Enable()
	names := []string{"transfers", "erc20-mixed", "half-invalid"}
	if haveV3(t) {
		names = append(names, "uniswap-one-pool")
	}
	c := Config{Gas: 2_000_000, Workers: []int{1, 2}, Rounds: 1, Artifacts: nodeModules, Workloads: names}
	parallelImports()
	var got []AmsterdamResult
	if err := RunAmsterdam(t.Context(), c, func(string) {}, func(r AmsterdamResult) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2*len(names) {
		t.Errorf("%d results", len(got))
	}
	if n := parallelImports(); n < len(names) || n > 3*len(names) { // rounds are repeated
		t.Errorf("geth executed %d blocks in parallel, want one for each round", n)
	}
	for _, r := range got {
		if r.Skipped != "" {
			t.Errorf("%s was skipped: %s", r.Workload, r.Skipped)
			continue
		}
		for _, figure := range []float64{
			r.GethS, r.SerialS, r.ParallelS, r.GethImportS, r.GethListImportS, r.SerialSealS, r.ParallelSealS,
			r.ListVsGeth, r.SerialVsList, r.ParallelVsList, r.GethImportCPUS, r.GethListImportCPUS, r.SerialSealCPUS, r.ParallelSealCPUS,
		} {
			if figure <= 0 {
				t.Errorf("%+v holds a figure that is not positive", r)
				break
			}
		}
		if r.SerialSealS <= r.SerialS || r.ParallelSealS <= r.ParallelS {
			t.Errorf("%s: sealing took no time: %+v", r.Workload, r)
		}
		if r.Gas < c.Gas/3 || r.Gas > 3*c.Gas {
			t.Errorf("%s: %d gas, want about %d", r.Workload, r.Gas, c.Gas)
		}
	}
}

// parallelImports counts the blocks that geth executed along their access lists
// since it was called last.
func parallelImports() int {
	timer, ok := metrics.Get("chain/execution/parallel/total").(*metrics.ResettingTimer)
	if !ok {
		panic("go-ethereum does not count parallel imports any more")
	}
	return timer.Snapshot().Count()
}

// TestGethChecks: what is timed of geth includes its checks of list and roots.
func TestGethChecks(t *testing.T) {
	s, err := build("erc20", setting{gas: 2_000_000, amsterdam: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPeers(t.Context(), s, Config{Workers: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	good := p.block
	for name, forge := range map[string]func(h *types.Header){
		"merkle root": func(h *types.Header) { h.Root[0]++ },
		"access list": func(h *types.Header) { h.BlockAccessListHash[0]++ },
		"receipt":     func(h *types.Header) { h.ReceiptHash[0]++ },
	} {
		header := good.Header()
		forge(header)
		p.block = types.NewBlockWithHeader(header).WithBody(*good.Body()).WithAccessListUnsafe(good.AccessList())
		for _, bc := range []*core.BlockChain{p.serially, p.alongList} {
			if _, err := p.timeImport(context.Background(), bc); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
