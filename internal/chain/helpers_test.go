package chain

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

const testChainID = 7357

// testKey returns the i-th account of the tests.
func testKey(i int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i), 'k', 'e', 'y'}))
	if err != nil {
		panic(err)
	}
	return key
}

func testAddr(i int) common.Address { return crypto.PubkeyToAddress(testKey(i).PublicKey) }

// started is the time of the tests' genesis: geth indexes the history of a chain
// at once only if its head is younger than six hours.
var started = uint64(time.Now().Add(-time.Hour).Unix())

func testGenesis() *core.Genesis {
	alloc := make(map[common.Address]*uint256.Int)
	for i := range 10 {
		alloc[testAddr(i)] = new(uint256.Int).Mul(uint256.NewInt(1e18), uint256.NewInt(10_000))
	}
	return DevGenesis(DevConfig{ChainID: testChainID, GasLimit: 60_000_000, Timestamp: started, Alloc: alloc})
}

// strictLog collects warnings and errors; TestMain fails on any. It is one for
// the process, as geth's logger is.
type strictLog struct {
	mu    sync.Mutex
	lines []string
}

var badLines = new(strictLog)

func (h *strictLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h *strictLog) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *strictLog) WithGroup(string) slog.Handler                { return h }

func (h *strictLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
	return nil
}

// sut is a chain with what is needed to extend it.
type sut struct {
	*Chain
	t   testing.TB
	dir string
}

func newSUT(t testing.TB, change ...func(*Config, *Deps)) *sut {
	t.Helper()
	return openSUT(t, t.TempDir(), change...)
}

func openSUT(t testing.TB, dir string, change ...func(*Config, *Deps)) *sut {
	t.Helper()
	c, err := tryOpen(t, dir, change...)
	noErr(t, err)
	t.Cleanup(func() { noErr(t, c.Close()) })
	return &sut{Chain: c, t: t, dir: dir}
}

func tryOpen(t testing.TB, dir string, change ...func(*Config, *Deps)) (*Chain, error) {
	conf := Config{DataDir: dir, Genesis: testGenesis(), CacheMiB: 32}
	deps := Deps{Log: slog.New(badLines), Execute: executeBlock(testGenesis().Config)}
	for _, f := range change {
		f(&conf, &deps)
	}
	return Open(t.Context(), conf, deps)
}

// sign signs a transaction of account i.
func sign(i int, tx types.DynamicFeeTx) *types.Transaction {
	tx.ChainID = big.NewInt(testChainID)
	tx.GasTipCap, tx.GasFeeCap = big.NewInt(1), big.NewInt(2*params.InitialBaseFee)
	return types.MustSignNewTx(testKey(i), types.LatestSignerForChainID(tx.ChainID), &tx)
}

func transfer(i int, nonce uint64, to common.Address) *types.Transaction {
	return sign(i, types.DynamicFeeTx{Nonce: nonce, To: &to, Value: big.NewInt(1), Gas: 21_000})
}

func call(i int, nonce uint64, to common.Address, data ...byte) *types.Transaction {
	return sign(i, types.DynamicFeeTx{Nonce: nonce, To: &to, Data: data, Gas: 100_000})
}

func create(i int, nonce uint64, init []byte) *types.Transaction {
	return sign(i, types.DynamicFeeTx{Nonce: nonce, Data: init, Gas: 200_000})
}

// deploy creates a contract with that runtime code.
func deploy(i int, nonce uint64, runtime []byte) *types.Transaction {
	return create(i, nonce, append([]byte{0x60, byte(len(runtime)), 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3}, runtime...))
}

// build executes txs on the head and returns the outcome.
func (s *sut) build(txs ...*types.Transaction) *motet.Outcome {
	s.t.Helper()
	parent := s.Head()
	rollup := motet.Rollup{ChainID: testChainID, GasLimitTarget: 60_000_000}
	number := parent.Number.Uint64() + 1
	open := rollup.NextOpen(s.ChainConfig(), parent, parent.Time+1, motet.Origin{Number: number, Hash: common.BigToHash(new(big.Int).SetUint64(number))})
	reader, err := s.StateAt(parent.Root)
	noErr(s.t, err)
	out, err := executeOn(s.ChainConfig(), open.Header(parent.Hash(), s.ChainConfig()), parent, reader, txs, types.Withdrawals{}, s.BlockHash)
	noErr(s.t, err)
	return out
}

// extend commits a block with txs and returns it.
func (s *sut) extend(txs ...*types.Transaction) *types.Block {
	s.t.Helper()
	sealed, err := s.Seal(s.Head(), s.build(txs...))
	noErr(s.t, err)
	noErr(s.t, s.Commit(s.t.Context(), sealed))
	return sealed.Block
}

// executeBlock is a Deps.Execute made of geth's own parts.
func executeBlock(config *params.ChainConfig) func(context.Context, BlockEnv) (*motet.Outcome, error) {
	return func(_ context.Context, env BlockEnv) (*motet.Outcome, error) {
		return executeOn(config, env.Block.Header(), env.Parent, env.State, env.Block.Transactions(), env.Block.Withdrawals(), env.BlockHash)
	}
}

// executeOn runs a block with core's state transition on a throw-away StateDB
// and collects the values that it changed.
func executeOn(config *params.ChainConfig, header, parent *types.Header, reader state.Reader, txs []*types.Transaction, withdrawals types.Withdrawals, hashes func(uint64) common.Hash) (*motet.Outcome, error) {
	statedb, err := state.NewWithReader(types.EmptyRootHash, state.NewDatabaseForTesting(), reader)
	if err != nil {
		return nil, err
	}
	touched := newTouched(statedb)
	chain := headerContext{config, parent}
	blockCtx := core.NewEVMBlockContext(header, chain, &header.Coinbase)
	blockCtx.GetHash = hashes
	evm := vm.NewEVM(blockCtx, touched, config, vm.Config{})
	defer evm.Release()
	core.PreExecution(context.Background(), header.ParentBeaconRoot, parent, config, evm, header.Number, header.Time)
	out := &motet.Outcome{Header: header, Withdrawals: withdrawals}
	signer := types.MakeSigner(config, header.Number, header.Time)
	gp := core.NewGasPool(header.GasLimit)
	for i, tx := range txs {
		statedb.SetTxContext(tx.Hash(), i, uint32(i+1))
		receipt, _, err := core.ApplyTransaction(context.Background(), evm, gp, statedb, header, tx)
		if err != nil {
			return nil, err
		}
		mtx, err := motet.RecoverTx(signer, tx)
		if err != nil {
			return nil, err
		}
		out.Txs = append(out.Txs, mtx)
		out.Receipts = append(out.Receipts, receipt)
	}
	for _, w := range withdrawals {
		amount := new(uint256.Int).Mul(uint256.NewInt(w.Amount), uint256.NewInt(params.GWei))
		touched.AddBalance(w.Address, amount, tracing.BalanceIncreaseWithdrawal)
	}
	out.GasUsed = gp.Used()
	out.Changes = touched.changes()
	return out, statedb.Error()
}

type headerContext struct {
	config *params.ChainConfig
	parent *types.Header
}

func (c headerContext) Config() *params.ChainConfig                 { return c.config }
func (c headerContext) CurrentHeader() *types.Header                { return c.parent }
func (c headerContext) GetHeader(common.Hash, uint64) *types.Header { return nil }
func (c headerContext) GetHeaderByNumber(uint64) *types.Header      { return nil }
func (c headerContext) GetHeaderByHash(common.Hash) *types.Header   { return nil }

// touched notes every account and slot that may have changed.
type touched struct {
	*state.StateDB

	slots map[common.Address]map[common.Hash]struct{}
	codes map[common.Address]bool
}

func newTouched(db *state.StateDB) *touched {
	return &touched{db, make(map[common.Address]map[common.Hash]struct{}), make(map[common.Address]bool)}
}

func (t *touched) note(a common.Address) map[common.Hash]struct{} {
	if t.slots[a] == nil {
		t.slots[a] = make(map[common.Hash]struct{})
	}
	return t.slots[a]
}

func (t *touched) AddBalance(a common.Address, v *uint256.Int, r tracing.BalanceChangeReason) uint256.Int {
	t.note(a)
	return t.StateDB.AddBalance(a, v, r)
}

func (t *touched) SubBalance(a common.Address, v *uint256.Int, r tracing.BalanceChangeReason) uint256.Int {
	t.note(a)
	return t.StateDB.SubBalance(a, v, r)
}

func (t *touched) SetNonce(a common.Address, n uint64, r tracing.NonceChangeReason) {
	t.note(a)
	t.StateDB.SetNonce(a, n, r)
}

func (t *touched) SetCode(a common.Address, code []byte, r tracing.CodeChangeReason) []byte {
	t.note(a)
	t.codes[a] = true
	return t.StateDB.SetCode(a, code, r)
}

func (t *touched) SetState(a common.Address, k, v common.Hash) common.Hash {
	t.note(a)[k] = struct{}{}
	return t.StateDB.SetState(a, k, v)
}

func (t *touched) changes() *motet.StateChanges {
	out := new(motet.StateChanges)
	for _, addr := range slices.SortedFunc(maps.Keys(t.slots), common.Address.Cmp) {
		if !t.Exist(addr) || t.Empty(addr) {
			out.Accounts = append(out.Accounts, motet.AccountChange{Address: addr, Deleted: true})
			continue
		}
		a := motet.AccountChange{Address: addr, Nonce: t.GetNonce(addr), Balance: *t.GetBalance(addr), CodeHash: t.GetCodeHash(addr)}
		if t.codes[addr] {
			a.CodeChanged, a.Code = true, t.GetCode(addr)
		}
		for _, key := range slices.SortedFunc(maps.Keys(t.slots[addr]), common.Hash.Cmp) {
			a.Storage = append(a.Storage, motet.SlotChange{Key: key, Value: t.GetState(addr, key)})
		}
		out.Accounts = append(out.Accounts, a)
	}
	return out
}

// Engine is not asked, since the author of the block is given.
func (c headerContext) Engine() consensus.Engine { return nil }
