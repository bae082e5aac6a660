package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	cmath "github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// How long eth_sendRawTransactionSync waits. The longest must end before the
// HTTP server's write deadline.
const (
	syncTimeout    = 20 * time.Second
	syncTimeoutMax = 25 * time.Second
)

var errNoPool = &Error{Code: CodeUnavailable, Message: "this node does not accept transactions"}

// transactionAPI submits transactions and finds them.
type transactionAPI struct{ s *Server }

// SendRawTransaction submits a signed transaction. The hash is returned when
// the transaction is durable.
func (a transactionAPI) SendRawTransaction(ctx context.Context, input hexutil.Bytes) (common.Hash, error) {
	if a.s.pool == nil {
		return common.Hash{}, errNoPool
	}
	hashes, errs := a.s.submit(ctx, [][]byte{input}, nil)
	return hashes[0], asRPC(errs[0])
}

// SendRawTransactionSync submits a signed transaction and waits for its receipt
// (EIP-7966). The timeout is in milliseconds, a number or a hex quantity.
func (a transactionAPI) SendRawTransactionSync(ctx context.Context, input hexutil.Bytes, timeout *raw) (map[string]any, error) {
	wait, err := syncWait(timeout)
	if err != nil {
		return nil, err
	}
	hash, err := a.SendRawTransaction(ctx, input)
	if err != nil {
		return nil, err
	}
	if f, ok := a.s.fate(hash); ok && f.State == motet.StateQueued {
		e := &Error{Code: CodeSyncNonceGap, Message: "The transaction was added to the transaction pool but waits for an earlier nonce", Data: hash}
		if tx := a.s.pool.Get(hash); tx != nil {
			if expected, err := a.s.pool.Nonce(tx.From); err == nil {
				e.Message = fmt.Sprintf("%s: next nonce %d, tx nonce %d", e.Message, expected, tx.Nonce())
				e.Data = map[string]any{"hash": hash, "expectedNonce": hexutil.Uint64(expected)}
			}
		}
		return nil, e
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f, reached := a.s.await(ctx, hash, motet.StateSealed)
	switch {
	case reached:
		receipt, err := a.s.receipt(ctx, hash)
		if err == nil && receipt == nil {
			err = fmt.Errorf("receipt of %s is not available: %w", hash, motet.ErrUnavailable)
		}
		return receipt, asRPC(err)
	case f.Final():
		return nil, &Error{Code: CodeRejected, Message: f.Reason, Data: hash}
	default:
		return nil, &Error{
			Code: CodeSyncTimeout, Data: hash,
			Message: fmt.Sprintf("The transaction was added to the transaction pool but wasn't processed in %v", wait),
		}
	}
}

func syncWait(timeout *raw) (time.Duration, error) {
	if timeout == nil {
		return syncTimeout, nil
	}
	var ms cmath.HexOrDecimal64
	if err := json.Unmarshal(*timeout, &ms); err != nil {
		return 0, invalidParams(fmt.Sprintf("invalid argument 1: %v", err))
	}
	if ms == 0 {
		return syncTimeout, nil
	}
	return time.Duration(min(uint64(ms), uint64(syncTimeoutMax/time.Millisecond))) * time.Millisecond, nil
}

// GetTransactionByHash finds a transaction in the chain, in the open block or in
// the pool.
func (a transactionAPI) GetTransactionByHash(ctx context.Context, hash common.Hash) (any, error) {
	if _, _, sealed := a.s.chain.TransactionBlock(hash); sealed {
		return a.s.upstream.call(ctx, "eth_getTransactionByHash", hash)
	}
	if tx := a.s.unsealed(hash); tx != nil {
		return transactionOf(tx), nil
	}
	return nil, nil
}

// GetRawTransactionByHash is GetTransactionByHash for the encoding.
func (a transactionAPI) GetRawTransactionByHash(ctx context.Context, hash common.Hash) (any, error) {
	if _, _, sealed := a.s.chain.TransactionBlock(hash); sealed {
		return a.s.upstream.call(ctx, "eth_getRawTransactionByHash", hash)
	}
	if tx := a.s.unsealed(hash); tx != nil {
		enc, err := tx.MarshalBinary()
		return hexutil.Bytes(enc), asRPC(err)
	}
	return nil, nil
}

// GetTransactionReceipt returns the receipt of a transaction in a sealed block.
func (a transactionAPI) GetTransactionReceipt(ctx context.Context, hash common.Hash) (any, error) {
	receipt, err := a.s.receipt(ctx, hash)
	if receipt == nil {
		return nil, asRPC(err)
	}
	return receipt, nil
}

// receipt returns the receipt of a transaction in a sealed block, nil if there
// is none. The index of transactions is written with each block: what it does
// not hold is not there, and geth, which takes its index for unfinished at every
// new head, need not be asked.
func (s *Server) receipt(ctx context.Context, hash common.Hash) (map[string]any, error) {
	if p, ok := s.recent.find(hash); ok {
		return s.sealedReceipt(p), nil
	}
	if _, _, sealed := s.chain.TransactionBlock(hash); !sealed {
		return nil, nil
	}
	out, err := s.upstream.call(ctx, "eth_getTransactionReceipt", hash)
	if err != nil {
		return nil, err
	}
	receipt, _ := out.(map[string]any)
	return receipt, nil
}

// sealedReceipt returns the shape of a receipt that the recent cache holds.
func (s *Server) sealedReceipt(p place) map[string]any {
	block := p.block.block
	tx := block.Transactions()[p.index]
	signer := types.MakeSigner(s.config, block.Number(), block.Time())
	from, err := types.Sender(signer, tx)
	if err != nil {
		s.log.Error("sealed transaction without a sender", "tx", tx.Hash(), "err", err)
	}
	return receiptOf(p.block.receipts[p.index], &motet.Tx{Transaction: tx, From: from}, p.index)
}

// preconfirmation is a transaction in a block that is not sealed.
type preconfirmation struct {
	tx      *motet.Tx
	receipt *types.Receipt
	number  *big.Int
}

// preconfirmed finds a transaction in the open block, or in one that is closed
// but not yet sealed.
func (s *Server) preconfirmed(hash common.Hash) *preconfirmation {
	if s.sequencer == nil {
		return nil
	}
	for p := s.sequencer.Pending(); p != nil; p = p.Below {
		if i, ok := s.indexIn(p, hash); ok {
			return &preconfirmation{p.Txs[i], p.Receipts[i], p.Header.Number}
		}
	}
	return nil
}

// unsealed returns a transaction of an unsealed block or of the pool.
func (s *Server) unsealed(hash common.Hash) *motet.Tx {
	if p := s.preconfirmed(hash); p != nil {
		return p.tx
	}
	if s.pool != nil {
		return s.pool.Get(hash)
	}
	return nil
}

// indexIn finds a transaction in an unsealed block. The pool knows its place.
func (s *Server) indexIn(p *Pending, hash common.Hash) (int, bool) {
	if s.pool != nil {
		f, ok := s.pool.Fate(hash)
		ok = ok && f.Block == p.Header.Number.Uint64() && f.Index < uint64(len(p.Txs)) && p.Txs[f.Index].Hash() == hash
		return int(f.Index), ok
	}
	for i, tx := range p.Txs {
		if tx.Hash() == hash {
			return i, true
		}
	}
	return 0, false
}

// shape is the receipt that the sealed block will hold, without the block's
// hash.
func (p *preconfirmation) shape() map[string]any {
	r := *p.receipt
	r.BlockNumber, r.BlockHash = p.number, common.Hash{}
	return receiptOf(&r, p.tx, int(r.TransactionIndex))
}
