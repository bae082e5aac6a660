package l1bridge

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/params"
)

// Prices are what L1 asks for now, in wei.
type Prices struct {
	BaseFee     *big.Int
	Tip         *big.Int
	BlobBaseFee *big.Int
}

// prices reads the current ones.
func (c *Client) prices(ctx context.Context) (*Prices, error) {
	head, err := c.header(ctx, nil)
	if err != nil {
		return nil, wrap("read L1's head", err)
	}
	p := &Prices{BaseFee: head.BaseFee}
	if p.Tip, err = c.eth.SuggestGasTipCap(ctx); err != nil {
		return nil, wrap("ask for L1's tip", err)
	}
	if p.BlobBaseFee, err = c.eth.BlobBaseFee(ctx); err != nil {
		return nil, wrap("ask for L1's blob base fee", err)
	}
	return p, nil
}

// caps leave room for the base fees to double, which takes them at least six
// blocks.
func (p *Prices) feeCap() *big.Int {
	doubled := new(big.Int).Lsh(p.BaseFee, 1)
	return doubled.Add(doubled, p.Tip)
}

func (p *Prices) blobFeeCap() *big.Int {
	floor := big.NewInt(params.GWei)
	doubled := new(big.Int).Lsh(p.BlobBaseFee, 1)
	if doubled.Cmp(floor) < 0 {
		return floor
	}
	return doubled
}

// calldataCheaper compares the costs of a transaction with the payload in its
// input, and of one with the payload in blobs.
func (p *Prices) calldataCheaper(calldataGas, blobTxGas uint64, blobs int) bool {
	price := new(big.Int).Add(p.BaseFee, p.Tip)
	calldata := new(big.Int).Mul(price, new(big.Int).SetUint64(calldataGas))
	withBlobs := new(big.Int).Mul(price, new(big.Int).SetUint64(blobTxGas))
	blobGas := new(big.Int).SetUint64(uint64(blobs) * params.BlobTxBlobGasPerBlob)
	withBlobs.Add(withBlobs, blobGas.Mul(blobGas, p.BlobBaseFee))
	return calldata.Cmp(withBlobs) < 0
}

// executionGas is above what postBatch uses beyond its input: at most five new
// storage slots, the event with six blob hashes, the history contract.
const executionGas = 200_000

// postGas returns a gas limit for a call of postBatch with this input, and the
// gas that its data costs for sure (EIP-7623's floor included).
func postGas(input []byte) (limit, cost uint64) {
	var zeros uint64
	for _, b := range input {
		if b == 0 {
			zeros++
		}
	}
	tokens := zeros + (uint64(len(input))-zeros)*params.TxTokenPerNonZeroByte
	standard := params.TxGas + tokens*params.TxDataZeroGas
	floor := params.TxGas + tokens*params.TxCostFloorPerToken

	// The contract copies the payload to memory and hashes it.
	words := uint64(len(input)+31) / 32
	standard += words*(params.CopyGas+params.Keccak256WordGas+params.MemoryGas) + words*words/params.QuadCoeffDiv
	return max(standard+executionGas, floor), max(standard+executionGas/2, floor)
}
