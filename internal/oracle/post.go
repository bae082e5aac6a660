package oracle

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// Keys is a set of accounts and of storage slots in them.
type Keys map[common.Address]map[common.Hash]struct{}

// Account adds an account.
func (k Keys) Account(addr common.Address) {
	if _, ok := k[addr]; !ok {
		k[addr] = make(map[common.Hash]struct{})
	}
}

// Slot adds a slot and its account.
func (k Keys) Slot(addr common.Address, key common.Hash) {
	k.Account(addr)
	k[addr][key] = struct{}{}
}

// Changes adds all that c speaks of.
func (k Keys) Changes(c *motet.StateChanges) {
	for i := range c.Accounts {
		a := &c.Accounts[i]
		k.Account(a.Address)
		for j := range a.Storage {
			k.Slot(a.Address, a.Storage[j].Key)
		}
	}
}

// Hooks returns hooks that add all that an execution changes.
func (k Keys) Hooks() *tracing.Hooks {
	return &tracing.Hooks{
		OnBalanceChange: func(a common.Address, _, _ *big.Int, _ tracing.BalanceChangeReason) { k.Account(a) },
		OnNonceChange:   func(a common.Address, _, _ uint64) { k.Account(a) },
		OnCodeChange:    func(a common.Address, _ common.Hash, _ []byte, _ common.Hash, _ []byte) { k.Account(a) },
		OnStorageChange: func(a common.Address, slot, _, _ common.Hash) { k.Slot(a, slot) },
	}
}

// Compare returns an error that names the lowest account or slot among keys in
// which got differs from want.
func Compare(keys Keys, want, got state.Reader) error {
	addrs := make([]common.Address, 0, len(keys))
	for addr := range keys {
		addrs = append(addrs, addr)
	}
	slices.SortFunc(addrs, func(a, b common.Address) int { return a.Cmp(b) })
	for _, addr := range addrs {
		if err := compareAccount(addr, keys[addr], want, got); err != nil {
			return err
		}
	}
	return nil
}

func compareAccount(addr common.Address, slots map[common.Hash]struct{}, want, got state.Reader) error {
	w, err := want.Account(addr)
	if err != nil {
		return err
	}
	g, err := got.Account(addr)
	if err != nil {
		return err
	}
	switch {
	case w == nil && g == nil:
		// Slots of an absent account are compared all the same: they must be zero.
	case w == nil || g == nil:
		return fmt.Errorf("account %v: want %s, got %s", addr, describe(w), describe(g))
	case w.Nonce != g.Nonce || !w.Balance.Eq(g.Balance) || !bytes.Equal(w.CodeHash, g.CodeHash):
		return fmt.Errorf("account %v: want %s, got %s", addr, describe(w), describe(g))
	default:
		hash := common.BytesToHash(w.CodeHash)
		if !bytes.Equal(want.Code(addr, hash), got.Code(addr, hash)) {
			return fmt.Errorf("account %v: code %v differs", addr, hash)
		}
	}
	return compareSlots(addr, slots, want, got)
}

func compareSlots(addr common.Address, slots map[common.Hash]struct{}, want, got state.Reader) error {
	for slot := range slots {
		w, err := want.Storage(addr, slot)
		if err != nil {
			return err
		}
		g, err := got.Storage(addr, slot)
		if err != nil {
			return err
		}
		if w != g {
			return fmt.Errorf("slot %v of %v: want %v, got %v", slot, addr, w, g)
		}
	}
	return nil
}

func describe(a *types.StateAccount) string {
	if a == nil {
		return "absent"
	}
	return fmt.Sprintf("{nonce %d, balance %d, code %x}", a.Nonce, a.Balance, a.CodeHash)
}

// stateView reads the values that a StateDB holds now. It is not safe for
// concurrent use, since a StateDB is not.
type stateView struct{ db *state.StateDB }

// View returns a reader of the values that db holds now.
func View(db *state.StateDB) state.Reader { return stateView{db: db} }

func (v stateView) Account(addr common.Address) (*types.StateAccount, error) {
	if !v.db.Exist(addr) {
		return nil, v.db.Error()
	}
	return &types.StateAccount{
		Nonce:    v.db.GetNonce(addr),
		Balance:  v.db.GetBalance(addr).Clone(),
		Root:     types.EmptyRootHash,
		CodeHash: v.db.GetCodeHash(addr).Bytes(),
	}, v.db.Error()
}

func (v stateView) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	return v.db.GetState(addr, slot), v.db.Error()
}

func (v stateView) Has(addr common.Address, hash common.Hash) bool {
	return v.db.GetCodeHash(addr) == hash
}

func (v stateView) Code(addr common.Address, hash common.Hash) []byte {
	if !v.Has(addr, hash) {
		return nil
	}
	return v.db.GetCode(addr)
}

func (v stateView) CodeSize(addr common.Address, hash common.Hash) int {
	return len(v.Code(addr, hash))
}

// overlay is a state with changes laid over it.
type overlay struct {
	state.Reader
	changes *motet.StateChanges
}

// Overlay returns the state that changes make of pre. It is safe for concurrent
// use if pre is.
func Overlay(pre state.Reader, changes *motet.StateChanges) state.Reader {
	return overlay{Reader: pre, changes: changes}
}

func (o overlay) find(addr common.Address) *motet.AccountChange {
	i, ok := slices.BinarySearchFunc(o.changes.Accounts, addr, func(a motet.AccountChange, t common.Address) int {
		return a.Address.Cmp(t)
	})
	if !ok {
		return nil
	}
	return &o.changes.Accounts[i]
}

func (o overlay) Account(addr common.Address) (*types.StateAccount, error) {
	a := o.find(addr)
	switch {
	case a == nil:
		return o.Reader.Account(addr)
	case a.Deleted:
		return nil, nil
	}
	return &types.StateAccount{
		Nonce:    a.Nonce,
		Balance:  a.Balance.Clone(),
		Root:     types.EmptyRootHash,
		CodeHash: a.CodeHash.Bytes(),
	}, nil
}

func (o overlay) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	a := o.find(addr)
	if a == nil {
		return o.Reader.Storage(addr, slot)
	}
	if a.Deleted {
		return common.Hash{}, nil
	}
	i, ok := slices.BinarySearchFunc(a.Storage, slot, func(s motet.SlotChange, t common.Hash) int {
		return s.Key.Cmp(t)
	})
	switch {
	case ok:
		return a.Storage[i].Value, nil
	case a.Reset:
		return common.Hash{}, nil
	}
	return o.Reader.Storage(addr, slot)
}

func (o overlay) Has(addr common.Address, hash common.Hash) bool {
	return o.Code(addr, hash) != nil
}

func (o overlay) Code(addr common.Address, hash common.Hash) []byte {
	if hash == types.EmptyCodeHash {
		return nil
	}
	if a := o.find(addr); a != nil && a.CodeChanged && a.CodeHash == hash {
		return a.Code
	}
	return o.Reader.Code(addr, hash)
}

func (o overlay) CodeSize(addr common.Address, hash common.Hash) int {
	return len(o.Code(addr, hash))
}

// Sorted returns an error unless the accounts of c are sorted by address, each
// one once, and its slots by key.
func Sorted(c *motet.StateChanges) error {
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if i > 0 && c.Accounts[i-1].Address.Cmp(a.Address) >= 0 {
			return fmt.Errorf("account %v is out of order", a.Address)
		}
		for j := 1; j < len(a.Storage); j++ {
			if a.Storage[j-1].Key.Cmp(a.Storage[j].Key) >= 0 {
				return fmt.Errorf("slot %v of %v is out of order", a.Storage[j].Key, a.Address)
			}
		}
	}
	return nil
}
