package indexer_test

import (
	"context"
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/indexer"
	"github.com/motet-evm/motet/internal/testkit/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := postgres.Run(m)
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// testChain is a real chain, made by go-ethereum's generator, whose head the
// test moves.
type testChain struct {
	mu       sync.Mutex
	blocks   []*types.Block
	receipts []types.Receipts
	changed  chan struct{}
}

func (c *testChain) Head() motet.BlockRef {
	c.mu.Lock()
	defer c.mu.Unlock()
	return motet.RefOf(c.blocks[len(c.blocks)-1].Header())
}

func (c *testChain) Block(n uint64) (*types.Block, types.Receipts, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n >= uint64(len(c.blocks)) {
		return nil, nil, nil
	}
	return c.blocks[n], c.receipts[n], nil
}

func (c *testChain) Wait(ctx context.Context, known motet.BlockRef) error {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if c.Head() != known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// set replaces everything above height by blocks.
func (c *testChain) set(height int, blocks []*types.Block, receipts []types.Receipts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks = append(c.blocks[:height+1:height+1], blocks...)
	c.receipts = append(c.receipts[:height+1:height+1], receipts...)
	close(c.changed)
	c.changed = make(chan struct{})
}

// maker makes blocks with transfers, creations and logs.
type maker struct {
	gspec *core.Genesis
	key   *ecdsa.PrivateKey
}

// logger is the runtime of a contract that writes its input as data of a log
// with two topics, and reverts on empty input.
//
//	CALLDATASIZE PUSH1 9 JUMPI 0 0 REVERT | JUMPDEST size 0 0 CALLDATACOPY, topics 0xbb 0xaa, LOG2
var loggerRuntime = common.FromHex("3660095760006000fd5b36600060003760bb60aa366000a200")

func newMaker() *maker {
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{1}, 32))
	if err != nil {
		panic(err)
	}
	config := *params.MergedTestChainConfig
	return &maker{key: key, gspec: &core.Genesis{
		Config: &config, GasLimit: 30_000_000, Difficulty: new(big.Int), BaseFee: big.NewInt(params.InitialBaseFee),
		Alloc: types.GenesisAlloc{
			crypto.PubkeyToAddress(key.PublicKey): {Balance: new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))},
			loggerAddress:                         {Code: loggerRuntime, Balance: new(big.Int)},
			params.BeaconRootsAddress:             {Code: params.BeaconRootsCode, Balance: new(big.Int)},
			params.HistoryStorageAddress:          {Code: params.HistoryStorageCode, Balance: new(big.Int)},
			params.WithdrawalQueueAddress:         {Code: []byte{0}, Balance: new(big.Int)},
			params.ConsolidationQueueAddress:      {Code: []byte{0}, Balance: new(big.Int)},
		},
	}}
}

var loggerAddress = common.Address{0x10, 0x66}

func (m *maker) signer() types.Signer { return types.LatestSigner(m.gspec.Config) }

// make returns n blocks of txs transactions each; salt tells branches apart.
func (m *maker) make(n, txs int, salt byte) ([]*types.Block, []types.Receipts) {
	_, blocks, receipts := core.GenerateChainWithGenesis(m.gspec, beacon.New(ethash.NewFaker()), n, func(i int, g *core.BlockGen) {
		g.SetExtra(motet.ExtraData(uint64(i)))
		g.SetCoinbase(common.Address{salt})
		g.SetParentBeaconRoot(common.Hash{salt})
		for j := range txs {
			g.AddTx(m.tx(g, j, salt))
		}
	})
	return blocks, receipts
}

// branch returns n blocks that follow the shared ones.
func (m *maker) branch(shared []*types.Block, n int, salt byte) ([]*types.Block, []types.Receipts) {
	_, blocks, receipts := core.GenerateChainWithGenesis(m.gspec, beacon.New(ethash.NewFaker()), len(shared)+n, func(i int, g *core.BlockGen) {
		s, txs := salt, 4
		if i < len(shared) {
			s = 1
		}
		g.SetExtra(motet.ExtraData(uint64(i)))
		g.SetCoinbase(common.Address{s})
		g.SetParentBeaconRoot(common.Hash{s})
		for j := range txs {
			g.AddTx(m.tx(g, j, s))
		}
	})
	return blocks[len(shared):], receipts[len(shared):]
}

func (m *maker) tx(g *core.BlockGen, kind int, salt byte) *types.Transaction {
	from := crypto.PubkeyToAddress(m.key.PublicKey)
	fee := new(big.Int).Mul(g.BaseFee(), big.NewInt(2))
	inner := &types.DynamicFeeTx{
		ChainID: m.gspec.Config.ChainID, Nonce: g.TxNonce(from), GasTipCap: big.NewInt(int64(kind)), GasFeeCap: fee, Gas: 200_000,
		To: &common.Address{0xee, salt}, Value: new(big.Int).Mul(big.NewInt(int64(kind)), big.NewInt(params.GWei)),
	}
	switch kind % 4 {
	case 1:
		inner.To, inner.Value, inner.Data = &loggerAddress, new(big.Int), []byte{1, 2, 3, 4, salt}
	case 2:
		inner.To, inner.Value, inner.Data = nil, new(big.Int), append([]byte{0x60, 0x01, 0x60, 0x00, 0xf3}, salt)
	case 3:
		inner.To, inner.Value = &loggerAddress, new(big.Int) // reverts
	}
	tx, err := types.SignNewTx(m.key, m.signer(), inner)
	if err != nil {
		panic(err)
	}
	return tx
}

// grow puts blocks on the genesis.
func (c *testChain) grow(blocks []*types.Block, receipts []types.Receipts) {
	c.set(0, blocks, receipts)
}

func (m *maker) chain() *testChain {
	return &testChain{blocks: []*types.Block{m.gspec.ToBlock()}, receipts: []types.Receipts{nil}, changed: make(chan struct{})}
}

const testStatementTimeout = time.Second

// start runs an indexer until the test ends, and returns a function that stops
// it earlier.
func start(t *testing.T, url string, m *maker, c *testChain) (stop func() error) {
	t.Helper()
	return startLogging(t, url, m, c, slog.New(slog.DiscardHandler))
}

func startLogging(t *testing.T, url string, m *maker, c *testChain, log *slog.Logger) (stop func() error) {
	t.Helper()
	config := indexer.DefaultConfig()
	config.URL, config.RetryMax, config.StatementTimeout = url, 200*time.Millisecond, testStatementTimeout
	ix, err := indexer.New(config, indexer.Deps{Source: c, Signer: m.signer(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ix.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

func open(t *testing.T, url string) *indexer.Index {
	t.Helper()
	x, err := indexer.OpenIndex(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

// waitCaughtUp waits until the cursor is at the head of c.
func waitCaughtUp(t testing.TB, url string, c *testChain) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		cursor, err := cursorOf(t, url)
		if err == nil && cursor == c.Head() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("cursor %v, head %v, %v", cursor, c.Head(), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func cursorOf(t testing.TB, url string) (motet.BlockRef, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return motet.BlockRef{}, err
	}
	defer conn.Close(ctx)
	var n int64
	var hash []byte
	err = conn.QueryRow(ctx, "SELECT block_number, block_hash FROM cursors").Scan(&n, &hash)
	return motet.BlockRef{Number: uint64(n), Hash: common.BytesToHash(hash)}, err
}

// requireEqual compares every row with the chain.
func requireEqual(t *testing.T, url string, c *testChain) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var wantTxs, wantLogs int
	for n, block := range c.blocks {
		wantTxs += len(block.Transactions())
		var hash []byte
		var txs int
		err := conn.QueryRow(ctx, "SELECT hash, (SELECT count(*) FROM txs WHERE block_number = number) FROM blocks WHERE number = $1", n).Scan(&hash, &txs)
		if err != nil || common.BytesToHash(hash) != block.Hash() || txs != len(block.Transactions()) {
			t.Fatalf("block %d: hash %x, %d transactions, %v; chain has %s, %d", n, hash, txs, err, block.Hash(), len(block.Transactions()))
		}
		for _, r := range c.receipts[n] {
			wantLogs += len(r.Logs)
		}
	}
	for sql, want := range map[string]int{
		"SELECT count(*) FROM blocks": len(c.blocks), "SELECT count(*) FROM txs": wantTxs, "SELECT count(*) FROM logs": wantLogs,
		"SELECT count(DISTINCT hash) FROM txs": wantTxs,
	} {
		var got int
		if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil || got != want {
			t.Fatalf("%s: %d, want %d, %v", sql, got, want, err)
		}
	}
}
