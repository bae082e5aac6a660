package l1bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

func toBinding(h *motet.BatchHeader) bindings.BatchHeader {
	return bindings.BatchHeader{
		FirstBlock: h.FirstBlock, FirstTx: h.FirstTx, LastBlock: h.LastBlock, LastComplete: h.LastComplete,
		LastHash: h.LastHash, ForcedCursor: h.ForcedCursor, DepositCursor: h.DepositCursor,
		GuardNumber: h.GuardNumber, GuardHash: h.GuardHash,
	}
}

func fromBinding(h *bindings.BatchHeader) motet.BatchHeader {
	return motet.BatchHeader{
		FirstBlock: h.FirstBlock, FirstTx: h.FirstTx, LastBlock: h.LastBlock, LastComplete: h.LastComplete,
		LastHash: h.LastHash, ForcedCursor: h.ForcedCursor, DepositCursor: h.DepositCursor,
		GuardNumber: h.GuardNumber, GuardHash: h.GuardHash,
	}
}

// content is what a batch's accumulator says of its payload.
type content struct {
	blobs int
	hash  common.Hash
}

func contentOf(tx *types.Transaction, calldata []byte) content {
	hashes := tx.BlobHashes()
	if len(hashes) == 0 {
		return content{0, crypto.Keccak256Hash(calldata)}
	}
	packed := make([]byte, 0, len(hashes)*common.HashLength)
	for _, hash := range hashes {
		packed = append(packed, hash[:]...)
	}
	return content{len(hashes), crypto.Keccak256Hash(packed)}
}

// accumulate is the Inbox's keccak256(abi.encode(prevAcc, index, header,
// blobHashes.length, content)).
func accumulate(prev common.Hash, index uint64, h *motet.BatchHeader, c content) common.Hash {
	words := make([]byte, 0, 13*common.HashLength)
	hash := func(v common.Hash) { words = append(words, v[:]...) }
	number := func(v uint64) {
		words = append(words, make([]byte, common.HashLength-8)...)
		words = binary.BigEndian.AppendUint64(words, v)
	}
	hash(prev)
	number(index)
	number(h.FirstBlock)
	number(uint64(h.FirstTx))
	number(h.LastBlock)
	if h.LastComplete {
		number(1)
	} else {
		number(0)
	}
	hash(h.LastHash)
	number(h.ForcedCursor)
	number(h.DepositCursor)
	number(h.GuardNumber)
	hash(h.GuardHash)
	number(uint64(c.blobs))
	hash(c.hash)
	return crypto.Keccak256Hash(words)
}

// readBatch completes a BatchPosted event of block h with the payload. A blob
// payload that is not laid out as packBlobs does is empty, which is no valid
// envelope: that is the poster's fault, and all readers must agree on it.
func (r *Reader) readBatch(ctx context.Context, h *types.Header, log *types.Log) (motet.PostedBatch, error) {
	event, err := r.contract.UnpackBatchPostedEvent(log)
	if err != nil {
		return motet.PostedBatch{}, fmt.Errorf("decode BatchPosted: %w", err)
	}
	tx, _, err := r.client.eth.TransactionByHash(ctx, log.TxHash)
	if err != nil {
		if errors.Is(err, ethereum.NotFound) { // reorganised away since the event was read
			err = motet.ErrUnavailable
		}
		return motet.PostedBatch{}, wrap(fmt.Sprintf("read the transaction of batch %d", event.Index), err)
	}
	prevAcc, calldata, err := r.input(tx)
	if err != nil {
		return motet.PostedBatch{}, fmt.Errorf("batch %d in transaction %s: %w", event.Index, log.TxHash, err)
	}
	batch := motet.PostedBatch{
		Index: event.Index, Acc: event.Acc, Header: fromBinding(&event.Header), TxHash: log.TxHash, Payload: calldata,
	}
	if acc := accumulate(prevAcc, event.Index, &batch.Header, contentOf(tx, calldata)); tx.Hash() != log.TxHash || acc != event.Acc {
		return motet.PostedBatch{}, fmt.Errorf("batch %d: transaction %s does not give accumulator %s", event.Index, log.TxHash, batch.Acc)
	}
	if hashes := tx.BlobHashes(); len(hashes) > 0 {
		blobs, err := r.client.blobsOf(ctx, h, hashes)
		if err != nil {
			return motet.PostedBatch{}, fmt.Errorf("batch %d: %w", event.Index, err)
		}
		if batch.Payload, err = unpackBlobs(blobs); err != nil {
			r.client.log.Warn("batch has malformed blobs", "batch", batch.Index, "tx", batch.TxHash, "err", err)
			batch.Payload = nil
		}
	}
	return batch, nil
}

// input takes what the event does not repeat from the call. The Inbox accepts
// none but direct calls, so the transaction's input is the call.
func (r *Reader) input(tx *types.Transaction) (prevAcc common.Hash, calldata []byte, err error) {
	contract := r.contract.GetABI()
	method := contract.Methods["postBatch"]
	if to := tx.To(); to == nil || *to != r.cfg.Inbox || len(tx.Data()) < 4 || string(tx.Data()[:4]) != string(method.ID) {
		return common.Hash{}, nil, errors.New("not a direct call of postBatch")
	}
	args, err := method.Inputs.Unpack(tx.Data()[4:])
	if err != nil {
		return common.Hash{}, nil, fmt.Errorf("decode input: %w", err)
	}
	acc, ok := args[1].([common.HashLength]byte)
	payload, ok2 := args[3].([]byte)
	if !ok || !ok2 {
		return common.Hash{}, nil, fmt.Errorf("decode input: arguments are %T and %T", args[1], args[3])
	}
	return acc, payload, nil
}
