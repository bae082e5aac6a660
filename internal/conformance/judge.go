package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
)

// refusals says for each engine why the block must not be in the chain, nil if it
// may. Headers and bodies are judged by geth before any engine sees the block.
func (c *blockChain) refusals(ctx context.Context, block *types.Block) ([]error, error) {
	var txs []*motet.Tx
	err := c.bc.Engine().VerifyHeader(c.bc, block.Header())
	if err == nil {
		err = c.bc.Validator().ValidateBody(block)
	}
	if err == nil {
		txs, err = c.recoverAll(block)
	}
	if errors.Is(err, core.ErrKnownBlock) {
		return make([]error, len(c.engines)), nil
	}
	if err != nil {
		return slices.Repeat([]error{err}, len(c.engines)), nil
	}
	b, err := c.open(block, txs)
	if err != nil {
		return nil, err
	}
	all := make([]error, len(c.engines))
	for i := range c.engines {
		if all[i], err = b.refusal(ctx, &c.engines[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.engines[i].name, err)
		}
	}
	return all, nil
}

// agreed returns what all engines say. The error tells that they do not say the
// same, down to the words.
func (c *blockChain) agreed(refusals []error) (refused, err error) {
	first := fmt.Sprint(refusals[0])
	for i, r := range refusals {
		if text := fmt.Sprint(r); text != first {
			return nil, fmt.Errorf("refused by %s: %s; by %s: %s", c.engines[0].name, first, c.engines[i].name, text)
		}
	}
	return refusals[0], nil
}

func (c *blockChain) recoverAll(block *types.Block) ([]*motet.Tx, error) {
	signer := types.MakeSigner(c.config, block.Number(), block.Time())
	return motet.RecoverTxs(signer, block.Transactions())
}

// candidate is a block whose execution decides.
type candidate struct {
	*blockChain
	block  *types.Block
	txs    []*motet.Tx
	parent *types.Header
	env    executor.Env
}

func (c *blockChain) open(block *types.Block, txs []*motet.Tx) (*candidate, error) {
	b := &candidate{blockChain: c, block: block, txs: txs}
	b.parent = c.bc.GetHeader(block.ParentHash(), block.NumberU64()-1)
	before, err := c.states.Reader(b.parent.Root)
	if err != nil {
		return nil, err
	}
	b.env = executor.Env{Config: c.config, Header: block.Header(), Parent: b.parent, State: before, BlockHash: b.ancestor}
	return b, nil
}

// ancestor returns the hash of the block's ancestor with that number.
func (b *candidate) ancestor(number uint64) common.Hash {
	h := b.parent
	for h != nil && h.Number.Uint64() > number {
		h = b.bc.GetHeader(h.ParentHash, h.Number.Uint64()-1)
	}
	if h == nil || h.Number.Uint64() != number {
		return common.Hash{}
	}
	return h.Hash()
}

// refusal says why the block is not valid as the engine executes it.
func (b *candidate) refusal(ctx context.Context, e *engine) (refused, err error) {
	a, err := e.run(ctx, b.env, b.txs, b.block.Withdrawals(), e.builds)
	if err != nil || a.refused != nil {
		return a.refused, err
	}
	b.stats.Executions += a.stats.Executions
	b.stats.Aborts += a.stats.Aborts
	out := a.outcome
	if !b.config.IsByzantium(b.block.Number()) {
		if err := b.fillPostStates(ctx, e, out.Receipts); err != nil {
			return nil, err
		}
	}
	h := b.env.Header
	if out.GasUsed != h.GasUsed {
		return fmt.Errorf("gas used: want %d, got %d", h.GasUsed, out.GasUsed), nil
	}
	if bloom := types.MergeBloom(out.Receipts); bloom != h.Bloom {
		return fmt.Errorf("bloom: want %x, got %x", h.Bloom, bloom), nil
	}
	if root := types.DeriveSha(out.Receipts, trie.NewListHasher()); root != h.ReceiptHash {
		return fmt.Errorf("receipts root: want %v, got %v", h.ReceiptHash, root), nil
	}
	if hash := types.CalcRequestsHash(out.Requests); h.RequestsHash != nil && hash != *h.RequestsHash {
		return fmt.Errorf("requests hash: want %v, got %v", h.RequestsHash, hash), nil
	}
	if h.BlockAccessListHash != nil {
		if hash := out.AccessList().Hash(); hash != *h.BlockAccessListHash {
			return fmt.Errorf("block access list hash: want %v, got %v", h.BlockAccessListHash, hash), nil
		}
	}
	root, err := b.root(out.Changes, true)
	if err != nil {
		return nil, err
	}
	if root != h.Root {
		return fmt.Errorf("state root: want %v, got %v", h.Root, root), nil
	}
	return nil, nil
}

// root returns the root of the state that changes make of the one before, with
// the rewards of proof of work if the block ends there.
func (b *candidate) root(changes *motet.StateChanges, ends bool) (common.Hash, error) {
	db, err := state.New(b.parent.Root, b.states)
	if err != nil {
		return common.Hash{}, err
	}
	rules := rulesOf(&b.env)
	chain.ApplyChanges(db, rules, changes)
	if ends {
		b.bc.Engine().Finalize(b.bc, b.env.Header, db, b.block.Body())
	}
	return db.IntermediateRoot(rules), db.Error()
}

// fillPostStates gives receipts from before Byzantium their state roots. That
// after a transaction is the root of a block that ends with it.
func (b *candidate) fillPostStates(ctx context.Context, e *engine, receipts types.Receipts) error {
	for i, r := range receipts {
		a, err := e.run(ctx, b.env, b.txs[:i+1], nil, e.builds)
		if err != nil {
			return err
		}
		if a.refused != nil {
			return fmt.Errorf("transactions up to %d: %w", i, a.refused)
		}
		root, err := b.root(a.outcome.Changes, false)
		if err != nil {
			return err
		}
		r.PostState = root.Bytes()
	}
	return nil
}
