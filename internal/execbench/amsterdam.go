package execbench

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/timing"
)

// AmsterdamResult is one workload at one worker count under the rules of
// Amsterdam, where stock geth executes a block in parallel along its access list
// (EIP-7928). Durations are medians in seconds.
type AmsterdamResult struct {
	Workload     string `json:"workload"`
	Amsterdam    bool   `json:"amsterdam"` // true
	Workers      int    `json:"workers"`   // of Motet's parallel executor
	GethWorkers  int    `json:"geth_workers"`
	Transactions int    `json:"transactions"`
	Gas          uint64 `json:"gas"`

	// Execution alone, as in Result: GethS is ApplyMessage and Finalise on a warm
	// StateDB; Motet's executors are warm too, and note down the access list.
	GethS     float64 `json:"geth_s"`
	SerialS   float64 `json:"serial_s"`
	ParallelS float64 `json:"parallel_s"`
	Fallback  string  `json:"fallback,omitempty"`

	// A whole block, with system calls, receipts, blooms, the access list and its
	// hash, and the roots of receipts and state. Geth imports the block, one
	// transaction after the other (its prefetchers run beside, as they do by
	// default) or along the list, and checks all of these against the header.
	// Motet makes the block. States lie in memory. Signatures are recovered
	// before, and nobody writes to a database.
	GethImportS     float64 `json:"geth_import_s"`
	GethListImportS float64 `json:"geth_list_import_s"`
	SerialSealS     float64 `json:"serial_seal_s"`
	ParallelSealS   float64 `json:"parallel_seal_s"`
	// The processor time that these took.
	GethImportCPUS     float64 `json:"geth_import_cpu_s"`
	GethListImportCPUS float64 `json:"geth_list_import_cpu_s"`
	SerialSealCPUS     float64 `json:"serial_seal_cpu_s"`
	ParallelSealCPUS   float64 `json:"parallel_seal_cpu_s"`

	// ListVsGeth is how many times as fast as its serial import geth's parallel one
	// is; SerialVsList and ParallelVsList compare Motet's with the latter.
	ListVsGeth     float64 `json:"list_vs_geth"`
	SerialVsList   float64 `json:"serial_vs_list"`
	ParallelVsList float64 `json:"parallel_vs_list"`

	OthersCores float64 `json:"others_cores"`
	// Skipped says why the workload was not measured; all else is unset then.
	Skipped string `json:"skipped,omitempty"`
}

// AmsterdamWorkloads are those that RunAmsterdam measures if the config names none.
func AmsterdamWorkloads() []string { return []string{"transfers", "erc20"} }

// RunAmsterdam measures and reports, as Run does.
func RunAmsterdam(ctx context.Context, c Config, progress func(string), report func(AmsterdamResult)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	names := c.Workloads
	if len(names) == 0 {
		names = AmsterdamWorkloads()
	}
	for _, name := range names {
		progress(settingUp(name))
		if err := measureAmsterdam(ctx, c, name, report); err != nil {
			return fmt.Errorf("workload %s under Amsterdam: %w", name, err)
		}
	}
	return nil
}

func measureAmsterdam(ctx context.Context, c Config, name string, report func(AmsterdamResult)) error {
	s, err := build(name, setting{gas: c.Gas, artifacts: c.Artifacts, amsterdam: true})
	if errors.Is(err, errMissing) {
		report(AmsterdamResult{Workload: name, Amsterdam: true, Skipped: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	p, err := newPeers(ctx, s, c)
	if err != nil {
		return err
	}
	defer p.close()
	rounds, err := timing.Calmest(c.Rounds, func() (peerRound, error) { return p.round(ctx) }, func(r peerRound) float64 { return r.others })
	if err != nil {
		return err
	}
	for i, workers := range c.Workers {
		r := p.result(rounds, i)
		r.Workload, r.Workers = name, workers
		report(r)
	}
	return nil
}

// peers is a bench under Amsterdam's rules with two stock chains whose genesis is
// the state before the block.
type peers struct {
	*bench

	serially, alongList *core.BlockChain
	states              state.Database
	block               *types.Block
}

func newPeers(ctx context.Context, s *scenario, c Config) (p *peers, err error) {
	p = new(peers)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	genesis := s.genesis()
	if p.serially, err = stockChain(genesis, vm.Config{DisableParallelExecution: true}); err != nil {
		return nil, err
	}
	if p.alongList, err = stockChain(genesis, vm.Config{}); err != nil {
		return nil, err
	}
	p.states = state.NewDatabase(p.serially.TrieDB(), p.serially.CodeDB())
	s.parent = p.serially.Genesis().Header()
	s.header.ParentHash = s.parent.Hash()
	if p.bench, err = newBench(ctx, s, c); err != nil {
		return nil, err
	}
	if err := p.agree(ctx); err != nil {
		return nil, err
	}
	open, _, err := p.runOurs(ctx, p.serial)
	if err != nil {
		return nil, err
	}
	if p.block, err = p.finish(ctx, open); err != nil {
		return nil, err
	}
	return p, p.knowSenders()
}

func (p *peers) close() {
	for _, c := range []*core.BlockChain{p.serially, p.alongList} {
		if c != nil {
			c.Stop()
		}
	}
}

// genesis has the scenario's state in it.
func (s *scenario) genesis() *core.Genesis {
	zero, alloc := uint64(0), make(types.GenesisAlloc, len(s.state.Accounts))
	for addr, a := range s.state.Accounts {
		alloc[addr] = types.Account{Balance: a.Balance.ToBig(), Nonce: a.Nonce, Code: s.state.Codes[a.CodeHash], Storage: a.Storage}
	}
	return &core.Genesis{
		Config: s.config, Timestamp: s.parent.Time, GasLimit: s.header.GasLimit, BaseFee: s.header.BaseFee,
		Difficulty: new(big.Int), Alloc: alloc, ExcessBlobGas: &zero, BlobGasUsed: &zero, SlotNumber: &s.parent.Time,
	}
}

func stockChain(genesis *core.Genesis, config vm.Config) (*core.BlockChain, error) {
	options := core.DefaultConfig().WithStateScheme(rawdb.PathScheme)
	options.VmConfig = config
	return core.NewBlockChain(rawdb.NewMemoryDatabase(), genesis, beacon.New(ethash.NewFaker()), options)
}

// knownSender is a signer that need not recover the sender. types.Sender remembers
// what it says.
type knownSender struct {
	types.Signer

	from common.Address
}

// Sender implements types.Signer.
func (k knownSender) Sender(*types.Transaction) (common.Address, error) { return k.from, nil }

// knowSenders has the block's transactions know their senders, as those in a pool
// do.
func (p *peers) knowSenders() error {
	signer := types.MakeSigner(p.s.config, p.block.Number(), p.block.Time())
	for _, tx := range p.s.txs {
		if _, err := types.Sender(knownSender{Signer: signer, from: tx.From}, tx.Transaction); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the block that open holds, with its roots and its list.
func (p *peers) finish(ctx context.Context, open executor.Block) (*types.Block, error) {
	out, err := open.Finish(ctx, types.Withdrawals{})
	if err != nil {
		return nil, err
	}
	db, err := state.New(p.s.parent.Root, p.states)
	if err != nil {
		return nil, err
	}
	header := types.CopyHeader(out.Header)
	rules := p.s.config.Rules(header.Number, true, header.Time)
	chain.ApplyChanges(db, rules, out.Changes)
	header.Root = db.IntermediateRoot(rules)
	if err := db.Error(); err != nil {
		return nil, err
	}
	requests, list := types.CalcRequestsHash(out.Requests), out.AccessList()
	hash := list.Hash()
	header.GasUsed, header.RequestsHash, header.BlockAccessListHash = out.GasUsed, &requests, &hash
	body := &types.Body{Transactions: motet.Transactions(out.Txs), Withdrawals: out.Withdrawals}
	return types.NewBlock(header, body, out.Receipts, trie.NewListHasher()).WithAccessListUnsafe(list), nil
}

// peerRound holds a run of every engine, one right after the other.
type peerRound struct {
	geth, imported, listImported sample
	serial                       made
	parallel                     []made
	others                       float64
}

// made is a block made by an executor of Motet.
type made struct {
	whole sample
	alone float64 // seconds until the last transaction was executed
}

func (p *peers) round(ctx context.Context) (r peerRound, err error) {
	others := timing.WatchOthers()
	db := p.warm.Copy()
	if r.geth, err = timed(func() error { _, err := p.runGeth(ctx, db, nil); return err }); err != nil {
		return r, err
	}
	if r.imported, err = p.timeImport(ctx, p.serially); err != nil {
		return r, fmt.Errorf("geth, serially: %w", err)
	}
	if r.listImported, err = p.timeImport(ctx, p.alongList); err != nil {
		return r, fmt.Errorf("geth, along the list: %w", err)
	}
	if r.serial, err = p.timeMaking(ctx, p.serial); err != nil {
		return r, err
	}
	for _, e := range p.parallel {
		m, err := p.timeMaking(ctx, e)
		if err != nil {
			return r, err
		}
		r.parallel = append(r.parallel, m)
	}
	r.others = others().AtLeast()
	return r, nil
}

// timeImport has geth execute the block and check it. Geth keeps nothing of it.
func (p *peers) timeImport(ctx context.Context, bc *core.BlockChain) (sample, error) {
	return timed(func() error {
		_, err := bc.ProcessBlock(ctx, p.s.parent.Root, p.block, core.ExecuteConfig{})
		return err
	})
}

func (p *peers) timeMaking(ctx context.Context, e executor.Executor) (m made, err error) {
	var (
		block *types.Block
		slice *executor.Slice
	)
	m.whole, err = timed(func() error {
		open, err := p.openOurs(ctx, e, nil)
		if err != nil {
			return err
		}
		start := time.Now()
		if slice, err = p.transactions(ctx, open); err != nil {
			return err
		}
		m.alone = time.Since(start).Seconds()
		block, err = p.finish(ctx, open)
		return err
	})
	if err != nil {
		return m, err
	}
	if block.Hash() != p.block.Hash() {
		return m, fmt.Errorf("%T made another block", e)
	}
	m.whole.stats = slice.Stats
	return m, nil
}

// result sums up the rounds for the worker count at index i.
func (p *peers) result(rounds []peerRound, i int) AmsterdamResult {
	wall := func(of func(peerRound) sample) float64 {
		return medianOf(rounds, func(r peerRound) float64 { return of(r).wall })
	}
	cpu := func(of func(peerRound) sample) float64 {
		return medianOf(rounds, func(r peerRound) float64 { return of(r).cpu })
	}
	imported := func(r peerRound) sample { return r.imported }
	listImported := func(r peerRound) sample { return r.listImported }
	serial := func(r peerRound) sample { return r.serial.whole }
	parallel := func(r peerRound) sample { return r.parallel[i].whole }
	r := AmsterdamResult{
		Amsterdam:    true,
		GethWorkers:  runtime.GOMAXPROCS(0),
		Transactions: len(p.s.txs),
		Gas:          p.block.GasUsed(),
		GethS:        wall(func(r peerRound) sample { return r.geth }),
		SerialS:      medianOf(rounds, func(r peerRound) float64 { return r.serial.alone }),
		ParallelS:    medianOf(rounds, func(r peerRound) float64 { return r.parallel[i].alone }),
		Fallback:     rounds[0].parallel[i].whole.stats.Fallback,

		GethImportS: wall(imported), GethListImportS: wall(listImported), SerialSealS: wall(serial), ParallelSealS: wall(parallel),
		GethImportCPUS: cpu(imported), GethListImportCPUS: cpu(listImported), SerialSealCPUS: cpu(serial), ParallelSealCPUS: cpu(parallel),

		OthersCores: medianOf(rounds, func(r peerRound) float64 { return r.others }),
	}
	r.ListVsGeth = r.GethImportS / r.GethListImportS
	r.SerialVsList, r.ParallelVsList = r.GethListImportS/r.SerialSealS, r.GethListImportS/r.ParallelSealS
	return r
}
