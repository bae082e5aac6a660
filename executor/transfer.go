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
	if !m.Plain || m.Gas < params.TxGas || b.rules.IsOsaka && m.Gas > params.MaxTxGas || l.budget.Available(false) < m.Gas {
		return false
	}
	if !supported(m.Type, &b.rules) || m.Nonce == math.MaxUint64 || likePrecompile(m.To) {
		return false
	}
	contract := &l.contracts[m.To[common.AddressLength-1]%byte(len(l.contracts))]
	if *contract == *m.To {
		return false
	}
	if b.rules.IsLondon && (m.FeeCap.Lt(&m.TipCap) || m.FeeCap.Lt(&b.baseFee)) {
		return false
	}
	coinbase := &b.context.Coinbase
	earns := s.memory.fees.entry == nil || tx.From == *coinbase || *m.To == *coinbase
	var from, to *account
	if tx.From == *m.To || earns {
		from, to = s.loaded(&tx.From), s.loaded(m.To)
	} else {
		from, to = s.lone(&tx.From), s.recipient(m.To)
	}
	if s.guess != nil {
		s.assume(from, m.Nonce)
	}
	from.flags |= readNonce | readCode
	to.flags |= readCode
	if from.nonce != m.Nonce || from.code != nil || to.code != nil || !s.covers(from, &m.Need) || s.err != nil {
		if to.code != nil {
			*contract = *m.To
		}
		err := s.err
		s.reset()
		s.err = err
		return false
	}
	gas, price := uint256.NewInt(params.TxGas), &l.message.gasPrice
	var fee, tip uint256.Int
	setPrice(price, m, &b.baseFee, &b.rules)
	tip.Set(price)
	if b.rules.IsLondon {
		tip.Sub(price, &b.baseFee)
	}
	fee.Mul(gas, price)
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
	return true
}

// lone is loaded for an account that the transaction sees under no other name,
// so that nobody looks for it.
func (s *txState) lone(addr *common.Address) *account {
	a := s.newAccount()
	*a = account{addr: *addr, hash: s.memory.seeds.address(addr)}
	s.load(a, addr)
	return a
}

// recipient is lone for an account of which nothing but the code matters: what it owns
// changes by the amount. So nobody looks at what earlier transactions are about to pay it, of
// which there may be many, in caches of other processors.
func (s *txState) recipient(addr *common.Address) *account {
	a := s.newAccount()
	*a = account{addr: *addr, hash: s.memory.seeds.address(addr)}
	s.loadAs(a, addr, true)
	return a
}

// move changes the balance without a journal entry: what calls it cannot fail
// any more.
func (a *account) move(delta *uint256.Int) {
	a.mutations++
	a.flags |= isPresent
	a.balance.Add(&a.balance, delta)
}

// setPrice sets price to what a unit of gas costs m: from London on the base fee and
// the tip, as far as the cap allows (EIP-1559).
func setPrice(price *uint256.Int, m *motet.Call, baseFee *uint256.Int, rules *params.Rules) {
	if rules.IsLondon {
		if _, overflow := price.AddOverflow(baseFee, &m.TipCap); !overflow && price.Lt(&m.FeeCap) {
			return
		}
	}
	price.Set(&m.FeeCap)
}
