package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

// TestAccessLists: somebody without credentials reads from the stream, message by
// message, the list of every block, each once, as JSON-RPC gives it, over kills of
// the node.
func TestAccessLists(t *testing.T) {
	dir := t.TempDir()
	start := func(flags ...string) *nodetest.Node {
		return nodetest.Start(t, append([]string{"--datadir", dir, "--l1", "off", "--postgres", "off", "--nats.listen", "127.0.0.1:0", "--block-time", "0"}, flags...)...)
	}
	n := start()
	s := newSender(t, n, 0)
	to := n.Accounts[1].Address
	s.send(&to, nil)
	s.send(nil, common.FromHex("600160015533ff")) // destroys what it makes
	for range 2 {
		n.Kill()
		n = start()
		s.n = n
		s.send(&to, nil)
	}
	checkAccessLists(t, n)
	n.Stop(t)

	n = start("--nats.access-lists", "0")
	defer n.Stop(t)
	s.n = n
	s.send(&to, nil)
	tail := derived(t, n).CachedInfo().State.LastSeq
	if head, err := n.Eth.BlockNumber(t.Context()); err != nil || tail >= head {
		t.Errorf("message %d for block %d though lists are off: %v", tail, head, err)
	}
}

// derived opens the stream as an outsider.
func derived(t *testing.T, n *nodetest.Node) jetstream.Stream {
	t.Helper()
	nc, err := nats.Connect(*n.NATS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.NewWithAPIPrefix(nc, "MOTET.API")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "MOTET_DERIVED")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func checkAccessLists(t *testing.T, n *nodetest.Node) {
	t.Helper()
	head, err := n.Eth.BlockNumber(t.Context())
	if err != nil || head < 4 {
		t.Fatal(head, err)
	}
	stream := derived(t, n)
	subject := fmt.Sprintf("motet.%d.accesslist.", n.ChainID)
	for number := uint64(1); number <= head; number++ {
		msg, err := stream.GetLastMsgForSubject(t.Context(), subject+strconv.FormatUint(number, 10))
		for deadline := time.Now().Add(time.Minute); errors.Is(err, jetstream.ErrMsgNotFound) && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond) // lists come after their blocks
			msg, err = stream.GetLastMsgForSubject(t.Context(), subject+strconv.FormatUint(number, 10))
		}
		if err != nil {
			t.Fatalf("list of block %d: %v", number, err)
		}
		if msg.Sequence != number {
			t.Errorf("the list of block %d is message %d: something is missing or there twice", number, msg.Sequence)
		}
		// After a kill geth takes up to a minute to index the history of states,
		// without which older blocks cannot be executed again.
		var raw hexutil.Bytes
		eventually(t, 2*time.Minute, "a list from JSON-RPC", func() bool {
			err := n.Eth.Client().CallContext(t.Context(), &raw, "debug_getRawBlockAccessList", msg.Header.Get("Motet-Block-Hash"))
			if err != nil && !strings.Contains(err.Error(), "unavailable") {
				t.Fatalf("list of block %d %s: %v", number, msg.Header.Get("Motet-Block-Hash"), err)
			}
			return err == nil
		})
		if string(raw) != string(msg.Data) || crypto.Keccak256Hash(msg.Data).Hex() != msg.Header.Get("Motet-List-Hash") {
			t.Errorf("block %d: the stream says %x under %v, JSON-RPC %x", number, msg.Data, msg.Header, raw)
		}
	}
}
