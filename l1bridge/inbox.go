package l1bridge

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

// DA says where payloads go.
type DA string

// The places for payloads.
const (
	DAAuto     DA = "auto" // whichever is cheaper now
	DABlobs    DA = "blobs"
	DACalldata DA = "calldata"
)

// InboxConfig says which Inbox to post to, as whom, and how.
type InboxConfig struct {
	Address common.Address
	Key     *ecdsa.PrivateKey // the batcher's
	DA      DA                // default DAAuto
	// PollInterval is how often Wait asks for the receipt; default 250 ms.
	PollInterval time.Duration
}

// Inbox posts batches. It keeps no state beyond its settings: what to post next
// is L1's to say.
type Inbox struct {
	client   *Client
	contract *bindings.Inbox
	cfg      InboxConfig
	sender   common.Address
	signer   types.Signer
}

// NewInbox returns the Inbox at cfg.Address.
func NewInbox(c *Client, cfg InboxConfig) (*Inbox, error) {
	if cfg.DA == "" {
		cfg.DA = DAAuto
	}
	if cfg.PollInterval == 0 {
		cfg.PollInterval = 250 * time.Millisecond
	}
	switch {
	case cfg.Key == nil:
		return nil, errors.New("inbox: no batcher key")
	case cfg.Address == common.Address{}:
		return nil, errors.New("inbox: no address")
	case cfg.DA != DAAuto && cfg.DA != DABlobs && cfg.DA != DACalldata:
		return nil, fmt.Errorf("inbox: data availability %q is none of auto, blobs, calldata", cfg.DA)
	}
	return &Inbox{
		client:   c,
		contract: bindings.NewInbox(),
		cfg:      cfg,
		sender:   crypto.PubkeyToAddress(cfg.Key.PublicKey),
		signer:   types.LatestSignerForChainID(c.chainID),
	}, nil
}

// Tip is what the next batch must build on.
type Tip struct {
	Index uint64      // of the next batch
	Acc   common.Hash // accumulator so far
	// LastBlock and LastComplete say where the last batch ended, and L1Block
	// which L1 block holds it. All are zero while there is no batch.
	LastBlock    uint64
	LastComplete bool
	L1Block      uint64
}

// Next reads the tip at L1's head.
func (i *Inbox) Next(ctx context.Context) (Tip, error) {
	out, err := i.client.eth.CallContract(ctx, ethereum.CallMsg{To: &i.cfg.Address, Data: i.contract.PackTip()}, nil)
	if err != nil {
		return Tip{}, wrap("read the Inbox's tip", err)
	}
	t, err := i.contract.UnpackTip(out)
	if err != nil {
		return Tip{}, fmt.Errorf("read the tip of the Inbox at %s: %w", i.cfg.Address, err)
	}
	return Tip{Index: t.NextIndex, Acc: t.Acc, LastBlock: t.LastBlock, LastComplete: t.LastComplete, L1Block: t.L1Block}, nil
}

// Batch is what is to be posted, and on what it builds.
type Batch struct {
	Index   uint64
	PrevAcc common.Hash
	// Header without a guard gets a recent L1 block as guard when it is signed.
	Header  motet.BatchHeader
	Payload []byte
}

// Signed is a batch as a signed transaction, not yet sent. It can be stored as
// JSON and sent by another process.
type Signed struct {
	Index   uint64            `json:"index"`
	PrevAcc common.Hash       `json:"prev_acc"`
	Acc     common.Hash       `json:"acc"` // the Inbox's accumulator once it is mined
	Header  motet.BatchHeader `json:"header"`
	Hash    common.Hash       `json:"hash"`
	Nonce   uint64            `json:"nonce"`
	Blobs   int               `json:"blobs"` // 0 means calldata
	Raw     hexutil.Bytes     `json:"raw"`   // blobs and proofs included
}

// Prepare signs the transaction that posts b. Nothing leaves the process but
// reads; blobs are put into the archive. It fails with a *RevertError if the
// Inbox would refuse the batch now.
func (i *Inbox) Prepare(ctx context.Context, b Batch) (*Signed, error) {
	if b.Header.GuardHash == (common.Hash{}) {
		if err := i.guard(ctx, &b.Header); err != nil {
			return nil, err
		}
	}
	prices, err := i.client.prices(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := i.client.eth.PendingNonceAt(ctx, i.sender)
	if err != nil {
		return nil, wrap("read the batcher's nonce", err)
	}
	inBlobs, err := i.choose(&b, prices)
	if err != nil {
		return nil, err
	}
	build := i.calldataTx
	if inBlobs {
		build = i.blobTx
	}
	unsigned, err := build(ctx, &b, nonce, prices)
	if err != nil {
		return nil, err
	}
	tx, err := types.SignNewTx(i.cfg.Key, i.signer, unsigned)
	if err != nil {
		return nil, fmt.Errorf("sign batch %d: %w", b.Index, err)
	}
	if err := i.simulate(ctx, tx, nil); err != nil {
		return nil, fmt.Errorf("try batch %d: %w", b.Index, err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode batch %d: %w", b.Index, err)
	}
	return &Signed{
		Index: b.Index, PrevAcc: b.PrevAcc, Acc: accumulate(b.PrevAcc, b.Index, &b.Header, contentOf(tx, b.Payload)),
		Header: b.Header, Hash: tx.Hash(), Nonce: nonce, Blobs: len(tx.BlobHashes()), Raw: raw,
	}, nil
}

// guard names the parent of L1's head: old enough for a call on the head to
// know its hash.
func (i *Inbox) guard(ctx context.Context, h *motet.BatchHeader) error {
	head, err := i.client.header(ctx, nil)
	if err != nil {
		return wrap("read L1's head", err)
	}
	if head.Number.Sign() == 0 {
		return errors.New("guard batch: L1 has no block beyond its genesis")
	}
	h.GuardNumber, h.GuardHash = head.Number.Uint64()-1, head.ParentHash
	return nil
}

// choose decides whether the payload goes into blobs.
func (i *Inbox) choose(b *Batch, prices *Prices) (inBlobs bool, err error) {
	size := len(b.Payload)
	switch {
	case size == 0:
		return false, errors.New("batch has no payload")
	case size > MaxPayload:
		return false, fmt.Errorf("%w: %d bytes, at most %d", ErrPayloadTooLong, size, MaxPayload)
	case i.cfg.DA == DABlobs:
		return true, nil
	case size > MaxCalldata && i.cfg.DA == DACalldata:
		return false, fmt.Errorf("%w: %d bytes as calldata, at most %d", ErrPayloadTooLong, size, MaxCalldata)
	case i.cfg.DA == DACalldata:
		return false, nil
	case size > MaxCalldata:
		return true, nil
	}
	_, calldataGas := postGas(i.input(b, b.Payload))
	_, blobTxGas := postGas(i.input(b, nil))
	return !prices.calldataCheaper(calldataGas, blobTxGas, blobCount(size)), nil
}

func (i *Inbox) input(b *Batch, payload []byte) []byte {
	return i.contract.PackPostBatch(b.Index, b.PrevAcc, toBinding(&b.Header), payload)
}

func (i *Inbox) calldataTx(_ context.Context, b *Batch, nonce uint64, prices *Prices) (types.TxData, error) {
	input := i.input(b, b.Payload)
	gas, _ := postGas(input)
	return &types.DynamicFeeTx{
		ChainID: i.client.chainID, Nonce: nonce, GasTipCap: prices.Tip, GasFeeCap: prices.feeCap(),
		Gas: gas, To: &i.cfg.Address, Data: input,
	}, nil
}

func (i *Inbox) blobTx(ctx context.Context, b *Batch, nonce uint64, prices *Prices) (types.TxData, error) {
	blobs, err := packBlobs(b.Payload)
	if err != nil {
		return nil, err
	}
	version, err := i.client.sidecarVersion(ctx)
	if err != nil {
		return nil, err
	}
	sidecar, err := newSidecar(blobs, version)
	if err != nil {
		return nil, fmt.Errorf("prove blobs of batch %d: %w", b.Index, err)
	}
	hashes := sidecar.BlobHashes()
	if i.client.archive != nil {
		for n, hash := range hashes {
			if err := i.client.archive.put(hash, &blobs[n]); err != nil {
				return nil, err
			}
		}
	}
	input := i.input(b, nil)
	gas, _ := postGas(input)
	return &types.BlobTx{
		ChainID: uint256.MustFromBig(i.client.chainID), Nonce: nonce,
		GasTipCap: uint256.MustFromBig(prices.Tip), GasFeeCap: uint256.MustFromBig(prices.feeCap()),
		Gas: gas, To: i.cfg.Address, Data: input,
		BlobFeeCap: uint256.MustFromBig(prices.blobFeeCap()), BlobHashes: hashes, Sidecar: sidecar,
	}, nil
}

// newSidecar commits to blobs and proves them. Version 1 costs about ten times
// as much as version 0.
func newSidecar(blobs []kzg4844.Blob, version byte) (*types.BlobTxSidecar, error) {
	var (
		commitments = make([]kzg4844.Commitment, len(blobs))
		proofs      []kzg4844.Proof
	)
	for n := range blobs {
		var err error
		if commitments[n], err = kzg4844.BlobToCommitment(&blobs[n]); err != nil {
			return nil, err
		}
		if version == types.BlobSidecarVersion0 {
			proof, err := kzg4844.ComputeBlobProof(&blobs[n], commitments[n])
			if err != nil {
				return nil, err
			}
			proofs = append(proofs, proof)
			continue
		}
		cells, err := kzg4844.ComputeCellProofs(&blobs[n])
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, cells...)
	}
	return types.NewBlobTxSidecar(version, blobs, commitments, proofs), nil
}

// simulate runs tx as a call at a block (nil is the head) and returns a
// *RevertError if it reverts there.
func (i *Inbox) simulate(ctx context.Context, tx *types.Transaction, block *big.Int) error {
	msg := ethereum.CallMsg{From: i.sender, To: tx.To(), Gas: tx.Gas(), Data: tx.Data(), BlobHashes: tx.BlobHashes()}
	if len(msg.BlobHashes) > 0 {
		msg.BlobGasFeeCap = tx.BlobGasFeeCap()
	}
	_, err := i.client.eth.CallContract(ctx, msg, block)
	if err == nil {
		return nil
	}
	if revert := asRevert(err); revert != nil {
		return revert
	}
	return wrap("call the Inbox", err)
}
