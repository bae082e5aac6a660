package replay

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet/internal/oracle"
)

// account is one account of a recorded state.
type account struct {
	balance  uint256.Int
	nonce    uint64
	codeHash common.Hash
	storage  map[common.Hash]common.Hash
}

// recordedState is a state.Reader in memory. It does not change once it is
// built, so it is safe for concurrent use.
type recordedState struct {
	accounts map[common.Address]*account
	codes    map[common.Hash][]byte
}

func (s *recordedState) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok := s.accounts[addr]
	if !ok {
		return nil, nil
	}
	return &types.StateAccount{
		Nonce:    a.nonce,
		Balance:  a.balance.Clone(),
		Root:     types.EmptyRootHash, // unknown; nothing here reads a trie
		CodeHash: a.codeHash[:],       // replaced by those who change it, never written to
	}, nil
}

func (s *recordedState) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	a, ok := s.accounts[addr]
	if !ok {
		return common.Hash{}, nil
	}
	return a.storage[slot], nil
}

func (s *recordedState) Has(_ common.Address, hash common.Hash) bool {
	_, ok := s.codes[hash]
	return ok
}

func (s *recordedState) Code(_ common.Address, hash common.Hash) []byte { return s.codes[hash] }

func (s *recordedState) CodeSize(_ common.Address, hash common.Hash) int { return len(s.codes[hash]) }

// keys returns all that the state holds.
func (s *recordedState) keys() oracle.Keys {
	keys := make(oracle.Keys, len(s.accounts))
	for addr, a := range s.accounts {
		keys.Account(addr)
		for slot := range a.storage {
			keys.Slot(addr, slot)
		}
	}
	return keys
}
