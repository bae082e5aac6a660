package l1bridge

import (
	"context"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// p256Probe is a valid input of Osaka's P256VERIFY: message hash, r, s, and the
// public key, of EIP-7951's first test vector.
const p256Probe = "0x4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d" +
	"a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac" +
	"36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60" +
	"4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3" +
	"7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"

// sidecarVersion returns the version of blob sidecars that L1 takes now: cell
// proofs since Osaka. Whether it is past Osaka shows in a precompiled contract
// that came with it, which any node can be asked about.
func (c *Client) sidecarVersion(ctx context.Context) (byte, error) {
	p256 := common.BytesToAddress([]byte{1, 0})
	out, err := c.eth.CallContract(ctx, ethereum.CallMsg{To: &p256, Data: hexutil.MustDecode(p256Probe)}, nil)
	if err != nil {
		return 0, wrap("ask L1 for its fork", err)
	}
	if len(out) == 32 && out[31] == 1 {
		return types.BlobSidecarVersion1, nil
	}
	return types.BlobSidecarVersion0, nil
}
