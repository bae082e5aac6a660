package motet

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Tx is a transaction whose signature has been recovered. Recovery is the most
// expensive step of a plain transfer, so it happens once, where the transaction
// enters the process, and From travels with it from then on.
type Tx struct {
	*types.Transaction

	// From is the recovered sender.
	From common.Address
}

// RecoverTx recovers the sender of tx. The error is geth's (types.ErrInvalidSig,
// types.ErrInvalidChainID, types.ErrTxTypeNotSupported …), wrapped.
func RecoverTx(signer types.Signer, tx *types.Transaction) (*Tx, error) {
	from, err := types.Sender(signer, tx)
	if err != nil {
		return nil, fmt.Errorf("recover sender: %w", err)
	}
	return &Tx{Transaction: tx, From: from}, nil
}

// Transactions returns the geth transactions behind txs, in order.
func Transactions(txs []*Tx) types.Transactions {
	out := make(types.Transactions, len(txs))
	for i, tx := range txs {
		out[i] = tx.Transaction
	}
	return out
}
