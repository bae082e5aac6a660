package oracletest

import (
	"context"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/oracle"
)

// blockCase is a made-up block and what geth makes of it.
type blockCase struct {
	env         executor.Env
	txs         []*motet.Tx // all offered ones, invalid ones among them
	withdrawals types.Withdrawals

	included []*motet.Tx
	receipts types.Receipts
	skipped  []executor.Skip
	// cut is the index in txs of the one that did not fit; len(txs) if all did.
	cut      int
	gasUsed  uint64
	requests [][]byte
	accesses *bal.BlockAccessList
	keys     oracle.Keys    // all that changed
	view     *state.StateDB // after the transactions, before the end of the block
	root     common.Hash
}

// generator makes up the transactions of one block.
type generator struct {
	c        *choices
	w        *world
	db       *state.StateDB // geth's, after the transactions so far
	open     *oracle.Block
	block    *blockCase
	rules    params.Rules
	coinbase common.Address
	// self is the address that the program being made up runs at.
	self common.Address
}

// grow makes up a block on w from c, has geth execute it, and moves w to the
// state after it.
func grow(w *world, c *choices) (*blockCase, error) {
	g, err := begin(w, c)
	if err != nil {
		return nil, err
	}
	for !c.done() && g.block.cut < 0 && len(g.block.txs) < maxTxs {
		if err := g.step(); err != nil {
			return nil, err
		}
	}
	return g.block, g.finish()
}

// begin opens a block on w.
func begin(w *world, c *choices) (*generator, error) {
	g := &generator{c: c, w: w, block: &blockCase{keys: make(oracle.Keys)}}
	g.coinbase = g.pickCoinbase()
	reader, err := w.reader()
	if err != nil {
		return nil, err
	}
	header, hashes := g.header(), blockHashes(w.head)
	if w.fit != nil {
		hashes = w.fit(header)
	}
	g.block.env = executor.Env{Config: w.fork.config, Header: header, Parent: w.head, State: reader, BlockHash: hashes}
	if g.db, err = state.New(w.root, w.db); err != nil {
		return nil, err
	}
	g.open = oracle.Open(oracle.Env{Config: w.fork.config, Header: header, BlockHash: g.block.env.BlockHash, Record: true}, g.db, g.block.keys.Hooks())
	g.rules = g.open.Rules()
	g.block.cut = -1
	return g, nil
}

// maxTxs bounds a block.
const maxTxs = 120

// finish ends the block with withdrawals.
func (g *generator) finish() error {
	b := g.block
	if b.cut < 0 {
		b.cut = len(b.txs)
	}
	b.gasUsed = g.open.GasUsed()
	b.view = g.db.Copy()
	if g.rules.IsShanghai {
		for i := range g.c.n(4) {
			b.withdrawals = append(b.withdrawals, &types.Withdrawal{Index: uint64(i), Address: g.target(), Amount: uint64(g.c.n(3))})
		}
	}
	var err error
	if b.requests, err = g.open.Finish(context.Background(), b.withdrawals); err != nil {
		return err
	}
	b.accesses = g.open.AccessList()
	number := b.env.Header.Number.Uint64()
	if b.root, err = g.db.Commit(g.rules, number); err != nil {
		return err
	}
	g.w.root = b.root
	g.w.head = types.CopyHeader(b.env.Header)
	g.w.head.Root = b.root
	return nil
}

func (g *generator) header() *types.Header {
	parent, config := g.w.head, g.w.fork.config
	h := &types.Header{
		ParentHash: parent.Hash(),
		Coinbase:   g.coinbase,
		Difficulty: new(big.Int),
		Number:     new(big.Int).Add(parent.Number, common.Big1),
		GasLimit:   pick(g.c, []uint64{30_000_000, 30_000_000, 20_000_000, 1_000_000}),
		Time:       parent.Time + uint64(1+g.c.n(3)),
		MixDigest:  common.Hash{31: g.c.byte()},
	}
	if config.IsLondon(h.Number) {
		h.BaseFee = big.NewInt(int64(pick(g.c, []int{7, 0, params.GWei})))
	}
	if config.ShanghaiTime == nil {
		h.Difficulty = big.NewInt(131072) // before the merge
	}
	if config.IsCancun(h.Number, h.Time) {
		var zero uint64
		excess := pick(g.c, []uint64{0, 0, 20_000_000})
		h.BlobGasUsed, h.ExcessBlobGas, h.ParentBeaconRoot = &zero, &excess, &common.Hash{1, g.c.byte()}
	}
	if config.IsAmsterdam(h.Number, h.Time) {
		slot := h.Time
		h.SlotNumber = &slot
		if h.GasLimit == 30_000_000 {
			h.GasLimit = 300_000_000 // for state, too
		}
	}
	return h
}

// pickCoinbase makes every role of a fee recipient come up: nobody, a sender, a
// contract, a precompile.
func (g *generator) pickCoinbase() common.Address {
	switch g.c.n(6) {
	case 1:
		return pick(g.c, g.w.eoas)
	case 2:
		return pick(g.c, g.w.knives)
	case 3:
		return pick(g.c, g.w.targets)
	default:
		return common.Address{0xc0, g.c.byte()}
	}
}

// offer has geth execute a transaction and keeps what came of it.
func (g *generator) offer(tx *motet.Tx) error {
	b := g.block
	b.txs = append(b.txs, tx)
	receipt, err := g.open.Apply(tx)
	switch {
	case err == nil:
		b.included = append(b.included, tx)
		b.receipts = append(b.receipts, receipt)
		if receipt.ContractAddress != (common.Address{}) && len(g.w.targets) < maxTargets {
			g.w.targets = append(g.w.targets, receipt.ContractAddress)
		}
	case endsBlock(err, tx, b.env.Header):
		b.cut = len(b.txs) - 1
	default:
		b.skipped = append(b.skipped, executor.Skip{Tx: tx, Verdict: verdict(err), Err: err})
	}
	return g.db.Error()
}

// endsBlock reports whether geth's error means that the block is full. A
// transaction that no block of this size could hold does not end one.
func endsBlock(err error, tx *motet.Tx, h *types.Header) bool {
	return errors.Is(err, core.ErrGasLimitReached) && tx.Gas() <= h.GasLimit
}

// verdict says what the contract of executor.Block demands for geth's error.
func verdict(err error) executor.Verdict {
	for _, later := range []error{core.ErrNonceTooHigh, core.ErrFeeCapTooLow, core.ErrBlobFeeCapTooLow} {
		if errors.Is(err, later) {
			return executor.Defer
		}
	}
	return executor.Drop
}
