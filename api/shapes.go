package api

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
)

// The shapes below are geth's. Its own marshallers live in an internal package,
// and a test compares ours with what geth's methods return.

// rpcTransaction is the result of eth_getTransactionByHash.
type rpcTransaction struct {
	BlockHash         *common.Hash                 `json:"blockHash"`
	BlockNumber       *hexutil.Big                 `json:"blockNumber"`
	BlockTimestamp    *hexutil.Uint64              `json:"blockTimestamp"`
	From              common.Address               `json:"from"`
	Gas               hexutil.Uint64               `json:"gas"`
	GasPrice          *hexutil.Big                 `json:"gasPrice"`
	GasFeeCap         *hexutil.Big                 `json:"maxFeePerGas,omitempty"`
	GasTipCap         *hexutil.Big                 `json:"maxPriorityFeePerGas,omitempty"`
	Hash              common.Hash                  `json:"hash"`
	Input             hexutil.Bytes                `json:"input"`
	Nonce             hexutil.Uint64               `json:"nonce"`
	To                *common.Address              `json:"to"`
	TransactionIndex  *hexutil.Uint64              `json:"transactionIndex"`
	Value             *hexutil.Big                 `json:"value"`
	Type              hexutil.Uint64               `json:"type"`
	Accesses          *types.AccessList            `json:"accessList,omitempty"`
	ChainID           *hexutil.Big                 `json:"chainId,omitempty"`
	AuthorizationList []types.SetCodeAuthorization `json:"authorizationList,omitempty"`
	V                 *hexutil.Big                 `json:"v"`
	R                 *hexutil.Big                 `json:"r"`
	S                 *hexutil.Big                 `json:"s"`
	YParity           *hexutil.Uint64              `json:"yParity,omitempty"`
}

// transactionOf returns the shape of a transaction that is in no sealed block.
func transactionOf(tx *motet.Tx) *rpcTransaction {
	v, r, s := tx.RawSignatureValues()
	out := &rpcTransaction{
		From: tx.From, Gas: hexutil.Uint64(tx.Gas()), GasPrice: (*hexutil.Big)(tx.GasPrice()),
		Hash: tx.Hash(), Input: tx.Data(), Nonce: hexutil.Uint64(tx.Nonce()), To: tx.To(),
		Value: (*hexutil.Big)(tx.Value()), Type: hexutil.Uint64(tx.Type()),
		V: (*hexutil.Big)(v), R: (*hexutil.Big)(r), S: (*hexutil.Big)(s),
	}
	if tx.Type() == types.LegacyTxType {
		if id := tx.ChainId(); id.Sign() != 0 {
			out.ChainID = (*hexutil.Big)(id)
		}
		return out
	}
	accesses, parity := tx.AccessList(), hexutil.Uint64(v.Uint64())
	out.Accesses, out.YParity, out.ChainID = &accesses, &parity, (*hexutil.Big)(tx.ChainId())
	if tx.Type() == types.AccessListTxType {
		return out
	}
	out.GasFeeCap, out.GasTipCap = (*hexutil.Big)(tx.GasFeeCap()), (*hexutil.Big)(tx.GasTipCap())
	out.GasPrice = out.GasFeeCap
	out.AuthorizationList = tx.SetCodeAuthorizations()
	return out
}

// receiptOf returns the shape of a receipt. The block hash of a receipt that is
// in no sealed block is null; in its logs it is zero.
func receiptOf(receipt *types.Receipt, tx *motet.Tx, index int) map[string]any {
	fields := map[string]any{
		"blockHash":         nil,
		"blockNumber":       (*hexutil.Big)(receipt.BlockNumber),
		"transactionHash":   tx.Hash(),
		"transactionIndex":  hexutil.Uint64(index),
		"from":              tx.From,
		"to":                tx.To(),
		"gasUsed":           hexutil.Uint64(receipt.GasUsed),
		"cumulativeGasUsed": hexutil.Uint64(receipt.CumulativeGasUsed),
		"contractAddress":   nil,
		"logs":              receipt.Logs,
		"logsBloom":         receipt.Bloom,
		"type":              hexutil.Uint(tx.Type()),
		"effectiveGasPrice": (*hexutil.Big)(receipt.EffectiveGasPrice),
		"status":            hexutil.Uint(receipt.Status),
	}
	if receipt.BlockHash != (common.Hash{}) {
		fields["blockHash"] = receipt.BlockHash
	}
	if len(receipt.PostState) > 0 {
		delete(fields, "status")
		fields["root"] = hexutil.Bytes(receipt.PostState)
	}
	if receipt.Logs == nil {
		fields["logs"] = []*types.Log{}
	}
	if tx.Type() == types.BlobTxType {
		fields["blobGasUsed"] = hexutil.Uint64(receipt.BlobGasUsed)
		fields["blobGasPrice"] = (*hexutil.Big)(receipt.BlobGasPrice)
	}
	if receipt.ContractAddress != (common.Address{}) {
		fields["contractAddress"] = receipt.ContractAddress
	}
	return fields
}

// headerOf returns the shape of a header.
func headerOf(h *types.Header) map[string]any {
	fields := map[string]any{
		"number":           (*hexutil.Big)(h.Number),
		"hash":             h.Hash(),
		"parentHash":       h.ParentHash,
		"nonce":            h.Nonce,
		"mixHash":          h.MixDigest,
		"sha3Uncles":       h.UncleHash,
		"logsBloom":        h.Bloom,
		"stateRoot":        h.Root,
		"miner":            h.Coinbase,
		"difficulty":       (*hexutil.Big)(h.Difficulty),
		"extraData":        hexutil.Bytes(h.Extra),
		"gasLimit":         hexutil.Uint64(h.GasLimit),
		"gasUsed":          hexutil.Uint64(h.GasUsed),
		"timestamp":        hexutil.Uint64(h.Time),
		"transactionsRoot": h.TxHash,
		"receiptsRoot":     h.ReceiptHash,
	}
	if h.BaseFee != nil {
		fields["baseFeePerGas"] = (*hexutil.Big)(h.BaseFee)
	}
	if h.WithdrawalsHash != nil {
		fields["withdrawalsRoot"] = h.WithdrawalsHash
	}
	if h.BlobGasUsed != nil {
		fields["blobGasUsed"] = hexutil.Uint64(*h.BlobGasUsed)
	}
	if h.ExcessBlobGas != nil {
		fields["excessBlobGas"] = hexutil.Uint64(*h.ExcessBlobGas)
	}
	if h.ParentBeaconRoot != nil {
		fields["parentBeaconBlockRoot"] = h.ParentBeaconRoot
	}
	if h.RequestsHash != nil {
		fields["requestsHash"] = h.RequestsHash
	}
	return fields
}

// pendingBlockOf returns the shape of the open block. What only sealing tells
// (hash, state root, miner's fields) is null or zero, as in geth; the
// transactions root is right, because clients check it against the list.
func pendingBlockOf(p *Pending, full bool) map[string]any {
	h := types.CopyHeader(p.Header)
	txs := motet.Transactions(p.Txs)
	h.TxHash = types.DeriveSha(txs, trie.NewStackTrie(nil))
	h.ReceiptHash = types.DeriveSha(p.Receipts, trie.NewStackTrie(nil))
	h.Bloom = types.MergeBloom(p.Receipts)
	if n := len(p.Receipts); n > 0 {
		h.GasUsed = p.Receipts[n-1].CumulativeGasUsed
	}
	block := types.NewBlockWithHeader(h).WithBody(types.Body{Transactions: txs, Withdrawals: types.Withdrawals{}})
	fields := headerOf(h)
	for _, unknown := range []string{"hash", "nonce", "miner"} {
		fields[unknown] = nil
	}
	list := make([]any, len(p.Txs))
	for i, tx := range p.Txs {
		if list[i] = tx.Hash(); full {
			shape := transactionOf(tx)
			index, number := hexutil.Uint64(i), new(big.Int).Set(h.Number)
			shape.BlockNumber, shape.TransactionIndex = (*hexutil.Big)(number), &index
			list[i] = shape
		}
	}
	fields["size"] = hexutil.Uint64(block.Size())
	fields["transactions"] = list
	fields["uncles"] = []common.Hash{}
	fields["withdrawals"] = types.Withdrawals{}
	return fields
}
