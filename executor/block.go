package executor

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// block is an open block that runs transactions one by one. Parallel builds on
// it: system calls, the serial path and the end of a block are the same.
type block struct {
	env     Env
	rules   params.Rules
	context vm.BlockContext
	evm     *vm.EVM
	state   *txState
	memory  *memory
	message message
	pool    *core.GasPool

	included []*motet.Tx
	receipts types.Receipts
	gasUsed  uint64
	logs     uint // emitted so far

	err     error // why the block is unusable
	release func(*txState)
}

// open starts a block on a state whose memory is empty.
func open(env Env, s *txState, release func(*txState)) (*block, error) {
	if env.Header == nil || env.Parent == nil || env.State == nil || env.Config == nil || env.BlockHash == nil {
		return nil, errors.New("executor: Env is incomplete")
	}
	s.memory.reset(env.State)
	s.reset()
	b := &block{
		env:     env,
		context: blockContext(env),
		state:   s,
		memory:  s.memory,
		pool:    core.NewGasPool(env.Header.GasLimit),
		release: release,
	}
	b.evm = vm.NewEVM(b.context, s, env.Config, vm.Config{})
	b.rules = b.evm.GetRules()
	if dao := env.Config.DAOForkBlock; env.Config.DAOForkSupport && dao != nil && dao.Cmp(env.Header.Number) == 0 {
		misc.ApplyDAOHardFork(s)
		s.Finalise(b.rules)
	}
	return b, nil
}

// preExecution runs the system calls that precede the transactions.
func (b *block) preExecution(ctx context.Context) error {
	h := b.env.Header
	core.PreExecution(ctx, h.ParentBeaconRoot, b.env.Parent, b.env.Config, b.evm, h.Number, h.Time)
	return b.state.err
}

func blockContext(env Env) vm.BlockContext {
	h := env.Header
	c := vm.BlockContext{
		CanTransfer:      canTransfer,
		Transfer:         core.Transfer,
		GetHash:          ancestorHash(h, env.BlockHash),
		Coinbase:         h.Coinbase,
		BlockNumber:      new(big.Int).Set(h.Number),
		Time:             h.Time,
		Difficulty:       new(big.Int),
		GasLimit:         h.GasLimit,
		CostPerStateByte: params.CostPerStateByte,
	}
	if h.Difficulty != nil {
		c.Difficulty.Set(h.Difficulty)
	}
	if c.Difficulty.Sign() == 0 {
		c.Random = &h.MixDigest
	}
	if h.BaseFee != nil {
		c.BaseFee = new(big.Int).Set(h.BaseFee)
	}
	if h.ExcessBlobGas != nil {
		c.BlobBaseFee = eip4844.CalcBlobFee(env.Config, h)
	}
	if h.SlotNumber != nil {
		c.SlotNum = *h.SlotNumber
	}
	return c
}

// ancestorHash restricts hash to the ancestors of h, the nearest of which h
// names itself.
func ancestorHash(h *types.Header, hash func(uint64) common.Hash) vm.GetHashFunc {
	number, parent := h.Number.Uint64(), h.ParentHash
	return func(n uint64) common.Hash {
		switch {
		case n >= number:
			return common.Hash{}
		case n == number-1:
			return parent
		default:
			return hash(n)
		}
	}
}

// canTransfer is core.CanTransfer, which tests a balance and does not read it.
func canTransfer(db vm.StateDB, addr common.Address, amount *uint256.Int) bool {
	s, ok := db.(*txState)
	if !ok {
		return core.CanTransfer(db, addr, amount)
	}
	return s.covers(s.loaded(&addr), amount)
}

// Run implements Block.
func (b *block) Run(ctx context.Context, txs []*motet.Tx) (*Slice, error) {
	return b.runSerial(ctx, txs, false)
}

// Verify implements Block.
func (b *block) Verify(ctx context.Context, txs []*motet.Tx) (*Slice, error) {
	return b.runSerial(ctx, txs, true)
}

func (b *block) runSerial(ctx context.Context, txs []*motet.Tx, strict bool) (*Slice, error) {
	if b.err != nil {
		return nil, b.err
	}
	out := newSlice(txs)
	err := b.serially(ctx, txs, 0, strict, out)
	if err != nil {
		b.fail()
		return nil, err
	}
	return out, nil
}

func newSlice(txs []*motet.Tx) *Slice {
	return &Slice{
		Included: make([]*motet.Tx, 0, len(txs)),
		Receipts: make(types.Receipts, 0, len(txs)),
		Cut:      len(txs),
	}
}

// serially runs txs[from:] one by one.
func (b *block) serially(ctx context.Context, txs []*motet.Tx, from int, strict bool, out *Slice) error {
	receipts := make([]types.Receipt, len(txs)-from)
	for i := from; i < len(txs); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		out.Stats.Executions++
		r := &receipts[i-from]
		err := b.apply(txs[i], r)
		switch {
		case err == nil:
			b.include(txs[i], r, out)
		case b.state.err != nil:
			return b.state.err
		case strict:
			return b.invalid(txs[i], err)
		case errors.Is(err, core.ErrGasLimitReached) && txs[i].Gas() <= b.env.Header.GasLimit:
			b.state.reset()
			out.Cut = i
			return nil
		default:
			out.Skipped = append(out.Skipped, Skip{Tx: txs[i], Verdict: verdictOf(err), Err: err})
			b.state.reset()
		}
	}
	return nil
}

func (b *block) invalid(tx *motet.Tx, err error) error {
	return &InvalidTxError{Index: len(b.included), Hash: tx.Hash(), Err: err}
}

// apply executes tx on committed values and commits it.
func (b *block) apply(tx *motet.Tx, r *types.Receipt) error {
	if err := b.message.set(tx, b.context.BaseFee, &b.rules); err != nil {
		return err
	}
	s := b.state
	s.SetTxContext(tx.Hash(), len(b.included), uint32(len(b.included)+1))
	s.logIndex = b.logs
	before := *b.pool
	result, err := core.ApplyMessage(b.evm, &b.message.Message, b.pool)
	if err == nil {
		err = s.err
	}
	if err != nil {
		*b.pool = before
		return err
	}
	b.fill(r, tx, &b.message, result.UsedGas, result.Failed(), s.logs)
	s.commit(&b.rules)
	s.reset()
	return nil
}

// include appends an executed transaction to the block and the slice.
func (b *block) include(tx *motet.Tx, r *types.Receipt, out *Slice) {
	b.place(r)
	b.included = append(b.included, tx)
	b.receipts = append(b.receipts, r)
	out.Included = append(out.Included, tx)
	out.Receipts = append(out.Receipts, r)
}

// View implements Block.
func (b *block) View() state.Reader { return &view{memory: b.memory, reader: b.env.State} }

// Finish implements Block.
func (b *block) Finish(ctx context.Context, withdrawals types.Withdrawals) (*motet.Outcome, error) {
	if b.err != nil {
		return nil, b.err
	}
	defer b.fail()
	var logs []*types.Log
	for _, r := range b.receipts {
		logs = append(logs, r.Logs...)
	}
	h := b.env.Header
	requests, _, err := core.PostExecution(ctx, b.env.Config, h.Number, h.Time, logs, withdrawals, b.evm, uint32(len(b.included)+1))
	if err == nil {
		err = b.state.err
	}
	if err != nil {
		return nil, fmt.Errorf("end block %d: %w", h.Number, err)
	}
	changes, err := b.memory.changes()
	if err != nil {
		return nil, fmt.Errorf("collect changes of block %d: %w", h.Number, err)
	}
	return &motet.Outcome{
		Header:      h,
		Txs:         b.included,
		Receipts:    b.receipts,
		Withdrawals: withdrawals,
		Requests:    requests,
		GasUsed:     b.pool.Used(),
		Changes:     changes,
	}, nil
}

// fail makes the block unusable and gives its memory back.
func (b *block) fail() {
	b.err = ErrFinished
	b.evm.Release()
	b.release(b.state)
}
