package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

type undoKind uint8

const (
	undoCreate undoKind = iota
	undoNewContract
	undoSelfDestruct
	undoTouch
	undoBalance
	undoNonce
	undoCode
	undoSlot
	undoRefund
	undoLog
	undoWarmAccount
	undoWarmSlot
	undoTransient
)

// undo is one entry of the journal: what to restore.
type undo struct {
	kind    undoKind
	account *account
	slot    *slot
	code    *code
	word    uint64 // nonce, refund, position in the transient slots
	balance uint256.Int
	value   common.Hash
}

// log appends an entry, of which the caller sets what its kind restores.
func (s *txState) log(kind undoKind, a *account) *undo {
	n := len(s.journal)
	if n < cap(s.journal) {
		s.journal = s.journal[:n+1]
	} else {
		s.journal = append(s.journal, undo{})
	}
	u := &s.journal[n]
	u.kind, u.account = kind, a
	return u
}

// mutate is log for changes that count as mutations of the account.
func (s *txState) mutate(kind undoKind, a *account) *undo {
	a.mutations++
	return s.log(kind, a)
}

// Snapshot returns an identifier of the current state of the transaction.
func (s *txState) Snapshot() int { return len(s.journal) }

// RevertToSnapshot undoes all changes since the snapshot. What was read stays
// read: control flow may have depended on it.
func (s *txState) RevertToSnapshot(id int) {
	for i := len(s.journal) - 1; i >= id; i-- {
		s.revert(&s.journal[i])
	}
	s.journal = s.journal[:id]
}

func (s *txState) revert(u *undo) {
	switch u.kind {
	case undoCreate:
		u.account.flags &^= isPresent
		u.account.mutations--
	case undoNewContract:
		u.account.flags &^= isNew
	case undoSelfDestruct:
		u.account.flags &^= isDestructed
		u.account.mutations--
	case undoTouch:
		u.account.mutations--
	case undoBalance:
		u.account.balance = u.balance
		u.account.mutations--
	case undoNonce:
		u.account.nonce = u.word
		u.account.mutations--
	case undoCode:
		u.account.code = u.code
		u.account.mutations--
	case undoSlot:
		u.slot.value = u.value
		u.account.mutations--
	case undoRefund:
		s.refund = u.word
	case undoLog:
		s.logs = s.logs[:len(s.logs)-1]
	case undoWarmAccount:
		u.account.flags &^= isWarm
	case undoWarmSlot:
		u.slot.flags &^= isWarm
	case undoTransient:
		s.transient[u.word].value = u.value
	}
}
