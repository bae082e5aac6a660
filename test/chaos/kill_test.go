package chaos

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

// senders is the number of accounts that send at the same time.
const senders = 8

// firstBlockWithin is what a restart may take until the first new block.
const firstBlockWithin = 2 * time.Second

// TestKillUnderLoad: kill -9 again and again, with safe and finalized labels set.
func TestKillUnderLoad(t *testing.T) {
	rounds := 20 // two at least
	if s := os.Getenv("MOTET_CHAOS_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	datadir := t.TempDir()
	w := newWitness()
	var recoveries, restarts []time.Duration
	for round := range rounds {
		start := time.Now()
		n := nodetest.Start(t, "--datadir", datadir, "--postgres", "off")
		ready := time.Since(start)
		before, err := n.Eth.BlockNumber(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		load := w.load(t, n)
		first := w.waitBeyond(t, n, before)
		recoveries = append(recoveries, first)
		if round > 0 { // the first start builds the binary and deploys to L1
			restarts = append(restarts, ready+first)
		}
		t.Logf("round %d: ready after %s, a new block %s later", round, ready.Round(time.Millisecond), first.Round(time.Millisecond))
		if first > firstBlockWithin {
			t.Errorf("round %d: the first new block came %s after the node was ready (%s after exec)", round, first, ready+first)
		}
		if round == 0 {
			w.waitLabels(t, n)
		}
		time.Sleep(time.Duration(200+rand.IntN(1300)) * time.Millisecond)
		n.Kill()
		load()
	}
	slices.Sort(recoveries)
	slices.Sort(restarts)
	t.Logf("%d kills, %d answered transactions; first new block after ready: median %s, slowest %s; after exec: median %s, slowest %s",
		rounds, len(w.answered), recoveries[rounds/2], recoveries[rounds-1], restarts[(rounds-1)/2], restarts[rounds-2])

	n := nodetest.Start(t, "--datadir", datadir, "--postgres", "off")
	w.check(t, n)
	n.Stop(t)
	checkLog(t, datadir, n.ChainID, w)
}

// witness is a client that remembers what it was told.
type witness struct {
	mu       sync.Mutex
	answered map[common.Hash]bool
	blocks   map[uint64]common.Hash
	nonces   [senders]uint64
}

func newWitness() *witness {
	return &witness{answered: map[common.Hash]bool{}, blocks: map[uint64]common.Hash{}}
}

// load sends transactions and watches blocks until the returned function is
// called, which waits for the end.
func (w *witness) load(t *testing.T, n *nodetest.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() { w.send(ctx, t, n, i) })
	}
	wg.Go(func() { w.watch(ctx, t, n) })
	return func() { cancel(); wg.Wait() }
}

func (w *witness) send(ctx context.Context, t *testing.T, n *nodetest.Node, i int) {
	key, err := crypto.HexToECDSA(n.Accounts[i].Key[2:])
	if err != nil {
		t.Error(err)
		return
	}
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(n.ChainID))
	for ctx.Err() == nil {
		tx := types.MustSignNewTx(key, signer, &types.DynamicFeeTx{
			ChainID: signer.ChainID(), Nonce: w.nonces[i], GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(100e9),
			Gas: 21000, To: &common.Address{0xd0, byte(i)}, Value: big.NewInt(1),
		})
		err := n.Eth.SendTransaction(ctx, tx)
		var refusal rpc.Error
		switch {
		case err == nil:
			w.mu.Lock()
			w.answered[tx.Hash()] = true
			w.mu.Unlock()
			w.nonces[i]++
		case errors.As(err, &refusal) && (refusal.Error() == "already known" || containsNonceTooLow(refusal)):
			// Accepted before the crash, though the answer did not arrive.
			w.nonces[i]++
		default:
			// The node is going down, or its queue for this sender is full.
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func containsNonceTooLow(err error) bool {
	return len(err.Error()) >= 13 && err.Error()[:13] == "nonce too low"
}

// watch records the hash of every block; a change is an equivocation.
func (w *witness) watch(ctx context.Context, t *testing.T, n *nodetest.Node) {
	next := uint64(1)
	for ctx.Err() == nil {
		h, err := n.Eth.HeaderByNumber(ctx, new(big.Int).SetUint64(next))
		if err != nil {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		w.note(t, next, h.Hash())
		next++
	}
}

func (w *witness) note(t *testing.T, number uint64, hash common.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.blocks[number]; ok && old != hash {
		t.Errorf("block %d was %s and is %s now", number, old, hash)
	}
	w.blocks[number] = hash
}

func (w *witness) waitBeyond(t *testing.T, n *nodetest.Node, head uint64) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		now, err := n.Eth.BlockNumber(t.Context())
		if err == nil && now > head {
			return time.Since(start)
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("no block above %d after 30 s (%v)", head, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// waitLabels lets safe and finalized rise, so that later kills happen with
// labels set.
func (w *witness) waitLabels(t *testing.T, n *nodetest.Node) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		h, err := n.Eth.HeaderByNumber(t.Context(), big.NewInt(rpc.FinalizedBlockNumber.Int64()))
		if err == nil && h.Number.Sign() > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is finalized after 90 s (%v)", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// check: every answered hash is in the chain or still pending, each once.
func (w *witness) check(t *testing.T, n *nodetest.Node) {
	t.Helper()
	if len(w.answered) < 100 {
		t.Errorf("only %d transactions were answered: the load is too thin to show anything", len(w.answered))
	}
	head, err := n.Eth.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	included := map[common.Hash]bool{}
	for b := uint64(1); b <= head; b++ {
		block, err := n.Eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		w.note(t, b, block.Hash())
		for _, tx := range block.Transactions() {
			if included[tx.Hash()] {
				t.Errorf("%s is in two blocks", tx.Hash())
			}
			included[tx.Hash()] = true
		}
	}
	lost := 0
	for hash := range w.answered {
		if included[hash] {
			continue
		}
		if _, _, err := n.Eth.TransactionByHash(t.Context(), hash); errors.Is(err, ethereum.NotFound) {
			lost++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d answered transactions are lost", lost, len(w.answered))
	}
}

// checkLog reads the log of the stopped node: it is gap-free by construction of
// the feed, and its seals are the blocks that were seen.
func checkLog(t *testing.T, datadir string, chainID uint64, w *witness) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	srv, err := eventlog.StartServer(eventlog.ServerConfig{StoreDir: filepath.Join(datadir, "nats")}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Shutdown()
	conn, err := eventlog.Connect(t.Context(), eventlog.Config{}, eventlog.Deps{Server: srv, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	genesis, ok := w.blocks[0]
	if !ok {
		genesis = readGenesisHash(t, datadir)
	}
	log, err := conn.OpenLog(t.Context(), eventlog.Identity{ChainID: chainID, Genesis: genesis})
	if err != nil {
		t.Fatal(err)
	}
	tail, _ := log.Tail()
	feed, err := log.Read(t.Context(), eventlog.Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	seals := map[uint64]common.Hash{}
	for {
		rec, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rec.Seal != nil {
			seals[rec.Seal.Number] = rec.Seal.Header.Hash()
		}
		if rec.Cursor == tail {
			break
		}
	}
	for number, hash := range w.blocks {
		if number > 0 && seals[number] != hash {
			t.Errorf("block %d is %s in the chain and %s in the log", number, hash, seals[number])
		}
	}
	if len(seals) == 0 {
		t.Error("the log holds no block")
	}
}
