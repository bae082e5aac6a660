package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

func (s *sut) dial() *rpc.Client {
	s.t.Helper()
	c, err := rpc.DialContext(s.t.Context(), s.ws)
	noErr(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

func TestSubscriptions(t *testing.T) {
	s := newSUT(t)
	ctx := t.Context()
	client := s.dial()
	eth := ethclient.NewClient(client)

	heads := make(chan *types.Header, 16)
	logs := make(chan types.Log, 16)
	hashes := make(chan common.Hash, 16)
	slices := make(chan sliceEvent, 16)
	receipts := make(chan []*types.Receipt, 16)
	moves := make(chan json.RawMessage, 16)
	var subs []ethereum.Subscription
	add := func(sub ethereum.Subscription, err error) {
		noErr(t, err)
		subs = append(subs, sub)
	}
	topic := common.Hash{31: 7}
	add(eth.SubscribeNewHead(ctx, heads))
	add(eth.SubscribeFilterLogs(ctx, ethereum.FilterQuery{Addresses: []common.Address{loggerAddr}, Topics: [][]common.Hash{{topic}}}, logs))
	add(client.EthSubscribe(ctx, hashes, "newPendingTransactions"))
	add(client.EthSubscribe(ctx, slices, "slices"))
	add(client.EthSubscribe(ctx, receipts, "transactionReceipts"))
	add(client.EthSubscribe(ctx, moves, "heads"))
	add(client.EthSubscribe(ctx, make(chan any), "syncing"))

	tx := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]})
	other := common.Hash{31: 8}
	s.send(tx, sign(1, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: other[:]}))
	if got := recv(t, hashes); got != tx.Hash() {
		t.Errorf("pending transaction %s", got)
	}
	s.slice()
	if got := recv(t, slices); len(got.Transactions) != 2 || got.Number != 1 {
		t.Errorf("slice %+v", got)
	}
	s.seal()
	if got := recv(t, heads); got.Hash() != s.chain.Head().Hash() {
		t.Errorf("head %s", got.Hash())
	}
	if got := recv(t, logs); got.TxHash != tx.Hash() || got.BlockHash != s.chain.Head().Hash() {
		t.Errorf("log %+v", got)
	}
	if got := recv(t, receipts); len(got) != 2 || got[0].BlockHash != s.chain.Head().Hash() {
		t.Errorf("receipts %+v", got)
	}
	if got := recv(t, moves); !strings.Contains(string(got), `"unsafe"`) {
		t.Errorf("heads %s", got)
	}
	// A rollback tells the logs again, as removed.
	noErr(t, s.chain.Rollback(ctx, s.server.syncStatus().Finalized))
	if got := recv(t, logs); !got.Removed || got.TxHash != tx.Hash() {
		t.Errorf("log of a removed block %+v", got)
	}
	if _, ok := s.server.recent.find(tx.Hash()); ok {
		t.Error("the receipt of a removed block is still served")
	}
	for _, sub := range subs {
		sub.Unsubscribe()
	}
	eventually(t, "unsubscribed", func() bool { return s.server.blocks.idle() && s.server.slices.idle() && s.server.hashes.idle() })
}

func recv[T any](t *testing.T, ch chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("nothing came: %T", ch)
		panic("unreachable")
	}
}

func TestSubscriptionLimit(t *testing.T) {
	s := newSUT(t)
	client := s.dial()
	for range maxSubscriptions {
		_, err := client.EthSubscribe(t.Context(), make(chan any, 1), "newHeads")
		noErr(t, err)
	}
	_, err := client.EthSubscribe(t.Context(), make(chan any, 1), "newHeads")
	if coded := rpc.Error(nil); !errors.As(err, &coded) || coded.ErrorCode() != CodeLimit {
		t.Errorf("one too many: %v", err)
	}
	if _, err := s.dial().EthSubscribe(t.Context(), make(chan any, 1), "newHeads"); err != nil {
		t.Errorf("another connection: %v", err)
	}
}

func TestWebSocketLimits(t *testing.T) {
	s := newSUT(t)
	dial := func(header http.Header) (*websocket.Conn, error) {
		c, res, err := websocket.DefaultDialer.DialContext(t.Context(), s.ws, header)
		if res != nil && res.Body != nil {
			defer res.Body.Close()
		}
		return c, err
	}
	if c, err := dial(http.Header{"Origin": {"https://evil.example"}}); err == nil {
		c.Close()
		t.Error("a foreign page may connect")
	}
	c, err := dial(nil)
	noErr(t, err)
	defer c.Close()
	noErr(t, c.WriteMessage(websocket.TextMessage, []byte("["+strings.Repeat(`{},`, 100)+`{}]`)))
	_, answer, err := c.ReadMessage()
	noErr(t, err)
	if !strings.Contains(string(answer), "batch too large") {
		t.Errorf("101 calls: %s", answer)
	}
	noErr(t, c.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(" ", maxFrame+1))))
	if _, _, err := c.ReadMessage(); err == nil {
		t.Error("a message above the limit was accepted")
	}
}

// deadReader subscribes to everything and never reads the answers.
func (s *sut) deadReader(names ...string) {
	s.t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(4096)
		}
		return c, err
	}}
	c, res, err := dialer.DialContext(s.t.Context(), s.ws, nil)
	noErr(s.t, err)
	res.Body.Close()
	s.t.Cleanup(func() { c.Close() })
	for _, name := range names {
		noErr(s.t, c.WriteMessage(websocket.TextMessage, []byte(request("eth_subscribe", name))))
	}
}

// TestDeadReaders holds a hundred clients that subscribe and never read, and
// checks that blocks are committed as fast as without them, that a client that
// reads misses nothing, and that the dead ones are disconnected.
func TestDeadReaders(t *testing.T) {
	s := newSUT(t)
	const dead, blocks = 100, 40
	commit := func(first int) (median, slowest time.Duration) {
		times := make([]time.Duration, 0, blocks)
		for i := range blocks {
			for k := range 10 {
				data := common.Hash{31: byte(k)}
				s.send(sign(k, types.DynamicFeeTx{Nonce: uint64(first + i), To: &loggerAddr, Gas: 100_000, Data: data[:]}))
			}
			s.slice()
			start := time.Now()
			s.seal()
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		return times[blocks/2], times[blocks-1]
	}
	alone, _ := commit(0)
	for range dead {
		s.deadReader(`"newHeads"`, `"logs",{}`, `"newPendingTransactions",true`, `"transactionReceipts"`, `"slices"`)
	}
	eventually(t, "all subscribed", func() bool {
		s.server.blocks.mu.Lock()
		defer s.server.blocks.mu.Unlock()
		return len(s.server.blocks.rings) == 3*dead
	})
	heads := make(chan *types.Header, 2*blocks)
	sub, err := ethclient.NewClient(s.dial()).SubscribeNewHead(t.Context(), heads)
	noErr(t, err)

	start := s.chain.Head().Number.Uint64()
	crowded, slowest := commit(blocks)
	t.Logf("median commit alone %v, with %d dead readers %v, the slowest %v", alone, dead, crowded, slowest)
	// One of the crowded commits flushes the states, which takes a busy machine a
	// second or two; most do not, and none may wait for a write to a dead reader
	// (10 s in geth's server).
	if crowded > 10*alone+50*time.Millisecond || slowest > 8*time.Second {
		t.Errorf("dead readers slow commits from %v to %v, the slowest %v", alone, crowded, slowest)
	}
	for n := start + 1; n <= start+blocks; n++ {
		if got := recv(t, heads); got.Number.Uint64() != n {
			t.Fatalf("head %d, want %d", got.Number, n)
		}
	}
	sub.Unsubscribe()
	// What they were sent fills the buffers between, unless the kernel's are
	// large; publish until it does.
	big := &blockEvent{block: s.chain.BlockByHash(s.chain.Head().Hash())}
	big.receipts = s.chain.ReceiptsOf(big.block)
	for range 4 * ringSize {
		for range 64 {
			s.server.blocks.publish(big)
		}
		if s.server.conns.count() <= 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	eventually(t, "the dead readers are gone", func() bool { return s.server.conns.count() <= 1 })
	// The one that read may be cut too, since it does not read any more.
	_, metrics := s.get("/metrics")
	const metric = `motet_api_dropped_total{cause="slow_subscriber"} `
	var cut int
	if _, err := fmt.Sscan(metrics[strings.Index(metrics, metric)+len(metric):], &cut); err != nil || cut < dead || cut > dead+1 {
		t.Errorf("%d are counted, %v", cut, err)
	}
}
