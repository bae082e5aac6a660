package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/tests"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/oracle"
)

// stateTest is a state test as files hold it: a transaction for each index of
// each fork, and the state before it. The transaction's parts are not read, since
// each case has it signed and encoded.
type stateTest struct {
	Env  stateEnv               `json:"env"`
	Pre  types.GenesisAlloc     `json:"pre"`
	Post map[string][]stateCase `json:"post"`

	BlockTest json.RawMessage `json:"blocks"` // if it is one
}

type stateEnv struct {
	Coinbase      common.UnprefixedAddress `json:"currentCoinbase"`
	Difficulty    *math.HexOrDecimal256    `json:"currentDifficulty"`
	Random        *math.HexOrDecimal256    `json:"currentRandom"`
	GasLimit      math.HexOrDecimal64      `json:"currentGasLimit"`
	Number        math.HexOrDecimal64      `json:"currentNumber"`
	Timestamp     math.HexOrDecimal64      `json:"currentTimestamp"`
	BaseFee       *math.HexOrDecimal256    `json:"currentBaseFee"`
	ExcessBlobGas *math.HexOrDecimal64     `json:"currentExcessBlobGas"`
}

type stateCase struct {
	Root      common.UnprefixedHash `json:"hash"`
	Logs      common.UnprefixedHash `json:"logs"`
	TxBytes   hexutil.Bytes         `json:"txbytes"`
	Exception string                `json:"expectException"`
}

// stateVerdict is what a state test checks: whether the transaction was refused,
// and the state and the logs that it leaves.
type stateVerdict struct {
	root    common.Hash // zero where it cannot be known
	logs    common.Hash // of a transaction that was not refused
	refused error

	receipts types.Receipts // that the engines must agree on
}

// differs says in what v is not as want.
func (v *stateVerdict) differs(want *stateVerdict) error {
	switch {
	case v.refused != nil && want.refused == nil:
		return fmt.Errorf("the transaction is refused: %w", v.refused)
	case v.refused == nil && want.refused != nil:
		return fmt.Errorf("the transaction is not refused: want %w", want.refused)
	case v.root != want.root && v.root != (common.Hash{}) && want.root != (common.Hash{}):
		return fmt.Errorf("state root: want %v, got %v", want.root, v.root)
	case v.refused == nil && v.logs != want.logs:
		return fmt.Errorf("hash of logs: want %v, got %v", want.logs, v.logs)
	default:
		return nil
	}
}

func (t *tester) stateFile(ctx context.Context, f file) ([]Result, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(f.raw, &raw); err != nil {
		return nil, err
	}
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		test := new(stateTest)
		if err := json.Unmarshal(raw[name], test); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case test.BlockTest != nil:
			continue
		case test.Post == nil:
			return nil, fmt.Errorf("%s is no test", name)
		}
		s := stateRun{tester: t, stateTest: test, raw: raw[name]}
		for _, fork := range slices.Sorted(maps.Keys(test.Post)) {
			for index := range test.Post[fork] {
				r := Result{File: f.name, Test: name, Fork: fork, Index: index}
				if !t.wanted(&r) {
					continue
				}
				if err := s.run(ctx, &r); err != nil {
					return nil, fmt.Errorf("%s: %w", r.ID(), err)
				}
				results = append(results, r)
			}
			r := Result{File: f.name, Test: name + " (all cases in one block)", Fork: fork, combined: true}
			if !t.wanted(&r) {
				continue
			}
			ran, err := s.combined(ctx, &r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.ID(), err)
			}
			if ran {
				results = append(results, r)
			}
		}
	}
	return results, nil
}

// stateRun runs the cases of a state test.
type stateRun struct {
	*tester
	*stateTest
	raw json.RawMessage

	root   common.Hash // of the state before
	states state.Database
	// The same state for the executors.
	memory, memoryPrague *oracle.Memory
}

// run fills in what became of the case that r names.
func (s *stateRun) run(ctx context.Context, r *Result) error {
	config, eips, err := tests.GetChainConfig(r.Fork)
	switch {
	case errors.As(err, new(tests.UnsupportedForkError)):
		r.Verdict, r.Reason = Skipped, "go-ethereum does not know the fork "+r.Fork
		return nil
	case err != nil:
		return err
	case len(eips) > 0:
		r.Verdict, r.Reason = Skipped, "no chain can have a fork with single EIPs switched on"
		return nil
	}
	want := s.Post[r.Fork][r.Index]
	if len(want.TxBytes) == 0 {
		r.Verdict, r.Reason = Skipped, "the file holds no signed transaction"
		return nil
	}
	verdicts, err := s.verdicts(ctx, config, want.TxBytes, &r.stats)
	if err != nil {
		return err
	}
	file := stateVerdict{root: common.Hash(want.Root), logs: common.Hash(want.Logs)}
	if want.Exception != "" {
		file.refused = errors.New(want.Exception)
	}
	expected, otherwise := &file, exception(r.Test)
	if otherwise != "" {
		if expected, err = s.geth(r); err != nil {
			return err
		}
	}
	r.Verdict, r.Reason = Passed, otherwise
	if difference := s.compare(verdicts, expected); difference != nil {
		r.Verdict, r.Reason = Failed, difference.Error()
	} else if otherwise != "" {
		r.Verdict = Skipped
	}
	return nil
}

// compare names the first engine whose verdict is not as want, or whose receipts
// or reason to refuse are not those of the first engine.
func (s *stateRun) compare(verdicts []stateVerdict, want *stateVerdict) error {
	for i := range verdicts {
		v := &verdicts[i]
		err := v.differs(want)
		if first := &verdicts[0]; err == nil && v.refused == nil {
			err = oracle.CompareReceipts(first.receipts, v.receipts)
		} else if err == nil && v.refused.Error() != first.refused.Error() {
			err = fmt.Errorf("refused: %w; by %s: %w", v.refused, s.engines[0].name, first.refused)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.engines[i].name, err)
		}
	}
	return nil
}

// verdicts returns what each engine does.
func (s *stateRun) verdicts(ctx context.Context, config *params.ChainConfig, encoded []byte, stats *executor.Stats) ([]stateVerdict, error) {
	out := make([]stateVerdict, len(s.engines))
	env := s.env(config)
	tx, refused := decode(&env, encoded)
	for i := range s.engines {
		out[i].refused = refused
	}
	if refused != nil {
		return out, nil //nolint:nilerr // that it is refused is a result
	}
	var last *attempt // that left a state, whose root is this one
	var root common.Hash
	for i := range s.engines {
		e, v := &s.engines[i], &out[i]
		a, err := e.run(ctx, env, slices.Repeat([]*motet.Tx{tx}, e.offers), nil, e.offers > 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		stats.Executions += a.stats.Executions
		stats.Aborts += a.stats.Aborts
		if a.outcome == nil {
			v.refused = a.refused
			continue
		}
		if last == nil || !reflect.DeepEqual(last.outcome.Changes, a.outcome.Changes) {
			if root, err = s.rootAfter(&env, a.outcome.Changes); err != nil {
				return nil, err
			}
		}
		last = &a
		v.root, v.receipts = root, a.outcome.Receipts
		if len(a.outcome.Txs) == 0 {
			v.refused = a.refused
		} else {
			v.logs = logsHash(a.outcome.Receipts)
		}
	}
	return out, nil
}

// env returns the block that the transaction stands in, which is not a whole one:
// no system calls belong to it. The executors make those that always are; without
// their contracts in the state they leave nothing.
func (s *stateRun) env(config *params.ChainConfig) executor.Env {
	number := uint64(s.Env.Number)
	h := &types.Header{
		Coinbase:   common.Address(s.Env.Coinbase),
		Difficulty: (*big.Int)(s.Env.Difficulty),
		Number:     new(big.Int).SetUint64(number),
		GasLimit:   uint64(s.Env.GasLimit),
		Time:       uint64(s.Env.Timestamp),
	}
	if number > 0 {
		h.ParentHash = blockHash(number - 1)
	}
	if h.Difficulty == nil {
		h.Difficulty = params.GenesisDifficulty
	}
	if config.IsLondon(new(big.Int)) {
		h.BaseFee = big.NewInt(10) // what the tests assume
		if s.Env.BaseFee != nil {
			h.BaseFee = (*big.Int)(s.Env.BaseFee)
		}
		if s.Env.Random != nil {
			h.Difficulty, h.MixDigest = new(big.Int), common.BigToHash((*big.Int)(s.Env.Random))
		}
	}
	if config.IsCancun(h.Number, h.Time) {
		h.ExcessBlobGas = new(uint64)
		if s.Env.ExcessBlobGas != nil {
			h.ExcessBlobGas = (*uint64)(s.Env.ExcessBlobGas)
		}
	}
	return executor.Env{
		Config:    config,
		Header:    h,
		Parent:    &types.Header{Number: new(big.Int), Difficulty: new(big.Int), GasLimit: h.GasLimit},
		State:     s.memoryBefore(config.IsPrague(h.Number, h.Time)),
		BlockHash: blockHash,
	}
}

// blockHash is the hash that state tests give the block with that number.
func blockHash(number uint64) common.Hash {
	return crypto.Keccak256Hash([]byte(strconv.FormatUint(number, 10)))
}

// memoryBefore returns the state before for the executors. From Prague on a block cannot end without the
// contracts of EIP-7002 and EIP-7251: where the test has none, the executors find
// ones there that ask for nothing.
func (s *stateRun) memoryBefore(prague bool) *oracle.Memory {
	if s.memory == nil {
		s.memory = memoryOf(s.Pre)
	}
	if !prague {
		return s.memory
	}
	if s.memoryPrague == nil {
		stop := types.Account{Code: []byte{0}, Balance: new(big.Int)}
		alloc := types.GenesisAlloc{params.WithdrawalQueueAddress: stop, params.ConsolidationQueueAddress: stop}
		maps.Copy(alloc, s.Pre)
		s.memoryPrague = memoryOf(alloc)
	}
	return s.memoryPrague
}

func memoryOf(alloc types.GenesisAlloc) *oracle.Memory {
	m := oracle.NewMemory()
	for addr, from := range alloc {
		a := &oracle.MemoryAccount{Nonce: from.Nonce, CodeHash: types.EmptyCodeHash, Storage: from.Storage}
		a.Balance.SetFromBig(from.Balance)
		if len(from.Code) > 0 {
			a.CodeHash = crypto.Keccak256Hash(from.Code)
			m.Codes[a.CodeHash] = from.Code
		}
		m.Accounts[addr] = a
	}
	return m
}

// decode does what comes before execution: it reads the transaction, recovers its
// sender, and counts its blobs, which a header limits.
func decode(env *executor.Env, encoded []byte) (*motet.Tx, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(encoded); err != nil {
		return nil, err
	}
	config, h := env.Config, env.Header
	if config.IsCancun(h.Number, h.Time) && len(tx.BlobHashes()) > eip4844.MaxBlobsPerBlock(config, h.Time) {
		return nil, errors.New("too many blobs for a block")
	}
	return motet.RecoverTx(types.MakeSigner(config, h.Number, h.Time), tx)
}

// before opens the state before.
func (s *stateRun) before() (*state.StateDB, error) {
	if s.states == nil {
		pre := tests.MakePreState(rawdb.NewMemoryDatabase(), s.Pre, false, rawdb.HashScheme).StateDB
		s.root, s.states = pre.IntermediateRoot(params.Rules{}), pre.Database()
	}
	return state.New(s.root, s.states)
}

// rootAfter returns the root of the state that changes make of the one before.
func (s *stateRun) rootAfter(env *executor.Env, changes *motet.StateChanges) (common.Hash, error) {
	db, err := s.before()
	if err != nil {
		return common.Hash{}, err
	}
	chain.ApplyChanges(db, rulesOf(env), changes)
	return rootOf(env, db)
}

// rootOf returns the root after a reward of zero, which makes an account before
// EIP-158.
func rootOf(env *executor.Env, db *state.StateDB) (common.Hash, error) {
	db.AddBalance(env.Header.Coinbase, new(uint256.Int), tracing.BalanceIncreaseRewardMineBlock)
	return db.IntermediateRoot(rulesOf(env)), db.Error()
}

func rulesOf(env *executor.Env) params.Rules {
	h := env.Header
	return env.Config.Rules(h.Number, h.Difficulty.Sign() == 0, h.Time)
}

func logsHash(receipts types.Receipts) common.Hash {
	logs := []*types.Log{}
	for _, r := range receipts {
		logs = append(logs, r.Logs...)
	}
	encoded, err := rlp.EncodeToBytes(logs)
	if err != nil {
		return common.Hash{} // the hash of nothing
	}
	return crypto.Keccak256Hash(encoded)
}

// geth returns what go-ethereum does in the case that r names.
func (s *stateRun) geth(r *Result) (*stateVerdict, error) {
	test := new(tests.StateTest)
	if err := json.Unmarshal(s.raw, test); err != nil {
		return nil, err
	}
	st, root, _, err := test.RunNoVerify(tests.StateSubtest{Fork: r.Fork, Index: r.Index}, vm.Config{}, false, rawdb.HashScheme)
	if err != nil {
		st.Close()
		return &stateVerdict{refused: err}, nil
	}
	defer st.Close()
	return &stateVerdict{root: root, logs: logsHash(types.Receipts{{Logs: st.StateDB.Logs()}})}, nil
}
