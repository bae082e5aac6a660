package oracle

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// recorder has a StateDB of geth record the block access list that it otherwise
// records under Amsterdam rules only. The EVM runs on the rules in force.
type recorder struct {
	vm.StateDB

	list *bal.ConstructionBlockAccessList
	// destroyed are the accounts that the transaction destroyed, or would have.
	destroyed map[common.Address]struct{}
}

func newRecorder(db vm.StateDB) *recorder {
	return &recorder{StateDB: db, list: bal.NewConstructionBlockAccessList(), destroyed: make(map[common.Address]struct{})}
}

// Prepare implements vm.StateDB.
func (r *recorder) Prepare(rules params.Rules, sender, coinbase common.Address, dst *common.Address, precompiles []common.Address, list types.AccessList) {
	rules.IsAmsterdam = true // starts the recording, and nothing else
	r.StateDB.Prepare(rules, sender, coinbase, dst, precompiles, list)
}

// SelfDestruct implements vm.StateDB.
func (r *recorder) SelfDestruct(addr common.Address) {
	r.destroyed[addr] = struct{}{}
	r.StateDB.SelfDestruct(addr)
}

// Finalise implements vm.StateDB. Amsterdam lets a destroyed account keep its
// balance (EIP-8246) and destroys no account that existed before the transaction.
// Where the rules are others, the account is therefore emptied before that.
func (r *recorder) Finalise(rules params.Rules) *bal.ConstructionBlockAccessList {
	if !rules.IsAmsterdam {
		for addr := range r.destroyed {
			if r.HasSelfDestructed(addr) {
				r.SubBalance(addr, new(uint256.Int).Set(r.GetBalance(addr)), tracing.BalanceDecreaseSelfdestructBurn)
				r.SetNonce(addr, 0, tracing.NonceChangeSelfdestruct)
				r.GetCode(addr) // or geth takes the account to have had none
				r.SetCode(addr, nil, tracing.CodeChangeSelfDestruct)
			}
		}
	}
	clear(r.destroyed)
	rules.IsAmsterdam = true
	list := r.StateDB.Finalise(rules)
	if list != nil {
		r.list.Merge(list.Copy()) // the caller merges it as well
	}
	return list
}

// CompareAccesses returns how got differs from want, both of which must be in
// order: their hashes are equal only if all of them is.
func CompareAccesses(want, got *bal.BlockAccessList) error {
	for i := range max(len(*want), len(*got)) {
		w, g := (*want)[min(i, len(*want)):min(i+1, len(*want))], (*got)[min(i, len(*got)):min(i+1, len(*got))]
		if w.Hash() != g.Hash() {
			return fmt.Errorf("block access list, account %d: want\n%sgot\n%s", i, w.PrettyPrint(), g.PrettyPrint())
		}
	}
	if want.Hash() != got.Hash() {
		return fmt.Errorf("block access list: want %v, got %v, though all accounts are equal", want.Hash(), got.Hash())
	}
	return nil
}
