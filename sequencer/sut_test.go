package sequencer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

const (
	testChainID  = 7357
	testGasLimit = 30_000_000
	testWait     = 20 * time.Second
)

// testKey returns the i-th account of the tests.
func testKey(i int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i >> 8), byte(i), 's', 'e', 'q'}))
	if err != nil {
		panic(err)
	}
	return key
}

func testAddr(i int) common.Address { return crypto.PubkeyToAddress(testKey(i).PublicKey) }

const testAccounts = 32

func testGenesis() *core.Genesis {
	alloc := make(map[common.Address]*uint256.Int)
	for i := range testAccounts {
		alloc[testAddr(i)] = new(uint256.Int).Mul(uint256.NewInt(1e18), uint256.NewInt(10_000))
	}
	return chain.DevGenesis(chain.DevConfig{ChainID: testChainID, GasLimit: testGasLimit, Timestamp: 1_700_000_000, Alloc: alloc})
}

// strictLog fails the test on warnings and errors, unless they are expected.
type strictLog struct {
	t      testing.TB
	mu     *sync.Mutex
	expect []string
}

func (h strictLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (h strictLog) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.expect, r.Message) {
		return nil
	}
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	h.t.Errorf("unexpected log line: %s", line)
	return nil
}
func (h strictLog) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h strictLog) WithGroup(string) slog.Handler      { return h }

// setup is what a test may change.
type setup struct {
	config  Config
	expect  []string // log messages of level warn or above
	l1      L1Source
	exec    executor.Executor
	drift   uint64
	gas     uint64
	faults  *faults
	intake  time.Duration // timeout of the log and the intake
	reports *report.History
}

// sut is a sequencer over an embedded nats-server, a chain store and a pool.
type sut struct {
	t      testing.TB
	dir    string
	server *eventlog.Server
	conn   *eventlog.Conn
	log    *eventlog.Log
	chain  *chain.Chain
	pool   *mempool.Pool
	seq    *Sequencer
	faults *faults

	stop   context.CancelFunc
	ended  chan struct{}
	runErr error
	nonces map[int]uint64
	close  func()
}

func newSUT(t testing.TB, change ...func(*setup)) *sut {
	t.Helper()
	s := openSUT(t, t.TempDir(), change...)
	noErr(t, s.seq.Recover(t.Context()))
	return s
}

// openSUT opens everything in dir, without recovering.
func openSUT(t testing.TB, dir string, change ...func(*setup)) *sut {
	t.Helper()
	o := setup{config: DefaultConfig(), l1: NoL1{}, exec: executor.NewSerial(executor.Config{}), gas: testGasLimit, faults: new(faults)}
	o.config.SecondOpinion = true
	for _, f := range change {
		f(&o)
	}
	logger := slog.New(strictLog{t, new(sync.Mutex), o.expect})
	s := &sut{t: t, dir: dir, nonces: make(map[int]uint64), faults: o.faults}
	var err error
	s.server, err = eventlog.StartServer(eventlog.ServerConfig{StoreDir: filepath.Join(dir, "nats")}, slog.New(slog.DiscardHandler))
	noErr(t, err)
	genesis := testGenesis()
	s.chain, err = chain.Open(t.Context(), chain.Config{DataDir: filepath.Join(dir, "chain"), Genesis: genesis, CacheMiB: 32, MinFreeMiB: 1},
		chain.Deps{Log: logger, Execute: func(ctx context.Context, env chain.BlockEnv) (*motet.Outcome, error) {
			return executor.Replay(ctx, o.exec, executor.ReplayEnv{
				Config: genesis.Config, Block: env.Block, Parent: env.Parent, State: env.State, BlockHash: env.BlockHash,
			})
		}})
	noErr(t, err)
	s.conn, err = eventlog.Connect(t.Context(), eventlog.Config{Timeout: o.intake}, eventlog.Deps{Server: s.server, Log: slog.New(slog.DiscardHandler)})
	noErr(t, err)
	id := eventlog.Identity{ChainID: testChainID, Genesis: s.chain.Genesis().Hash()}
	s.log, err = s.conn.OpenLog(t.Context(), id)
	noErr(t, err)
	intake, err := s.conn.OpenIntake(t.Context(), id)
	noErr(t, err)
	s.pool, err = mempool.New(mempool.DefaultConfig(), mempool.Deps{
		ChainConfig: s.chain.ChainConfig(), Intake: intake, Log: logger, Included: func(h common.Hash) (uint64, uint64, bool) {
			ref, i, ok := s.chain.TransactionBlock(h)
			return ref.Number, i, ok
		},
	})
	noErr(t, err)
	s.seq, err = New(o.config, Deps{
		Rollup: &motet.Rollup{ChainID: testChainID, GasLimitTarget: o.gas, Coinbase: common.Address{0xc0}, MaxDrift: o.drift},
		Origin: motet.Origin{Number: 0, Hash: s.chain.Genesis().Hash(), Time: genesis.Timestamp},
		L1:     o.l1, Log: faultyLog{OverLog(s.log), o.faults}, Chain: faultyChain{s.chain, o.faults}, Pool: s.pool, Intake: intake,
		Executor: o.exec, Opinion: executor.NewSerial(executor.Config{}), Reports: o.reports, Logger: logger,
	})
	noErr(t, err)
	s.close = sync.OnceFunc(func() {
		s.halt()
		noErr(t, s.chain.Close())
		s.conn.Close()
		s.server.Shutdown()
	})
	t.Cleanup(s.close)
	return s
}

// run starts the sequencer and the pool.
func (s *sut) run() *sut {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.ended = stop, make(chan struct{})
	pool := make(chan struct{})
	go func() {
		defer close(pool)
		if err := s.pool.Run(ctx); err != nil {
			s.t.Errorf("pool: %v", err)
		}
	}()
	go func() {
		defer close(s.ended)
		s.runErr = s.seq.Run(ctx)
		stop()
		<-pool
	}()
	return s
}

// halt stops what run started and returns what Run returned.
func (s *sut) halt() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	<-s.ended
	s.stop = nil
	return s.runErr
}

// reopen stops everything and opens it again on the same directory.
func (s *sut) reopen(change ...func(*setup)) *sut {
	s.t.Helper()
	s.close()
	n := openSUT(s.t, s.dir, change...)
	n.nonces = s.nonces
	return n
}

func (s *sut) sign(i int, tx types.DynamicFeeTx) *types.Transaction {
	tx.ChainID, tx.Nonce = big.NewInt(testChainID), s.nonces[i]
	s.nonces[i]++
	if tx.GasFeeCap == nil {
		tx.GasTipCap, tx.GasFeeCap = big.NewInt(params.GWei), big.NewInt(100*params.GWei)
	}
	if tx.Gas == 0 {
		tx.Gas = 21_000
	}
	return types.MustSignNewTx(testKey(i), types.LatestSignerForChainID(tx.ChainID), &tx)
}

func (s *sut) transfer(i int, to common.Address) *types.Transaction {
	return s.sign(i, types.DynamicFeeTx{To: &to, Value: big.NewInt(1)})
}

// submit adds transactions to the pool, all of which must be accepted.
func (s *sut) submit(txs ...*types.Transaction) []common.Hash {
	s.t.Helper()
	hashes := make([]common.Hash, len(txs))
	for i, err := range s.pool.Add(s.t.Context(), txs) {
		noErr(s.t, err)
		hashes[i] = txs[i].Hash()
	}
	return hashes
}

// included waits until the transactions are in canonical blocks.
func (s *sut) included(hashes ...common.Hash) {
	s.t.Helper()
	s.eventually("inclusion", func() bool {
		for _, h := range hashes {
			// geth finds a transaction a moment before its block is the head.
			if in, _, ok := s.chain.TransactionBlock(h); !ok || in.Number > s.chain.Head().Number.Uint64() {
				return false
			}
		}
		return true
	})
}

func (s *sut) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(testWait); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not happen; Run said: %v", what, s.err())
		}
	}
}

func (s *sut) err() error {
	select {
	case <-s.ended:
		return s.runErr
	default:
		return nil
	}
}

// records reads the whole log.
func (s *sut) records() []eventlog.Record {
	s.t.Helper()
	feed, err := s.log.Read(s.t.Context(), eventlog.Cursor{})
	noErr(s.t, err)
	defer feed.Close()
	var out []eventlog.Record
	tail, last := s.log.Tail()
	for last != nil {
		r, err := feed.Next(s.t.Context())
		noErr(s.t, err)
		if out = append(out, r); r.Cursor == tail {
			break
		}
	}
	return out
}

// agree checks that the log and the chain store tell the same story.
func (s *sut) agree() {
	s.t.Helper()
	type story struct {
		hash common.Hash
		txs  []common.Hash
	}
	told := []story{{hash: s.chain.BlockHash(0)}} // by number
	var txs []common.Hash
	for _, r := range s.records() {
		switch {
		case r.Open != nil:
			if txs = nil; r.Open.Number != uint64(len(told)) {
				s.t.Fatalf("OPEN of block %d after block %d", r.Open.Number, len(told)-1)
			}
		case r.Slice != nil:
			for _, raw := range r.Slice.Txs {
				txs = append(txs, crypto.Keccak256Hash(raw))
			}
		case r.Seal != nil:
			told = append(told, story{r.Seal.Header.Hash(), txs})
		case r.Reorg != nil:
			told = told[:r.Reorg.Fork.Number+1]
		}
	}
	if head := s.chain.Head().Number.Uint64(); head != uint64(len(told)-1) {
		s.t.Fatalf("the log ends with block %d, the chain store with %d", len(told)-1, head)
	}
	for number, want := range told {
		block := s.chain.BlockByNumber(uint64(number))
		var got []common.Hash
		for _, tx := range block.Transactions() {
			got = append(got, tx.Hash())
		}
		if block.Hash() != want.hash || !slices.Equal(got, want.txs) {
			s.t.Fatalf("block %d: the log holds %s with %d transactions, the chain store %s with %d", number, want.hash, len(want.txs), block.Hash(), len(got))
		}
	}
}

func noErr(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}
