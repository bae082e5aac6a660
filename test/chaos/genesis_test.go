package chaos

import (
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet/internal/chain"
)

func readGenesisHash(t *testing.T, datadir string) common.Hash {
	t.Helper()
	g, err := chain.ReadGenesis(filepath.Join(datadir, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	return g.ToBlock().Hash()
}
