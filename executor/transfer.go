package executor

import (
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// transfer executes tx if it is a plain transfer between accounts without code
// that surely succeeds, and reports whether it did. Everything else goes through
// core.ApplyMessage, the errors included. It leaves no trace when it declines.
func (l *lane) transfer(b *block, tx *motet.Tx) bool {
	m, s := tx.Call(), l.state
	if !m.Plain || m.Gas < params.TxGas || b.rules.IsOsaka && m.Gas > params.MaxTxGas || l.scratch.Available(false) < m.Gas {
		return false
	}
	if !supported(m.Type, &b.rules) || m.Nonce == math.MaxUint64 || likePrecompile(m.To) {
		return false
	}
	price, tip := m.FeeCap, m.FeeCap
	if b.rules.IsLondon {
		if m.FeeCap.Lt(&m.TipCap) || m.FeeCap.Lt(&b.baseFee) {
			return false
		}
		price = effectivePrice(m, &b.baseFee)
		tip.Sub(&price, &b.baseFee)
	}
	coinbase := &b.context.Coinbase
	earns := s.memory.fees.entry == nil || tx.From == *coinbase || *m.To == *coinbase
	fetch := s.lone
	if tx.From == *m.To || earns {
		fetch = s.loaded
	}
	from, to := fetch(&tx.From), fetch(m.To)
	if s.guess != nil {
		s.assume(from, m.Nonce)
	}
	from.flags |= readNonce | readCode
	to.flags |= readCode
	if from.nonce != m.Nonce || from.code != nil || to.code != nil || !s.covers(from, &m.Need) || s.err != nil {
		err := s.err
		s.reset()
		s.err = err
		return false
	}
	gas := uint256.NewInt(params.TxGas)
	var fee uint256.Int
	fee.Mul(gas, &price)
	fee.Add(&fee, &m.Value)
	from.nonce++
	from.move(fee.Neg(&fee))
	to.move(&m.Value)
	fee.Mul(gas, &tip)
	if earns {
		s.loaded(coinbase).move(&fee)
	} else {
		a := s.newAccount()
		*a = account{addr: *coinbase}
		s.payee(a).move(&fee)
	}
	// The pool was asked above.
	_ = l.scratch.CheckGasLegacy(m.Gas)
	_ = l.scratch.ChargeGasLegacy(m.Gas-params.TxGas, params.TxGas)
	l.message.gasPrice = price
	return true
}

// lone is loaded for an account that the transaction sees under no other name,
// so that nobody looks for it.
func (s *txState) lone(addr *common.Address) *account {
	a := s.newAccount()
	*a = account{addr: *addr, hash: s.memory.seeds.address(addr)}
	s.load(a)
	return a
}

// move changes the balance without a journal entry: what calls it cannot fail
// any more.
func (a *account) move(delta *uint256.Int) {
	a.mutations++
	a.flags |= isPresent
	a.balance.Add(&a.balance, delta)
}

// effectivePrice is what a unit of gas costs from London on (EIP-1559).
func effectivePrice(m *motet.Call, baseFee *uint256.Int) uint256.Int {
	var price uint256.Int
	if _, overflow := price.AddOverflow(baseFee, &m.TipCap); !overflow && price.Lt(&m.FeeCap) {
		return price
	}
	return m.FeeCap
}
