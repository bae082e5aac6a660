package executor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// changes returns what the block changed, sorted. Accounts and slots that hold
// in the end what they held before are left out, so that the result does not
// depend on how the block was executed.
func (m *memory) changes(hands int) (*motet.StateChanges, error) {
	accounts, slots := m.changedAccounts, m.changedSlots
	order := m.sorting.sorted(len(accounts), hands, func(i int) rank { return rankOf(&accounts[i].key, nil) }, nil)
	slotOrder := m.sorting.sorted(len(slots), hands, func(i int) rank { return rankOf(&slots[i].key.account.key, &slots[i].key.key) },
		func(i, j uint32) int { return bytes.Compare(slots[i].key.key[:], slots[j].key.key[:]) })
	var (
		all     = make([]motet.AccountChange, len(accounts))
		differs = make([]bool, len(accounts))
		errs    = make([]error, hands)
	)
	share(hands, len(all), many, func(hand, from, to int) {
		for i := from; i < to && errs[hand] == nil; i++ {
			differs[i], errs[hand] = m.diff(&all[i], accounts[order[i]])
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	storage := make([]motet.SlotChange, 0, len(slots))
	n := 0
	for i := range all {
		a, e, from := &all[i], accounts[order[i]], len(storage)
		for len(slotOrder) > 0 && slots[slotOrder[0]].key.account == e {
			s := slots[slotOrder[0]]
			if value := slotValue(s); value != slotBefore(s) {
				storage = append(storage, motet.SlotChange{Key: s.key.key, Value: value})
			}
			slotOrder = slotOrder[1:]
		}
		if len(storage) > from && !a.Deleted {
			a.Storage, differs[i] = storage[from:len(storage):len(storage)], true
		}
		if !differs[i] {
			continue
		}
		if n < i {
			all[n] = *a
		}
		n++
	}
	clear(all[n:])
	return &motet.StateChanges{Accounts: all[:n]}, nil
}

// diff sets d to an account and reports whether that is another than before the block,
// its storage aside.
func (m *memory) diff(d *motet.AccountChange, e *accountEntry) (differs bool, err error) {
	was, is := &e.cell.base.Value, &e.cell.Committed().Value
	d.Address = e.key
	if !is.exists {
		d.Deleted = was.exists
		return was.exists, nil
	}
	d.Reset = was.exists && e.cell.wiped.Load() > 0
	d.Nonce, d.Balance, d.CodeHash = is.nonce, is.balance, types.EmptyCodeHash
	if is.code != nil {
		d.CodeHash = is.code.hash
	}
	if !sameCode(was.code, is.code) || (d.Reset && is.code != nil) {
		d.CodeChanged = true
		if d.Code, err = m.blob(e.key, is.code); err != nil {
			return false, err
		}
	}
	return !was.exists || d.Reset || d.CodeChanged || was.nonce != is.nonce || was.balance != is.balance, nil
}

// many pieces of little work are worth a goroutine, which may take 0.1 ms to start.
const many = 2048

// share lets several hands do their part of n pieces of work each, of which at least so
// many are worth a goroutine.
func share(hands, n, least int, work func(hand, from, to int)) {
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

// ranked is something by its number, with its rank beside it: ranks are taken from all
// over the memory.
type ranked struct {
	rank   rank
	number uint32
}

// sorting is what sorting takes, kept for the next time.
type sorting struct{ list, spare []ranked }

// sorted returns the numbers below n in order: by rank, and by compare, unless it is
// nil, where ranks are equal.
func (s *sorting) sorted(n, hands int, at func(i int) rank, compare func(i, j uint32) int) []uint32 {
	if n > len(s.list) {
		s.list, s.spare = make([]ranked, n), make([]ranked, n)
	}
	list, spare := s.list[:n], s.spare[:n]
	share(hands, n, many, func(_, from, to int) {
		for i := from; i < to; i++ {
			list[i] = ranked{at(i), uint32(i)} //nolint:gosec // what a block touches
		}
	})
	by := func(a, b ranked) int {
		if c := a.rank.compare(&b.rank); c != 0 || compare == nil {
			return c
		}
		return compare(a.number, b.number)
	}
	if n < 2*many || hands == 1 {
		sortRanked(list, spare, by)
	} else if ends, ok := distribute(list, spare); !ok {
		slices.SortFunc(list, by)
	} else {
		share(min(hands, n/many), len(ends)-1, 1, func(_, from, to int) {
			for ; from < to; from++ {
				sortRanked(list[ends[from]:ends[from+1]], spare[ends[from]:ends[from+1]], by)
			}
		})
	}
	numbers := make([]uint32, n)
	for i := range list {
		numbers[i] = list[i].number
	}
	return numbers
}

// sortRanked sorts list with the help of spare, which is as long.
func sortRanked(list, spare []ranked, by func(a, b ranked) int) {
	const few = 48 // that are sorted as fast by comparing them
	if len(list) < few {
		slices.SortFunc(list, by)
		return
	}
	ends, ok := distribute(list, spare)
	if !ok {
		slices.SortFunc(list, by)
		return
	}
	for i := range len(ends) - 1 {
		sortRanked(list[ends[i]:ends[i+1]], spare[ends[i]:ends[i+1]], by)
	}
}

// distribute sorts list by the first byte in which two ranks in it differ, and returns
// where the parts of the same byte begin and end. It reports false where all are the same.
func distribute(list, spare []ranked) (ends [257]int, ok bool) {
	var differ rank
	for i := range list {
		for k := range differ {
			differ[k] |= list[i].rank[k] ^ list[0].rank[k]
		}
	}
	k := 0
	for k < len(differ)-1 && differ[k] == 0 {
		k++
	}
	if differ[k] == 0 {
		return ends, false
	}
	shift := 56 - bits.LeadingZeros64(differ[k])/8*8
	for i := range list {
		ends[1+list[i].rank[k]>>shift&0xff]++
	}
	var next [256]int
	for i := range next {
		next[i] = ends[i]
		ends[i+1] += ends[i]
	}
	for i := range list {
		at := &next[list[i].rank[k]>>shift&0xff]
		spare[*at] = list[i]
		*at++
	}
	copy(list, spare)
	return ends, true
}
