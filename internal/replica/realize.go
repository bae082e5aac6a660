package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/derive"
)

// MismatchError reports that L1 stands for another block than the chain holds.
// It wraps motet.ErrHalt.
type MismatchError struct {
	Batch uint64
	Block uint64
	Chain common.Hash // hash of the chain's block, zero if it has none
	Field string      // where they differ
}

func (e *MismatchError) Error() string {
	if e.Chain == (common.Hash{}) {
		return fmt.Sprintf("batch %d on L1 holds block %d, which this chain lacks", e.Batch, e.Block)
	}
	return fmt.Sprintf("block %d of batch %d on L1 differs from block %s of this chain in %s", e.Block, e.Batch, e.Chain, e.Field)
}

// Unwrap makes the error match motet.ErrHalt.
func (e *MismatchError) Unwrap() error { return motet.ErrHalt }

var errFinalized = errors.New("differs from a finalized block")

// realize compares the blocks of a batch with those of the chain, and builds
// the ones that are missing if that is this replica's to do. A batch that must
// not count gives the reason in refused; nothing of it is in the chain then.
func (r *Replica) realize(ctx context.Context, base motet.BlockRef, d *derive.Derived) (refused, err error) {
	parent := r.deps.Chain.HeaderByNumber(base.Number)
	if parent == nil || parent.Hash() != base.Hash {
		return nil, fmt.Errorf("safe block %d %s is not in the chain: %w", base.Number, base.Hash, motet.ErrHalt)
	}
	var undo *motet.BlockRef // what the chain gets back to if the batch must not count
	for i := range d.Blocks {
		in, err := r.decode(&d.Blocks[i], parent)
		if err != nil {
			return r.refuse(ctx, d, undo, err)
		}
		known := r.deps.Chain.HeaderByNumber(in.header.Number.Uint64())
		field := in.differs(known)
		if field == "" {
			parent = known
			continue
		}
		if !r.cfg.Build {
			return nil, mismatch(d, in, known, field)
		}
		// Only L1 makes blocks final, and what it said once it said for good: an
		// earlier run refused this batch.
		if n := in.header.Number.Uint64(); n <= r.deps.Chain.Heads().Finalized.Number {
			return r.refuse(ctx, d, undo, fmt.Errorf("block %d: %w in %s", n, errFinalized, field))
		}
		sealed, err := r.build(ctx, in, parent)
		switch {
		case isInvalid(err):
			return r.refuse(ctx, d, undo, err)
		case err != nil:
			return nil, err
		}
		if undo == nil {
			ref := motet.RefOf(parent)
			undo = &ref
		}
		parent = sealed.Block.Header()
	}
	if n := len(d.Blocks); n > 0 && parent.Hash() != d.Last.Hash {
		reason := fmt.Errorf("block %d comes to %s, the batch says %s", d.Last.Number, parent.Hash(), d.Last.Hash)
		return r.refuse(ctx, d, undo, reason)
	}
	return nil, nil
}

func mismatch(d *derive.Derived, in *input, known *types.Header, field string) error {
	e := &MismatchError{Batch: d.Index, Block: in.header.Number.Uint64(), Field: field}
	if known != nil {
		e.Chain = known.Hash()
	}
	return e
}

// refuse undoes what a batch that must not count has built. A process that
// sequences has built nothing, but a batch of its own that derives to nothing is
// more than it can go on with.
func (r *Replica) refuse(ctx context.Context, d *derive.Derived, undo *motet.BlockRef, reason error) (refused, err error) {
	if !r.cfg.Build {
		return nil, fmt.Errorf("batch %d cannot be derived: %w (%w)", d.Index, reason, motet.ErrHalt)
	}
	if undo != nil {
		if err := r.deps.Chain.Rollback(ctx, *undo); err != nil {
			return nil, fmt.Errorf("undo batch %d: %w", d.Index, err)
		}
	}
	return reason, nil
}

// input is a derived block, ready to be executed.
type input struct {
	header *types.Header // without roots, bloom and gas used
	txRoot common.Hash
	txs    []*motet.Tx
}

// invalidError marks a block that breaks a rule.
type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

func isInvalid(err error) bool {
	var rule invalidError
	var tx *executor.InvalidTxError
	return errors.As(err, &rule) || errors.As(err, &tx)
}

// decode turns derived bytes into a block to be executed on parent. All its
// errors mean that the batch is invalid.
func (r *Replica) decode(b *derive.Block, parent *types.Header) (*input, error) {
	config := r.deps.Chain.ChainConfig()
	open := r.deps.Rollup.NextOpen(config, parent, b.Timestamp, b.Origin)
	in := &input{header: open.Header(parent.Hash(), config)}
	txs := make(types.Transactions, len(b.Txs))
	for i := range txs {
		txs[i] = new(types.Transaction)
		if err := txs[i].UnmarshalBinary(b.Txs[i]); err != nil {
			return nil, fmt.Errorf("transaction %d of block %d: %w", i, b.Number, err)
		}
	}
	var err error
	if in.txs, err = motet.RecoverTxs(types.MakeSigner(config, in.header.Number, in.header.Time), txs); err != nil {
		return nil, fmt.Errorf("block %d: %w", b.Number, err)
	}
	in.txRoot = types.DeriveSha(txs, trie.NewStackTrie(nil))
	return in, nil
}

// differs compares everything that a block is built from with the block that
// the chain holds, and names the first field that differs. Equal inputs on the
// same parent give the same block.
func (in *input) differs(known *types.Header) string {
	if known == nil {
		return "existence"
	}
	h := in.header
	for _, f := range []struct {
		name string
		same bool
	}{
		{"parent", known.ParentHash == h.ParentHash},
		{"transactions", known.TxHash == in.txRoot},
		{"timestamp", known.Time == h.Time},
		{"origin", known.ParentBeaconRoot != nil && *known.ParentBeaconRoot == *h.ParentBeaconRoot && known.MixDigest == h.MixDigest},
		{"gas limit", known.GasLimit == h.GasLimit},
		{"base fee", known.BaseFee != nil && known.BaseFee.Cmp(h.BaseFee) == 0},
		{"coinbase", known.Coinbase == h.Coinbase},
		{"extra data", string(known.Extra) == string(h.Extra)},
		{"withdrawals", known.WithdrawalsHash != nil && *known.WithdrawalsHash == *h.WithdrawalsHash},
	} {
		if !f.same {
			return f.name
		}
	}
	return ""
}

var errTooLarge = errors.New("block is larger than a block may be")

// build executes a block and commits it on parent, after undoing whatever the
// chain holds above.
func (r *Replica) build(ctx context.Context, in *input, parent *types.Header) (*chain.Sealed, error) {
	c := r.deps.Chain
	number := in.header.Number.Uint64()
	if c.Head().Hash() != parent.Hash() {
		r.deps.Log.Info("chain gives way to what L1 holds", slog.Uint64("block", number))
		if err := c.Rollback(ctx, motet.RefOf(parent)); err != nil {
			return nil, fmt.Errorf("make room for block %d: %w", number, err)
		}
	}
	base, err := c.StateAt(parent.Root)
	if err != nil {
		return nil, fmt.Errorf("open state before block %d: %w", number, err)
	}
	block, err := r.deps.Executor.Open(ctx, executor.Env{
		Config: c.ChainConfig(), Header: in.header, Parent: parent, State: base, BlockHash: c.BlockHash,
	})
	if err != nil {
		return nil, fmt.Errorf("open block %d: %w", number, err)
	}
	if _, err := block.Verify(ctx, in.txs); err != nil {
		return nil, fmt.Errorf("execute block %d: %w", number, err)
	}
	out, err := block.Finish(ctx, types.Withdrawals{})
	if err != nil {
		return nil, fmt.Errorf("finish block %d: %w", number, err)
	}
	sealed, err := c.Seal(parent, out)
	if err != nil {
		return nil, fmt.Errorf("seal block %d: %w", number, err)
	}
	if sealed.Block.Size() > params.MaxBlockSize {
		return nil, invalidError{fmt.Errorf("block %d: %w", number, errTooLarge)}
	}
	if err := c.Commit(ctx, sealed); err != nil {
		return nil, fmt.Errorf("commit block %d: %w", number, err)
	}
	r.deps.Executor.Sealed(out, sealed.Block.Header())
	r.metrics.built.Inc()
	return sealed, nil
}
