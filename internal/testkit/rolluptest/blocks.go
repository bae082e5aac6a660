package rolluptest

import (
	"math/big"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
)

// Blocks is a chain in memory whose blocks nobody executed. It implements
// batcher.Chain.
type Blocks struct {
	mu     sync.Mutex
	blocks []*types.Block
	nonce  uint64
}

// NewBlocks returns a chain with a genesis of that time.
func NewBlocks(genesisTime uint64) *Blocks {
	b := new(Blocks)
	b.push(&types.Header{Number: new(big.Int), Time: genesisTime}, nil)
	return b
}

func (b *Blocks) push(h *types.Header, txs []*types.Transaction) *types.Block {
	block := types.NewBlock(h, &types.Body{Transactions: txs}, nil, trie.NewListHasher())
	b.blocks = append(b.blocks, block)
	return block
}

// Rollup ties the chain to an L1 that begins with the given block.
func (b *Blocks) Rollup(l1 motet.Origin) *motet.Rollup {
	return &motet.Rollup{
		ChainID: ChainID, GenesisHash: b.blocks[0].Hash(), L1Genesis: motet.BlockRef{Number: l1.Number, Hash: l1.Hash},
		Inbox: common.HexToAddress("0x1b0c"), BlockTime: 1,
	}
}

// Grow adds a block on the origin, with that many transactions of that many bytes
// of input each.
func (b *Blocks) Grow(t testing.TB, origin motet.Origin, txs, input int) *types.Block {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*types.Transaction, txs)
	for i := range list {
		b.nonce++
		data := make([]byte, input)
		for j := range data {
			data[j] = byte(b.nonce>>(j%8) + uint64(j)*37) // not for a compressor to like
		}
		list[i] = Sign(t, 0, types.DynamicFeeTx{
			Nonce: b.nonce, Gas: 100_000, To: &common.Address{1}, Value: big.NewInt(1), Data: data,
		})
	}
	parent := b.blocks[len(b.blocks)-1]
	return b.push(&types.Header{
		Number: new(big.Int).SetUint64(parent.NumberU64() + 1), ParentHash: parent.Hash(),
		Time: max(parent.Time()+1, origin.Time), Extra: motet.ExtraData(origin.Number), MixDigest: origin.PrevRandao,
	}, list)
}

// Rollback makes an earlier block the head.
func (b *Blocks) Rollback(to uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks = b.blocks[: to+1 : to+1]
}

// Head implements batcher.Chain.
func (b *Blocks) Head() *types.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blocks[len(b.blocks)-1].Header()
}

// BlockByNumber implements batcher.Chain.
func (b *Blocks) BlockByNumber(n uint64) *types.Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n >= uint64(len(b.blocks)) {
		return nil
	}
	return b.blocks[n]
}

// Batch returns the batch with that index of whole blocks, to be changed and
// encoded by Encode.
func Batch(t testing.TB, index uint64, blocks ...*types.Block) *batchcodec.Batch {
	t.Helper()
	b := &batchcodec.Batch{ChainID: ChainID, Index: index, FirstBlock: blocks[0].NumberU64(), LastComplete: true}
	for _, block := range blocks {
		origin, err := motet.ParseExtraData(block.Extra())
		if err != nil {
			t.Fatal(err)
		}
		part := batchcodec.Block{Timestamp: block.Time(), Origin: origin}
		for _, tx := range block.Transactions() {
			raw, err := tx.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			part.Txs = append(part.Txs, raw)
		}
		b.Blocks = append(b.Blocks, part)
	}
	return b
}

// Encode returns a batch as it is posted. The hash is that of the last block that
// it completes.
func Encode(t testing.TB, b *batchcodec.Batch, last common.Hash) (*motet.BatchHeader, []byte) {
	t.Helper()
	payload, err := batchcodec.Encode(b, batchcodec.Zlib)
	if err != nil {
		t.Fatal(err)
	}
	return &motet.BatchHeader{
		FirstBlock: b.FirstBlock, FirstTx: b.FirstTx, LastBlock: b.FirstBlock + uint64(len(b.Blocks)) - 1,
		LastComplete: b.LastComplete, LastHash: last,
	}, payload
}
