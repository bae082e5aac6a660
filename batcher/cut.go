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
// has had its second opinion. What was gathered is kept until it is posted: an
// outage of L1 must not make every look at it cost the whole backlog.
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
	if b.piece == nil || b.piece.start != b.next || !b.holds(b.piece) {
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
	return p, nil
}

// holds tells whether the chain still has what was gathered.
func (b *Batcher) holds(p *piece) bool {
	return len(p.blocks) == 0 || b.canonical(motet.RefOf(p.blocks[len(p.blocks)-1].Header()))
}

// canonical tells whether the chain holds a block, and so all below it.
func (b *Batcher) canonical(ref motet.BlockRef) bool {
	now := b.deps.Chain.BlockByNumber(ref.Number)
	return now != nil && now.Hash() == ref.Hash
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

// span is a run of blocks of the chain.
type span struct {
	first uint64
	last  motet.BlockRef
}

// check gives a block its second opinion, once.
func (b *Batcher) check(ctx context.Context, block *types.Block) error {
	n, s := block.NumberU64(), &b.checked
	if s.first != 0 && !b.canonical(s.last) {
		*s = span{}
	}
	if s.first != 0 && s.first <= n && n <= s.last.Number {
		return nil
	}
	if err := b.deps.Check(ctx, block); err != nil {
		return fmt.Errorf("second opinion on block %d %s: %w", n, block.Hash(), err)
	}
	if s.first == 0 || n != s.last.Number+1 {
		s.first = n
	}
	s.last = motet.RefOf(block.Header())
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

// shorten keeps about the given part of the piece, counted in blocks and
// transactions, and at least a block with a transaction if it has any.
func (p *piece) shorten(part float64) {
	room := int(float64(len(p.blocks)+p.txs) * part)
	p.full, p.bytes, p.txs = true, 0, 0
	for i, raws := range p.raw {
		room--
		take := min(len(raws), room)
		if i == 0 {
			take = min(len(raws), max(1, room))
		}
		if i > 0 && (room < 0 || take == 0 && len(raws) > 0) {
			p.blocks, p.raw, p.end = p.blocks[:i], p.raw[:i], derive.Position{Block: p.blocks[i].NumberU64()}
			return
		}
		for _, raw := range raws[:take] {
			p.bytes += len(raw)
		}
		p.txs, room = p.txs+take, room-take
		if take < len(raws) {
			offset := uint32(0)
			if i == 0 {
				offset = p.start.Tx
			}
			p.blocks, p.raw = p.blocks[:i+1], slices.Clone(p.raw[:i+1])
			p.raw[i] = raws[:take]
			p.end = derive.Position{Block: p.blocks[i].NumberU64(), Tx: offset + uint32(take)} //nolint:gosec // small
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
