package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
)

// view reads the committed state of an open block.
type view struct {
	memory *memory
	reader state.Reader
}

var _ state.Reader = (*view)(nil)

func (v *view) find(addr common.Address) *accountEntry {
	e := v.memory.accounts.find(v.memory.seeds.address(&addr), addr)
	if e == nil || e.cell.Committed() == nil {
		return nil
	}
	return e
}

// Account implements state.Reader. The storage root of the result is that of an
// empty trie: roots are not known while a block is open.
func (v *view) Account(addr common.Address) (*types.StateAccount, error) {
	e := v.find(addr)
	if e == nil {
		return v.reader.Account(addr)
	}
	value := &e.cell.Committed().Value
	if !value.exists {
		return nil, nil
	}
	acct := types.NewEmptyStateAccount()
	acct.Nonce = value.nonce
	acct.Balance.Set(&value.balance)
	if value.code != nil {
		acct.CodeHash = value.code.hash.Bytes()
	}
	return acct, nil
}

// Storage implements state.Reader.
func (v *view) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	account := v.find(addr)
	if account == nil {
		return v.reader.Storage(addr, key)
	}
	e := v.memory.slots.find(v.memory.seeds.slot(account.hash, &key), slotKey{account, key})
	if e != nil && e.cell.Committed() != nil {
		return slotValue(e), nil
	}
	if account.cell.wiped > 0 {
		return common.Hash{}, nil
	}
	return v.reader.Storage(addr, key)
}

// Has implements state.Reader.
func (v *view) Has(addr common.Address, hash common.Hash) bool {
	return v.code(addr, hash) != nil || v.reader.Has(addr, hash)
}

// Code implements state.Reader.
func (v *view) Code(addr common.Address, hash common.Hash) []byte {
	if blob := v.code(addr, hash); blob != nil {
		return blob
	}
	return v.reader.Code(addr, hash)
}

// CodeSize implements state.Reader.
func (v *view) CodeSize(addr common.Address, hash common.Hash) int {
	if blob := v.code(addr, hash); blob != nil {
		return len(blob)
	}
	return v.reader.CodeSize(addr, hash)
}

// code returns the code that the block holds for addr, if it is the one asked
// for and was read or deployed by the block.
func (v *view) code(addr common.Address, hash common.Hash) []byte {
	e := v.find(addr)
	if e == nil {
		return nil
	}
	c := e.cell.Committed().Value.code
	if c == nil || c.hash != hash {
		return nil
	}
	if blob := c.blob.Load(); blob != nil {
		return *blob
	}
	return nil
}
