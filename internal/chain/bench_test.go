package chain

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// BenchmarkBlock measures what the chain store does with a block of transfers
// to fresh accounts: Seal, Commit and the flush, each reported in milliseconds.
// Execution is not part of it.
func BenchmarkBlock(b *testing.B) {
	for _, txs := range []int{1, 1_000, 10_000} {
		b.Run(fmt.Sprintf("transfers=%d", txs), func(b *testing.B) {
			s := newSUT(b, func(c *Config, _ *Deps) { c.FlushBlocks, c.FlushInterval = maxFlushBlocks, time.Hour })
			var seal, commit, flush time.Duration
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				out := s.transfers(n, txs)
				b.StartTimer()
				start := time.Now()
				sealed, err := s.Seal(s.Head(), out)
				noErr(b, err)
				sealedAt := time.Now()
				noErr(b, s.Commit(b.Context(), sealed))
				committedAt := time.Now()
				s.mu.Lock()
				noErr(b, s.flushHead())
				s.mu.Unlock()
				seal, commit, flush = seal+sealedAt.Sub(start), commit+committedAt.Sub(sealedAt), flush+time.Since(committedAt)
			}
			perOp := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(b.N) }
			b.ReportMetric(perOp(seal), "seal-ms/op")
			b.ReportMetric(perOp(commit), "commit-ms/op")
			b.ReportMetric(perOp(flush), "flush-ms/op")
		})
	}
}

// transfers describes a block of txs transfers to fresh accounts, as if it had
// been executed.
func (s *sut) transfers(block, txs int) *motet.Outcome {
	out := s.build()
	out.Header.GasLimit = 1e9
	sender := motet.AccountChange{Address: testAddr(0), CodeHash: types.EmptyCodeHash, Balance: *uint256.NewInt(1e18)}
	signer := types.LatestSignerForChainID(big.NewInt(testChainID))
	template := types.MustSignNewTx(testKey(0), signer, &types.DynamicFeeTx{ChainID: big.NewInt(testChainID), To: &common.Address{}, Gas: params.TxGas, GasFeeCap: big.NewInt(1)})
	v, r, sig := template.RawSignatureValues()
	for i := range txs {
		to := common.BytesToAddress(uint256.NewInt(uint64(block*txs + i)).PaddedBytes(20))
		to[0] = byte(i*7 + 1)
		sender.Nonce++
		tx := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(testChainID), Nonce: sender.Nonce, To: &to, Value: common.Big1, Gas: params.TxGas, GasFeeCap: big.NewInt(1), V: v, R: r, S: sig})
		out.Txs = append(out.Txs, &motet.Tx{Transaction: tx, From: sender.Address})
		out.GasUsed += params.TxGas
		out.Receipts = append(out.Receipts, &types.Receipt{Type: types.DynamicFeeTxType, Status: 1, CumulativeGasUsed: out.GasUsed, GasUsed: params.TxGas, TxHash: tx.Hash()})
		out.Changes.Accounts = append(out.Changes.Accounts, motet.AccountChange{Address: to, Balance: *uint256.NewInt(1), CodeHash: types.EmptyCodeHash})
	}
	out.Changes.Accounts = append(out.Changes.Accounts, sender)
	return out
}
