package motet

import (
	"fmt"
	"runtime"
	"sync"

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

	known bool // what follows is set
	hash  common.Hash
	call  Call
}

// Call is what an execution needs of a transaction each time, with numbers as
// the EVM's words. geth keeps big integers and copies all of it at each look.
type Call struct {
	To *common.Address // not to be changed; nil creates a contract

	FeeCap, TipCap, Value uint256.Int
	// Need is what the sender must own, gas at the fee cap and the value, if the
	// transaction is Plain.
	Need uint256.Int

	Nonce, Gas uint64
	Type       uint8

	// Plain tells that the transaction calls an address without data, access
	// list, blobs and authorizations.
	Plain bool
	// Overflow tells that one of the numbers, or the blob fee cap, exceeds 256
	// bits; then none of them is set.
	Overflow bool
}

// Call returns the transaction as an execution sees it. A recovered transaction
// has it at hand.
func (t *Tx) Call() *Call {
	if t.known {
		return &t.call
	}
	w := callOf(t.Transaction)
	return &w
}

// Hash returns the transaction's hash, which a recovered one has at hand.
func (t *Tx) Hash() common.Hash {
	if t.known {
		return t.hash
	}
	return t.Transaction.Hash()
}

func callOf(tx *types.Transaction) Call {
	w := Call{To: tx.To(), Nonce: tx.Nonce(), Gas: tx.Gas(), Type: tx.Type()}
	wide := w.FeeCap.SetFromBig(tx.GasFeeCap())
	wide = w.TipCap.SetFromBig(tx.GasTipCap()) || wide
	wide = w.Value.SetFromBig(tx.Value()) || wide
	if blob := tx.BlobGasFeeCap(); wide || blob != nil && blob.BitLen() > 256 {
		return Call{To: w.To, Nonce: w.Nonce, Gas: w.Gas, Type: w.Type, Overflow: true}
	}
	if w.Type <= types.DynamicFeeTxType && w.To != nil && len(tx.Data()) == 0 && len(tx.AccessList()) == 0 {
		_, overflow := w.Need.MulOverflow(uint256.NewInt(w.Gas), &w.FeeCap)
		if !overflow {
			_, overflow = w.Need.AddOverflow(&w.Need, &w.Value)
		}
		w.Plain = !overflow
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

// SenderError reports the first of several transactions that has no sender.
type SenderError struct {
	Index int
	Hash  common.Hash
	Err   error // as of RecoverTx
}

func (e *SenderError) Error() string {
	return fmt.Sprintf("transaction %d (%s): %v", e.Index, e.Hash, e.Err)
}

// Unwrap returns Err.
func (e *SenderError) Unwrap() error { return e.Err }

// RecoverTxs recovers the senders of transactions on all cores. The error is a
// *SenderError.
func RecoverTxs(signer types.Signer, txs types.Transactions) ([]*Tx, error) {
	const few = 8 // that one core recovers while another one wakes up
	out, errs := make([]*Tx, len(txs)), make([]error, len(txs))
	workers := min(runtime.GOMAXPROCS(0), len(txs)/few+1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(txs); i += workers {
				out[i], errs[i] = RecoverTx(signer, txs[i])
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, &SenderError{Index: i, Hash: txs[i].Hash(), Err: err}
		}
	}
	return out, nil
}

// NewTx returns tx with its sender, which the caller knows.
func NewTx(tx *types.Transaction, from common.Address) *Tx {
	return &Tx{Transaction: tx, From: from, known: true, hash: tx.Hash(), call: callOf(tx)}
}

// Transactions returns the geth transactions behind txs, in order.
func Transactions(txs []*Tx) types.Transactions {
	out := make(types.Transactions, len(txs))
	for i, tx := range txs {
		out[i] = tx.Transaction
	}
	return out
}
