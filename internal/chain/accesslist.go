package chain

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
)

// AccessList returns the block access list (EIP-7928) of a block of the canonical
// chain: the one that is stored with it under Amsterdam rules, the one that its
// execution left behind if that was lately, or else the one of executing it again,
// which takes the time of a block and ends with ctx. The list is shared.
//
// ErrNoAccessList says that the block has none, ErrStateGone that the state to
// execute it on is not kept any more, ErrNotCanonical that a rollback has removed
// the block. An error that wraps motet.ErrHalt says that executing the block again
// gave another block.
func (c *Chain) AccessList(ctx context.Context, block *types.Block) (*bal.BlockAccessList, error) {
	hash := block.Header().BlockAccessListHash
	if list := block.AccessList(); list != nil {
		return list, nil
	}
	if hash != nil && *hash == types.EmptyBlockAccessListHash {
		return new(bal.BlockAccessList), nil
	}
	if block.NumberU64() == 0 || block.Difficulty().Sign() != 0 || c.execute == nil {
		return nil, fmt.Errorf("block %d: %w", block.NumberU64(), ErrNoAccessList)
	}
	if list := c.lists.get(block.Hash()); list != nil {
		return list(), nil
	}
	out, err := c.again(ctx, block)
	if err != nil {
		return nil, fmt.Errorf("make the access list of block %d: %w", block.NumberU64(), err)
	}
	list := out.AccessList()
	if hash != nil && list.Hash() != *hash {
		return nil, fmt.Errorf("%w: access list of block %d made anew is not the one that its header names", motet.ErrHalt, block.NumberU64())
	}
	return list, nil
}

// again executes a canonical block on the state after its parent and checks that
// it was the same execution, as far as gas and receipts tell.
func (c *Chain) again(ctx context.Context, block *types.Block) (*motet.Outcome, error) {
	number, hash := block.NumberU64(), block.Hash()
	parent := c.bc.GetHeader(block.ParentHash(), number-1)
	if parent == nil || c.BlockHash(number) != hash {
		return nil, ErrNotCanonical
	}
	before, err := c.stateKept(parent)
	if err != nil {
		return nil, err
	}
	out, err := c.execute(ctx, BlockEnv{Block: block, Parent: parent, State: before, BlockHash: c.BlockHash})
	if c.BlockHash(number) != hash { // what the execution saw of its ancestors may be another chain's
		return nil, ErrNotCanonical
	}
	if err != nil {
		if _, gone := c.stateKept(parent); gone != nil {
			return nil, gone
		}
		return nil, err
	}
	header := block.Header()
	got := types.CopyHeader(header)
	got.GasUsed, got.ReceiptHash = out.GasUsed, types.DeriveSha(cloneReceipts(out.Receipts), trie.NewListHasher())
	if got.Hash() != hash {
		return nil, fmt.Errorf("%w: %w", motet.ErrHalt, mismatch(header, got))
	}
	return out, nil
}

// lists keep the access lists of the blocks that were committed last, each as the
// function that puts it together when somebody asks first.
type lists struct {
	mu    sync.Mutex
	kept  []keptList // oldest first
	gas   uint64
	known map[common.Hash]func() *bal.BlockAccessList
}

type keptList struct {
	hash common.Hash
	gas  uint64
}

// Bounds of lists. Gas stands for memory: 1e9 of transfers is 10 MB as it is
// logged, and some 50 MB as a list.
const (
	keptListBlocks = 128
	keptListGas    = 1_000_000_000
)

func (l *lists) add(block *types.Block, list func() *bal.BlockAccessList) {
	if list == nil || block.AccessList() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = make(map[common.Hash]func() *bal.BlockAccessList)
	}
	hash := block.Hash()
	if _, twice := l.known[hash]; twice {
		return
	}
	l.known[hash] = list
	l.kept = append(l.kept, keptList{hash, block.GasUsed()})
	l.gas += block.GasUsed()
	for len(l.kept) > 1 && (len(l.kept) > keptListBlocks || l.gas > keptListGas) {
		delete(l.known, l.kept[0].hash)
		l.gas -= l.kept[0].gas
		l.kept = l.kept[1:]
	}
}

// get returns nil if the list is not kept.
func (l *lists) get(block common.Hash) func() *bal.BlockAccessList {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[block]
}
