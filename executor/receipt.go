package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
)

// blank returns an empty receipt: used, if it is not nil, which served an execution
// that came to nothing, or one of a few that are made at a time, while they are in
// the cache of the worker that fills them.
func (l *lane) blank(used *types.Receipt) *types.Receipt {
	const few = 64
	if used != nil {
		if used.BlockNumber != nil {
			*used = types.Receipt{}
		}
		return used
	}
	if len(l.blanks) == 0 {
		l.blanks = make([]types.Receipt, few)
	}
	r := &l.blanks[0]
	l.blanks = l.blanks[1:]
	return r
}

// fill writes the parts of a receipt that do not depend on the transaction's
// place in the block. The receipt is empty. Before Byzantium a receipt carries the state root after
// the transaction, which an executor cannot know: PostState stays empty.
func (b *block) fill(r *types.Receipt, tx *motet.Tx, l *lane, gasUsed uint64, failed bool, logs []*types.Log) {
	call := tx.Call()
	if price := &l.message.gasPrice; l.price == nil || !l.priceWord.Eq(price) {
		l.price = price.ToBig()
		l.priceWord.Set(price)
	}
	r.Type, r.Status = call.Type, types.ReceiptStatusSuccessful
	r.TxHash = tx.Hash()
	r.GasUsed, r.EffectiveGasPrice, r.BlockNumber = gasUsed, l.price, b.context.BlockNumber
	if failed {
		r.Status = types.ReceiptStatusFailed
	}
	if call.Type == types.BlobTxType {
		r.BlobGasUsed = uint64(len(tx.BlobHashes()) * params.BlobTxBlobGasPerBlob)
		r.BlobGasPrice = b.context.BlobBaseFee
	}
	if call.To == nil {
		r.ContractAddress = crypto.CreateAddress(tx.From, call.Nonce)
	}
	if len(logs) > 0 {
		r.Logs = append(make([]*types.Log, 0, len(logs)), logs...)
	}
}

// place writes the rest: the transaction is the next one of the block.
func (b *block) place(r *types.Receipt) {
	b.gasUsed += r.GasUsed
	r.CumulativeGasUsed = b.gasUsed
	r.TransactionIndex = uint(len(b.included))
	for _, log := range r.Logs {
		log.TxHash, log.TxIndex, log.Index = r.TxHash, r.TransactionIndex, b.logs
		log.BlockNumber, log.BlockTimestamp, log.BlockHash = b.env.Header.Number.Uint64(), b.env.Header.Time, common.Hash{}
		b.logs++
	}
}
