package executor

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
)

// fill writes the parts of a receipt that do not depend on the transaction's
// place in the block. Before Byzantium a receipt carries the state root after
// the transaction, which an executor cannot know: PostState stays empty.
func (b *block) fill(r *types.Receipt, tx *motet.Tx, l *lane, gasUsed uint64, failed bool, logs []*types.Log) {
	call := tx.Call()
	if price := &l.message.gasPrice; l.price == nil || l.priceWord != *price {
		l.price, l.priceWord = price.ToBig(), *price
	}
	*r = types.Receipt{
		Type:              call.Type,
		Status:            types.ReceiptStatusSuccessful,
		TxHash:            tx.Hash(),
		GasUsed:           gasUsed,
		EffectiveGasPrice: l.price,
		BlockNumber:       b.context.BlockNumber,
	}
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

// setBlooms fills the blooms that nobody has needed yet. They are no part of
// execution, and hashing for them takes as long as a plain transfer.
func setBlooms(receipts types.Receipts, hands int) {
	const least = 256 // receipts that are worth a goroutine
	hands = max(1, min(hands, len(receipts)/least))
	var wg sync.WaitGroup
	for part := range hands {
		from, to := part*len(receipts)/hands, (part+1)*len(receipts)/hands
		wg.Go(func() {
			for _, r := range receipts[from:to] {
				if len(r.Logs) > 0 && r.Bloom == (types.Bloom{}) {
					r.Bloom = types.CreateBloom(r)
				}
			}
		})
	}
	wg.Wait()
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
