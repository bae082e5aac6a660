package execbench

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet/internal/oracle"
)

type memoryAccount struct {
	balance  uint256.Int
	nonce    uint64
	codeHash common.Hash
	storage  map[common.Hash]common.Hash
}

// memoryState is a state.Reader in memory. It does not change once a block runs
// on it.
type memoryState struct {
	accounts map[common.Address]*memoryAccount
	codes    map[common.Hash][]byte
}

func (s *memoryState) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok := s.accounts[addr]
	if !ok {
		return nil, nil
	}
	// One allocation: the reader must not weigh on what is measured. The caller
	// may change the balance, nobody changes a code hash in place.
	out := &struct {
		account types.StateAccount
		balance uint256.Int
	}{balance: a.balance}
	out.account = types.StateAccount{Nonce: a.nonce, Balance: &out.balance, Root: types.EmptyRootHash, CodeHash: a.codeHash[:]}
	return &out.account, nil
}

func (s *memoryState) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	if a, ok := s.accounts[addr]; ok {
		return a.storage[slot], nil
	}
	return common.Hash{}, nil
}

func (s *memoryState) Has(_ common.Address, hash common.Hash) bool {
	_, ok := s.codes[hash]
	return ok
}

func (s *memoryState) Code(_ common.Address, hash common.Hash) []byte { return s.codes[hash] }

func (s *memoryState) CodeSize(_ common.Address, hash common.Hash) int { return len(s.codes[hash]) }

// watchedReader notes what is read.
type watchedReader struct {
	state.Reader
	mu   sync.Mutex
	keys oracle.Keys // guarded by mu
}

func (r *watchedReader) Account(addr common.Address) (*types.StateAccount, error) {
	r.mu.Lock()
	r.keys.Account(addr)
	r.mu.Unlock()
	return r.Reader.Account(addr)
}

func (r *watchedReader) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	r.mu.Lock()
	r.keys.Slot(addr, slot)
	r.mu.Unlock()
	return r.Reader.Storage(addr, slot)
}
