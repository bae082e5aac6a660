package rolluptest

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/derive"
)

// Derivation is what a FakeL1 derives to, without execution.
type Derivation struct {
	L1      uint64
	Next    derive.Position
	Index   uint64
	Acc     common.Hash
	Blocks  []derive.Block
	Lasts   []motet.BlockRef // of the batches that complete a block
	Invalid []error          // why batches derive to nothing
	Again   int              // batches that begin a block anew
}

// Derive derives what L1 holds now.
func Derive(rollup *motet.Rollup, genesisTime uint64, l1 *FakeL1) (*Derivation, error) {
	d, s := new(Derivation), derive.New(rollup, genesisTime)
	for _, block := range l1.Blocks() {
		var err error
		if s, err = s.Extend(block); err != nil {
			return nil, err
		}
		d.L1 = block.Origin.Number
		for i := range block.Batches {
			posted := &block.Batches[i]
			if s.Next().Tx > 0 && posted.Header.FirstTx == 0 {
				d.Again++
			}
			next, derived, err := s.Apply(posted)
			switch {
			case errors.Is(err, derive.ErrInvalid):
				d.Invalid = append(d.Invalid, err)
			case err != nil:
				return nil, fmt.Errorf("L1 block %d: %w", block.Origin.Number, err)
			default:
				d.Blocks = append(d.Blocks, derived.Blocks...)
				if len(derived.Blocks) > 0 {
					d.Lasts = append(d.Lasts, derived.Last)
				}
			}
			s, d.Acc = next, posted.Acc
		}
	}
	d.Next, d.Index = s.Next(), s.NextBatch()
	return d, nil
}
