package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/motet-evm/motet"
)

// Env is what a block is executed in.
type Env struct {
	Config *params.ChainConfig
	Header *types.Header
	// BlockHash returns the hash of the ancestor with the given number.
	BlockHash func(number uint64) common.Hash
	// Record keeps the block access list, which takes geth time.
	Record bool
	// EVM is that of an earlier block under the same rules, to go on with: it knows
	// where the code that it has run may jump to. Nil means a new one.
	EVM *vm.EVM
}

// Block is an open block over a StateDB of geth. It is owned by one goroutine.
type Block struct {
	env   Env
	db    *state.StateDB
	evm   *vm.EVM
	gas   *core.GasPool
	kept  bool // the EVM is for others too
	rules params.Rules
	txs   int
	logs  []*types.Log

	recorder *recorder // nil if Env.Record is not set
}

// Open starts a block on db and does what precedes its transactions: system calls, and
// the DAO's end. Hooks observe the changes of state; they may be nil.
func Open(env Env, db *state.StateDB, hooks *tracing.Hooks) *Block {
	vmdb := vm.StateDB(db)
	if hooks != nil {
		vmdb = state.NewHookedState(db, hooks)
	}
	b := &Block{
		env: env,
		db:  db,
		gas: core.NewGasPool(env.Header.GasLimit),
	}
	if env.Record {
		b.recorder = newRecorder(vmdb)
		vmdb = b.recorder
	}
	if b.evm = env.EVM; b.evm == nil {
		b.evm = vm.NewEVM(blockContext(env), vmdb, env.Config, vm.Config{})
	} else {
		b.evm.Context, b.evm.StateDB, b.kept = blockContext(env), vmdb, true
	}
	b.rules = b.evm.GetRules()
	if dao := env.Config.DAOForkBlock; env.Config.DAOForkSupport && dao != nil && dao.Cmp(env.Header.Number) == 0 {
		misc.ApplyDAOHardFork(vmdb)
	}
	list := bal.NewConstructionBlockAccessList() // wanted by core from Amsterdam on
	if root := env.Header.ParentBeaconRoot; root != nil {
		core.ProcessBeaconBlockRoot(*root, b.evm, list)
	}
	if b.rules.IsPrague {
		core.ProcessParentBlockHash(env.Header.ParentHash, b.evm, list)
	}
	return b
}

// EVM returns what the block runs on, for another block after it.
func (b *Block) EVM() *vm.EVM {
	b.kept = true
	return b.evm
}

// AccessList returns the block access list (EIP-7928) of what the block has done
// so far, as geth records it; nil if Env.Record is not set.
func (b *Block) AccessList() *bal.BlockAccessList {
	if b.recorder == nil {
		return nil
	}
	return b.recorder.list.ToEncodingObj()
}

// Apply executes tx. On error the transaction is not part of the block, and the
// state and the gas left are those before it.
func (b *Block) Apply(tx *motet.Tx) (*types.Receipt, error) {
	msg, err := Message(tx, b.env.Header.BaseFee)
	if err != nil {
		return nil, err
	}
	b.db.SetTxContext(tx.Hash(), b.txs, uint32(b.txs+1))
	result, err := b.Call(msg)
	if err != nil {
		return nil, err
	}
	receipt := core.MakeReceipt(b.evm, result, b.db, b.env.Header.Number, common.Hash{}, b.env.Header.Time, tx.Transaction, b.gas.CumulativeUsed(), nil)
	b.logs = append(b.logs, receipt.Logs...)
	b.txs++
	return receipt, nil
}

// Call executes msg and finalises the state, without a receipt.
func (b *Block) Call(msg *core.Message) (*core.ExecutionResult, error) {
	snapshot, gas := b.db.Snapshot(), *b.gas
	result, err := core.ApplyMessage(b.evm, msg, b.gas)
	if err != nil {
		b.db.RevertToSnapshot(snapshot)
		*b.gas = gas
		return nil, err
	}
	b.evm.StateDB.Finalise(b.rules)
	return result, nil
}

// GasUsed returns the gas that the block has used so far.
func (b *Block) GasUsed() uint64 { return b.gas.Used() }

// Rules returns the fork rules in force.
func (b *Block) Rules() params.Rules { return b.rules }

// Finish applies the withdrawals and the system calls that end a block, and
// returns its EIP-7685 requests. The block is unusable afterwards.
func (b *Block) Finish(ctx context.Context, withdrawals types.Withdrawals) ([][]byte, error) {
	if !b.kept {
		defer b.evm.Release()
	}
	h := b.env.Header
	requests, _, err := core.PostExecution(ctx, b.env.Config, h.Number, h.Time, b.logs, withdrawals, b.evm, uint32(b.txs+1))
	if err != nil {
		return nil, fmt.Errorf("end of block %d: %w", h.Number, err)
	}
	return requests, b.db.Error()
}

// NewState returns a StateDB that reads from reader and has no trie behind it:
// it can execute and be asked for values, but not for a root.
func NewState(reader state.Reader) (*state.StateDB, error) {
	disk := rawdb.NewMemoryDatabase()
	db := state.NewMPTDatabase(triedb.NewDatabase(disk, nil), state.NewCodeDB(disk))
	return state.NewWithReader(types.EmptyRootHash, db, reader)
}

// Message converts tx as geth does, with the sender that is known already.
func Message(tx *motet.Tx, baseFee *big.Int) (*core.Message, error) {
	return core.TransactionToMessage(tx.Transaction, knownSender(tx.From), baseFee)
}

func blockContext(env Env) vm.BlockContext {
	bc := core.NewEVMBlockContext(env.Header, chain{config: env.Config}, &env.Header.Coinbase)
	bc.GetHash = env.BlockHash
	return bc
}

// chain is the part of a ChainContext that a block context is made from.
type chain struct {
	core.ChainContext
	config *params.ChainConfig
}

func (c chain) Config() *params.ChainConfig { return c.config }

// knownSender is a signer for transactions whose sender was recovered before.
type knownSender common.Address

var errNotSigner = errors.New("sender is known, signature is not")

func (s knownSender) Sender(*types.Transaction) (common.Address, error) {
	return common.Address(s), nil
}

func (s knownSender) SignatureValues(*types.Transaction, []byte) (r, sv, v *big.Int, err error) {
	return nil, nil, nil, errNotSigner
}

func (s knownSender) ChainID() *big.Int { return nil }

func (s knownSender) Hash(*types.Transaction) common.Hash { return common.Hash{} }

func (s knownSender) Equal(other types.Signer) bool {
	o, ok := other.(knownSender)
	return ok && o == s
}
