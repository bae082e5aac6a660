package executor

import (
	"maps"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
)

// told is what a block access list says of the open block. Cells refer to its
// parts, so that an execution finds what it will read without executing what comes
// before. Nothing is taken on trust: each read is compared with the committed
// value, as every guess is, and a wrong list costs executions.
type told struct {
	accounts []*accountEntry
	slots    []*slotEntry
	codes    map[*accountEntry][]*code // by place among the account's changes
}

// tell loads all that the list names and lets the cells refer to it, until untell.
func (m *memory) tell(list bal.BlockAccessList) error {
	const chunk = 64
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		parts [aheadReaders]told
		errs  [aheadReaders]error
	)
	for i := range parts {
		wg.Go(func() {
			for errs[i] == nil {
				from := int(next.Add(chunk)) - chunk
				if from >= len(list) {
					return
				}
				for k := from; k < min(from+chunk, len(list)) && errs[i] == nil; k++ {
					errs[i] = m.tellAccount(&list[k], &parts[i])
				}
			}
		})
	}
	wg.Wait()
	m.told.codes = make(map[*accountEntry][]*code)
	var failed error
	for i := range parts {
		m.told.accounts = append(m.told.accounts, parts[i].accounts...)
		m.told.slots = append(m.told.slots, parts[i].slots...)
		maps.Copy(m.told.codes, parts[i].codes)
		if errs[i] != nil {
			failed = errs[i]
		}
	}
	return failed
}

// followable reports whether each account of the list is there once, as it must be.
func followable(list bal.BlockAccessList) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1].Address.Cmp(list[i].Address) >= 0 {
			return false
		}
	}
	return true
}

func (m *memory) tellAccount(a *bal.AccountAccess, t *told) error {
	e, err := m.account(&a.Address, m.seeds.address(&a.Address))
	if err != nil {
		return err
	}
	if len(a.BalanceChanges)+len(a.NonceChanges)+len(a.CodeChanges) > 0 {
		e.cell.told = a
		t.accounts = append(t.accounts, e)
	}
	if len(a.CodeChanges) > 0 {
		codes := make([]*code, len(a.CodeChanges))
		for i := range a.CodeChanges {
			if blob := a.CodeChanges[i].NewCode; len(blob) > 0 {
				codes[i] = newCode(crypto.Keccak256Hash(blob), blob)
			}
		}
		if t.codes == nil {
			t.codes = make(map[*accountEntry][]*code)
		}
		t.codes[e] = codes
	}
	for i := range a.StorageChanges {
		c := &a.StorageChanges[i]
		if c.Slot == nil {
			continue
		}
		key := common.Hash(c.Slot.Bytes32())
		l, err := m.slot(e, &key)
		if err != nil {
			return err
		}
		l.cell.told = slotTold{a, i}
		t.slots = append(t.slots, l)
	}
	for _, k := range a.StorageReads {
		if k == nil {
			continue
		}
		key := common.Hash(k.Bytes32())
		if _, err := m.slot(e, &key); err != nil {
			return err
		}
	}
	return nil
}

// slotTold is a slot's place in a list.
type slotTold struct {
	account *bal.AccountAccess // nil: the list does not change the slot
	change  int
}

// untell forgets the list.
func (m *memory) untell() {
	for _, e := range m.told.accounts {
		e.cell.told = nil
	}
	for _, e := range m.told.slots {
		e.cell.told = slotTold{}
	}
	m.told = told{}
}

// before returns how many of n changes, sorted by access index, lie before index.
func before(n int, index uint32, at func(i int) uint32) int {
	return sort.Search(n, func(i int) bool { return at(i) >= index })
}

// alongAccount is what the list says that the transaction with the access index
// finds. What no earlier transaction changes is as it is committed.
func (m *memory) alongAccount(e *accountEntry, index uint32) accountValue {
	v := e.cell.Committed().Value
	a := e.cell.told
	if a == nil {
		return v
	}
	changed := false
	if i := before(len(a.BalanceChanges), index, func(i int) uint32 { return a.BalanceChanges[i].BlockAccessIndex }); i > 0 {
		if balance := a.BalanceChanges[i-1].PostBalance; balance != nil {
			v.balance, changed = *balance, true
		}
	}
	if i := before(len(a.NonceChanges), index, func(i int) uint32 { return a.NonceChanges[i].BlockAccessIndex }); i > 0 {
		v.nonce, changed = a.NonceChanges[i-1].PostNonce, true
	}
	if i := before(len(a.CodeChanges), index, func(i int) uint32 { return a.CodeChanges[i].BlockAccessIndex }); i > 0 {
		v.code, changed = m.told.codes[e][i-1], true
	}
	if changed {
		v.exists = !v.empty()
	}
	return v
}

// alongSlot is alongAccount for a slot.
func (m *memory) alongSlot(e *slotEntry, index uint32) common.Hash {
	at := e.cell.told
	if at.account == nil {
		return slotValue(e)
	}
	c := at.account.StorageChanges[at.change].SlotChanges
	if i := before(len(c), index, func(i int) uint32 { return c[i].BlockAccessIndex }); i > 0 && c[i-1].PostValue != nil {
		return c[i-1].PostValue.Bytes32()
	}
	return slotValue(e)
}
