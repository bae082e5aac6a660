package motet_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
)

// TestRecoverTxs finds every sender, and the first transaction without one.
func TestRecoverTxs(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer := types.LatestSignerForChainID(big.NewInt(7))
	for _, n := range []int{0, 1, 7, 8, 9, 100} {
		txs := make(types.Transactions, n)
		for i := range txs {
			txs[i] = types.MustSignNewTx(key, signer, &types.DynamicFeeTx{ChainID: big.NewInt(7), Nonce: uint64(i)}) //nolint:gosec // not negative
		}
		got, err := motet.RecoverTxs(signer, txs)
		if err != nil || len(got) != n {
			t.Fatalf("%d of %d: %v", len(got), n, err)
		}
		for i, tx := range got {
			if tx.Transaction != txs[i] || tx.From != crypto.PubkeyToAddress(key.PublicKey) {
				t.Errorf("transaction %d of %d is of %s", i, n, tx.From)
			}
		}
		for _, bad := range []int{n - 1, n / 2, n / 3} {
			if bad < 0 || bad >= n {
				continue
			}
			txs[bad] = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(8), Nonce: 1})
			_, err := motet.RecoverTxs(signer, txs)
			wrong, ok := errors.AsType[*motet.SenderError](err)
			if !ok || wrong.Index != bad || wrong.Hash != txs[bad].Hash() || !errors.Is(err, types.ErrInvalidChainId) {
				t.Errorf("%d of %d: %v", bad, n, err)
			}
		}
	}
}
