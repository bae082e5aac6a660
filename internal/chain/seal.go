package chain

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// Sealed is a block with its roots that is not part of the chain yet.
type Sealed struct {
	Block    *types.Block
	Receipts types.Receipts // with the block's hash; shared with nobody

	parent     *types.Header
	txs        []*motet.Tx
	changes    *motet.StateChanges
	accesses   func() *bal.BlockAccessList
	statedb    *state.StateDB
	generation uint64 // of the flush state that statedb was opened under
}

// Seal computes the roots of the block that out describes, whose parent must be
// the head. Nothing is visible or durable yet; a Sealed may be dropped.
//
// If out.Header has a state root, the block exists already and Seal checks that
// execution gave it: if not, the error is a *MismatchError.
func (c *Chain) Seal(parent *types.Header, out *motet.Outcome) (*Sealed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	return c.seal(parent, out)
}

func (c *Chain) seal(parent *types.Header, out *motet.Outcome) (*Sealed, error) {
	number := out.Header.Number.Uint64()
	if head := c.Head(); parent.Hash() != head.Hash() || out.Header.ParentHash != head.Hash() {
		return nil, fmt.Errorf("seal block %d on %s, head is %d %s: %w", number, out.Header.ParentHash, head.Number, head.Hash(), ErrNotOnHead)
	}
	start := time.Now()
	s := &Sealed{parent: parent, txs: out.Txs, changes: out.Changes, accesses: out.AccessList, generation: c.flush.generation}
	root, err := c.openState(s, c.rules(out.Header))
	if err != nil {
		return nil, fmt.Errorf("compute state root of block %d: %w", number, err)
	}
	header := types.CopyHeader(out.Header)
	header.Root = root
	header.GasUsed = out.GasUsed
	if header.RequestsHash != nil {
		requests := types.CalcRequestsHash(out.Requests)
		header.RequestsHash = &requests
	}
	body := &types.Body{Transactions: motet.Transactions(out.Txs), Withdrawals: out.Withdrawals}
	if header.WithdrawalsHash != nil && body.Withdrawals == nil {
		body.Withdrawals = types.Withdrawals{}
	}
	receipts := cloneReceipts(out.Receipts)
	var accesses *bal.BlockAccessList
	if c.bc.Config().IsAmsterdam(header.Number, header.Time) {
		if out.AccessList == nil {
			return nil, fmt.Errorf("seal block %d: its block access list was not kept", number)
		}
		accesses = out.AccessList()
		hash := accesses.Hash()
		header.BlockAccessListHash = &hash
	}
	s.Block = types.NewBlock(header, body, receipts, trie.NewListHasher()).WithAccessListUnsafe(accesses)
	s.Receipts = fillReceipts(receipts, s.Block)
	if out.Header.Root != (common.Hash{}) && s.Block.Hash() != out.Header.Hash() {
		return nil, mismatch(out.Header, s.Block.Header())
	}
	c.metrics.sealSeconds.Observe(time.Since(start).Seconds())
	return s, nil
}

// rules returns the fork rules of the block that h heads.
func (c *Chain) rules(h *types.Header) params.Rules {
	return c.bc.Config().Rules(h.Number, h.Difficulty.Sign() == 0, h.Time)
}

// openState opens the tries after s.parent, applies s.changes and returns the root.
func (c *Chain) openState(s *Sealed, rules params.Rules) (common.Hash, error) {
	statedb, err := state.New(s.parent.Root, c.states)
	if err != nil {
		return common.Hash{}, err
	}
	ApplyChanges(statedb, rules, s.changes)
	root := statedb.IntermediateRoot(rules)
	if err := statedb.Error(); err != nil {
		return common.Hash{}, err
	}
	s.statedb = statedb
	return root, nil
}

// ApplyChanges writes the values after a block into the state before it.
func ApplyChanges(statedb *state.StateDB, rules params.Rules, changes *motet.StateChanges) {
	// An account that was reset loses what it had before it gets what it has:
	// the state's own notion of destruction and re-creation is used for that. What it
	// owned is taken first, since from Amsterdam on it would stay (EIP-8246).
	destroyed := false
	for i := range changes.Accounts {
		if a := &changes.Accounts[i]; a.Deleted || a.Reset {
			if statedb.Exist(a.Address) {
				statedb.SetBalance(a.Address, new(uint256.Int), tracing.BalanceChangeUnspecified)
			}
			statedb.SelfDestruct(a.Address)
			destroyed = true
		}
	}
	if destroyed {
		statedb.Finalise(rules)
	}
	for i := range changes.Accounts {
		a := &changes.Accounts[i]
		if a.Deleted {
			continue
		}
		statedb.SetNonce(a.Address, a.Nonce, tracing.NonceChangeUnspecified)
		statedb.SetBalance(a.Address, &a.Balance, tracing.BalanceChangeUnspecified)
		if a.CodeChanged {
			statedb.SetCode(a.Address, a.Code, tracing.CodeChangeUnspecified)
		}
		for _, slot := range a.Storage {
			statedb.SetState(a.Address, slot.Key, slot.Value)
		}
	}
}

// cloneReceipts copies receipts and their logs, which others may be reading.
func cloneReceipts(in types.Receipts) types.Receipts {
	out := make(types.Receipts, len(in))
	for i, r := range in {
		c := *r
		c.Logs = make([]*types.Log, len(r.Logs))
		for j, l := range r.Logs {
			lc := *l
			c.Logs[j] = &lc
		}
		if len(c.Logs) > 0 && c.Bloom == (types.Bloom{}) {
			c.Bloom = types.CreateBloom(&c)
		}
		out[i] = &c
	}
	return out
}

// fillReceipts sets the fields that are known only with the block's hash.
func fillReceipts(receipts types.Receipts, block *types.Block) types.Receipts {
	hash, number, time := block.Hash(), block.Number(), block.Time()
	for i, r := range receipts {
		r.BlockHash, r.BlockNumber, r.TransactionIndex = hash, number, uint(i)
		for _, l := range r.Logs {
			l.BlockHash, l.BlockNumber, l.BlockTimestamp = hash, number.Uint64(), time
		}
	}
	return receipts
}

// mismatch says how the header that execution gives differs from the one that exists.
func mismatch(want, got *types.Header) error {
	e := &MismatchError{Number: want.Number.Uint64(), Want: want.Hash(), Got: got.Hash()}
	switch {
	case want.GasUsed != got.GasUsed:
		e.Field = fmt.Sprintf("gasUsed (%d, not %d)", got.GasUsed, want.GasUsed)
	case want.TxHash != got.TxHash:
		e.Field = "transactionsRoot"
	case want.ReceiptHash != got.ReceiptHash:
		e.Field = "receiptsRoot"
	case want.Root != got.Root:
		e.Field = "stateRoot"
	case want.Bloom != got.Bloom:
		e.Field = "logsBloom"
	case want.BlockAccessListHash != nil && got.BlockAccessListHash != nil && *want.BlockAccessListHash != *got.BlockAccessListHash:
		e.Field = "blockAccessListHash"
	default:
		e.Field = "another header field"
	}
	return e
}

// Commit makes a sealed block durable and then canonical. When it returns nil,
// the block survives a crash. Committing a block that the chain holds already
// does nothing.
func (c *Chain) Commit(ctx context.Context, s *Sealed) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err // nothing was begun; from here on there is no way back
	}
	if c.BlockHash(s.Block.NumberU64()) == s.Block.Hash() {
		return nil
	}
	start := time.Now()
	if err := c.commit(s); err != nil {
		return err
	}
	c.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	c.metrics.head.Set(float64(s.Block.NumberU64()))
	c.subs.publish(Event{Block: s.Block, Receipts: s.Receipts})
	return c.maybeFlush()
}

func (c *Chain) commit(s *Sealed) error {
	number, hash := s.Block.NumberU64(), s.Block.Hash()
	if head := c.Head(); s.Block.ParentHash() != head.Hash() {
		return fmt.Errorf("commit block %d %s, head is %d %s: %w", number, hash, head.Number, head.Hash(), ErrNotOnHead)
	}
	if err := c.commitState(s); err != nil {
		return err
	}
	batch := c.db.NewBatch()
	defer batch.Close()
	rawdb.WriteBlock(batch, s.Block)
	rawdb.WriteReceipts(batch, hash, number, s.Receipts)
	if err := batch.Write(); err != nil {
		return haltf(err, "write block %d", number)
	}
	// Pebble writes behind unless it is told to sync. The first sync is for
	// the block itself, before anybody can see it; the second for the head.
	if err := c.db.SyncKeyValue(); err != nil {
		return haltf(err, "sync block %d", number)
	}
	c.primeBlock(s.Block, s.txs)
	c.lists.add(s.Block, s.accesses)
	if _, err := c.bc.SetCanonical(s.Block); err != nil {
		return haltf(err, "make block %d canonical", number)
	}
	if err := c.db.SyncKeyValue(); err != nil {
		return haltf(err, "sync head %d", number)
	}
	return nil
}

// commitState adds the block's state to the path database and asserts what
// SetCanonical relies on: without the state it would silently execute ancestors.
func (c *Chain) commitState(s *Sealed) error {
	number := s.Block.NumberU64()
	rules := c.rules(s.Block.Header())
	if s.generation != c.flush.generation {
		// A flush or a rollback since Seal made the opened tries stale.
		if _, err := c.openState(s, rules); err != nil {
			return fmt.Errorf("reopen state of block %d: %w", number, err)
		}
		s.generation = c.flush.generation
	}
	if s.Block.Root() == s.parent.Root && (rules.IsCancun && s.Block.BeaconRoot() != nil && c.hasBeaconRoots(s.parent)) {
		// EIP-4788 stores the block's own timestamp, so its state differs.
		return fmt.Errorf("%w: block %d leaves the state of its parent unchanged, though it stores its beacon root", motet.ErrHalt, number)
	}
	root, err := s.statedb.Commit(rules, number)
	if err != nil {
		return haltf(err, "commit state of block %d", number)
	}
	if root != s.Block.Root() || !c.bc.HasState(root) {
		return fmt.Errorf("%w: state of block %d: root %s expected, %s committed", motet.ErrHalt, number, s.Block.Root(), root)
	}
	return nil
}

// hasBeaconRoots reports whether the contract of EIP-4788 exists after parent.
func (c *Chain) hasBeaconRoots(parent *types.Header) bool {
	reader, err := c.states.Reader(parent.Root)
	if err != nil {
		return true
	}
	account, err := reader.Account(params.BeaconRootsAddress)
	return err != nil || account != nil && common.BytesToHash(account.CodeHash) != types.EmptyCodeHash
}
