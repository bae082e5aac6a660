// Package stockgeth runs an unmodified go-ethereum in another process and feeds
// it blocks through the Engine API, as a consensus client would.
package stockgeth

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/beacon/engine"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stockgeth-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "geth")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/motet-evm/motet/internal/testkit/stockgeth/node")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build stock geth: %w: %s", err, out)
	}
	return bin, nil
})

// Geth is a running stock geth.
type Geth struct {
	Eth *ethclient.Client
	// HTTP is the address of its public JSON-RPC.
	HTTP string
	rpc  *rpc.Client
}

// Start runs a stock geth on the given genesis until the test ends.
func Start(t testing.TB, genesisFile string) *Geth {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	secret := [32]byte{1, 2, 3}
	dir := t.TempDir()
	jwt := filepath.Join(dir, "jwt.hex")
	if err := os.WriteFile(jwt, []byte(hex.EncodeToString(secret[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--datadir", filepath.Join(dir, "data"), "--genesis", genesisFile, "--authrpc.jwtsecret", jwt)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("stock geth did not start: %v", err)
	}
	auth, http, _ := strings.Cut(strings.TrimSpace(line), " ")
	client, err := rpc.DialOptions(t.Context(), auth, rpc.WithHTTPAuth(node.NewJWTAuth(secret)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &Geth{Eth: ethclient.NewClient(client), HTTP: http, rpc: client}
}

// Import gives geth a block and makes it the head. The error tells geth's
// verdict unless it is VALID.
func (g *Geth) Import(ctx context.Context, block *types.Block) error {
	return g.payload(ctx, "engine_newPayloadV4", block, nil)
}

// ImportAlong is Import for a block under Amsterdam rules, with its access list (EIP-7928)
// in RLP.
func (g *Geth) ImportAlong(ctx context.Context, block *types.Block, list []byte) error {
	return g.payload(ctx, "engine_newPayloadV5", block, list)
}

func (g *Geth) payload(ctx context.Context, method string, block *types.Block, list []byte) error {
	payload := engine.BlockToExecutableData(block, new(big.Int), nil, nil).ExecutionPayload
	payload.BlockAccessList = list
	var status engine.PayloadStatusV1
	if err := g.rpc.CallContext(ctx, &status, method, payload, []common.Hash{}, block.BeaconRoot(), []hexutil.Bytes{}); err != nil {
		return fmt.Errorf("new payload %d: %w", block.NumberU64(), err)
	}
	if status.Status != engine.VALID {
		reason := ""
		if status.ValidationError != nil {
			reason = *status.ValidationError
		}
		return fmt.Errorf("geth says %s to block %d: %s", status.Status, block.NumberU64(), reason)
	}
	return g.SetHead(ctx, block.Hash(), common.Hash{}, common.Hash{})
}

// SetHead moves geth's head, also back, and its safe and finalized labels.
func (g *Geth) SetHead(ctx context.Context, head, safe, finalized common.Hash) error {
	update := engine.ForkchoiceStateV1{HeadBlockHash: head, SafeBlockHash: safe, FinalizedBlockHash: finalized}
	var resp engine.ForkChoiceResponse
	if err := g.rpc.CallContext(ctx, &resp, "engine_forkchoiceUpdatedV3", update, nil); err != nil {
		return fmt.Errorf("forkchoice %s: %w", head, err)
	}
	if resp.PayloadStatus.Status != engine.VALID {
		return fmt.Errorf("geth says %s to head %s", resp.PayloadStatus.Status, head)
	}
	return nil
}
