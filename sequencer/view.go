package sequencer

import (
	"bytes"
	"fmt"
	"maps"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/executor"
)

type slotKey struct {
	addr common.Address
	slot common.Hash
}

// witness notes what an executor reads of the state before the block. Nothing
// can change what was not read first, apart from the balances that transactions
// name themselves, so the notes bound what a slice may have changed.
type witness struct {
	state.Reader

	mu       sync.Mutex
	accounts []common.Address
	slots    []slotKey
}

// Account implements state.StateReader.
func (w *witness) Account(addr common.Address) (*types.StateAccount, error) {
	w.mu.Lock()
	w.accounts = append(w.accounts, addr)
	w.mu.Unlock()
	return w.Reader.Account(addr)
}

// Storage implements state.StateReader.
func (w *witness) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	w.mu.Lock()
	w.slots = append(w.slots, slotKey{addr, slot})
	w.mu.Unlock()
	return w.Reader.Storage(addr, slot)
}

// drain returns what was noted since the last call.
func (w *witness) drain() (accounts []common.Address, slots []slotKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	accounts, slots = w.accounts, w.slots
	w.accounts, w.slots = nil, nil
	return accounts, slots
}

// tracker makes immutable snapshots of the state of an open block, which an
// executor's own view is not: that one ends with the next slice.
type tracker struct {
	base     state.Reader
	witness  *witness
	coinbase common.Address
	accounts map[common.Address]struct{} // all that may have changed in the block
	slots    map[slotKey]struct{}
	top      *layer
}

func newTracker(base state.Reader, coinbase common.Address) *tracker {
	return &tracker{
		base:     base,
		witness:  &witness{Reader: base},
		coinbase: coinbase,
		accounts: make(map[common.Address]struct{}),
		slots:    make(map[slotKey]struct{}),
	}
}

// plainGas is what a transaction uses that runs no code.
const plainGas = 21_000

// snapshot returns the state after a slice, nil for the start of the block. view
// is the executor's.
func (t *tracker) snapshot(view state.Reader, slice *executor.Slice) (state.Reader, error) {
	accounts := map[common.Address]struct{}{t.coinbase: {}}
	slots := make(map[slotKey]struct{})
	newAccounts, newSlots := t.witness.drain()
	for _, a := range newAccounts {
		accounts[a] = struct{}{}
	}
	for _, s := range newSlots {
		slots[s] = struct{}{}
	}
	code := false
	if slice != nil {
		for i, tx := range slice.Included {
			accounts[tx.From] = struct{}{}
			if to := tx.To(); to != nil {
				accounts[*to] = struct{}{}
			}
			code = code || slice.Receipts[i].GasUsed != plainGas
		}
	}
	maps.Copy(t.accounts, accounts)
	maps.Copy(t.slots, slots)
	if code { // it may have reached anything that was reached before
		accounts, slots = t.accounts, t.slots
	}
	l := newLayer(t.top)
	for addr := range accounts {
		if err := t.copyAccount(l, view, addr); err != nil {
			return nil, fmt.Errorf("read account %s of the open block: %w", addr, err)
		}
	}
	for s := range slots {
		v, err := view.Storage(s.addr, s.slot)
		if err != nil {
			return nil, fmt.Errorf("read slot %s of %s in the open block: %w", s.slot, s.addr, err)
		}
		if old, ok := t.top.slot(s); !ok || old != v {
			l.slots[s] = v
		}
	}
	t.top = l.compact()
	return &snapshot{base: t.base, top: t.top}, nil
}

func (t *tracker) copyAccount(l *layer, view state.Reader, addr common.Address) error {
	acc, err := view.Account(addr)
	if err != nil {
		return err
	}
	old, known := t.top.account(addr)
	if known && sameAccount(old, acc) {
		return nil
	}
	l.accounts[addr] = acc
	if acc == nil || bytes.Equal(acc.CodeHash, types.EmptyCodeHash[:]) {
		return nil
	}
	hash := common.BytesToHash(acc.CodeHash)
	if known && old != nil && bytes.Equal(old.CodeHash, acc.CodeHash) || t.base.Has(addr, hash) {
		return nil
	}
	l.codes[hash] = view.Code(addr, hash)
	return nil
}

func sameAccount(a, b *types.StateAccount) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Nonce == b.Nonce && a.Balance.Eq(b.Balance) && bytes.Equal(a.CodeHash, b.CodeHash)
}

// layer holds values that changed, over those of the layer below. It does not
// change once it is part of a snapshot.
type layer struct {
	below    *layer
	accounts map[common.Address]*types.StateAccount // nil: there is no such account
	slots    map[slotKey]common.Hash
	codes    map[common.Hash][]byte
}

func newLayer(below *layer) *layer {
	return &layer{
		below:    below,
		accounts: make(map[common.Address]*types.StateAccount),
		slots:    make(map[slotKey]common.Hash),
		codes:    make(map[common.Hash][]byte),
	}
}

func (l *layer) size() int { return len(l.accounts) + len(l.slots) + len(l.codes) }

// compact merges l with the layers below that are not much larger, so that their
// number stays logarithmic.
func (l *layer) compact() *layer {
	if l.size() == 0 && l.below != nil {
		return l.below
	}
	for b := l.below; b != nil && b.size() <= 2*l.size(); b = l.below {
		m := newLayer(b.below)
		for _, part := range []*layer{b, l} {
			maps.Copy(m.accounts, part.accounts)
			maps.Copy(m.slots, part.slots)
			maps.Copy(m.codes, part.codes)
		}
		l = m
	}
	return l
}

func (l *layer) account(addr common.Address) (acc *types.StateAccount, ok bool) {
	for ; l != nil; l = l.below {
		if acc, ok = l.accounts[addr]; ok {
			return acc, true
		}
	}
	return nil, false
}

func (l *layer) slot(s slotKey) (v common.Hash, ok bool) {
	for ; l != nil; l = l.below {
		if v, ok = l.slots[s]; ok {
			return v, true
		}
	}
	return v, false
}

func (l *layer) code(hash common.Hash) ([]byte, bool) {
	for ; l != nil; l = l.below {
		if code, ok := l.codes[hash]; ok {
			return code, true
		}
	}
	return nil, false
}

// snapshot is the state of an open block after some slice. It is safe for
// concurrent use and does not change.
type snapshot struct {
	base state.Reader
	top  *layer
}

var _ state.Reader = (*snapshot)(nil)

// Account implements state.StateReader.
func (s *snapshot) Account(addr common.Address) (*types.StateAccount, error) {
	acc, ok := s.top.account(addr)
	if !ok {
		return s.base.Account(addr)
	}
	if acc == nil {
		return nil, nil //nolint:nilnil // state.Reader's way to say that there is none
	}
	return acc.Copy(), nil
}

// Storage implements state.StateReader.
func (s *snapshot) Storage(addr common.Address, slot common.Hash) (common.Hash, error) {
	if v, ok := s.top.slot(slotKey{addr, slot}); ok {
		return v, nil
	}
	return s.base.Storage(addr, slot)
}

// Has implements state.ContractCodeReader.
func (s *snapshot) Has(addr common.Address, hash common.Hash) bool {
	if _, ok := s.top.code(hash); ok {
		return true
	}
	return s.base.Has(addr, hash)
}

// Code implements state.ContractCodeReader.
func (s *snapshot) Code(addr common.Address, hash common.Hash) []byte {
	if code, ok := s.top.code(hash); ok {
		return code
	}
	return s.base.Code(addr, hash)
}

// CodeSize implements state.ContractCodeReader.
func (s *snapshot) CodeSize(addr common.Address, hash common.Hash) int {
	if code, ok := s.top.code(hash); ok {
		return len(code)
	}
	return s.base.CodeSize(addr, hash)
}
