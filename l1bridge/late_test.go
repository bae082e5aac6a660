package l1bridge_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet/l1bridge"
)

// lateTx sends the same batch once more under the next nonce, past the checks
// of Prepare.
func (s *sut) lateTx(t *testing.T, signed *l1bridge.Signed) common.Hash {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(signed.Raw); err != nil {
		t.Fatal(err)
	}
	late, err := types.SignNewTx(s.key, types.LatestSignerForChainID(tx.ChainId()), &types.DynamicFeeTx{
		ChainID: tx.ChainId(), Nonce: tx.Nonce() + 1, GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap(),
		Gas: tx.Gas(), To: tx.To(), Data: tx.Data(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.client.Eth().SendTransaction(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	return late.Hash()
}
