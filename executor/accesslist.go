package executor

import (
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// Prepare implements vm.StateDB. What it makes warm stays warm through every
// revert.
func (s *txState) Prepare(rules params.Rules, sender, coinbase common.Address, dst *common.Address, precompiles []common.Address, list types.AccessList) {
	s.sender = nil
	if rules.IsEIP2929 {
		s.cool()
		s.precompiles = precompiles
		s.account(&sender).flags |= isWarm
		if dst != nil {
			s.account(dst).flags |= isWarm
		}
		for i := range list {
			a := s.account(&list[i].Address)
			a.flags |= isWarm
			for j := range list[i].StorageKeys {
				s.slot(a, &list[i].StorageKeys[j]).flags |= isWarm
			}
		}
		if rules.IsShanghai {
			s.account(&coinbase).flags |= isWarm
		}
	}
	if len(s.transient) > 0 {
		s.transient = s.transient[:0]
		clear(s.transientIndex)
	}
}

// cool empties the access list, which has leftovers only if the state is used
// without Finalise between two calls of Prepare.
func (s *txState) cool() {
	for _, a := range s.accounts[:s.nAccounts] {
		a.flags &^= isWarm
	}
	for _, l := range s.slots[:s.nSlots] {
		l.flags &^= isWarm
	}
}

// isPrecompile compares addresses only where they look like a precompile's.
func (s *txState) isPrecompile(addr *common.Address) bool {
	return likePrecompile(addr) && slices.Contains(s.precompiles, *addr)
}

// likePrecompile reports whether addr lies where precompiles do.
func likePrecompile(addr *common.Address) bool {
	return binary.LittleEndian.Uint64(addr[0:8])|binary.LittleEndian.Uint64(addr[8:16])|uint64(addr[16])|uint64(addr[17]) == 0
}

// AddressInAccessList implements vm.StateDB.
func (s *txState) AddressInAccessList(addr common.Address) bool {
	return s.account(&addr).flags&isWarm != 0 || s.isPrecompile(&addr)
}

// SlotInAccessList implements vm.StateDB.
func (s *txState) SlotInAccessList(addr common.Address, key common.Hash) (addressOk, slotOk bool) {
	a := s.account(&addr)
	return a.flags&isWarm != 0 || s.isPrecompile(&addr), s.slot(a, &key).flags&isWarm != 0
}

// AddAddressToAccessList implements vm.StateDB.
func (s *txState) AddAddressToAccessList(addr common.Address) {
	s.warm(s.account(&addr))
}

func (s *txState) warm(a *account) {
	if a.flags&isWarm == 0 && !s.isPrecompile(&a.addr) {
		s.log(undoWarmAccount, a)
		a.flags |= isWarm
	}
}

// AddSlotToAccessList implements vm.StateDB.
func (s *txState) AddSlotToAccessList(addr common.Address, key common.Hash) {
	a := s.account(&addr)
	s.warm(a)
	l := s.slot(a, &key)
	if l.flags&isWarm == 0 {
		s.log(undoWarmSlot, a).slot = l
		l.flags |= isWarm
	}
}

// GetTransientState implements vm.StateDB.
func (s *txState) GetTransientState(addr common.Address, key common.Hash) common.Hash {
	if i, ok := s.transientIndex[transientKey{addr, key}]; ok {
		return s.transient[i].value
	}
	return common.Hash{}
}

// SetTransientState implements vm.StateDB.
func (s *txState) SetTransientState(addr common.Address, key, value common.Hash) {
	i, ok := s.transientIndex[transientKey{addr, key}]
	if !ok {
		i = len(s.transient)
		s.transient = append(s.transient, transientSlot{addr: addr, key: key})
		s.transientIndex[transientKey{addr, key}] = i
	}
	if s.transient[i].value == value {
		return
	}
	u := s.log(undoTransient, nil)
	u.word, u.value = uint64(i), s.transient[i].value
	s.transient[i].value = value
}
