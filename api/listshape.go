package api

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/holiman/uint256"
)

// The form of a block access list in execution-apis (AccountAccess), which clients
// decode: other names than those of geth's own JSON, 32 bytes for slots and values.
// Nothing is left out when it is empty.
type (
	accountAccess struct {
		Address        common.Address             `json:"address"`
		StorageChanges []slotAccess               `json:"storageChanges"`
		StorageReads   []common.Hash              `json:"storageReads"`
		BalanceChanges []accessed[*hexutil.U256]  `json:"balanceChanges"`
		NonceChanges   []accessed[hexutil.Uint64] `json:"nonceChanges"`
		CodeChanges    []codeAccess               `json:"codeChanges"`
	}
	slotAccess struct {
		Key     common.Hash             `json:"key"`
		Changes []accessed[common.Hash] `json:"changes"`
	}
	// accessed is a value at a block access index: 0 before the transactions, i+1
	// after transaction i.
	accessed[T any] struct {
		Index hexutil.Uint64 `json:"index"`
		Value T              `json:"value"`
	}
	codeAccess struct {
		Index hexutil.Uint64 `json:"index"`
		Code  hexutil.Bytes  `json:"code"`
	}
)

func shapeOfList(list *bal.BlockAccessList) []accountAccess {
	out := make([]accountAccess, len(*list))
	for i := range *list {
		a := &(*list)[i]
		out[i] = accountAccess{
			Address:        a.Address,
			StorageChanges: make([]slotAccess, len(a.StorageChanges)),
			StorageReads:   make([]common.Hash, len(a.StorageReads)),
			BalanceChanges: make([]accessed[*hexutil.U256], len(a.BalanceChanges)),
			NonceChanges:   make([]accessed[hexutil.Uint64], len(a.NonceChanges)),
			CodeChanges:    make([]codeAccess, len(a.CodeChanges)),
		}
		o := &out[i]
		for j, s := range a.StorageChanges {
			o.StorageChanges[j] = slotAccess{Key: hash32(s.Slot), Changes: make([]accessed[common.Hash], len(s.SlotChanges))}
			for k, c := range s.SlotChanges {
				o.StorageChanges[j].Changes[k] = accessed[common.Hash]{hexutil.Uint64(c.BlockAccessIndex), hash32(c.PostValue)}
			}
		}
		for j, slot := range a.StorageReads {
			o.StorageReads[j] = hash32(slot)
		}
		for j, c := range a.BalanceChanges {
			o.BalanceChanges[j] = accessed[*hexutil.U256]{hexutil.Uint64(c.BlockAccessIndex), (*hexutil.U256)(c.PostBalance)}
		}
		for j, c := range a.NonceChanges {
			o.NonceChanges[j] = accessed[hexutil.Uint64]{hexutil.Uint64(c.BlockAccessIndex), hexutil.Uint64(c.PostNonce)}
		}
		for j, c := range a.CodeChanges {
			o.CodeChanges[j] = codeAccess{hexutil.Uint64(c.BlockAccessIndex), c.NewCode}
		}
	}
	return out
}

func hash32(v *uint256.Int) common.Hash { return v.Bytes32() }
