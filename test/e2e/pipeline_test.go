package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/jackc/pgx/v5"

	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

// TestPipelineEmbedded: everything in one process, the L1 included.
func TestPipelineEmbedded(t *testing.T) {
	n := nodetest.Start(t, "--datadir", t.TempDir())
	if n.Postgres == nil {
		missing(t, "no Postgres on this machine: run test/install.sh")
	}
	last := usePipeline(t, n)
	rebuild(t, n, last)
	n.Stop(t)
}

// TestPipelineAnvil: the same on a foreign L1; in the end every store but L1 is
// deleted before the chain is rebuilt.
func TestPipelineAnvil(t *testing.T) {
	anvil := l1test.StartAnvil(t, "--block-time", "1")
	datadir := t.TempDir()
	n := nodetest.Start(t, "--datadir", datadir, "--l1", anvil.URL, "--postgres", "off")
	last := usePipeline(t, n)
	want := hashes(t, n, last)
	keep := t.TempDir()
	genesis, rollup := filepath.Join(keep, "genesis.json"), filepath.Join(keep, "rollup.json")
	copyFile(t, n.GenesisFile, genesis)
	copyFile(t, n.RollupFile, rollup)
	l1, beacon := *n.L1HTTP, anvil.URL
	n.Stop(t)
	if err := os.RemoveAll(datadir); err != nil {
		t.Fatal(err)
	}
	compare(t, want, verify(t, last, "--l1", l1, "--l1.beacon", beacon, "--rollup", rollup, "--genesis", genesis))
}

// market is a Uniswap v2 pool of two tokens that it has a million of each of.
type market struct {
	c                    castWallet
	gold, silver, router common.Address
}

const deadline = "99999999999"

func openMarket(t *testing.T, c castWallet) *market {
	t.Helper()
	token := artifact(t, "@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json")
	m := &market{c: c}
	m.gold = c.create(token, "constructor(string,string)", "Gold", "GLD")
	m.silver = c.create(token, "constructor(string,string)", "Silver", "SLV")
	factory := c.create(artifact(t, "@uniswap/v2-core/build/UniswapV2Factory.json"), "constructor(address)", c.addr.Hex())
	m.router = c.create(artifact(t, "@uniswap/v2-periphery/build/UniswapV2Router02.json"), "constructor(address,address)", factory.Hex(), m.gold.Hex())
	for _, tok := range []common.Address{m.gold, m.silver} {
		c.send(tok.Hex(), "mint(address,uint256)", c.addr.Hex(), "1000000000000")
		c.send(tok.Hex(), "approve(address,uint256)", m.router.Hex(), "1000000000000")
	}
	c.send(m.router.Hex(), "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
		m.gold.Hex(), m.silver.Hex(), "1000000", "1000000", "0", "0", c.addr.Hex(), deadline)
	return m
}

// swap sells a thousand of gold for silver.
func (m *market) swap(to string) castReceipt {
	return m.c.send(m.router.Hex(), "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
		"1000", "1", "["+m.gold.Hex()+","+m.silver.Hex()+"]", to, deadline)
}

// usePipeline does what a newcomer would and returns the block of the last
// transaction, which is safe by then.
func usePipeline(t *testing.T, n *nodetest.Node) uint64 {
	events := listen(t, n)
	c := newCast(t, n)
	other := n.Accounts[1].Address.Hex()

	c.send("--value", "1ether", other)
	if got := c.run("balance", "--ether", other); !strings.HasPrefix(got, "10001") {
		t.Errorf("balance of the recipient is %s", got)
	}

	m := openMarket(t, c)
	swap := m.swap(other)
	silver := m.silver
	if got := c.run("call", silver.Hex(), "balanceOf(address)(uint256)", other); got != "996" {
		t.Errorf("the swap paid %s, want 996", got)
	}

	logs := c.run("logs", "--json", "--from-block", "0", "Swap(address,uint256,uint256,uint256,uint256,address)")
	if strings.Count(logs, swap.TransactionHash.Hex()) != 1 {
		t.Errorf("cast logs does not find the swap once: %s", logs)
	}
	if trace := c.run("run", swap.TransactionHash.Hex()); !strings.Contains(trace, "Transaction successfully executed") {
		t.Errorf("cast run: %s", trace)
	}

	block, ok := new(big.Int).SetString(strings.TrimPrefix(swap.BlockNumber, "0x"), 16)
	if !ok {
		t.Fatalf("block number %q", swap.BlockNumber)
	}
	last := block.Uint64()
	eventually(t, 60*time.Second, "safe reaches the swap", func() bool { return label(t, n, rpc.SafeBlockNumber) >= last })
	eventually(t, 90*time.Second, "finalized reaches the swap", func() bool { return label(t, n, rpc.FinalizedBlockNumber) >= last })
	checkFate(t, n, swap.TransactionHash)
	checkIndex(t, n, last)
	eventually(t, time.Minute, "the event stream tells of slices and blocks", func() bool {
		return events.saw("slice", swap.TransactionHash.Hex()) && events.saw("block", "")
	})
	return last
}

func label(t *testing.T, n *nodetest.Node, which rpc.BlockNumber) uint64 {
	h, err := n.Eth.HeaderByNumber(t.Context(), big.NewInt(which.Int64()))
	if err != nil {
		return 0
	}
	return h.Number.Uint64()
}

func checkFate(t *testing.T, n *nodetest.Node, tx common.Hash) {
	t.Helper()
	resp, err := http.Get(n.REST + "/transactions/" + tx.Hex())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var fate struct {
		State string `json:"state"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&fate); err != nil || fate.State != "finalized" {
		t.Errorf("fate of the swap is %q (%v)", fate.State, err)
	}
}

// checkIndex: the rows in Postgres are the chain's.
func checkIndex(t *testing.T, n *nodetest.Node, upTo uint64) {
	t.Helper()
	if n.Postgres == nil {
		return
	}
	conn, err := pgx.Connect(t.Context(), *n.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var txs, logs int
	for b := uint64(1); b <= upTo; b++ {
		block, err := n.Eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		txs += len(block.Transactions())
		for _, tx := range block.Transactions() {
			r, err := n.Eth.TransactionReceipt(t.Context(), tx.Hash())
			if err != nil {
				t.Fatal(err)
			}
			logs += len(r.Logs)
		}
	}
	eventually(t, time.Minute, "the index reaches the chain", func() bool {
		var gotTxs, gotLogs int
		err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM txs WHERE block_number <= $1), (SELECT count(*) FROM logs WHERE block_number <= $1)`, int64(upTo)).Scan(&gotTxs, &gotLogs)
		if err != nil {
			t.Fatal(err)
		}
		return gotTxs == txs && gotLogs == logs
	})
}

// rebuild derives the chain from L1 into an empty directory while the node runs,
// since the node is the L1.
func rebuild(t *testing.T, n *nodetest.Node, last uint64) {
	t.Helper()
	compare(t, hashes(t, n, last), verify(t, last,
		"--l1", *n.L1HTTP, "--l1.beacon", *n.L1Beacon, "--rollup", n.RollupFile, "--genesis", n.GenesisFile))
}

// verify runs motet verifier and returns the hashes it derived, by number.
func verify(t *testing.T, until uint64, flags ...string) map[uint64]common.Hash {
	t.Helper()
	args := append([]string{"verifier", "--datadir", t.TempDir(), "--until-safe", fmt.Sprint(until), "--timeout", "120s", "--json"}, flags...)
	cmd := exec.CommandContext(t.Context(), nodetest.Binary(t), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("motet verifier: %v\n%s", err, stderr.String())
	}
	got, batch := map[uint64]common.Hash{}, uint64(0)
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		var b struct {
			Number uint64      `json:"number"`
			Hash   common.Hash `json:"hash"`
			Batch  *uint64     `json:"batch"`
		}
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if b.Batch == nil || *b.Batch < batch || *b.Batch > b.Number {
			t.Errorf("line %q: the batch before was %d", line, batch)
			continue
		}
		got[b.Number], batch = b.Hash, *b.Batch
	}
	return got
}

func hashes(t *testing.T, n *nodetest.Node, last uint64) map[uint64]common.Hash {
	t.Helper()
	want := map[uint64]common.Hash{}
	for b := uint64(1); b <= last; b++ {
		h, err := n.Eth.HeaderByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		want[b] = h.Hash()
	}
	return want
}

func compare(t *testing.T, want, got map[uint64]common.Hash) {
	t.Helper()
	if len(want) == 0 {
		t.Fatal("no block to compare")
	}
	for b, h := range want {
		if got[b] != h {
			t.Errorf("block %d is %s, rebuilt from L1 it is %s", b, h, got[b])
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// eventLog collects what the event stream sends.
type eventLog struct {
	mu   sync.Mutex
	data map[string]*strings.Builder
}

func (e *eventLog) saw(kind, text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.data[kind]
	return b != nil && strings.Contains(b.String(), text)
}

func listen(t *testing.T, n *nodetest.Node) *eventLog {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.REST+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // an event stream ends with the test
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("event stream: %s", resp.Status)
	}
	e := &eventLog{data: map[string]*strings.Builder{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 16<<20)
		kind := ""
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "event:"); ok {
				kind = strings.TrimSpace(rest)
			} else if rest, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
				e.mu.Lock()
				if e.data[kind] == nil {
					e.data[kind] = new(strings.Builder)
				}
				e.data[kind].WriteString(rest)
				e.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { resp.Body.Close(); <-done })
	return e
}
