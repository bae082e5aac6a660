package executor

import (
	"context"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/oracle"
)

var (
	// counter adds one to slot 0, own to the slot named by the caller, put sets the
	// slot that the calldata names, and peek stores in slot 0 the balance of the
	// account that the calldata names.
	counter, counterCode = common.Address{0xc0}, common.FromHex("5f54600101" + "5f5500")
	own, ownCode         = common.Address{0xc1}, common.FromHex("3354600101" + "335500")
	put, putCode         = common.Address{0xc3}, common.FromHex("60015f3555" + "00")
	peek, peekCode       = common.Address{0xc2}, common.FromHex("5f3531" + "5f5500")

	traceCoinbase = common.Address{0xcb}
)

func traceSender(i int) common.Address { return common.Address{0xaa, byte(i >> 8), byte(i)} }

// traceTx is a transaction of sender i.
func traceTx(i int, nonce uint64, to common.Address, data []byte) *motet.Tx {
	gas := uint64(100_000)
	if to[0] == 0xbb {
		gas = params.TxGas
	}
	return motet.NewTx(types.NewTx(&types.DynamicFeeTx{
		ChainID: common.Big1, Nonce: nonce, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1e9), Gas: gas,
		To: &to, Value: common.Big1, Data: data, V: common.Big0, R: new(big.Int).SetUint64(uint64(i)<<32 | nonce + 1), S: common.Big1,
	}), traceSender(i))
}

func traceEnv() Env {
	config := *params.MergedTestChainConfig
	config.ChainID = common.Big1
	config.PragueTime, config.OsakaTime, config.AmsterdamTime = nil, nil, nil // no system contracts are needed then
	m := oracle.NewMemory()
	for i := range 300 {
		m.Accounts[traceSender(i)] = &oracle.MemoryAccount{Balance: *uint256.NewInt(1e18), CodeHash: types.EmptyCodeHash}
	}
	for addr, blob := range map[common.Address][]byte{counter: counterCode, own: ownCode, put: putCode, peek: peekCode} {
		hash := crypto.Keccak256Hash(blob)
		m.Accounts[addr] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
		m.Codes[hash] = blob
	}
	return Env{
		Config: &config, State: m, Parent: &types.Header{Number: big.NewInt(4), Root: common.Hash{1}},
		Header: &types.Header{
			Number: big.NewInt(5), GasLimit: 60_000_000, Time: 1000, Coinbase: traceCoinbase,
			Difficulty: new(big.Int), BaseFee: big.NewInt(7), ExcessBlobGas: new(uint64), ParentBeaconRoot: &common.Hash{},
		},
		BlockHash: func(uint64) common.Hash { return common.Hash{} },
	}
}

// traced runs slices of transactions as one block and returns its report.
func traced(t *testing.T, e Executor, slices ...[]*motet.Tx) *report.Block {
	t.Helper()
	b, err := e.Open(context.Background(), traceEnv())
	if err != nil {
		t.Fatal(err)
	}
	for _, txs := range slices {
		if _, err := b.Run(context.Background(), txs); err != nil {
			t.Fatal(err)
		}
	}
	if b.Report() != nil {
		t.Fatal("there is a report before the block is finished")
	}
	if _, err := b.Finish(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return b.Report()
}

// calls makes n transactions, one of each sender.
func calls(n int, to func(i int) common.Address) []*motet.Tx {
	txs := make([]*motet.Tx, n)
	for i := range txs {
		txs[i] = traceTx(i, 0, to(i), nil)
	}
	return txs
}

func always(to common.Address) func(int) common.Address {
	return func(int) common.Address { return to }
}

func traceExecutors() map[string]Executor {
	return map[string]Executor{
		"serial":        NewSerial(Config{}),
		"parallel(1)":   NewParallel(Config{Workers: 1, Schedule: Always}),
		"parallel(2)":   NewParallel(Config{Workers: 2}),
		"parallel(4)":   NewParallel(Config{Workers: 4, Schedule: Always}),
		"backwards(1)":  NewParallel(Config{Workers: 1, Schedule: Backwards}),
		"backwards(2)":  NewParallel(Config{Workers: 2, Schedule: Backwards, Warm: true}),
		"parallel warm": NewParallel(Config{Workers: 2, Warm: true}),
		"serial, warm":  NewSerial(Config{Warm: true}),
	}
}

// TestDependencies holds the dependency graph against blocks whose graph is
// known, on every schedule, twice each since the memory is used again.
func TestDependencies(t *testing.T) {
	const n = 60
	mixed := append(calls(20, always(counter)), calls(40, always(own))[20:]...)
	sameSender := make([]*motet.Tx, n)
	for i := range sameSender {
		sameSender[i] = traceTx(0, uint64(i), common.Address{0xbb, byte(i)}, nil)
	}
	funding := calls(n, func(i int) common.Address { return common.Address{0xbb, byte(i % 3)} })
	funding = append(funding, traceTx(n, 0, peek, common.LeftPadBytes(common.Address{0xbb, 1}.Bytes(), 32)))
	sameCaller := make([]*motet.Tx, n)
	for i := range sameCaller {
		sameCaller[i] = traceTx(0, uint64(i), put, common.Hash{31: byte(i)}.Bytes())
	}
	chained := append(append(calls(20, always(counter)), calls(n, always(own))[20:]...), traceTx(n, 0, peek, common.LeftPadBytes(traceCoinbase.Bytes(), 32)))
	slot0, fees := report.Location{Address: counter}, report.Location{Address: traceCoinbase, Field: report.Balance}
	paid := append(calls(n, always(own)), traceTx(n, 0, peek, common.LeftPadBytes(traceCoinbase.Bytes(), 32)))
	for name, c := range map[string]struct {
		txs  []*motet.Tx
		path int
		at   []report.Location
	}{
		"a chain through a slot":        {calls(n, always(counter)), n, []report.Location{slot0}},
		"slots of their own":            {calls(n, always(own)), 1, nil},
		"a chain and others":            {mixed, 20, []report.Location{slot0}},
		"one sender":                    {sameSender, 1, nil},
		"one caller":                    {sameCaller, 1, nil},
		"one recipient":                 {calls(n, always(common.Address{0xbb})), 1, nil},
		"transfers, and a look at one":  {funding, 2, []report.Location{{Address: common.Address{0xbb, 1}, Field: report.Balance}}},
		"a look at what everybody pays": {paid, 2, []report.Location{fees}},
		"a look at it after a chain":    {chained, 21, []report.Location{slot0, fees}},
	} {
		for kind, e := range traceExecutors() {
			for range 2 {
				b := traced(t, e, c.txs)
				s := b.Summarise()
				if b.Transactions != len(c.txs) || s.Executions[report.Committed] != len(c.txs) {
					t.Fatalf("%s, %s: %d transactions, executions %v", name, kind, b.Transactions, s.Executions)
				}
				longest := longestChain(b)
				if longest != c.path {
					t.Errorf("%s, %s: the longest chain has %d transactions, want %d", name, kind, longest, c.path)
				}
				for _, e := range b.Edges {
					if at := b.Places[e.Place]; !slices.Contains(c.at, at) {
						t.Errorf("%s, %s: transaction %d depends on %d at %v", name, kind, e.Reader, e.Writer, at)
					}
				}
				if c.path == n && (len(s.Path) != n || s.Critical != s.Work || s.Ideal > 1.001) {
					t.Errorf("%s, %s: path of %d, critical %v of %v, ideal %v", name, kind, len(s.Path), s.Critical, s.Work, s.Ideal)
				}
			}
		}
	}
}

// longestChain counts transactions.
func longestChain(b *report.Block) int {
	depth, longest := make([]int, b.Transactions), 0
	for _, e := range b.Edges {
		depth[e.Reader] = max(depth[e.Reader], depth[e.Writer]+1)
	}
	for _, d := range depth {
		longest = max(longest, d+1)
	}
	return longest
}

// TestCriticalGas: the gas of the costliest chain is the same on every schedule.
func TestCriticalGas(t *testing.T) {
	txs := append(calls(20, always(counter)), calls(60, always(own))[20:]...)
	var want uint64
	for kind, e := range traceExecutors() {
		b := traced(t, e, txs)
		if want == 0 {
			want = b.CriticalGas
		}
		// One of the chain takes 22,100 + 21,000 gas or so, the others 5,000 less.
		if b.CriticalGas != want || want < 20*26_000 || want > 20*44_000 {
			t.Errorf("%s: critical gas %d, others say %d", kind, b.CriticalGas, want)
		}
	}
}

// TestAbortsNameTheirCause: executed last first, a counter's calls lose all
// executions but one of each batch, to the slot that their predecessor wrote.
func TestAbortsNameTheirCause(t *testing.T) {
	b := traced(t, NewParallel(Config{Workers: 1, Schedule: Backwards}), calls(batch, always(counter)))
	s := b.Summarise()
	if len(b.Aborts) != batch-1 || s.Aborts[report.CauseSlot] != batch-1 || s.Executions[report.Aborted] != batch-1 {
		t.Fatalf("aborts %v", b.Aborts)
	}
	for i, a := range b.Aborts {
		if int(a.Task) != i+1 || int(a.Writer) != i || b.Places[a.Place] != (report.Location{Address: counter}) {
			t.Errorf("abort %d: %+v at %v", i, a, b.Places[a.Place])
		}
	}
	if s.Wasted == 0 || s.Work == 0 {
		t.Errorf("work %v, wasted %v", s.Work, s.Wasted)
	}
	for _, r := range b.Executions() {
		want := report.Committed
		if r.Incarnation == 0 && r.Task > 0 {
			want = report.Aborted
		}
		if r.Outcome != want || r.Index != r.Task || r.End < r.Start {
			t.Errorf("execution %+v, want %v", r, want)
		}
	}

	// The balance of an account that an earlier transaction pays.
	txs := calls(batch, always(common.Address{0xbb}))
	txs[batch-1] = traceTx(batch-1, 0, peek, common.LeftPadBytes(common.Address{0xbb}.Bytes(), 32))
	b = traced(t, NewParallel(Config{Workers: 1, Schedule: Backwards}), txs)
	if len(b.Aborts) != 1 || b.Aborts[0].Cause != report.CauseBalance || b.Places[b.Aborts[0].Place] != (report.Location{Address: common.Address{0xbb}, Field: report.Balance}) {
		t.Errorf("aborts %+v", b.Aborts)
	}
	// A nonce that the transaction before used.
	to := common.Address{0xbb}
	twice := append(calls(batch-2, always(own)), traceTx(7, 0, to, nil), traceTx(7, 0, to, nil))
	b = traced(t, NewParallel(Config{Workers: 1, Schedule: Backwards}), twice)
	if len(b.Aborts) != 1 || b.Aborts[0].Cause != report.CauseNonce || b.Places[b.Aborts[0].Place].Address != traceSender(7) {
		t.Errorf("aborts %+v", b.Aborts)
	}
	if s := b.Summarise(); s.Executions[report.Skipped] != 1 || len(b.Gaps) != 1 {
		t.Errorf("executions %v, gaps %v", s.Executions, b.Gaps)
	}
}

// TestStreams: what is left out of a block, and what is serial, is told over
// several slices.
func TestStreams(t *testing.T) {
	stale := traceTx(0, 0, own, nil)
	for kind, e := range traceExecutors() {
		b := traced(t, e,
			calls(20, always(own)),
			[]*motet.Tx{stale, traceTx(1, 1, own, nil), stale},
			[]*motet.Tx{traceTx(2, 1, counter, nil), stale, traceTx(3, 1, counter, nil)})
		s := b.Summarise()
		if s.Executions[report.Committed] != 23 || s.Executions[report.Skipped] != 3 || b.Slices != 3 || b.Transactions != 23 {
			t.Errorf("%s: executions %v in %d slices", kind, s.Executions, b.Slices)
		}
		if last := b.Edges[len(b.Edges)-1]; last.Reader != 22 || last.Writer != 21 {
			t.Errorf("%s: the last dependency is %+v", kind, last)
		}
	}
	huge := motet.NewTx(types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(1e9), Gas: 59_999_999, To: &own, V: common.Big0, R: common.Big3, S: common.Big1}), traceSender(200))
	for kind, e := range traceExecutors() {
		b := traced(t, e, append(calls(20, always(counter)), huge, stale), calls(21, always(counter))[20:])
		last := b.Edges[len(b.Edges)-1]
		if len(b.Gaps) != 1 || b.Gaps[0] != (report.Gap{From: 20, To: 22, Unseen: true}) || last.Reader != 20 || last.Writer != 19 {
			t.Errorf("%s: a slice that was cut: gaps %v, last dependency %v", kind, b.Gaps, last)
		}
		if s := b.Summarise(); s.Executions[report.Committed] != 21 || s.Executions[report.Skipped] != 0 {
			t.Errorf("%s: a slice that was cut: executions %v", kind, s.Executions)
		}
	}
	b := traced(t, NewSerial(Config{}), calls(20, always(own)))
	if len(b.Lanes) != 1 || b.Workers != 1 || len(b.Solos) != 1 || b.Solos[0] != (report.Solo{Reason: "configured", Transactions: 20}) {
		t.Errorf("serial: %d lanes, %v", len(b.Lanes), b.Solos)
	}
	b = traced(t, NewParallel(Config{Workers: 2}), calls(3, always(own)))
	if len(b.Solos) != 1 || b.Solos[0] != (report.Solo{Reason: "small slice", Transactions: 3}) || len(b.Lanes[1]) != 0 {
		t.Errorf("a small slice: %v", b.Solos)
	}
}

// TestTraceAllocates: what is noted down costs no allocation per transaction.
func TestTraceAllocates(t *testing.T) {
	e := NewParallel(Config{Workers: 1})
	allocs := func(txs []*motet.Tx) float64 {
		return testing.AllocsPerRun(3, func() { traced(t, e, txs) })
	}
	chain := make([]*motet.Tx, 300) // of two accounts, so that no more are read
	for i := range chain {
		chain[i] = traceTx(0, uint64(i), common.Address{0xbb}, nil)
	}
	few, many := allocs(chain[:100]), allocs(chain)
	if per := (many - few) / 200; per > 0.1 {
		t.Errorf("%v allocations for each further transfer", per)
	}
}
