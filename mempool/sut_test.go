package mempool

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"maps"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testState is a state of accounts without storage. Accounts are replaced, never
// changed, so that a copy is a snapshot.
type testState struct {
	accounts map[common.Address]types.StateAccount
	codes    map[common.Hash][]byte
}

func newTestState() *testState {
	return &testState{accounts: make(map[common.Address]types.StateAccount), codes: make(map[common.Hash][]byte)}
}

func (s *testState) clone() *testState {
	return &testState{accounts: maps.Clone(s.accounts), codes: s.codes}
}

func (s *testState) set(addr common.Address, nonce uint64, balance *uint256.Int) {
	st := s.get(addr)
	st.Nonce, st.Balance = nonce, balance.Clone()
	s.accounts[addr] = st
}

func (s *testState) setCode(addr common.Address, code []byte) {
	st := s.get(addr)
	st.CodeHash = crypto.Keccak256(code)
	s.codes[common.BytesToHash(st.CodeHash)] = code
	s.accounts[addr] = st
}

func (s *testState) get(addr common.Address) types.StateAccount {
	if st, ok := s.accounts[addr]; ok {
		return st
	}
	return *types.NewEmptyStateAccount()
}

func (s *testState) Account(addr common.Address) (*types.StateAccount, error) {
	st, ok := s.accounts[addr]
	if !ok {
		return nil, nil
	}
	st.Balance = st.Balance.Clone()
	return &st, nil
}

func (s *testState) Storage(common.Address, common.Hash) (common.Hash, error) {
	return common.Hash{}, nil
}
func (s *testState) Has(_ common.Address, h common.Hash) bool { return s.codes[h] != nil }
func (s *testState) Code(_ common.Address, h common.Hash) []byte {
	return s.codes[h]
}
func (s *testState) CodeSize(_ common.Address, h common.Hash) int { return len(s.codes[h]) }

// testIntake is an intake in memory that can be told to fail, to fail after all
// became durable, or to wait.
type testIntake struct {
	mu       sync.Mutex
	txs      [][]byte
	entries  []any // uint64 (index in txs) or motet.Fate, in order
	released uint64
	fail     error
	persist  bool // although it fails
	gate     chan struct{}
}

func (in *testIntake) AppendTxs(ctx context.Context, raw [][]byte) (uint64, error) {
	in.mu.Lock()
	gate := in.gate
	in.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", motet.ErrUnavailable, ctx.Err())
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.fail != nil && !in.persist {
		return 0, in.fail
	}
	first := uint64(len(in.txs))
	for i, r := range raw {
		in.txs = append(in.txs, r)
		in.entries = append(in.entries, first+uint64(i))
	}
	return first, in.fail
}

func (in *testIntake) AppendFates(_ context.Context, fates []motet.Fate) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.fail != nil {
		return in.fail
	}
	for _, f := range fates {
		in.entries = append(in.entries, f)
	}
	return nil
}

func (in *testIntake) Release(_ context.Context, lowest uint64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.released = lowest
	return in.fail
}

func (in *testIntake) set(fail error, persist bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fail, in.persist = fail, persist
}

// sut is a pool over a state and an intake of its own, with a clock that stands.
type sut struct {
	*Pool
	t      testing.TB
	state  *testState
	intake *testIntake
	now    time.Time
	open   *motet.Open
	keys   []*ecdsa.PrivateKey
	addrs  []common.Address
}

const testBaseFee = 1000

func testConfig() *params.ChainConfig {
	c := *params.MergedTestChainConfig
	return &c
}

var ether = uint256.NewInt(params.Ether)

func newSUT(t testing.TB, senders int, change func(*Config)) *sut {
	t.Helper()
	s := &sut{t: t, state: newTestState(), intake: &testIntake{}, now: time.Unix(1_800_000_000, 0)}
	config := DefaultConfig()
	if change != nil {
		change(&config)
	}
	for i := range senders {
		key, err := crypto.ToECDSA(common.LeftPadBytes(big.NewInt(int64(i+1)).Bytes(), 32))
		if err != nil {
			t.Fatal(err)
		}
		s.keys = append(s.keys, key)
		s.addrs = append(s.addrs, crypto.PubkeyToAddress(key.PublicKey))
		s.state.set(s.addrs[i], 0, ether)
	}
	s.restart(config)
	s.open = &motet.Open{Number: 1, Timestamp: 1, GasLimit: 60_000_000, BaseFee: big.NewInt(testBaseFee)}
	return s
}

// restart replaces the pool by an empty one.
func (s *sut) restart(config Config) {
	pool, err := New(config, Deps{ChainConfig: testConfig(), Intake: s.intake, Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Pool = pool
}

func (s *sut) start() *sut {
	s.Reset(s.open, s.state.clone())
	return s
}

// fees are tip and fee cap.
type fees struct{ tip, fee int64 }

func (s *sut) dynamic(sender int, nonce uint64, f fees, change func(*types.DynamicFeeTx)) *types.Transaction {
	inner := &types.DynamicFeeTx{
		ChainID: testConfig().ChainID, Nonce: nonce, GasTipCap: big.NewInt(f.tip), GasFeeCap: big.NewInt(f.fee),
		Gas: params.TxGas, To: &common.Address{0xee}, Value: big.NewInt(1),
	}
	if change != nil {
		change(inner)
	}
	tx, err := types.SignNewTx(s.keys[sender], types.LatestSigner(testConfig()), inner)
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

func (s *sut) transfer(sender int, nonce uint64, tip int64) *types.Transaction {
	return s.dynamic(sender, nonce, fees{tip, tip + testBaseFee}, nil)
}

func (s *sut) add(txs ...*types.Transaction) []error {
	return s.Add(context.Background(), txs)
}

func (s *sut) mustAdd(txs ...*types.Transaction) {
	s.t.Helper()
	for i, err := range s.add(txs...) {
		if err != nil {
			s.t.Fatalf("transaction %d: %v", i, err)
		}
	}
}

// include settles txs as included and moves the state on.
func (s *sut) include(txs ...*motet.Tx) {
	var set Settlement
	for i, tx := range txs {
		st := s.state.get(tx.From)
		spent := new(uint256.Int).SetUint64(tx.Gas())
		spent.Mul(spent, uint256.MustFromBig(tx.GasFeeCap()))
		spent.Add(spent, uint256.MustFromBig(tx.Value()))
		s.state.set(tx.From, tx.Nonce()+1, new(uint256.Int).Sub(st.Balance, spent))
		set.Included = append(set.Included, Inclusion{Tx: tx, Block: s.open.Number, Index: uint64(i)})
	}
	set.View = s.state.clone()
	s.Settle(set)
}

func (s *sut) flush() {
	s.t.Helper()
	if err := s.flushFates(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sut) fate(tx *types.Transaction) motet.State {
	f, ok := s.Fate(tx.Hash())
	if !ok {
		return "unknown"
	}
	return f.State
}
