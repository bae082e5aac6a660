package chain

import (
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// StateAt returns a reader of the state with that root. It is safe for
// concurrent use, and it stays valid when the state moves from memory to disk or
// from there to the history: a read that finds its layer gone is repeated on
// the place where the state is now. The error wraps motet.ErrUnavailable while
// geth has not indexed the history yet, which may take it 15 s after a crash.
func (c *Chain) StateAt(root common.Hash) (state.Reader, error) {
	r := &stateReader{chain: c, root: root}
	inner, err := c.openReader(root)
	if err != nil {
		return nil, err
	}
	r.inner = inner
	return r, nil
}

// openReader finds a state among the layers or in the history.
func (c *Chain) openReader(root common.Hash) (state.Reader, error) {
	reader, err := c.states.Reader(root)
	if err == nil {
		return reader, nil
	}
	historic, historyErr := c.history.Reader(root)
	switch {
	case historyErr == nil:
		return historic, nil
	case !c.historyReadable():
		return nil, fmt.Errorf("open state %s: history is not indexed yet: %w", root, motet.ErrUnavailable)
	default:
		return nil, fmt.Errorf("open state %s: %w: %w", root, err, historyErr)
	}
}

// stateKept is StateAt, with ErrStateGone where the state is older than those
// that are kept.
func (c *Chain) stateKept(header *types.Header) (state.Reader, error) {
	r, err := c.StateAt(header.Root)
	if err != nil && !errors.Is(err, motet.ErrUnavailable) {
		return nil, fmt.Errorf("%w: %w", ErrStateGone, err)
	}
	return r, err
}

// stateReader is a state.Reader that reopens its source.
type stateReader struct {
	chain *Chain
	root  common.Hash

	mu    sync.RWMutex
	inner state.Reader
}

func (r *stateReader) current() state.Reader {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.inner
}

// reopen replaces the source that failed, unless another reader has already.
func (r *stateReader) reopen(failed state.Reader) (state.Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inner != failed {
		return r.inner, nil
	}
	inner, err := r.chain.openReader(r.root)
	if err != nil {
		return nil, err
	}
	r.inner = inner
	return inner, nil
}

// maxReopen bounds the repetitions of a read. Each needs a flush or a rollback
// to have happened in between, so the second one practically always succeeds.
const maxReopen = 3

func retried[T any](r *stateReader, read func(state.Reader) (T, error)) (T, error) {
	inner := r.current()
	v, err := read(inner)
	for i := 0; err != nil && i < maxReopen; i++ {
		var reopenErr error
		if inner, reopenErr = r.reopen(inner); reopenErr != nil {
			return v, errors.Join(err, reopenErr)
		}
		v, err = read(inner)
	}
	return v, err
}

// Account implements state.StateReader.
func (r *stateReader) Account(addr common.Address) (*types.StateAccount, error) {
	return retried(r, func(inner state.Reader) (*types.StateAccount, error) { return inner.Account(addr) })
}

// Storage implements state.StateReader.
func (r *stateReader) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	return retried(r, func(inner state.Reader) (common.Hash, error) { return inner.Storage(addr, slot) })
}

// Has implements state.ContractCodeReader. Code is stored by hash, so it does
// not depend on where the state is.
func (r *stateReader) Has(addr common.Address, codeHash common.Hash) bool {
	return r.current().Has(addr, codeHash)
}

// Code implements state.ContractCodeReader.
func (r *stateReader) Code(addr common.Address, codeHash common.Hash) []byte {
	return r.current().Code(addr, codeHash)
}

// CodeSize implements state.ContractCodeReader.
func (r *stateReader) CodeSize(addr common.Address, codeHash common.Hash) int {
	return r.current().CodeSize(addr, codeHash)
}
