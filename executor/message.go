package executor

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// message is a core.Message with its numbers in place, filled anew for each
// transaction.
type message struct {
	core.Message

	gasPrice, feeCap, tipCap, value uint256.Int
}

// set fills the message from tx. The errors are those of
// core.TransactionToMessage, whose place it takes: the sender is known already.
func (m *message) set(tx *motet.Tx, baseFee *big.Int, rules *params.Rules) error {
	if !supported(tx.Type(), rules) {
		return types.ErrTxTypeNotSupported
	}
	feeCap := tx.GasFeeCap()
	if m.feeCap.SetFromBig(feeCap) {
		return fmt.Errorf("%w: address %v, maxFeePerGas bit length: %d", core.ErrFeeCapVeryHigh, tx.From.Hex(), feeCap.BitLen())
	}
	m.tipCap, m.gasPrice = m.feeCap, m.feeCap
	if kind := tx.Type(); kind != types.LegacyTxType && kind != types.AccessListTxType {
		tipCap := tx.GasTipCap()
		if m.tipCap.SetFromBig(tipCap) {
			return fmt.Errorf("%w: address %v, maxPriorityFeePerGas bit length: %d", core.ErrTipVeryHigh, tx.From.Hex(), tipCap.BitLen())
		}
	}
	if m.value.SetFromBig(tx.Value()) {
		return fmt.Errorf("value exceeds 256 bits: address %v", tx.From.Hex())
	}
	var blobFeeCap *uint256.Int
	if tx.Type() == types.BlobTxType {
		var overflow bool
		if blobFeeCap, overflow = uint256.FromBig(tx.BlobGasFeeCap()); overflow {
			return fmt.Errorf("blobGasFeeCap exceeds 256 bits: address %v", tx.From.Hex())
		}
	}
	if baseFee != nil {
		var base uint256.Int
		base.SetFromBig(baseFee)
		if _, overflow := base.AddOverflow(&base, &m.tipCap); !overflow && base.Lt(&m.feeCap) {
			m.gasPrice = base
		}
	}
	m.Message = core.Message{
		To:                    tx.To(),
		From:                  tx.From,
		Nonce:                 tx.Nonce(),
		Value:                 &m.value,
		GasLimit:              tx.Gas(),
		GasPrice:              &m.gasPrice,
		GasFeeCap:             &m.feeCap,
		GasTipCap:             &m.tipCap,
		Data:                  tx.Data(),
		AccessList:            tx.AccessList(),
		BlobGasFeeCap:         blobFeeCap,
		BlobHashes:            tx.BlobHashes(),
		SetCodeAuthorizations: tx.SetCodeAuthorizations(),
	}
	return nil
}

// supported reports whether the rules know the transaction type; a signer
// refuses the others.
func supported(kind uint8, rules *params.Rules) bool {
	switch kind {
	case types.LegacyTxType:
		return true
	case types.AccessListTxType:
		return rules.IsBerlin
	case types.DynamicFeeTxType:
		return rules.IsLondon
	case types.BlobTxType:
		return rules.IsCancun
	case types.SetCodeTxType:
		return rules.IsPrague
	default:
		return false
	}
}
