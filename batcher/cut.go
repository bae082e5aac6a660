package batcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/derive"
)

// piece is a range of the chain that is to become a batch.
type piece struct {
	start, end derive.Position
	blocks     []*types.Block
	raw        [][][]byte // per block: the transactions in the range
	bytes      int        // of those
	txs        int
	full       bool // there was more than fits
}

// The room of a batch besides its payload, well within the codec's limits.
const (
	maxBlocks = 4096
	maxTxs    = 32_768
	maxBytes  = 8 << 20
)

// cut returns the next batch's range, nil if no batch is due. Every block in it
// has had its second opinion.
func (b *Batcher) cut(ctx context.Context) (*piece, error) {
	head := b.deps.Chain.Head().Number.Uint64()
	b.metrics.backlog.Set(float64(head + 1 - min(b.next.Block, head+1)))
	if head < b.next.Block {
		b.since = b.deps.Now()
		return nil, nil
	}
	if b.since.IsZero() {
		b.since = b.deps.Now()
	}
	if b.piece == nil || b.piece.start != b.next || !b.canonical(b.piece) {
		b.piece = &piece{start: b.next, end: b.next}
	}
	p := b.piece
	budget := min(maxBytes, int(float64(b.cfg.MaxPayload)/b.density))
	for !p.full && p.end.Block <= head {
		if err := b.collect(ctx, p, budget); err != nil {
			return nil, err
		}
	}
	if !p.full && b.deps.Now().Sub(b.since) < b.cfg.MaxLag {
		return nil, nil
	}
	b.piece = nil
	return p, nil
}

// canonical tells whether the chain still holds what was gathered.
func (b *Batcher) canonical(p *piece) bool {
	if len(p.blocks) == 0 {
		return true
	}
	last := p.blocks[len(p.blocks)-1]
	now := b.deps.Chain.BlockByNumber(last.NumberU64())
	return now != nil && now.Hash() == last.Hash()
}

// collect adds the block at the end of p, or as much of it as fits.
func (b *Batcher) collect(ctx context.Context, p *piece, budget int) error {
	n := p.end.Block
	if len(p.blocks) == maxBlocks {
		p.full = true
		return nil
	}
	block := b.deps.Chain.BlockByNumber(n)
	if block == nil {
		return fmt.Errorf("block %d is not in the chain any more: %w", n, motet.ErrUnavailable)
	}
	if err := b.check(ctx, block); err != nil {
		return err
	}
	var raws [][]byte
	txs := block.Transactions()
	for ; int(p.end.Tx) < txs.Len(); p.end.Tx++ {
		raw, err := txs[p.end.Tx].MarshalBinary()
		if err != nil {
			return fmt.Errorf("encode transaction %d of block %d: %w", p.end.Tx, n, err)
		}
		// A batch holds something in any case, or nothing would ever move.
		if p.txs > 0 && (p.bytes+len(raw) > budget || p.txs == maxTxs) {
			p.full = true
			break
		}
		raws = append(raws, raw)
		p.bytes, p.txs = p.bytes+len(raw), p.txs+1
	}
	if p.full && len(raws) == 0 && len(p.blocks) > 0 && txs.Len() > 0 {
		p.end.Tx = 0
		return nil // it begins in the next batch
	}
	p.blocks, p.raw = append(p.blocks, block), append(p.raw, raws)
	if !p.full {
		p.end = derive.Position{Block: n + 1}
	}
	return nil
}

// check gives a block its second opinion, once.
func (b *Batcher) check(ctx context.Context, block *types.Block) error {
	if b.checked == motet.RefOf(block.Header()) {
		return nil // its beginning went into the batch before
	}
	if err := b.deps.Check(ctx, block); err != nil {
		return fmt.Errorf("second opinion on block %d %s: %w", block.NumberU64(), block.Hash(), err)
	}
	b.checked = motet.RefOf(block.Header())
	return nil
}

var errSelfCheck = errors.New("batch does not decode to what was encoded")

// encode makes the payload and the header, shortening the piece until it fits.
func (b *Batcher) encode(p *piece, index uint64) ([]byte, *motet.BatchHeader, error) {
	for {
		batch, header, err := b.batch(p, index)
		if err != nil {
			return nil, nil, err
		}
		payload, err := batchcodec.Encode(batch, b.cfg.Codec)
		if err != nil {
			return nil, nil, err
		}
		if p.bytes > 0 {
			b.density = max(0.05, float64(len(payload))/float64(p.bytes))
		}
		if len(payload) <= b.cfg.MaxPayload {
			return payload, header, selfCheck(batch, payload)
		}
		if p.txs <= 1 && len(p.blocks) <= 1 {
			return nil, nil, fmt.Errorf("a single transaction of %d bytes does not fit a batch of %d: %w",
				p.bytes, b.cfg.MaxPayload, motet.ErrHalt)
		}
		const margin = 0.97
		p.shorten(float64(b.cfg.MaxPayload) / float64(len(payload)) * margin)
	}
}

// shorten keeps about the given part of the piece, and at least a block or a
// transaction.
func (p *piece) shorten(part float64) {
	keepTxs, keepBlocks := max(1, int(float64(p.txs)*part)), max(1, int(float64(len(p.blocks))*part))
	p.full = true
	if p.txs == 0 {
		p.blocks, p.raw = p.blocks[:keepBlocks], p.raw[:keepBlocks]
		p.end = derive.Position{Block: p.start.Block + uint64(keepBlocks)} //nolint:gosec // small
		return
	}
	p.bytes, p.txs = 0, 0
	for i, raws := range p.raw {
		offset := uint32(0)
		if i == 0 {
			offset = p.start.Tx
		}
		take := min(len(raws), keepTxs-p.txs)
		for _, raw := range raws[:take] {
			p.bytes += len(raw)
		}
		p.txs += take
		if p.txs == keepTxs {
			p.blocks, p.raw = p.blocks[:i+1], slices.Clone(p.raw[:i+1])
			p.raw[i] = raws[:take]
			p.end = derive.Position{Block: p.blocks[i].NumberU64(), Tx: offset + uint32(take)} //nolint:gosec // small
			if int(p.end.Tx) == p.blocks[i].Transactions().Len() {
				p.end = derive.Position{Block: p.end.Block + 1}
			}
			return
		}
	}
}

// batch describes the piece for the codec and for the Inbox.
func (b *Batcher) batch(p *piece, index uint64) (*batchcodec.Batch, *motet.BatchHeader, error) {
	last := p.blocks[len(p.blocks)-1]
	batch := &batchcodec.Batch{
		ChainID: b.deps.Rollup.ChainID, Index: index, FirstBlock: p.start.Block, FirstTx: p.start.Tx,
		LastComplete: p.end.Block > last.NumberU64(),
	}
	for i, block := range p.blocks {
		origin, err := motet.ParseExtraData(block.Extra())
		if err != nil {
			return nil, nil, fmt.Errorf("batch block %d: %w (%w)", block.NumberU64(), err, motet.ErrHalt)
		}
		batch.Blocks = append(batch.Blocks, batchcodec.Block{Timestamp: block.Time(), Origin: origin, Txs: p.raw[i]})
	}
	header := &motet.BatchHeader{
		FirstBlock: batch.FirstBlock, FirstTx: batch.FirstTx, LastBlock: last.NumberU64(), LastComplete: batch.LastComplete,
		LastHash: lastHash(p.blocks, batch.LastComplete),
	}
	return batch, header, nil
}

// lastHash returns the hash of the last block that the batch completes.
func lastHash(blocks []*types.Block, lastComplete bool) common.Hash {
	n := len(blocks)
	switch {
	case lastComplete:
		return blocks[n-1].Hash()
	case n > 1:
		return blocks[n-2].Hash()
	default:
		return common.Hash{}
	}
}

// selfCheck decodes what was encoded: a batch that L1 holds cannot be mended.
func selfCheck(want *batchcodec.Batch, payload []byte) error {
	got, err := batchcodec.Decode(payload, batchcodec.DefaultLimits())
	if err != nil {
		return fmt.Errorf("%w: %w (%w)", errSelfCheck, err, motet.ErrHalt)
	}
	same := got.ChainID == want.ChainID && got.Index == want.Index && got.FirstBlock == want.FirstBlock &&
		got.FirstTx == want.FirstTx && got.LastComplete == want.LastComplete &&
		slices.EqualFunc(got.Blocks, want.Blocks, func(x, y batchcodec.Block) bool {
			return x.Timestamp == y.Timestamp && x.Origin == y.Origin && x.Forced == y.Forced && x.Deposits == y.Deposits &&
				slices.EqualFunc(x.Txs, y.Txs, bytes.Equal)
		})
	if !same {
		return fmt.Errorf("%w (%w)", errSelfCheck, motet.ErrHalt)
	}
	return nil
}
