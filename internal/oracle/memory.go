package oracle

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// Memory is a state in memory, to execute a block on. It is safe for concurrent
// use as long as nobody changes it.
type Memory struct {
	Accounts map[common.Address]*MemoryAccount
	Codes    map[common.Hash][]byte
}

// MemoryAccount is an account of a Memory. The code hash of one without code is
// types.EmptyCodeHash.
type MemoryAccount struct {
	Balance  uint256.Int
	Nonce    uint64
	CodeHash common.Hash
	Storage  map[common.Hash]common.Hash
}

var _ state.Reader = (*Memory)(nil)

// NewMemory returns an empty state.
func NewMemory() *Memory {
	return &Memory{Accounts: make(map[common.Address]*MemoryAccount), Codes: make(map[common.Hash][]byte)}
}

// Account implements state.StateReader. Storage roots are those of empty tries.
func (m *Memory) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok := m.Accounts[addr]
	if !ok {
		return nil, nil
	}
	// One allocation: the reader must not weigh on what is measured. The caller
	// may change the balance, nobody changes a code hash in place.
	out := &struct {
		account types.StateAccount
		balance uint256.Int
	}{balance: a.Balance}
	out.account = types.StateAccount{Nonce: a.Nonce, Balance: &out.balance, Root: types.EmptyRootHash, CodeHash: a.CodeHash[:]}
	return &out.account, nil
}

// Storage implements state.StateReader.
func (m *Memory) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	if a, ok := m.Accounts[addr]; ok {
		return a.Storage[slot], nil
	}
	return common.Hash{}, nil
}

// Has implements state.ContractCodeReader.
func (m *Memory) Has(_ common.Address, hash common.Hash) bool {
	_, ok := m.Codes[hash]
	return ok
}

// Code implements state.ContractCodeReader.
func (m *Memory) Code(_ common.Address, hash common.Hash) []byte { return m.Codes[hash] }

// CodeSize implements state.ContractCodeReader.
func (m *Memory) CodeSize(_ common.Address, hash common.Hash) int { return len(m.Codes[hash]) }

// Keys returns all that the state holds.
func (m *Memory) Keys() Keys {
	keys := make(Keys, len(m.Accounts))
	for addr, a := range m.Accounts {
		keys.Account(addr)
		for slot := range a.Storage {
			keys.Slot(addr, slot)
		}
	}
	return keys
}
