package loadgen

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
)

// TestMintingInitCode runs the creation code in geth's EVM.
func TestMintingInitCode(t *testing.T) {
	want := bytes.Repeat([]byte{0x5b}, 300)
	origin := common.Address{19: 7}
	cfg := &runtime.Config{Origin: origin}
	code, addr, _, err := runtime.Create(mintingInitCode(want), cfg)
	if err != nil || !bytes.Equal(code, want) {
		t.Fatalf("created %x: %v", code, err)
	}
	slot := crypto.Keccak256Hash(common.LeftPadBytes(origin[:], 32), make([]byte, 32))
	if got := cfg.State.GetState(addr, slot).Big().Uint64(); got != 1<<62 {
		t.Fatalf("the deployer holds %d", got)
	}
}
