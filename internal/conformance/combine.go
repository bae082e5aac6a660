package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/tests"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/oracle"
)

// leastCombined is how many transactions a combined block has at least; with as
// many the shipped Parallel speculates.
const leastCombined = 8

// mostCombined is the gas after which a combined block gets no more of them.
const mostCombined = 30_000_000

// combined runs all cases of a fork in one block, over and over until there are
// enough transactions, each with the nonce that is its sender's turn. No file
// says what comes of it, so geth's serial path does. It reports false if there is
// no such block.
func (s *stateRun) combined(ctx context.Context, r *Result) (bool, error) {
	config, eips, err := tests.GetChainConfig(r.Fork)
	if err != nil || len(eips) > 0 {
		return false, nil //nolint:nilerr // each case was skipped for this
	}
	env := s.env(config)
	want, err := s.combine(env, s.Post[r.Fork])
	if err != nil || len(want.included) == 0 {
		return false, err
	}
	for i := range s.engines {
		e := &s.engines[i]
		a, err := e.run(ctx, want.env, want.offered, nil, true)
		if err != nil {
			return false, fmt.Errorf("%s: %w", e.name, err)
		}
		r.stats.Executions += a.stats.Executions
		r.stats.Aborts += a.stats.Aborts
		difference, err := s.asCombined(want, &a)
		if err != nil {
			return false, err
		}
		if difference != nil {
			r.Verdict, r.Reason = Failed, fmt.Sprintf("%s differs from go-ethereum: %v", e.name, difference)
			return true, nil
		}
	}
	r.Verdict = Passed
	return true, nil
}

// asCombined says in what an engine's attempt differs from what geth made of the
// block. That transactions are left out is no difference.
func (s *stateRun) asCombined(want *combination, got *attempt) (difference, err error) {
	if got.outcome == nil {
		return got.refused, nil
	}
	if err := oracle.CompareReceipts(want.included, got.outcome.Receipts); err != nil {
		return err, nil
	}
	root, err := s.rootAfter(&want.env, got.outcome.Changes)
	if err == nil && root != want.root {
		difference = fmt.Errorf("state root: want %v, got %v", want.root, root)
	}
	return difference, err
}

// combination is a combined block and what geth makes of it.
type combination struct {
	env      executor.Env
	offered  []*motet.Tx
	included types.Receipts
	root     common.Hash
}

// combine has geth execute the transactions, since their nonces depend on which
// of those before are valid.
func (s *stateRun) combine(env executor.Env, cases []stateCase) (*combination, error) {
	c := &combination{env: env}
	var txs []*motet.Tx
	var gas uint64
	for i := range cases {
		if tx, err := decode(&env, cases[i].TxBytes); err == nil {
			txs, gas = append(txs, tx), gas+tx.Gas()
		}
	}
	if len(txs) == 0 {
		return c, nil
	}
	rounds := (leastCombined + len(txs) - 1) / len(txs)
	c.env.Header = types.CopyHeader(env.Header)
	c.env.Header.GasLimit = max(env.Header.GasLimit, gas*uint64(rounds))
	db, err := s.before()
	if err != nil {
		return nil, err
	}
	open := oracle.Open(oracle.Env{Config: env.Config, Header: c.env.Header, BlockHash: env.BlockHash}, db, nil)
	for i := 0; i < rounds*len(txs) && open.GasUsed() < mostCombined; i++ {
		tx := txs[i%len(txs)]
		offer := motet.NewTx(withNonce(tx.Transaction, db.GetNonce(tx.From)), tx.From)
		c.offered = append(c.offered, offer)
		receipt, err := open.Apply(offer)
		if err == nil {
			c.included = append(c.included, receipt)
		} else if errors.Is(err, core.ErrGasLimitReached) && offer.Gas() <= c.env.Header.GasLimit {
			break // which cuts the block
		}
	}
	c.root, err = rootOf(&c.env, db)
	return c, err
}

// withNonce returns the transaction with another nonce, and without a signature.
func withNonce(tx *types.Transaction, nonce uint64) *types.Transaction {
	word := func(n *big.Int) *uint256.Int { return uint256.MustFromBig(n) }
	switch tx.Type() {
	case types.AccessListTxType:
		return types.NewTx(&types.AccessListTx{
			ChainID: tx.ChainId(), Nonce: nonce, GasPrice: tx.GasPrice(), Gas: tx.Gas(),
			To: tx.To(), Value: tx.Value(), Data: tx.Data(), AccessList: tx.AccessList(),
		})
	case types.DynamicFeeTxType:
		return types.NewTx(&types.DynamicFeeTx{
			ChainID: tx.ChainId(), Nonce: nonce, GasFeeCap: tx.GasFeeCap(), GasTipCap: tx.GasTipCap(), Gas: tx.Gas(),
			To: tx.To(), Value: tx.Value(), Data: tx.Data(), AccessList: tx.AccessList(),
		})
	case types.BlobTxType:
		return types.NewTx(&types.BlobTx{
			ChainID: word(tx.ChainId()), Nonce: nonce, GasFeeCap: word(tx.GasFeeCap()), GasTipCap: word(tx.GasTipCap()), Gas: tx.Gas(),
			To: *tx.To(), Value: word(tx.Value()), Data: tx.Data(), AccessList: tx.AccessList(),
			BlobFeeCap: word(tx.BlobGasFeeCap()), BlobHashes: tx.BlobHashes(),
		})
	case types.SetCodeTxType:
		return types.NewTx(&types.SetCodeTx{
			ChainID: word(tx.ChainId()), Nonce: nonce, GasFeeCap: word(tx.GasFeeCap()), GasTipCap: word(tx.GasTipCap()), Gas: tx.Gas(),
			To: *tx.To(), Value: word(tx.Value()), Data: tx.Data(), AccessList: tx.AccessList(),
			AuthList: tx.SetCodeAuthorizations(),
		})
	default:
		return types.NewTx(&types.LegacyTx{
			Nonce: nonce, GasPrice: tx.GasPrice(), Gas: tx.Gas(), To: tx.To(), Value: tx.Value(), Data: tx.Data(),
		})
	}
}
