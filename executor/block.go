package executor

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime/debug"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
)

// block is an open block that runs transactions one by one. Parallel builds on
// it: system calls, the serial path and the end of a block are the same.
type block struct {
	env     Env
	rules   params.Rules
	context vm.BlockContext
	baseFee uint256.Int // context.BaseFee, zero before London
	memory  *memory
	pool    *core.GasPool
	*lane        // for system calls and all that runs alone
	fast    bool // plain transfers may do without the EVM
	hands   int  // goroutines for work that needs no order

	included  []*motet.Tx
	receipts  types.Receipts
	bloomings []*blooming // under way
	gasUsed   uint64
	logs      uint   // emitted so far
	top       *layer // of the last view

	err     error // why the block is unusable
	report  *report.Block
	release func()
}

// lane is what executing one transaction after the other takes. It is kept from block
// to block.
type lane struct {
	state   *txState
	evm     *vm.EVM
	config  *params.ChainConfig // the EVM's, as are the next two
	rules   params.Rules
	life    int // of the memory
	message message
	budget  *core.GasPool // what a transaction may use up; it is not changed
	scratch core.GasPool  // a copy of it, less what core.ApplyMessage used
	seen    uint64        // sum of what prefetch looked at, which keeps the looks alive

	// contracts are recipients that had code when a plain transfer to them was tried in this
	// block, by their last byte. It is not tried again: the EVM does as well.
	contracts [16]common.Address

	blanks    []types.Receipt
	price     *big.Int // the last receipt's, which the next one often shares
	priceWord uint256.Int
}

func (e *Env) validate() error {
	if e.Header == nil || e.Parent == nil || e.State == nil || e.Config == nil || e.BlockHash == nil {
		return errors.New("executor: Env is incomplete")
	}
	return nil
}

// open starts a block on a state whose memory is ready for it.
func open(env Env, l *lane, release func()) *block {
	s := l.state
	s.reset()
	b := &block{
		env:     env,
		context: blockContext(env),
		memory:  s.memory,
		lane:    l,
		pool:    core.NewGasPool(env.Header.GasLimit),
		hands:   1,
		release: release,
	}
	if b.context.BaseFee != nil {
		b.baseFee.SetFromBig(b.context.BaseFee)
	}
	b.rules = env.Config.Rules(env.Header.Number, b.context.Random != nil, env.Header.Time)
	b.equip(l)
	if dao := env.Config.DAOForkBlock; env.Config.DAOForkSupport && dao != nil && dao.Cmp(env.Header.Number) == 0 {
		s.SetTxContext(common.Hash{}, 0, 0)
		misc.ApplyDAOHardFork(s)
		s.Finalise(b.rules)
	}
	return b
}

func newLane(m *memory) *lane { return &lane{state: newTxState(m)} }

func (l *lane) mem() *memory { return l.state.memory }

// maxDeployed is how many bytes of code an EVM of a lane may see deployed.
const maxDeployed = 64 << 20

// equip readies the lane's EVM for the block. Under the same rules it is the last
// block's, which has found out where the code that it has run may jump to, and keeps an
// eighth of the code's size for that. It goes when the memory forgets the code, and
// when much code was deployed: most of that may have been reverted, and be nowhere.
//
// It reports whether it is a new one.
func (b *block) equip(l *lane) bool {
	l.contracts = [len(l.contracts)]common.Address{}
	if l.evm != nil && l.config == b.env.Config && l.rules == b.rules && l.life == b.memory.life && l.state.deployed <= maxDeployed {
		l.evm.Context = b.context
		return false
	}
	if l.evm != nil {
		l.evm.Release()
	}
	return b.renew(l)
}

// renew gives the lane a new EVM, and reports true.
func (b *block) renew(l *lane) bool {
	l.evm = vm.NewEVM(b.context, l.state, b.env.Config, vm.Config{})
	l.config, l.rules, l.life, l.state.deployed = b.env.Config, b.rules, b.memory.life, 0
	return true
}

// preExecution runs the system calls that precede the transactions. It is
// core.PreExecution, which would take the parent's hash from the parent's whole header.
func (b *block) preExecution() error {
	h := b.env.Header
	list := bal.NewConstructionBlockAccessList() // wanted by core from Amsterdam on
	if root := h.ParentBeaconRoot; root != nil {
		core.ProcessBeaconBlockRoot(*root, b.evm, list)
	}
	if b.rules.IsPrague {
		core.ProcessParentBlockHash(h.ParentHash, b.evm, list)
	}
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
	defer b.memory.trace.slice(len(txs))()
	n, err := b.serially(ctx, txs, strict, out)
	b.memory.trace.alone("configured", n)
	if err != nil {
		b.fail()
		return nil, err
	}
	out.Cut = n
	return out, nil
}

func newSlice(txs []*motet.Tx) *Slice {
	return &Slice{
		Included: make([]*motet.Tx, 0, len(txs)),
		Receipts: make(types.Receipts, 0, len(txs)),
		Cut:      len(txs),
	}
}

// serially runs txs one by one and returns how many it considered: all, if the
// block's gas does not end the slice.
func (b *block) serially(ctx context.Context, txs []*motet.Tx, strict bool, out *Slice) (int, error) {
	var r *types.Receipt
	lane := &b.memory.trace.lanes[0]
	defer lane.Rest()
	for i, tx := range txs {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if i%batch == 0 {
			b.prefetch(txs[i:])
			lane.Begin()
		}
		out.Stats.Executions++
		task := b.memory.trace.next
		r = b.blank(r)
		err := b.apply(tx, r)
		lane.Ran(task, report.Settled, short(r))
		switch {
		case err == nil:
			b.include(tx, r, out)
			r = nil
		case b.state.err != nil:
			return i, b.state.err
		default:
			b.state.reset()
			if cut, err := b.refuse(tx, err, strict, out); cut || err != nil {
				return i, err
			}
		}
	}
	return len(txs), nil
}

// refuse records that tx cannot be included, or reports that it ends the slice.
func (b *block) refuse(tx *motet.Tx, reason error, strict bool, out *Slice) (cut bool, err error) {
	switch {
	case strict:
		return false, &InvalidTxError{Index: len(b.included), Hash: tx.Hash(), Err: reason}
	case errors.Is(reason, core.ErrGasLimitReached) && tx.Gas() <= b.env.Header.GasLimit:
		return true, nil
	default:
		b.memory.trace.leave(1, false)
		out.Skipped = append(out.Skipped, Skip{Tx: tx, Verdict: verdictOf(reason), Err: reason})
		return false, nil
	}
}

// apply executes tx on committed values and commits it.
func (b *block) apply(tx *motet.Tx, r *types.Receipt) error {
	b.budget = b.pool
	b.state.SetTxContext(tx.Hash(), len(b.included), uint32(len(b.included)+1))
	if err := b.guarded(b.lane, tx, r); err != nil {
		return err
	}
	if err := b.charge(tx.Call().Gas, r.GasUsed, b.taken()); err != nil {
		b.state.fail(err)
		return err
	}
	b.memory.trace.include(b.state.footprint, tx, r.GasUsed)
	b.state.commit(&b.rules)
	b.state.reset()
	return nil
}

// guarded is execute, but that a panic in it is an error of the state's: the EVM's, a
// precompile's or the state reader's.
func (b *block) guarded(l *lane, tx *motet.Tx, r *types.Receipt) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			if g := l.state.guess; g != nil && g.waits {
				panic(cause) // of the machinery, in the middle of the execution
			}
			err = fmt.Errorf("%w: executing %s: %v\n%s", motet.ErrHalt, tx.Hash(), cause, debug.Stack())
			l.state.fail(err)
			l.evm = nil // it stopped half way
			b.equip(l)
		}
	}()
	return b.execute(l, tx, r)
}

// execute runs tx on the lane, within what the lane's gas pool has, and fills the receipt.
// What the transaction did stands in the lane's state then; after an error it
// must be thrown away.
func (b *block) execute(l *lane, tx *motet.Tx, r *types.Receipt) error {
	s := l.state
	if b.fast && l.transfer(b, tx) {
		b.fill(r, tx, l, params.TxGas, false, nil)
		return s.err
	}
	if s.err != nil {
		return s.err
	}
	if err := l.message.set(tx, &b.baseFee, &b.rules); err != nil {
		return err
	}
	if s.guess != nil {
		l.expect()
	} else {
		l.compare()
	}
	l.scratch = *l.budget
	result, err := core.ApplyMessage(l.evm, &l.message.Message, &l.scratch)
	if s.err != nil {
		return s.err
	}
	if err != nil {
		return err
	}
	if b.rules.IsAmsterdam {
		s.strip()
	}
	b.fill(r, tx, l, result.UsedGas, result.Failed(), s.logs)
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
	changes, err := b.memory.changes(b.hands)
	if err != nil {
		return nil, fmt.Errorf("collect changes of block %d: %w", h.Number, err)
	}
	b.bloom(len(logs))
	b.report = b.memory.trace.report(len(b.included), b.pool.Used())
	b.memory.outcome = &motet.Outcome{
		Header:      h,
		Txs:         b.included,
		Receipts:    b.receipts,
		Withdrawals: withdrawals,
		Requests:    requests,
		GasUsed:     b.pool.Used(),
		Changes:     changes,
		AccessList:  sync.OnceValue(b.memory.log.list),
	}
	return b.memory.outcome, nil
}

// bloom sets the blooms of the receipts, which have so many logs, as far as nobody has.
func (b *block) bloom(logs int) {
	if logs == 0 {
		b.join(func(*blooming) {})
		return
	}
	hasher := newBloomHasher()
	b.join(func(j *blooming) { j.work(hasher) })
	SetBlooms(b.receipts, b.hands)
}

// join waits for those who set blooms.
func (b *block) join(first func(*blooming)) {
	for _, j := range b.bloomings {
		first(j)
		j.workers.Wait()
	}
	b.bloomings = nil
}

// fail makes the block unusable and gives its memory back.
func (b *block) fail() {
	b.err = ErrFinished
	b.join(func(j *blooming) { j.ready.Store(0) }) // nobody needs the rest
	b.release()
}
