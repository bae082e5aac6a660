package executor

import (
	"maps"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
)

// View implements Block.
func (b *block) View() state.Reader {
	if b.err == nil {
		b.top = b.memory.layer(b.top)
	}
	return &view{base: b.env.State, top: b.top}
}

// place names a slot without the memory that it is in.
type place struct {
	addr common.Address
	key  common.Hash
}

// layer holds what changed since the layer below was made. It does not change
// any more.
type layer struct {
	below    *layer
	accounts map[common.Address]*types.StateAccount // nil: there is no such account
	slots    map[place]common.Hash
	codes    map[common.Hash][]byte
	wiped    map[common.Address]struct{} // what layers below say of their slots is void
}

func newLayer(below *layer) *layer {
	return &layer{
		below:    below,
		accounts: make(map[common.Address]*types.StateAccount),
		slots:    make(map[place]common.Hash),
		codes:    make(map[common.Hash][]byte),
		wiped:    make(map[common.Address]struct{}),
	}
}

// layer returns the committed values, of which those up to the last call stand
// in below.
func (m *memory) layer(below *layer) *layer {
	if len(m.freshAccounts)+len(m.freshSlots) == 0 {
		return below
	}
	l := newLayer(below)
	for _, e := range m.freshAccounts {
		c := &e.cell
		if wiped := c.wiped.Load(); wiped != c.wipedBelow {
			c.wipedBelow = wiped
			l.wiped[e.key] = struct{}{}
		}
		v := &c.Committed().Value
		l.accounts[e.key] = v.stateAccount()
		if v.code != nil && !sameCode(v.code, c.base.Value.code) {
			l.codes[v.code.hash] = *v.code.blob.Load()
		}
		c.fresh = false
	}
	for _, e := range m.freshSlots {
		l.slots[place{e.key.account.key, e.key.key}] = slotValue(e)
		e.cell.fresh = false
	}
	clear(m.freshAccounts)
	clear(m.freshSlots)
	m.freshAccounts, m.freshSlots = m.freshAccounts[:0], m.freshSlots[:0]
	return l.compact()
}

// stateAccount returns v with the storage root of an empty trie: roots are not
// known while a block is open.
func (v *accountValue) stateAccount() *types.StateAccount {
	if !v.exists {
		return nil
	}
	acct := types.NewEmptyStateAccount()
	acct.Nonce = v.nonce
	acct.Balance.Set(&v.balance)
	if v.code != nil {
		acct.CodeHash = v.code.hash.Bytes()
	}
	return acct
}

func (l *layer) size() int { return len(l.accounts) + len(l.slots) + len(l.codes) }

// compact merges l with the layers below that are not much larger, so that their
// number stays logarithmic.
func (l *layer) compact() *layer {
	for b := l.below; b != nil && b.size() <= 2*l.size(); b = l.below {
		m := newLayer(b.below)
		for at, value := range b.slots {
			if _, void := l.wiped[at.addr]; !void {
				m.slots[at] = value
			}
		}
		maps.Copy(m.slots, l.slots)
		for _, part := range []*layer{b, l} {
			maps.Copy(m.accounts, part.accounts)
			maps.Copy(m.codes, part.codes)
			maps.Copy(m.wiped, part.wiped)
		}
		l = m
	}
	return l
}

// view is the state of an open block at some point. It does not change.
type view struct {
	base state.Reader
	top  *layer
}

var _ state.Reader = (*view)(nil)

// Account implements state.StateReader. The storage root of an account that the
// block changed is that of an empty trie.
func (v *view) Account(addr common.Address) (*types.StateAccount, error) {
	for l := v.top; l != nil; l = l.below {
		if acct, ok := l.accounts[addr]; ok {
			if acct == nil {
				return nil, nil //nolint:nilnil // state.Reader's way to say that there is none
			}
			return acct.Copy(), nil
		}
	}
	return v.base.Account(addr)
}

// Storage implements state.StateReader.
func (v *view) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	at := place{addr, key}
	for l := v.top; l != nil; l = l.below {
		if value, ok := l.slots[at]; ok {
			return value, nil
		}
		if _, void := l.wiped[addr]; void {
			return common.Hash{}, nil
		}
	}
	return v.base.Storage(addr, key)
}

// code returns the code if the block deployed it.
func (v *view) code(hash common.Hash) ([]byte, bool) {
	for l := v.top; l != nil; l = l.below {
		if blob, ok := l.codes[hash]; ok {
			return blob, true
		}
	}
	return nil, false
}

// Has implements state.ContractCodeReader.
func (v *view) Has(addr common.Address, hash common.Hash) bool {
	_, ok := v.code(hash)
	return ok || v.base.Has(addr, hash)
}

// Code implements state.ContractCodeReader.
func (v *view) Code(addr common.Address, hash common.Hash) []byte {
	if blob, ok := v.code(hash); ok {
		return blob
	}
	return v.base.Code(addr, hash)
}

// CodeSize implements state.ContractCodeReader.
func (v *view) CodeSize(addr common.Address, hash common.Hash) int {
	if blob, ok := v.code(hash); ok {
		return len(blob)
	}
	return v.base.CodeSize(addr, hash)
}
