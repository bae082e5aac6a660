package api

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/holiman/uint256"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// geth starts the first for the life of the process; the second ends by itself.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

const testChainID = 4242

func testKey(i int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i), 'a', 'p', 'i'}))
	if err != nil {
		panic(err)
	}
	return key
}

func testAddr(i int) common.Address { return crypto.PubkeyToAddress(testKey(i).PublicKey) }

// sign signs a transaction of account i, with defaults for what is not set.
func sign(i int, tx types.DynamicFeeTx) *types.Transaction {
	if tx.ChainID == nil {
		tx.ChainID = big.NewInt(testChainID)
	}
	if tx.Gas == 0 {
		tx.Gas = 21_000
	}
	if tx.GasFeeCap == nil {
		tx.GasTipCap, tx.GasFeeCap = big.NewInt(params.GWei), big.NewInt(100*params.GWei)
	}
	return types.MustSignNewTx(testKey(i), types.LatestSignerForChainID(tx.ChainID), &tx)
}

func transfer(i int, nonce uint64) *types.Transaction {
	to := common.Address{0xaa, byte(i)}
	return sign(i, types.DynamicFeeTx{Nonce: nonce, To: &to, Value: big.NewInt(1)})
}

// Contracts of the tests, as runtime code.
var (
	// logger emits LOG1 with the topic of its calldata's first word and
	// increments slot 0.
	loggerCode = common.FromHex("5f5f355f5fa1" + "5f54600101" + "5f55" + "00")
	// reverter reverts with Error("no").
	reverterCode = common.FromHex("62461bcd60e51b5f5260206004526002602452" + "616e6f60f01b604452" + "60645ffd")
	// spinner loops for ever.
	spinnerCode = common.FromHex("5b5f56")
)

var (
	loggerAddr   = common.HexToAddress("0x1000000000000000000000000000000000000001")
	reverterAddr = common.HexToAddress("0x1000000000000000000000000000000000000002")
	spinnerAddr  = common.HexToAddress("0x1000000000000000000000000000000000000003")
)

func noErr(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// twin is the sequencer of the tests: it builds blocks with geth's chain maker
// on a chain of its own and imports them into the one under test.
type twin struct {
	t     testing.TB
	chain *chain.Chain
	pool  *mempool.Pool
	log   *eventlog.Log
	db    ethdb.Database

	mu      sync.Mutex
	parent  *types.Block
	block   *types.Block
	slices  uint64
	txs     []*motet.Tx
	pending *Pending
}

func (w *twin) Pending() *Pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

// Mine takes what the pool has and seals it.
func (w *twin) Mine(context.Context) error {
	w.slice()
	w.seal()
	return nil
}

// slice runs what the pool has in a slice of the open block.
func (w *twin) slice() {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.pool.Take(mempool.Limit{Gas: 30_000_000, Bytes: 1 << 20, Count: 5000})
	first := len(w.txs)
	w.txs = append(w.txs, taken...)
	engine := beacon.New(ethash.NewFaker())
	blocks, receipts := core.GenerateChain(w.chain.ChainConfig(), w.parent, engine, w.db, 1, func(_ int, b *core.BlockGen) {
		for _, tx := range w.txs {
			b.AddTx(tx.Transaction)
		}
	})
	w.block = blocks[0]
	h := types.CopyHeader(w.block.Header())
	view := w.view(h.Root)
	w.pending = &Pending{Header: h, Txs: append([]*motet.Tx{}, w.txs...), Receipts: receipts[0], View: view}
	var bodies []eventlog.Body
	if w.slices == 0 {
		bodies = append(bodies, eventlog.Body{Open: &motet.Open{Number: h.Number.Uint64(), Timestamp: h.Time, GasLimit: h.GasLimit, BaseFee: h.BaseFee}})
	}
	s := &eventlog.Slice{Number: h.Number.Uint64(), Index: w.slices}
	settle := mempool.Settlement{View: view}
	for i := first; i < len(w.txs); i++ {
		enc, err := w.txs[i].MarshalBinary()
		noErr(w.t, err)
		s.Txs = append(s.Txs, enc)
		s.Digests = append(s.Digests, eventlog.Digest{Status: uint8(receipts[0][i].Status), GasUsed: receipts[0][i].GasUsed})
		settle.Included = append(settle.Included, mempool.Inclusion{Tx: w.txs[i], Block: h.Number.Uint64(), Index: uint64(i)})
	}
	w.slices++
	_, err := w.log.Append(w.t.Context(), append(bodies, eventlog.Body{Slice: s})...)
	noErr(w.t, err)
	w.pool.Settle(settle)
}

// seal seals the open block.
func (w *twin) seal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.log.Append(w.t.Context(), eventlog.Body{Seal: &eventlog.Seal{Number: w.block.NumberU64(), Header: w.block.Header()}})
	noErr(w.t, err)
	_, err = w.chain.Import(w.t.Context(), types.Blocks{w.block})
	noErr(w.t, err)
	w.parent, w.block, w.txs, w.pending, w.slices = w.block, nil, nil, nil, 0
	w.reset()
}

func (w *twin) reset() {
	h := w.parent.Header()
	open := new(motet.Rollup).NextOpen(w.chain.ChainConfig(), h, h.Time+1, motet.Origin{})
	open.GasLimit = h.GasLimit
	w.pool.Reset(open, w.view(h.Root))
}

func (w *twin) view(root common.Hash) state.Reader {
	r, err := state.NewDatabase(triedb.NewDatabase(w.db, triedb.HashDefaults), state.NewCodeDB(w.db)).Reader(root)
	noErr(w.t, err)
	return r
}

// memIntake is an intake that keeps nothing.
type memIntake struct {
	mu   sync.Mutex
	next uint64
	fail error
}

func (m *memIntake) AppendTxs(_ context.Context, raw [][]byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	first := m.next + 1
	m.next += uint64(len(raw))
	return first, nil
}
func (m *memIntake) AppendFates(context.Context, []motet.Fate) error { return nil }
func (m *memIntake) Release(context.Context, uint64) error           { return nil }

// sut is a server on a real port, with real parts behind it.
type sut struct {
	*twin
	server *Server
	intake *memIntake
	url    string
	ws     string
	eth    *ethclient.Client
	rpc    *rpc.Client
	http   *http.Client
	stop   func()
}

func newSUT(t testing.TB, change ...func(*Config, *Deps)) *sut {
	t.Helper()
	alloc := make(map[common.Address]*uint256.Int)
	for i := range 10 {
		alloc[testAddr(i)] = new(uint256.Int).Mul(uint256.NewInt(1e18), uint256.NewInt(10_000))
	}
	genesis := chain.DevGenesis(chain.DevConfig{ChainID: testChainID, GasLimit: 30_000_000, Timestamp: uint64(time.Now().Add(-time.Hour).Unix()), Alloc: alloc})
	for addr, code := range map[common.Address][]byte{loggerAddr: loggerCode, reverterAddr: reverterCode, spinnerAddr: spinnerCode} {
		genesis.Alloc[addr] = types.Account{Nonce: 1, Code: code, Balance: new(big.Int)}
	}
	quiet := slog.New(slog.DiscardHandler)
	c, err := chain.Open(t.Context(), chain.Config{DataDir: t.TempDir(), Genesis: genesis, CacheMiB: 32}, chain.Deps{Log: quiet})
	noErr(t, err)
	t.Cleanup(func() { noErr(t, c.Close()) })

	nats, err := eventlog.StartServer(eventlog.ServerConfig{StoreDir: t.TempDir()}, quiet)
	noErr(t, err)
	t.Cleanup(nats.Shutdown)
	conn, err := eventlog.Connect(t.Context(), eventlog.Config{}, eventlog.Deps{Server: nats, Log: quiet})
	noErr(t, err)
	t.Cleanup(conn.Close)
	log, err := conn.OpenLog(t.Context(), eventlog.Identity{ChainID: testChainID, Genesis: c.Genesis().Hash()})
	noErr(t, err)
	_, err = log.Append(t.Context(), eventlog.Body{Epoch: &eventlog.Epoch{Epoch: 1, Parent: motet.RefOf(c.Head())}})
	noErr(t, err)

	s := &sut{intake: new(memIntake), http: &http.Client{Transport: &http.Transport{}}}
	pool, err := mempool.New(mempool.DefaultConfig(), mempool.Deps{ChainConfig: c.ChainConfig(), Intake: s.intake, Log: quiet})
	noErr(t, err)
	db := rawdb.NewMemoryDatabase()
	tdb := triedb.NewDatabase(db, triedb.HashDefaults)
	block, err := genesis.Commit(db, tdb, nil)
	noErr(t, err)
	noErr(t, tdb.Close())
	s.twin = &twin{t: t, chain: c, pool: pool, log: log, db: db, parent: block}
	s.reset()

	registry := prometheus.NewRegistry()
	cfg := Config{Dev: true, Version: "v0-test"}
	deps := Deps{Chain: c, Pool: pool, Sequencer: s.twin, Events: log, Log: quiet, Registerer: registry, Gatherer: registry}
	for _, f := range change {
		f(&cfg, &deps)
	}
	s.server, err = New(cfg, deps)
	noErr(t, err)
	s.serve(t)
	return s
}

func (s *sut) serve(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noErr(t, err)
	s.url, s.ws = "http://"+l.Addr().String(), "ws://"+l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.server.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	wg.Go(func() {
		if err := s.pool.Run(ctx); err != nil {
			t.Errorf("pool: %v", err)
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	s.rpc, err = rpc.DialOptions(t.Context(), s.url, rpc.WithHTTPClient(s.http))
	noErr(t, err)
	s.eth = ethclient.NewClient(s.rpc)
	t.Cleanup(func() {
		s.rpc.Close()
		s.http.CloseIdleConnections()
		s.stop()
	})
}

func (s *sut) send(txs ...*types.Transaction) {
	s.t.Helper()
	for _, tx := range txs {
		noErr(s.t, s.eth.SendTransaction(s.t.Context(), tx))
	}
}

// mine seals what the pool has and waits until the server has seen it.
func (s *sut) mine() {
	s.t.Helper()
	noErr(s.t, s.Mine(s.t.Context()))
	head := s.chain.Head().Hash()
	eventually(s.t, "the server sees the block", func() bool {
		s.server.recent.mu.RLock()
		defer s.server.recent.mu.RUnlock()
		n := len(s.server.recent.blocks)
		return n > 0 && s.server.recent.blocks[n-1].block.Hash() == head
	})
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// post sends a body and returns the answer.
func (s *sut) post(path, contentType, body string, header ...string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	noErr(s.t, err)
	req.Header.Set("Content-Type", contentType)
	return s.do(req, header...)
}

func (s *sut) get(path string, header ...string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	noErr(s.t, err)
	return s.do(req, header...)
}

func (s *sut) do(req *http.Request, header ...string) (status int, answer string) {
	s.t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	res, err := s.http.Do(req)
	noErr(s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	noErr(s.t, err)
	return res.StatusCode, string(b)
}

func rawHex(t testing.TB, tx *types.Transaction) string {
	t.Helper()
	enc, err := tx.MarshalBinary()
	noErr(t, err)
	return hexutil.Encode(enc)
}

func request(method string, params ...string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, strings.Join(params, ","))
}

func mtx(tx *types.Transaction, from common.Address) *motet.Tx {
	return &motet.Tx{Transaction: tx, From: from}
}
