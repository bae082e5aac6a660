package executor

import (
	"math"

	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// transfer executes the message if it is a plain transfer between accounts
// without code that surely succeeds, and reports whether it did. Everything else
// goes through core.ApplyMessage, the errors included. It leaves no trace when
// it declines, apart from reads.
func (l *lane) transfer(b *block) bool {
	m, s := &l.message, l.state
	if m.To == nil || len(m.Data) > 0 || len(m.AccessList) > 0 || m.BlobGasFeeCap != nil || m.SetCodeAuthorizations != nil {
		return false
	}
	if m.GasLimit < params.TxGas || b.rules.IsOsaka && m.GasLimit > params.MaxTxGas || l.scratch.Available(false) < m.GasLimit {
		return false
	}
	var tip uint256.Int
	if !m.tip(b, &tip) || m.Nonce == math.MaxUint64 || likePrecompile(m.To) {
		return false
	}
	var need, fee uint256.Int
	if !m.need(&need) {
		return false
	}
	from := s.loaded(&m.From)
	from.flags |= readNonce | readCode
	to := s.loaded(m.To)
	to.flags |= readCode
	if from.nonce != m.Nonce || from.code != nil || to.code != nil || !s.covers(from, &need) || s.err != nil {
		return false
	}
	coinbase := s.loaded(&b.context.Coinbase)
	gas := uint256.NewInt(params.TxGas)
	fee.Mul(gas, &m.gasPrice)
	fee.Add(&fee, &m.value)
	from.nonce++
	from.move(fee.Neg(&fee))
	to.move(&m.value)
	coinbase.move(fee.Mul(gas, &tip))
	// The pool was asked above.
	_ = l.scratch.CheckGasLegacy(m.GasLimit)
	_ = l.scratch.ChargeGasLegacy(m.GasLimit-params.TxGas, params.TxGas)
	return true
}

// move changes the balance without a journal entry: what calls it cannot fail
// any more.
func (a *account) move(delta *uint256.Int) {
	a.mutations++
	a.flags |= isPresent
	a.balance.Add(&a.balance, delta)
}

// need computes what the sender must own, as core's buyGas does for messages
// without blobs. It reports false on overflow.
func (m *message) need(out *uint256.Int) bool {
	out.SetUint64(m.GasLimit)
	if _, overflow := out.MulOverflow(out, &m.feeCap); overflow {
		return false
	}
	_, overflow := out.AddOverflow(out, &m.value)
	return !overflow
}

// tip computes what the coinbase gets for a unit of gas. It reports false if the
// fees are not valid.
func (m *message) tip(b *block, out *uint256.Int) bool {
	*out = m.gasPrice
	if !b.rules.IsLondon {
		return true
	}
	if m.feeCap.Lt(&m.tipCap) || m.feeCap.Lt(&b.baseFee) {
		return false
	}
	out.Sub(out, &b.baseFee)
	return true
}
