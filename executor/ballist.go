package executor

import (
	"bytes"

	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/holiman/uint256"
)

// list puts the block access list together. The log does not change any more; the
// list shares its numbers.
func (g *accessLog) list() *bal.BlockAccessList {
	list := make(bal.BlockAccessList, len(g.accounts))
	at := make([]*bal.AccountAccess, len(g.accounts)) // by number
	for i, number := range g.sortedAccounts() {
		a := &list[i]
		a.Address = g.accounts[number]
		a.StorageReads = []*uint256.Int{}
		none(&a.StorageChanges)
		none(&a.BalanceChanges)
		none(&a.NonceChanges)
		none(&a.CodeChanges)
		at[number] = a
	}
	g.addStorage(at)
	for i := range g.balances {
		b := &g.balances[i]
		c := &at[b.account].BalanceChanges
		if last := newest(*c); last == nil || last.BlockAccessIndex != b.index {
			more(c).BlockAccessIndex = b.index
		}
		newest(*c).PostBalance = &b.balance
	}
	for _, n := range g.nonces {
		c := &at[n.account].NonceChanges
		if last := newest(*c); last == nil || last.BlockAccessIndex != n.index {
			more(c).BlockAccessIndex = n.index
		}
		newest(*c).PostNonce = n.nonce
	}
	for _, k := range g.codes {
		c := &at[k.account].CodeChanges
		if last := newest(*c); last == nil || last.BlockAccessIndex != k.index {
			more(c).BlockAccessIndex = k.index
		}
		newest(*c).NewCode = k.code
	}
	return &list
}

// addStorage adds the slots: the changed ones with their values, the others as
// reads.
func (g *accessLog) addStorage(at []*bal.AccountAccess) {
	changed := make([]int, len(g.slots)) // by number: one more than the place among the account's changes
	for _, v := range g.values {
		changed[v.slot] = 1
	}
	keys := make([]uint256.Int, len(g.slots))
	for _, number := range g.sortedSlots() {
		s := &g.slots[number]
		a, key := at[s.account], &keys[number]
		key.SetBytes32(s.key[:])
		if changed[number] == 0 {
			a.StorageReads = append(a.StorageReads, key)
			continue
		}
		c := more(&a.StorageChanges)
		c.Slot = key
		none(&c.SlotChanges)
		changed[number] = len(a.StorageChanges)
	}
	values := make([]uint256.Int, len(g.values))
	for i, v := range g.values {
		c := &at[g.slots[v.slot].account].StorageChanges[changed[v.slot]-1].SlotChanges
		if last := newest(*c); last == nil || last.BlockAccessIndex != v.index {
			more(c).BlockAccessIndex = v.index
		}
		newest(*c).PostValue = values[i].SetBytes32(v.value[:])
	}
}

func (g *accessLog) sortedAccounts() []uint32 {
	return new(sorting).sorted(len(g.accounts), 1, func(i int) rank { return rankOf(&g.accounts[i], nil) }, nil)
}

// sortedSlots sorts by account and key.
func (g *accessLog) sortedSlots() []uint32 {
	return new(sorting).sorted(len(g.slots), 1, func(i int) rank { return rankOf(&g.accounts[g.slots[i].account], &g.slots[i].key) },
		func(i, j uint32) int { return bytes.Compare(g.slots[i].key[:], g.slots[j].key[:]) })
}

// geth does not export the types of the elements of its lists. These three make,
// extend and look at lists whose type cannot be written down.

func none[T any](list *[]T) { *list = []T{} }

func more[T any](list *[]T) *T {
	*list = append(*list, *new(T))
	return newest(*list)
}

func newest[T any](list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}
