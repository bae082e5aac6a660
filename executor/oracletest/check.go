package oracletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/oracle"
)

// checker compares an executor with geth on a world's blocks.
type checker struct {
	db state.Database
	// root is that of the state before the block.
	root common.Hash
	exec executor.Executor
}

// building runs the offered transactions in slices, the way a sequencer does.
func (k checker) building(ctx context.Context, b *blockCase, c *choices) error {
	open, err := k.exec.Open(ctx, b.env)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	var (
		included []*motet.Tx
		receipts types.Receipts
		skipped  []executor.Skip
		at       int
		early    state.Reader // after the first slice
		first    []*motet.Tx  // that slice
	)
	for at < len(b.txs) {
		offered := b.txs[at:min(len(b.txs), at+sliceLength(c))]
		slice, err := open.Run(ctx, offered)
		if err != nil {
			return fmt.Errorf("run from transaction %d: %w", at, err)
		}
		if early == nil {
			early, first = open.View(), slice.Included
		}
		included = append(included, slice.Included...)
		receipts = append(receipts, slice.Receipts...)
		skipped = append(skipped, slice.Skipped...)
		at += slice.Cut
		if slice.Cut < len(offered) {
			break
		}
	}
	if at != b.cut {
		return fmt.Errorf("cut: want %d of %d, got %d", b.cut, len(b.txs), at)
	}
	if err := sameSkips(b.skipped, skipped); err != nil {
		return err
	}
	if err := sameTxs(b.included, included); err != nil {
		return err
	}
	if err := oracle.Compare(b.keys, oracle.View(b.view), open.View()); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	if err := k.still(ctx, b, early, first); err != nil {
		return fmt.Errorf("view after %d transactions: %w", len(first), err)
	}
	return k.finish(ctx, b, open, receipts)
}

// still compares a view that was taken while the block held txs only with one of
// a block that never holds more.
func (k checker) still(ctx context.Context, b *blockCase, early state.Reader, txs []*motet.Tx) error {
	open, err := k.exec.Open(ctx, b.env)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if _, err := open.Verify(ctx, txs); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	want := open.View()
	if _, err := open.Finish(ctx, nil); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return oracle.Compare(b.keys, want, early)
}

func sliceLength(c *choices) int { return pick(c, []int{1000, 1000, 1, 3, 20}) }

// verifying runs the included transactions, as a replay does.
func (k checker) verifying(ctx context.Context, b *blockCase) error {
	open, err := k.exec.Open(ctx, b.env)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	slice, err := open.Verify(ctx, b.included)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return k.finish(ctx, b, open, slice.Receipts)
}

// along is verifying along a block access list.
func (k checker) along(ctx context.Context, b *blockCase, list *bal.BlockAccessList) error {
	told := *b
	told.env.AccessList = list
	return k.verifying(ctx, &told)
}

// wrong returns a list with faults of all kinds.
func wrong(list *bal.BlockAccessList, c *choices) (*bal.BlockAccessList, error) {
	enc, err := rlp.EncodeToBytes(list)
	if err != nil {
		return nil, err
	}
	var copied, out bal.BlockAccessList
	if err := rlp.DecodeBytes(enc, &copied); err != nil {
		return nil, err
	}
	for i := range copied {
		a := &copied[i]
		switch pick(c, []int{0, 0, 0, 1, 2, 3, 4, 5, 6, 7}) {
		case 1:
			continue // it is left out
		case 2:
			for j := range a.BalanceChanges {
				a.BalanceChanges[j].PostBalance.AddUint64(a.BalanceChanges[j].PostBalance, 1)
			}
		case 3:
			for j := range a.NonceChanges {
				a.NonceChanges[j].PostNonce ^= 1
			}
		case 4:
			for j := range a.CodeChanges {
				a.CodeChanges[j].NewCode = append(a.CodeChanges[j].NewCode, 0)
			}
			a.BalanceChanges = a.BalanceChanges[:len(a.BalanceChanges)/2]
		case 5:
			for j := range a.StorageChanges {
				for _, w := range a.StorageChanges[j].SlotChanges {
					w.PostValue.Not(w.PostValue)
				}
			}
		case 6:
			for j := range a.StorageChanges {
				for w := range a.StorageChanges[j].SlotChanges {
					a.StorageChanges[j].SlotChanges[w].BlockAccessIndex ^= 3
				}
			}
		case 7:
			a.StorageChanges = a.StorageChanges[len(a.StorageChanges)/2:]
			for j := range a.StorageChanges {
				a.StorageChanges[j].SlotChanges = nil
			}
		}
		out = append(out, *a)
	}
	return &out, nil
}

// refusing verifies all offered transactions, which must fail at the first one
// that is not valid.
func (k checker) refusing(ctx context.Context, b *blockCase) error {
	index, want := firstInvalid(b)
	if want == nil {
		return nil
	}
	open, err := k.exec.Open(ctx, b.env)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	_, err = open.Verify(ctx, b.txs)
	var invalid *executor.InvalidTxError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("verify of an invalid transaction: got %w", err)
	}
	if invalid.Index != index || invalid.Hash != b.txs[index].Hash() || invalid.Err.Error() != want.Error() {
		return fmt.Errorf("verify: want %d %v (%w), got %d %v (%w)", index, b.txs[index].Hash(), want, invalid.Index, invalid.Hash, invalid.Err)
	}
	return nil
}

// firstInvalid returns the index and the error of the first transaction that is
// not included; nil if there is none.
func firstInvalid(b *blockCase) (int, error) {
	for i, tx := range b.txs {
		switch {
		case len(b.skipped) > 0 && b.skipped[0].Tx == tx:
			return i, b.skipped[0].Err
		case i == b.cut:
			return i, core.ErrGasLimitReached
		}
	}
	return 0, nil
}

// finish ends the block. The receipts are those of its slices.
func (k checker) finish(ctx context.Context, b *blockCase, open executor.Block, receipts types.Receipts) error {
	outcome, err := open.Finish(ctx, b.withdrawals)
	if err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	if err := oracle.CompareReceipts(b.receipts, receipts); err != nil {
		return err
	}
	if outcome.GasUsed != b.gasUsed {
		return fmt.Errorf("gas used: want %d, got %d", b.gasUsed, outcome.GasUsed)
	}
	if err := sameTxs(b.included, outcome.Txs); err != nil {
		return err
	}
	if err := oracle.CompareReceipts(b.receipts, outcome.Receipts); err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	if err := sameRequests(b.requests, outcome.Requests); err != nil {
		return err
	}
	if err := oracle.CompareAccesses(b.accesses, outcome.AccessList()); err != nil {
		return err
	}
	if err := oracle.Sorted(outcome.Changes); err != nil {
		return err
	}
	if err := k.sameRoot(b, outcome.Changes); err != nil {
		return err
	}
	sealed := types.CopyHeader(b.env.Header)
	sealed.Root = b.root
	k.exec.Sealed(outcome, sealed)
	return nil
}

func (k checker) sameRoot(b *blockCase, changes *motet.StateChanges) error {
	rules := b.env.Config.Rules(b.env.Header.Number, b.env.Header.Difficulty.Sign() == 0, b.env.Header.Time)
	root, err := apply(k.db, k.root, rules, changes)
	if err != nil {
		return fmt.Errorf("apply changes: %w", err)
	}
	if root == b.root {
		return nil
	}
	after, err := state.New(b.root, k.db)
	if err != nil {
		return err
	}
	before, err := k.db.Reader(k.root)
	if err != nil {
		return err
	}
	keys := b.keys
	keys.Changes(changes)
	if err := oracle.Compare(keys, oracle.View(after), oracle.Overlay(before, changes)); err != nil {
		return fmt.Errorf("state after the block: %w", err)
	}
	return fmt.Errorf("root: want %v, got %v, though all values seen are equal", b.root, root)
}

// apply returns the root of the state at parent with changes written over it.
func apply(db state.Database, parent common.Hash, rules params.Rules, changes *motet.StateChanges) (common.Hash, error) {
	sdb, err := state.New(parent, db)
	if err != nil {
		return common.Hash{}, err
	}
	chain.ApplyChanges(sdb, rules, changes)
	for i := range changes.Accounts {
		a := &changes.Accounts[i]
		if got := sdb.GetCodeHash(a.Address); !a.Deleted && got != a.CodeHash {
			return common.Hash{}, fmt.Errorf("account %v: code is %v, the change says %v", a.Address, got, a.CodeHash)
		}
	}
	root := sdb.IntermediateRoot(rules)
	return root, sdb.Error()
}

func sameSkips(want, got []executor.Skip) error {
	for i := range min(len(want), len(got)) {
		w, g := want[i], got[i]
		if w.Tx != g.Tx || w.Verdict != g.Verdict || g.Err == nil || w.Err.Error() != g.Err.Error() {
			return fmt.Errorf("skip %d: want {%v %d %w}, got {%v %d %w}", i, w.Tx.Hash(), w.Verdict, w.Err, g.Tx.Hash(), g.Verdict, g.Err)
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("want %d skipped, got %d", len(want), len(got))
	}
	return nil
}

func sameTxs(want, got []*motet.Tx) error {
	if len(want) != len(got) {
		return fmt.Errorf("want %d included, got %d", len(want), len(got))
	}
	for i := range want {
		if want[i].Hash() != got[i].Hash() {
			return fmt.Errorf("included %d: want %v, got %v", i, want[i].Hash(), got[i].Hash())
		}
	}
	return nil
}

func sameRequests(want, got [][]byte) error {
	if len(want) != len(got) {
		return fmt.Errorf("want %d requests, got %d", len(want), len(got))
	}
	for i := range want {
		if !bytes.Equal(want[i], got[i]) {
			return fmt.Errorf("request %d: want %x, got %x", i, want[i], got[i])
		}
	}
	return nil
}
