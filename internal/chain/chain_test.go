package chain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func TestExtend(t *testing.T) {
	s := newSUT(t)
	for i := range uint64(3) {
		block := s.extend(transfer(0, i, common.Address{1}))
		equal(t, i+1, block.NumberU64())
		equal(t, block.Hash(), s.Head().Hash())
		equal(t, 1, len(s.ReceiptsOf(block)))
	}
}
