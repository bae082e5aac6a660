package l1bridge

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/params"
)

func TestCheaperPlace(t *testing.T) {
	gwei := func(n int64) *big.Int { return big.NewInt(n * params.GWei) }
	small, _ := postGas(bytes.Repeat([]byte{1}, 500))
	large, _ := postGas(bytes.Repeat([]byte{1}, 100_000))
	blobTx, _ := postGas(bytes.Repeat([]byte{1}, 400))
	for name, c := range map[string]struct {
		prices   Prices
		calldata uint64
		want     bool
	}{
		"blobs cost nothing":             {Prices{gwei(20), gwei(1), big.NewInt(1)}, large, false},
		"blobs dear, payload small":      {Prices{gwei(1), gwei(1), gwei(50)}, small, true},
		"blobs dearer than all calldata": {Prices{gwei(1), gwei(0), gwei(1000)}, large, true},
	} {
		if got := c.prices.calldataCheaper(c.calldata, blobTx, 1); got != c.want {
			t.Errorf("%s: calldata cheaper is %v", name, got)
		}
	}
	if cap := (&Prices{BlobBaseFee: big.NewInt(1)}).blobFeeCap(); cap.Cmp(gwei(1)) != 0 {
		t.Errorf("blob fee cap %s", cap)
	}
	if _, cost := postGas(bytes.Repeat([]byte{1}, 100_000)); cost < 100_000*40 {
		t.Errorf("100 kB cost %d gas, below the floor of EIP-7623", cost)
	}
}
