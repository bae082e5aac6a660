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

	words *Words
}

// Words are the numbers of a transaction as the EVM's words. geth keeps them as
// big integers and copies them at each look.
type Words struct {
	FeeCap, TipCap, Value uint256.Int

	// Overflow tells that one of them, or the blob fee cap, exceeds 256 bits;
	// then none is set.
	Overflow bool
}

// Words returns the transaction's numbers. A recovered transaction has them at
// hand.
func (t *Tx) Words() *Words {
	if t.words != nil {
		return t.words
	}
	return wordsOf(t.Transaction)
}

func wordsOf(tx *types.Transaction) *Words {
	w := new(Words)
	wide := w.FeeCap.SetFromBig(tx.GasFeeCap())
	wide = w.TipCap.SetFromBig(tx.GasTipCap()) || wide
	wide = w.Value.SetFromBig(tx.Value()) || wide
	if blob := tx.BlobGasFeeCap(); wide || blob != nil && blob.BitLen() > 256 {
		return &Words{Overflow: true}
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
	return &Tx{Transaction: tx, From: from, words: wordsOf(tx)}
}

// Transactions returns the geth transactions behind txs, in order.
func Transactions(txs []*Tx) types.Transactions {
	out := make(types.Transactions, len(txs))
	for i, tx := range txs {
		out[i] = tx.Transaction
	}
	return out
}
