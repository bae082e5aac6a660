package motet

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// Tx is a transaction whose signature has been recovered. Recovery is the most
// expensive step of a plain transfer, so it happens once, where the transaction
// enters the process, and From travels with it from then on.
type Tx struct {
	*types.Transaction

	// From is the recovered sender.
	From common.Address

	call *Call
}

// Call is what an execution needs of a transaction each time, with numbers as
// the EVM's words. geth keeps big integers and copies all of it at each look.
type Call struct {
	To *common.Address // not to be changed; nil creates a contract

	FeeCap, TipCap, Value uint256.Int

	// Overflow tells that one of them, or the blob fee cap, exceeds 256 bits;
	// then none is set.
	Overflow bool
}

// Call returns the transaction as an execution sees it. A recovered transaction
// has it at hand.
func (t *Tx) Call() *Call {
	if t.call != nil {
		return t.call
	}
	return callOf(t.Transaction)
}

func callOf(tx *types.Transaction) *Call {
	w := &Call{To: tx.To()}
	wide := w.FeeCap.SetFromBig(tx.GasFeeCap())
	wide = w.TipCap.SetFromBig(tx.GasTipCap()) || wide
	wide = w.Value.SetFromBig(tx.Value()) || wide
	if blob := tx.BlobGasFeeCap(); wide || blob != nil && blob.BitLen() > 256 {
		return &Call{To: tx.To(), Overflow: true}
	}
	return w
}

// RecoverTx recovers the sender of tx. The error is geth's (types.ErrInvalidSig,
// types.ErrInvalidChainID, types.ErrTxTypeNotSupported …), wrapped.
func RecoverTx(signer types.Signer, tx *types.Transaction) (*Tx, error) {
	from, err := types.Sender(signer, tx)
	if err != nil {
		return nil, fmt.Errorf("recover sender: %w", err)
	}
	return NewTx(tx, from), nil
}

// NewTx returns tx with its sender, which the caller knows.
func NewTx(tx *types.Transaction, from common.Address) *Tx {
	return &Tx{Transaction: tx, From: from, call: callOf(tx)}
}

// Transactions returns the geth transactions behind txs, in order.
func Transactions(txs []*Tx) types.Transactions {
	out := make(types.Transactions, len(txs))
	for i, tx := range txs {
		out[i] = tx.Transaction
	}
	return out
}
