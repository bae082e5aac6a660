package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// commit writes the transaction into the block's memory, in place: nobody reads
// the memory meanwhile, and the transaction ran on committed values.
func (s *txState) commit(rules *params.Rules) {
	for _, a := range s.accounts[:s.nAccounts] {
		if a.flags&isPaid != 0 {
			a.resolve()
		}
		if a.mutations > 0 && a.flags&isPresent != 0 && a.entry != nil {
			s.commitAccount(a, rules)
		}
	}
	for _, l := range s.slots[:s.nSlots] {
		if l.value != l.base && l.entry != nil && l.account.flags&isDestructed == 0 {
			s.memory.setSlot(l.entry, l.value)
		}
	}
	s.memory.log.settled(s.footprint, s.accessIndex)
}

func (s *txState) commitAccount(a *account, rules *params.Rules) {
	v := accountValue{nonce: a.nonce, code: a.code, exists: true}
	v.balance.Set(&a.balance)
	switch {
	case a.gone(), rules.IsEIP158 && a.empty():
		v = accountValue{}
		a.flags |= isDestructed // its storage goes as well
		if a.base.exists {
			s.memory.wipe(a.entry)
		}
	}
	s.memory.setAccount(a.entry, &v)
}

// strip leaves destroyed accounts what they own, and nothing else: so it is from Amsterdam
// on, at the end of a transaction (EIP-8246).
func (s *txState) strip() {
	for _, a := range s.accounts[:s.nAccounts] {
		if a.flags&isDestructed != 0 && !a.balance.IsZero() {
			a.flags |= isStripped
			a.nonce, a.code = 0, nil
		}
	}
}

// gone reports whether the transaction destroyed the account and nothing of it stays.
func (a *account) gone() bool { return a.flags&(isDestructed|isStripped) == isDestructed }

// wipe makes all that the account's slots hold void, beside the commit of the account
// that is not there any more.
func (m *memory) wipe(e *accountEntry) {
	e.cell.wiped.Add(1)
	m.wiped = true
}

// setAccount commits v in place.
func (m *memory) setAccount(e *accountEntry, v *accountValue) {
	m.list(e)
	c := &e.cell
	if at := c.Committed(); at != c.own {
		c.own = m.ownAccounts.New(at.Task)
		c.Commit(c.own)
	}
	c.own.Value.set(v)
}

// setSlot commits value in place.
func (m *memory) setSlot(e *slotEntry, value common.Hash) {
	m.listSlot(e)
	c := &e.cell
	count(e)
	if at := c.Committed(); at != c.own {
		c.own = m.ownSlots.New(at.Task)
		c.Commit(c.own)
	}
	c.own.Value = value
}

// list remembers that the block changed the account, for its end and for the
// next view.
func (m *memory) list(e *accountEntry) {
	if !e.cell.fresh {
		e.cell.fresh = true
		m.freshAccounts = append(m.freshAccounts, e)
	}
	if !e.cell.listed {
		e.cell.listed = true
		m.changedAccounts = append(m.changedAccounts, e)
	}
}

// listSlot is list for a slot.
func (m *memory) listSlot(e *slotEntry) {
	if !e.cell.fresh {
		e.cell.fresh = true
		m.freshSlots = append(m.freshSlots, e)
	}
	if !e.cell.listed {
		e.cell.listed = true
		m.changedSlots = append(m.changedSlots, e)
	}
}
