package execbench

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/internal/oracle"
)

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
