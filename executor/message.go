package executor

import (
	"fmt"

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
func (m *message) set(tx *motet.Tx, baseFee *uint256.Int, rules *params.Rules) error {
	w := tx.Call()
	if !supported(w.Type, rules) {
		return types.ErrTxTypeNotSupported
	}
	if w.Overflow {
		return tooWide(tx)
	}
	m.feeCap, m.tipCap, m.value = w.FeeCap, w.TipCap, w.Value
	var blobFeeCap *uint256.Int
	if w.Type == types.BlobTxType {
		blobFeeCap = uint256.MustFromBig(tx.BlobGasFeeCap())
	}
	setPrice(&m.gasPrice, w, baseFee, rules)
	m.Message = core.Message{
		To:                    w.To,
		From:                  tx.From,
		Nonce:                 w.Nonce,
		Value:                 &m.value,
		GasLimit:              w.Gas,
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

// tooWide says which number of the transaction is no word, in geth's words.
func tooWide(tx *motet.Tx) error {
	var word uint256.Int
	switch {
	case word.SetFromBig(tx.GasFeeCap()):
		return fmt.Errorf("%w: address %v, maxFeePerGas bit length: %d", core.ErrFeeCapVeryHigh, tx.From.Hex(), tx.GasFeeCap().BitLen())
	case word.SetFromBig(tx.GasTipCap()):
		return fmt.Errorf("%w: address %v, maxPriorityFeePerGas bit length: %d", core.ErrTipVeryHigh, tx.From.Hex(), tx.GasTipCap().BitLen())
	case word.SetFromBig(tx.Value()):
		return fmt.Errorf("value exceeds 256 bits: address %v", tx.From.Hex())
	default:
		return fmt.Errorf("blobGasFeeCap exceeds 256 bits: address %v", tx.From.Hex())
	}
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
