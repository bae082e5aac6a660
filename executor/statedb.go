package executor

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// ripemd is the account whose touch once survived a revert on mainnet.
var ripemd = common.BytesToAddress([]byte{3}) //nolint:gochecknoglobals // a constant in all but name

// create makes the account exist, empty, as geth does on the first write to one
// that is absent.
func (s *txState) create(a *account) {
	s.mutate(undoCreate, a)
	a.flags |= isPresent
}

// ensure is what every write starts with.
func (s *txState) ensure(a *account) {
	if a.flags&isPresent == 0 {
		s.create(a)
	}
}

// credit adds amount to the account, which touches it even if amount is zero.
func (s *txState) credit(a *account, amount *uint256.Int) {
	s.ensure(a)
	if amount.IsZero() {
		if a.empty() {
			s.mutate(undoTouch, a)
			if a.addr == ripemd {
				a.mutations++ // the extra mark is never reverted
			}
		}
		return
	}
	s.mutate(undoBalance, a).balance = a.balance
	a.balance.Add(&a.balance, amount)
}

// debit takes amount from the account. The caller has made sure, by a read that
// was recorded, that the account has it.
func (s *txState) debit(a *account, amount *uint256.Int) {
	s.ensure(a)
	if amount.IsZero() {
		return
	}
	s.mutate(undoBalance, a).balance = a.balance
	a.balance.Sub(&a.balance, amount)
}

func (s *txState) setNonce(a *account, nonce uint64) {
	s.ensure(a)
	s.mutate(undoNonce, a).word = a.nonce
	a.nonce = nonce
}

// reads notes that the transaction depends on the account's balance or nonce. That of the
// sender, from its start to Prepare, is judged at the frontier alone.
func (s *txState) reads(a *account, field uint16) {
	if s.guess != nil && a.flags&field == 0 && s.sender != a {
		s.guess.reads(a.entry)
	}
	a.flags |= field
}

func (a *account) empty() bool {
	return a.nonce == 0 && a.code == nil && a.balance.IsZero()
}

// covers reports whether the account can pay amount. If so, only the bound is
// recorded, so that other changes to its balance do no harm.
func (s *txState) covers(a *account, amount *uint256.Int) bool {
	if a.balance.Lt(amount) {
		s.reads(a, readBalance)
		return false
	}
	var spare uint256.Int
	spare.Sub(&a.balance, amount)
	if spare.Lt(&a.base.balance) {
		spare.Sub(&a.base.balance, &spare)
		if spare.Gt(&a.bound) {
			a.bound = spare
		}
		a.flags |= boundBalance
	}
	return true
}

// CreateAccount implements vm.StateDB.
func (s *txState) CreateAccount(addr common.Address) { s.create(s.loaded(&addr)) }

// CreateContract implements vm.StateDB.
func (s *txState) CreateContract(addr common.Address) {
	a := s.loaded(&addr)
	if a.flags&isNew == 0 {
		s.log(undoNewContract, a)
		a.flags |= isNew
	}
}

// IsNewContract implements vm.StateDB.
func (s *txState) IsNewContract(addr common.Address) bool { return s.account(&addr).flags&isNew != 0 }

// SubBalance implements vm.StateDB.
func (s *txState) SubBalance(addr common.Address, amount *uint256.Int, _ tracing.BalanceChangeReason) uint256.Int {
	a := s.loaded(&addr)
	prev := a.balance
	s.debit(a, amount)
	return prev
}

// AddBalance implements vm.StateDB.
func (s *txState) AddBalance(addr common.Address, amount *uint256.Int, reason tracing.BalanceChangeReason) uint256.Int {
	if f := s.memory.fees.entry; f != nil && f.key == addr && reason == tracing.BalanceIncreaseRewardTransactionFee {
		if a := s.account(&addr); a.flags&isLoaded == 0 {
			s.payee(a).move(amount)
			return uint256.Int{} // for tracers
		}
	}
	a := s.loaded(&addr)
	prev := a.balance
	s.credit(a, amount)
	return prev
}

// GetBalance implements vm.StateDB. The result is a copy: the EVM keeps the
// pointer across changes of the balance (SELFDESTRUCT does).
func (s *txState) GetBalance(addr common.Address) *uint256.Int {
	a := s.loaded(&addr)
	if s.sender != a || !s.covers(a, &s.need) {
		s.reads(a, readBalance)
	}
	s.nextBalance = (s.nextBalance + 1) % uint8(len(s.balances))
	b := &s.balances[s.nextBalance]
	*b = a.balance
	return b
}

// GetNonce implements vm.StateDB.
func (s *txState) GetNonce(addr common.Address) uint64 {
	a := s.loaded(&addr)
	s.reads(a, readNonce)
	return a.nonce
}

// SetNonce implements vm.StateDB.
func (s *txState) SetNonce(addr common.Address, nonce uint64, _ tracing.NonceChangeReason) {
	s.setNonce(s.loaded(&addr), nonce)
}

// GetCodeHash implements vm.StateDB.
func (s *txState) GetCodeHash(addr common.Address) common.Hash {
	a := s.loaded(&addr)
	a.flags |= readCode
	switch {
	case a.code != nil:
		return a.code.hash
	case s.present(a):
		return types.EmptyCodeHash
	default:
		return common.Hash{}
	}
}

// GetCode implements vm.StateDB.
func (s *txState) GetCode(addr common.Address) []byte {
	a := s.loaded(&addr)
	a.flags |= readCode
	blob, err := s.memory.blob(addr, a.code)
	if err != nil {
		s.fail(err)
	}
	return blob
}

// GetCodeSize implements vm.StateDB.
func (s *txState) GetCodeSize(addr common.Address) int { return len(s.GetCode(addr)) }

// SetCode implements vm.StateDB.
func (s *txState) SetCode(addr common.Address, blob []byte, _ tracing.CodeChangeReason) []byte {
	a := s.loaded(&addr)
	a.flags |= readCode
	prev, err := s.memory.blob(addr, a.code)
	if err != nil {
		s.fail(err)
	}
	s.ensure(a)
	s.mutate(undoCode, a).code = a.code
	s.deployed += len(blob)
	if len(blob) == 0 {
		a.code = nil
	} else {
		a.code = newCode(crypto.Keccak256Hash(blob), blob)
	}
	return slices.Clone(prev)
}

// AddRefund implements vm.StateDB.
func (s *txState) AddRefund(gas uint64) {
	s.log(undoRefund, nil).word = s.refund
	s.refund += gas
}

// SubRefund implements vm.StateDB. It panics if the counter goes below zero.
func (s *txState) SubRefund(gas uint64) {
	s.log(undoRefund, nil).word = s.refund
	if gas > s.refund {
		panic(fmt.Sprintf("refund counter below zero (gas: %d > refund: %d)", gas, s.refund))
	}
	s.refund -= gas
}

// GetRefund implements vm.StateDB.
func (s *txState) GetRefund() uint64 { return s.refund }

// GetStateAndCommittedState implements vm.StateDB.
func (s *txState) GetStateAndCommittedState(addr common.Address, key common.Hash) (current, committed common.Hash) {
	a := s.loaded(&addr)
	if !s.present(a) {
		return common.Hash{}, common.Hash{}
	}
	l := s.loadedSlot(a, &key)
	return l.value, l.base
}

// GetState implements vm.StateDB.
func (s *txState) GetState(addr common.Address, key common.Hash) common.Hash {
	a := s.loaded(&addr)
	if !s.present(a) {
		return common.Hash{}
	}
	return s.loadedSlot(a, &key).value
}

// SetState implements vm.StateDB.
func (s *txState) SetState(addr common.Address, key, value common.Hash) common.Hash {
	a := s.loaded(&addr)
	s.ensure(a)
	l := s.loadedSlot(a, &key)
	prev := l.value
	if prev == value {
		return prev
	}
	u := s.mutate(undoSlot, a)
	u.slot, u.value = l, prev
	l.value = value
	return prev
}

// SelfDestruct implements vm.StateDB.
func (s *txState) SelfDestruct(addr common.Address) {
	a := s.loaded(&addr)
	if !s.present(a) || a.flags&isDestructed != 0 {
		return
	}
	s.mutate(undoSelfDestruct, a)
	a.flags |= isDestructed
}

// HasSelfDestructed implements vm.StateDB.
func (s *txState) HasSelfDestructed(addr common.Address) bool {
	return s.account(&addr).flags&isDestructed != 0
}

// present reports whether the account exists. Whether it did before the
// transaction matters only while the transaction has not made it exist.
func (s *txState) present(a *account) bool {
	if a.flags&isPresent == 0 || a.base.exists {
		a.flags |= readExist
	}
	return a.flags&isPresent != 0
}

// Exist implements vm.StateDB.
func (s *txState) Exist(addr common.Address) bool { return s.present(s.loaded(&addr)) }

// Touch implements vm.StateDB. It matters to block access lists alone.
func (s *txState) Touch(addr common.Address) { s.loaded(&addr) }

// Empty implements vm.StateDB.
func (s *txState) Empty(addr common.Address) bool {
	a := s.loaded(&addr)
	return !s.present(a) || s.isEmpty(a)
}

// isEmpty is account.empty with its reads recorded.
func (s *txState) isEmpty(a *account) bool {
	if a.nonce == a.base.nonce && a.balance == a.base.balance && sameCode(a.code, a.base.code) {
		a.flags |= readExist
		return a.empty()
	}
	switch {
	case a.code != nil:
		a.flags |= readCode
	case a.nonce != 0:
		a.flags |= readNonce
	default:
		a.flags |= readBalance | readNonce | readCode
	}
	return a.empty()
}

// AddLog implements vm.StateDB. The index within the block is not known yet.
func (s *txState) AddLog(log *types.Log) {
	s.log(undoLog, nil)
	log.TxHash, log.TxIndex = s.txHash, s.txIndex
	s.logs = append(s.logs, log)
}

// AddPreimage implements vm.StateDB. Nothing asks for preimages.
func (s *txState) AddPreimage(common.Hash, []byte) {}

// Witness implements vm.StateDB.
func (s *txState) Witness() *stateless.Witness { return nil }

// AccessEvents implements vm.StateDB.
func (s *txState) AccessEvents() *state.AccessEvents { return nil }

// SetTxContext implements vm.StateDB.
func (s *txState) SetTxContext(hash common.Hash, index int, accessIndex uint32) {
	s.txHash, s.txIndex, s.accessIndex = hash, uint(index), accessIndex
}

// Finalise implements vm.StateDB: it commits the transaction to the block's
// memory and starts the next one. Only a state that reads committed values may
// be finalised. The block access list is kept elsewhere, so none is returned.
func (s *txState) Finalise(rules params.Rules) *bal.ConstructionBlockAccessList {
	if rules.IsAmsterdam {
		s.strip()
	}
	s.commit(&rules)
	s.reset()
	return nil
}
