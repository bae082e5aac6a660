package executor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// changes returns what the block changed, sorted. Accounts and slots that hold
// in the end what they held before are left out, so that the result does not
// depend on how the block was executed.
//
// Cells lie all over the memory, so each is looked at once, in the order in which
// they were changed and by as many hands as there are; what is sorted then lies
// side by side.
func (m *memory) changes(hands int) (*motet.StateChanges, error) {
	accounts := make([]accountDiff, len(m.changedAccounts))
	slots := make([]slotDiff, len(m.changedSlots))
	errs := make([]error, hands)
	share(hands, len(accounts), func(hand, from, to int) {
		for i, e := range m.changedAccounts[from:to] {
			if err := m.diff(&accounts[from+i], e); err != nil {
				errs[hand] = err
				return
			}
		}
	})
	share(hands, len(slots), func(_, from, to int) {
		for i, e := range m.changedSlots[from:to] {
			slots[from+i] = slotDiff{e.key.account.key, e.key.key, slotValue(e), slotValue(e) != slotBefore(e)}
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return assemble(accounts, slots, hands), nil
}

// accountDiff is a change of an account, its storage aside.
type accountDiff struct {
	motet.AccountChange

	changed bool
}

type slotDiff struct {
	addr       common.Address
	key, value common.Hash
	changed    bool
}

// assemble sorts what has changed.
func assemble(accounts []accountDiff, slots []slotDiff, hands int) *motet.StateChanges {
	order := sorted(len(accounts), hands, func(i int) rank { return rankOf(&accounts[i].Address, nil) }, nil)
	slotOrder := sorted(len(slots), hands, func(i int) rank { return rankOf(&slots[i].addr, &slots[i].key) },
		func(i, j uint32) int { return bytes.Compare(slots[i].key[:], slots[j].key[:]) })
	var (
		out     = &motet.StateChanges{Accounts: make([]motet.AccountChange, 0, len(accounts))}
		storage = make([]motet.SlotChange, 0, len(slots))
	)
	for _, i := range order {
		a, from := &accounts[i], len(storage)
		for len(slotOrder) > 0 && slots[slotOrder[0]].addr == a.Address {
			if s := &slots[slotOrder[0]]; s.changed {
				storage = append(storage, motet.SlotChange{Key: s.key, Value: s.value})
			}
			slotOrder = slotOrder[1:]
		}
		if len(storage) > from && !a.Deleted {
			a.Storage, a.changed = storage[from:len(storage):len(storage)], true
		}
		if a.changed {
			out.Accounts = append(out.Accounts, a.AccountChange)
		}
	}
	return out
}

// diff compares an account with what it was before the block, its storage aside.
func (m *memory) diff(d *accountDiff, e *accountEntry) (err error) {
	was, is := &e.cell.base.Value, &e.cell.Committed().Value
	d.Address = e.key
	if !is.exists {
		d.Deleted, d.changed = was.exists, was.exists
		return nil
	}
	d.Reset = was.exists && e.cell.wiped.Load() > 0
	d.Nonce, d.Balance, d.CodeHash = is.nonce, is.balance, types.EmptyCodeHash
	if is.code != nil {
		d.CodeHash = is.code.hash
	}
	if !sameCode(was.code, is.code) || (d.Reset && is.code != nil) {
		d.CodeChanged = true
		if d.Code, err = m.blob(e.key, is.code); err != nil {
			return err
		}
	}
	d.changed = !was.exists || d.Reset || d.CodeChanged || was.nonce != is.nonce || was.balance != is.balance
	return nil
}

// share lets several hands do their part of n pieces of work each.
func share(hands, n int, work func(hand, from, to int)) {
	const least = 256 // pieces that are worth a goroutine
	hands = max(1, min(hands, n/least))
	var wg sync.WaitGroup
	for hand := 1; hand < hands; hand++ {
		wg.Go(func() { work(hand, hand*n/hands, (hand+1)*n/hands) })
	}
	work(0, 0, n/hands)
	wg.Wait()
}

// rank is the beginning of what something is sorted by.
type rank [3]uint64

// rankOf returns the rank of an account, or of a slot of it: all of the address, and
// the beginning of the key.
func rankOf(addr *common.Address, key *common.Hash) rank {
	r := rank{binary.BigEndian.Uint64(addr[:8]), binary.BigEndian.Uint64(addr[8:16]), uint64(binary.BigEndian.Uint32(addr[16:])) << 32}
	if key != nil {
		r[2] |= uint64(binary.BigEndian.Uint32(key[:4]))
	}
	return r
}

func (r *rank) compare(s *rank) int {
	for i := range r {
		if r[i] != s[i] {
			return cmp.Compare(r[i], s[i])
		}
	}
	return 0
}

// sorted returns the numbers below n in order: by rank, and by compare, unless it is
// nil, where ranks are equal. Ranks lie side by side, unlike what they are taken from.
func sorted(n, hands int, at func(i int) rank, compare func(i, j uint32) int) []uint32 {
	type ranked struct {
		rank   rank
		number uint32
	}
	list := make([]ranked, n)
	less := func(a, b ranked) int {
		if c := a.rank.compare(&b.rank); c != 0 {
			return c
		}
		if compare == nil {
			return 0
		}
		return compare(a.number, b.number)
	}
	var parts [][]ranked
	var mu sync.Mutex
	share(hands, n, func(_, from, to int) {
		for i := from; i < to; i++ {
			list[i] = ranked{at(i), uint32(i)} //nolint:gosec // what a block touches
		}
		slices.SortFunc(list[from:to], less)
		mu.Lock()
		parts = append(parts, list[from:to])
		mu.Unlock()
	})
	numbers := make([]uint32, 0, n)
	for range n {
		first := 0
		for k := 1; k < len(parts); k++ {
			if less(parts[k][0], parts[first][0]) < 0 {
				first = k
			}
		}
		numbers = append(numbers, parts[first][0].number)
		if parts[first] = parts[first][1:]; len(parts[first]) == 0 {
			parts = slices.Delete(parts, first, first+1)
		}
	}
	return numbers
}
