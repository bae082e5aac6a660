package executor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// changes returns what the block changed, sorted. Accounts and slots that hold
// in the end what they held before are left out, so that the result does not
// depend on how the block was executed.
func (m *memory) changes() (*motet.StateChanges, error) {
	sortBy(m.changedAccounts,
		func(e *accountEntry) uint64 { return binary.BigEndian.Uint64(e.key[:]) },
		func(a, b *accountEntry) int { return bytes.Compare(a.key[:], b.key[:]) })
	sortBy(m.changedSlots,
		func(e *slotEntry) uint64 { return binary.BigEndian.Uint64(e.key.account.key[:]) },
		func(a, b *slotEntry) int {
			if a.key.account != b.key.account {
				return bytes.Compare(a.key.account.key[:], b.key.account.key[:])
			}
			return bytes.Compare(a.key.key[:], b.key.key[:])
		})
	var (
		out     = &motet.StateChanges{Accounts: make([]motet.AccountChange, 0, len(m.changedAccounts))}
		storage = make([]motet.SlotChange, 0, len(m.changedSlots))
		slots   = m.changedSlots
	)
	for _, e := range m.changedAccounts {
		from := len(storage)
		for len(slots) > 0 && slots[0].key.account == e {
			if value := slotValue(slots[0]); value != slotBefore(slots[0]) {
				storage = append(storage, motet.SlotChange{Key: slots[0].key.key, Value: value})
			}
			slots = slots[1:]
		}
		change, changed, err := m.change(e)
		if err != nil {
			return nil, err
		}
		if len(storage) > from && !change.Deleted {
			change.Storage, changed = storage[from:len(storage):len(storage)], true
		}
		if changed {
			out.Accounts = append(out.Accounts, change)
		}
	}
	return out, nil
}

// sortBy sorts entries in the order of compare, of which rank is the beginning.
// Ranks lie side by side, entries all over the memory.
func sortBy[E any](entries []*E, rank func(*E) uint64, compare func(a, b *E) int) {
	type ranked struct {
		rank  uint64
		entry *E
	}
	list := make([]ranked, len(entries))
	for i, e := range entries {
		list[i] = ranked{rank(e), e}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		if c := cmp.Compare(a.rank, b.rank); c != 0 {
			return c
		}
		return compare(a.entry, b.entry)
	})
	for i := range list {
		entries[i] = list[i].entry
	}
}

// change compares an account with what it was before the block, its storage
// aside.
func (m *memory) change(e *accountEntry) (change motet.AccountChange, changed bool, err error) {
	was, is := &e.cell.base.Value, &e.cell.Committed().Value
	change.Address = e.key
	if !is.exists {
		change.Deleted = was.exists
		return change, was.exists, nil
	}
	change.Reset = was.exists && e.cell.wiped.Load() > 0
	change.Nonce, change.Balance, change.CodeHash = is.nonce, is.balance, types.EmptyCodeHash
	if is.code != nil {
		change.CodeHash = is.code.hash
	}
	if !sameCode(was.code, is.code) || (change.Reset && is.code != nil) {
		change.CodeChanged = true
		if change.Code, err = m.blob(e.key, is.code); err != nil {
			return change, false, err
		}
	}
	changed = !was.exists || change.Reset || change.CodeChanged || was.nonce != is.nonce || was.balance != is.balance
	return change, changed, nil
}
