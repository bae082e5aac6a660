package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

// tool returns the path of a program that npm installs. Its absence fails the
// test in CI and skips it elsewhere.
func tool(t *testing.T, name string) string {
	t.Helper()
	root, err := nodetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "node_modules", "@foundry-rs", name+"-linux-amd64", "bin", name)
	if _, err := os.Stat(path); err != nil {
		missing(t, name+" is missing: run test/install.sh")
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// artifact returns the creation code in a contract package of npm.
func artifact(t *testing.T, path string) string {
	t.Helper()
	root, err := nodetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, "node_modules", path))
	if err != nil {
		missing(t, path+" is missing: run test/install.sh")
	}
	var a struct {
		Bytecode json.RawMessage `json:"bytecode"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	code := strings.Trim(string(a.Bytecode), `"`)
	if !strings.HasPrefix(code, "0x") {
		code = "0x" + code
	}
	return code
}

// wallet is one dev account used through cast.
type castWallet struct {
	t    *testing.T
	cast string
	node *nodetest.Node
	key  string
	addr common.Address
}

func newCast(t *testing.T, n *nodetest.Node) castWallet {
	return castWallet{t: t, cast: tool(t, "cast"), node: n, key: n.Accounts[0].Key, addr: n.Accounts[0].Address}
}

// run runs cast and returns what it printed.
func (c castWallet) run(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.cast, args...)
	cmd.Env = append(os.Environ(), "ETH_RPC_URL="+c.node.HTTP, "NO_COLOR=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("cast %.200s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	if stderr.Len() > 0 {
		c.t.Logf("cast %.200s says: %s", strings.Join(args, " "), stderr.String())
	}
	return strings.TrimSpace(string(out))
}

type castReceipt struct {
	TransactionHash common.Hash     `json:"transactionHash"`
	Status          string          `json:"status"`
	BlockNumber     string          `json:"blockNumber"`
	ContractAddress *common.Address `json:"contractAddress"`
	Logs            []any           `json:"logs"`
}

// send sends a transaction, waits for its receipt and requires success.
func (c castWallet) send(args ...string) castReceipt {
	c.t.Helper()
	out := c.run(append([]string{"send", "--json", "--private-key", c.key}, args...)...)
	var r castReceipt
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		c.t.Fatalf("receipt %s: %v", out, err)
	}
	if r.Status != "0x1" {
		c.t.Fatalf("transaction failed: %s", out)
	}
	return r
}

// create deploys a contract.
func (c castWallet) create(code string, constructor ...string) common.Address {
	c.t.Helper()
	r := c.send(append([]string{"--create", code}, constructor...)...)
	if r.ContractAddress == nil {
		c.t.Fatal("no contract address in the receipt")
	}
	return *r.ContractAddress
}

// eventually waits for a condition.
func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
