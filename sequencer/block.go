package sequencer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
)

// openBlock is a block between its OPEN and its SEAL.
type openBlock struct {
	open   *motet.Open
	parent *types.Header
	header *types.Header
	block  executor.Block
	begun  time.Time // on the clock; zero if another process opened it
	full   bool      // nothing more fits

	// What was executed, logged or not.

	gasUsed uint64
	bytes   int
	slices  uint64

	// What the log holds.

	logged   bool // the OPEN, and all below
	cursor   eventlog.Cursor
	txs      []*motet.Tx
	receipts types.Receipts
	view     state.Reader
}

// executed is a slice that was executed and is not applied yet.
type executed struct {
	slice  *executor.Slice
	view   state.Reader // the state after it
	record *eventlog.Slice
}

// dropped reports whether a transaction was found that can never be included.
func (e *executed) dropped() bool {
	return slices.ContainsFunc(e.slice.Skipped, func(skip executor.Skip) bool { return skip.Verdict == executor.Drop })
}

var (
	errDoors  = errors.New("forced transactions and deposits are not supported")
	errDigest = errors.New("execution gives another result than the log holds")
)

// haltf marks an error after which nothing may go on.
func haltf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", motet.ErrHalt, fmt.Errorf(format, args...))
}

// begin starts the block that open describes on top of the head.
func (s *Sequencer) begin(ctx context.Context, open *motet.Open) (*openBlock, error) {
	if len(open.Forced) > 0 || open.Deposits.Count > 0 {
		return nil, haltf("open block %d: %w", open.Number, errDoors)
	}
	parent := s.head
	if open.Number != parent.Number.Uint64()+1 || open.Timestamp <= parent.Time {
		return nil, haltf("block %d at %d does not follow block %d at %d", open.Number, open.Timestamp, parent.Number, parent.Time)
	}
	base, err := s.deps.Chain.StateAt(parent.Root)
	if err != nil {
		return nil, fmt.Errorf("open state after block %d: %w", parent.Number, err)
	}
	b := &openBlock{open: open, parent: parent, header: open.Header(parent.Hash(), s.deps.Chain.ChainConfig())}
	if b.block, err = s.deps.Executor.Open(ctx, s.env(b, base)); err != nil {
		return nil, fmt.Errorf("open block %d: %w", open.Number, err)
	}
	b.view = b.block.View()
	return b, nil
}

func (s *Sequencer) env(b *openBlock, base state.Reader) executor.Env {
	return executor.Env{
		Config:    s.deps.Chain.ChainConfig(),
		Header:    b.header,
		Parent:    b.parent,
		State:     base,
		BlockHash: s.deps.Chain.BlockHash,
	}
}

// execute runs transactions on top of b. The result is part of b's execution
// from then on, and part of b only when the log holds it.
func (s *Sequencer) execute(ctx context.Context, b *openBlock, txs []*motet.Tx) (*executed, error) {
	slice, err := b.block.Run(ctx, txs)
	if err != nil {
		return nil, fmt.Errorf("execute slice %d of block %d: %w", b.slices, b.open.Number, err)
	}
	e := &executed{slice: slice, view: b.view}
	if len(slice.Included) == 0 {
		return e, nil
	}
	e.view = b.block.View()
	if e.record, err = sliceRecord(b, slice); err != nil {
		return nil, err
	}
	b.slices++
	b.gasUsed = slice.Receipts[len(slice.Receipts)-1].CumulativeGasUsed
	for _, tx := range slice.Included {
		b.bytes += int(tx.Size()) + txListRoom //nolint:gosec // bounded by the pool
	}
	return e, nil
}

func sliceRecord(b *openBlock, slice *executor.Slice) (*eventlog.Slice, error) {
	r := &eventlog.Slice{
		Number:  b.open.Number,
		Index:   b.slices,
		Txs:     make([]hexutil.Bytes, len(slice.Included)),
		Digests: make([]eventlog.Digest, len(slice.Included)),
	}
	executor.SetBlooms(slice.Receipts, runtime.GOMAXPROCS(0))
	for i, tx := range slice.Included {
		var err error
		if r.Txs[i], err = tx.MarshalBinary(); err != nil {
			return nil, fmt.Errorf("encode transaction %s: %w", tx.Hash(), err)
		}
		if r.Digests[i], err = digestOf(slice.Receipts[i]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// digestOf binds a receipt, its bloom included.
func digestOf(r *types.Receipt) (eventlog.Digest, error) {
	enc, err := r.MarshalBinary()
	if err != nil {
		return eventlog.Digest{}, fmt.Errorf("encode receipt of %s: %w", r.TxHash, err)
	}
	return eventlog.Digest{Status: uint8(r.Status), GasUsed: r.GasUsed, ReceiptHash: crypto.Keccak256Hash(enc)}, nil //nolint:gosec // 0 or 1
}

// opened notes that the log holds b's OPEN.
func (s *Sequencer) opened(b *openBlock, at eventlog.Cursor) {
	b.logged, b.cursor = true, at
	s.block = b
	s.expose()
}

// absorb makes a slice that the log holds part of b.
func (s *Sequencer) absorb(b *openBlock, e *executed, at eventlog.Cursor) {
	b.cursor, b.view = at, e.view
	b.txs = append(b.txs, e.slice.Included...)
	b.receipts = append(b.receipts, e.slice.Receipts...)
	s.expose()
	s.metrics.slices.Inc()
	s.metrics.txs.Add(float64(len(e.slice.Included)))
}

// finish closes b and computes its roots. Nothing is visible or durable yet.
func (s *Sequencer) finish(ctx context.Context, b *openBlock) (*chain.Sealed, error) {
	out, err := b.block.Finish(ctx, types.Withdrawals{})
	if err != nil {
		return nil, fmt.Errorf("finish block %d: %w", b.open.Number, err)
	}
	sealed, err := s.deps.Chain.Seal(b.parent, out)
	if err != nil {
		return nil, fmt.Errorf("seal block %d: %w", b.open.Number, err)
	}
	s.deps.Executor.Sealed(out, sealed.Block.Header())
	if s.config.SecondOpinion {
		if err := s.compare(ctx, b, out, sealed); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

// commit makes a block canonical whose SEAL the log holds.
func (s *Sequencer) commit(ctx context.Context, b *openBlock, sealed *chain.Sealed) error {
	if s.deps.Reports != nil { // first, so that whoever sees the block finds its report
		s.deps.Reports.Add(sealed.Block.Hash(), b.block.Report())
	}
	if err := s.deps.Chain.Commit(context.WithoutCancel(ctx), sealed); err != nil {
		return fmt.Errorf("commit block %d: %w", b.open.Number, err)
	}
	s.head, s.origin, s.block = sealed.Block.Header(), b.open.Origin, nil
	s.expose()
	s.metrics.blocks.Inc()
	s.metrics.head.Set(float64(b.open.Number))
	return nil
}

// rewind makes an ancestor the head, whose REORG the log holds, and returns the
// transactions that are out of the chain by that, oldest first.
func (s *Sequencer) rewind(ctx context.Context, fork motet.BlockRef) ([]*motet.Tx, error) {
	if got := s.deps.Chain.BlockHash(fork.Number); got != fork.Hash {
		return nil, haltf("roll back to block %d %s: the chain holds %s", fork.Number, fork.Hash, got)
	}
	config := s.deps.Chain.ChainConfig()
	var out []*motet.Tx
	for n := fork.Number + 1; n <= s.head.Number.Uint64(); n++ {
		block := s.deps.Chain.BlockByNumber(n)
		if block == nil {
			return nil, haltf("roll back to block %d: block %d is missing", fork.Number, n)
		}
		txs, err := motet.RecoverTxs(types.MakeSigner(config, block.Number(), block.Time()), block.Transactions())
		if err != nil {
			return nil, haltf("roll back block %d: %w", n, err)
		}
		out = append(out, txs...)
	}
	if s.block != nil {
		out = append(out, s.block.txs...)
	}
	if err := s.deps.Chain.Rollback(context.WithoutCancel(ctx), fork); err != nil {
		return nil, fmt.Errorf("roll back to block %d: %w", fork.Number, err)
	}
	s.head, s.block = s.deps.Chain.Head(), nil
	if fork.Number == 0 {
		s.origin = s.deps.Origin
	} else {
		origin, err := originOf(s.head)
		if err != nil {
			return nil, err
		}
		s.origin = origin
	}
	s.expose()
	return out, nil
}

// originOf reads a block's origin from its header, apart from the time.
func originOf(h *types.Header) (motet.Origin, error) {
	number, err := motet.ParseExtraData(h.Extra)
	if err != nil {
		return motet.Origin{}, haltf("origin of block %d: %w", h.Number, err)
	}
	o := motet.Origin{Number: number, PrevRandao: h.MixDigest}
	if h.ParentBeaconRoot != nil {
		o.Hash = *h.ParentBeaconRoot
	}
	return o, nil
}
