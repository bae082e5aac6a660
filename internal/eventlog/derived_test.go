package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/natstest"
)

// testPart cuts lists into messages of a size that makes many of them.
const testPart = 100

func newDerived(t testing.TB, c *Conn, maxBytes int64) *Derived {
	t.Helper()
	d, err := c.OpenDerived(t.Context(), testID, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	d.part = testPart
	return d
}

func blockRef(number, version uint64) motet.BlockRef {
	return motet.BlockRef{Number: number, Hash: crypto.Keccak256Hash([]byte{byte(number), byte(version)})}
}

// listOf makes up a list whose RLP has about 26 bytes for each account.
func listOf(block motet.BlockRef, accounts int) *bal.BlockAccessList {
	list := bal.NewConstructionBlockAccessList()
	for i := range accounts {
		addr := common.BytesToAddress(crypto.Keccak256(block.Hash[:], []byte{byte(i), byte(i >> 8)}))
		if list.AccountRead(addr); i%3 == 0 {
			list.BalanceChange(uint32(i), addr, uint256.NewInt(uint64(i)))
		}
	}
	return list.ToEncodingObj()
}

func mustPublish(t testing.TB, d *Derived, block motet.BlockRef, list *bal.BlockAccessList) int {
	t.Helper()
	n, err := d.Publish(t.Context(), block, list)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newListFeed(t testing.TB, d *Derived, from uint64) *ListFeed {
	t.Helper()
	f, err := d.Read(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func nextList(t testing.TB, f *ListFeed) (*AccessList, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	return f.Next(ctx)
}

// expectList demands that the feed's next list is the one of the block.
func expectList(t testing.TB, f *ListFeed, block motet.BlockRef, want *bal.BlockAccessList) {
	t.Helper()
	got, err := nextList(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if got.Block != block || got.Hash != want.Hash() || got.List.Hash() != want.Hash() {
		t.Fatalf("got the list %s of block %v, want %s of %v", got.Hash, got.Block, want.Hash(), block)
	}
}

// expectLost demands that the feed tells that it cannot have a block's list.
func expectLost(t testing.TB, f *ListFeed, block motet.BlockRef, why error) {
	t.Helper()
	got, err := nextList(t, f)
	lost, ok := errors.AsType[*ListError](err)
	if !ok || lost.Block != block || !errors.Is(err, why) {
		t.Fatalf("got %+v, %v; want to be told of block %d: %v", got, err, block.Number, why)
	}
}

func messages(t testing.TB, d *Derived) uint64 {
	t.Helper()
	info, err := d.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestLists(t *testing.T) {
	d := newDerived(t, newConn(t, Config{}, newServer(t, ServerConfig{})), 1<<20)
	sizes := []int{0, 1, 3, 4, 200, 1}
	lists := make([]*bal.BlockAccessList, len(sizes))
	f := newListFeed(t, d, 0)
	for i, accounts := range sizes {
		block := blockRef(uint64(i), 0)
		lists[i] = listOf(block, accounts)
		if n := mustPublish(t, d, block, lists[i]); n == 0 {
			t.Errorf("block %d: nothing was written", i)
		}
		if n := mustPublish(t, d, block, lists[i]); n != 0 {
			t.Errorf("block %d: %d bytes were written again", i, n)
		}
		expectList(t, f, block, lists[i])
	}
	for from := range uint64(len(sizes)) {
		g := newListFeed(t, d, from)
		for i := from; i < uint64(len(sizes)); i++ {
			expectList(t, g, blockRef(i, 0), lists[i])
		}
	}
	if n := messages(t, d); n < 50 {
		t.Errorf("%d messages: lists were not cut", n)
	}
	if holds, err := d.Holds(t.Context(), blockRef(4, 0)); !holds || err != nil {
		t.Error("the stream does not know what it holds", err)
	}
	if holds, err := d.Holds(t.Context(), blockRef(4, 1)); holds || err != nil {
		t.Error("the stream takes a block for another of the number", err)
	}
}

// TestListMessages: no message is above the limit, with its headers, and the parts
// are no smaller than they need be.
func TestListMessages(t *testing.T) {
	s := newServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	d := newDerived(t, newConn(t, Config{}, s), 1<<30)
	d.part = maxPayload
	block := blockRef(3, 0)
	list := listOf(block, 70_000)
	raw, err := rlp.EncodeToBytes(list)
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, d, block, list)
	expectList(t, newListFeed(t, d, 0), block, list)
	if n, want := messages(t, d), uint64(len(raw)/maxPayload+1); n != want || want < 2 {
		t.Errorf("%d messages for %d bytes, want %d", n, len(raw), want)
	}
	// An outsider reads them one by one.
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, "MOTET.API")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), derivedStream)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for seq := uint64(1); seq <= messages(t, d); seq++ {
		msg, err := stream.GetMsg(t.Context(), seq, jetstream.WithGetMsgSubject("motet.7.accesslist.3"))
		if err != nil {
			t.Fatal(err)
		}
		size := len(msg.Data)
		for k, v := range msg.Header {
			size += len(k) + len(v[0]) + 4
		}
		if size+len("NATS/1.0\r\n\r\n") > MaxMessage {
			t.Errorf("message %d has %d bytes", seq, size)
		}
		if h := msg.Header; h.Get("Motet-Block") != "3" || h.Get("Motet-Block-Hash") != block.Hash.Hex() || h.Get("Motet-List-Hash") != list.Hash().Hex() {
			t.Errorf("headers: %v", h)
		}
		got = append(got, msg.Data...)
	}
	if crypto.Keccak256Hash(got) != list.Hash() {
		t.Error("the messages are not the list")
	}
}

// TestListsGoOn: what was published is not published again by the next process, and
// a list that was cut off is completed.
func TestListsGoOn(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, ServerConfig{StoreDir: dir})
	c := newConn(t, Config{}, s)
	d := newDerived(t, c, 1<<20)
	first, second := blockRef(1, 0), blockRef(2, 0)
	mustPublish(t, d, first, listOf(first, 20))
	what, raw, err := encodeList(second, listOf(second, 20), testPart)
	if err != nil || what.count < 4 {
		t.Fatal(what, err)
	}
	for what.index = 1; what.index <= 2; what.index++ {
		if _, err := d.put(t.Context(), what, raw[(what.index-1)*testPart:what.index*testPart]); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	s.Shutdown()

	d = newDerived(t, newConn(t, Config{}, newServer(t, ServerConfig{StoreDir: dir})), 1<<20)
	if tail, ok, err := d.Tail(t.Context()); tail != second || !ok || err != nil {
		t.Fatal(tail, ok, err)
	}
	if holds, err := d.Holds(t.Context(), second); holds || err != nil {
		t.Error("half a list is taken for a whole one", err)
	}
	before := messages(t, d)
	mustPublish(t, d, second, listOf(second, 20))
	if n := messages(t, d) - before; n != uint64(what.count-2) {
		t.Errorf("%d messages complete the list, want %d", n, what.count-2)
	}
	f := newListFeed(t, d, 0)
	expectList(t, f, first, listOf(first, 20))
	expectList(t, f, second, listOf(second, 20))
}

// TestListDoubt: messages that were stored without the writer hearing of it are
// not stored twice.
func TestListDoubt(t *testing.T) {
	s := natstest.Start(t, t.TempDir())
	proxy := natstest.NewProxy(t, s.Addr())
	c := newConn(t, Config{URL: proxy.URL(), Timeout: time.Second / 2}, nil)
	d := newDerived(t, c, 1<<20)
	var want []motet.BlockRef
	for i := range uint64(3) {
		block := blockRef(i, 0)
		want = append(want, block)
		if i%2 == 1 {
			proxy.DropAnswers()
			if _, err := d.Publish(t.Context(), block, listOf(block, 20)); !errors.Is(err, motet.ErrUnavailable) {
				t.Fatal(err)
			}
			proxy.Cut()
		}
		for {
			_, err := d.Publish(t.Context(), block, listOf(block, 20))
			if err == nil {
				break
			}
			if !errors.Is(err, motet.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	}
	// A message that was given up arrives after the one that took its place.
	late := blockRef(3, 0)
	want = append(want, late)
	proxy.HoldRequests()
	if _, err := d.Publish(t.Context(), late, listOf(late, 20)); !errors.Is(err, motet.ErrUnavailable) {
		t.Fatal(err)
	}
	if err := c.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	for _, err := d.Publish(t.Context(), late, listOf(late, 20)); err != nil; _, err = d.Publish(t.Context(), late, listOf(late, 20)) {
		if !errors.Is(err, motet.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	proxy.Deliver()
	time.Sleep(100 * time.Millisecond) // for what must not arrive
	what, _, _ := encodeList(want[0], listOf(want[0], 20), testPart)
	if n := messages(t, d); n != uint64(len(want)*what.count) {
		t.Errorf("%d messages, want %d of each of %d lists", n, what.count, len(want))
	}
	f := newListFeed(t, d, 0)
	for _, block := range want {
		expectList(t, f, block, listOf(block, 20))
	}
}

// TestLostLists: what a reader cannot have it is told of, once, and it goes on.
func TestLostLists(t *testing.T) {
	d := newDerived(t, newConn(t, Config{}, newServer(t, ServerConfig{})), 1<<20)
	begin := make(map[uint64]uint64) // sequence of a block's first message
	for n := range uint64(9) {
		begin[n] = d.last + 1
		mustPublish(t, d, blockRef(n, 0), listOf(blockRef(n, 0), 20))
	}
	for _, seq := range []uint64{begin[1] + 2, begin[3], begin[6] - 1, begin[6]} { // within, the first, the last and the first after it
		if err := d.stream.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	forge := func(h nats.Header, data string) {
		msg := &nats.Msg{Subject: d.subject("9"), Header: h, Data: []byte(data)}
		if _, err := d.conn.js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	bad := chunk{block: blockRef(9, 0), list: common.Hash{1}, index: 1, count: 1}
	forge(bad.header(), "\xc0") // a list, but another
	endless := chunk{block: blockRef(10, 0), list: common.Hash{1}, index: 1, count: maxChunks + 1}
	forge(endless.header(), "a")
	endless.index = 2
	forge(endless.header(), "b")
	junk := crypto.Keccak256Hash([]byte("junk"))
	unreadable := chunk{block: blockRef(11, 0), list: junk, index: 1, count: 1}
	forge(unreadable.header(), "junk")
	forge(nil, "whatever")
	skipping := chunk{block: blockRef(8, 1), list: common.Hash{1}, index: 1, count: 3}
	forge(skipping.header(), "a")
	skipping.index = 3
	forge(skipping.header(), "b")
	d.stale = true
	last := blockRef(12, 0)
	mustPublish(t, d, last, listOf(last, 20))

	f := newListFeed(t, d, 0)
	whole := func(n uint64) { t.Helper(); expectList(t, f, blockRef(n, 0), listOf(blockRef(n, 0), 20)) }
	whole(0)
	expectLost(t, f, blockRef(1, 0), ErrIncomplete)
	whole(2)
	expectLost(t, f, motet.BlockRef{}, ErrIncomplete) // a message is missing, nobody knows whose
	expectLost(t, f, blockRef(3, 0), ErrIncomplete)
	whole(4)
	expectLost(t, f, blockRef(5, 0), ErrIncomplete)
	expectLost(t, f, blockRef(6, 0), ErrIncomplete)
	whole(7)
	whole(8)
	expectLost(t, f, bad.block, ErrBadList)
	expectLost(t, f, endless.block, ErrTooLarge)
	expectLost(t, f, unreadable.block, ErrBadList)
	expectLost(t, f, motet.BlockRef{}, errListHeader)
	expectLost(t, f, skipping.block, ErrIncomplete)
	whole(12)
}

// TestListsAreBounded: the stream holds as many bytes as it may, newest lists
// whole, and a reader that was too slow is told.
func TestListsAreBounded(t *testing.T) {
	s := newServer(t, ServerConfig{})
	c := newConn(t, Config{}, s)
	const bound = 64 << 10
	d := newDerived(t, c, bound)
	slow := newListFeed(t, d, 0)
	mustPublish(t, d, blockRef(0, 0), listOf(blockRef(0, 0), 20))
	expectList(t, slow, blockRef(0, 0), listOf(blockRef(0, 0), 20))
	slow.src.unsubscribe() // or it would hold messages that the stream forgets
	const blocks = 200
	for n := uint64(1); n < blocks; n++ {
		mustPublish(t, d, blockRef(n, 0), listOf(blockRef(n, 0), 20))
	}
	info, err := d.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Bytes > bound || info.State.Bytes < bound/2 || info.State.FirstSeq < 10 {
		t.Errorf("the stream holds %d bytes from message %d on", info.State.Bytes, info.State.FirstSeq)
	}
	_, err = nextList(t, slow)
	if lost, ok := errors.AsType[*ListError](err); !ok || !errors.Is(lost, ErrTrimmed) {
		t.Fatal(err)
	}
	oldest, err := d.First(t.Context())
	if err != nil || oldest == 0 {
		t.Fatal(oldest, err)
	}
	for n := oldest; n < blocks; n++ {
		if list, err := nextList(t, slow); err != nil {
			if _, ok := errors.AsType[*ListError](err); !ok || n != oldest {
				t.Fatal(n, err)
			}
		} else if list.Block.Number != n {
			t.Fatalf("block %d, want %d", list.Block.Number, n)
		}
	}
	// Another bound takes effect with the next start.
	smaller := newDerived(t, c, bound/4)
	info, err = smaller.stream.Info(t.Context())
	if err != nil || info.State.Bytes > bound/4 || info.Config.MaxBytes != bound/4 {
		t.Errorf("the stream holds %d bytes, %v", info.State.Bytes, err)
	}
	mustPublish(t, smaller, blockRef(blocks, 0), listOf(blockRef(blocks, 0), 20))
}

// TestListsAfterRollback: a reader that starts at a number gets all that is
// canonical from it on, wherever the chain was rolled back.
func TestListsAfterRollback(t *testing.T) {
	d := newDerived(t, newConn(t, Config{}, newServer(t, ServerConfig{})), 1<<20)
	canonical := map[uint64]motet.BlockRef{}
	for version, span := range [][2]uint64{{1, 10}, {8, 12}, {5, 6}, {7, 20}, {19, 21}} {
		for n := span[0]; n <= span[1]; n++ {
			canonical[n] = blockRef(n, uint64(version))
			mustPublish(t, d, canonical[n], listOf(canonical[n], 9))
		}
	}
	for from := uint64(1); from <= 21; from++ {
		f := newListFeed(t, d, from)
		got := map[uint64]motet.BlockRef{}
		for got[21] != canonical[21] {
			list, err := nextList(t, f)
			if err != nil {
				t.Fatal(err)
			}
			got[list.Block.Number] = list.Block
		}
		for n := from; n <= 21; n++ {
			if got[n] != canonical[n] {
				t.Errorf("from %d on: block %d is %v", from, n, got[n])
			}
		}
	}
}

// TestListsMadeAnew: the stream can be deleted; the writer makes it again, and a
// reader is told.
func TestListsMadeAnew(t *testing.T) {
	s := newServer(t, ServerConfig{})
	d := newDerived(t, newConn(t, Config{}, s), 1<<20)
	for n := range uint64(3) {
		mustPublish(t, d, blockRef(n, 0), listOf(blockRef(n, 0), 20))
	}
	f := newListFeed(t, d, 2)
	expectList(t, f, blockRef(2, 0), listOf(blockRef(2, 0), 20))
	if err := d.conn.js.DeleteStream(t.Context(), derivedStream); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Publish(t.Context(), blockRef(3, 0), listOf(blockRef(3, 0), 20)); !errors.Is(err, motet.ErrUnavailable) {
		t.Fatal(err)
	}
	mustPublish(t, d, blockRef(3, 0), listOf(blockRef(3, 0), 20))
	if _, err := nextList(t, f); !errors.Is(err, ErrRecreated) {
		t.Error(err)
	}
	expectList(t, newListFeed(t, d, 0), blockRef(3, 0), listOf(blockRef(3, 0), 20))
}

func TestForeignLists(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	newDerived(t, c, 1<<20)
	if _, err := c.OpenDerived(t.Context(), Identity{ChainID: 7, Genesis: common.Hash{1}}, 1<<20); !errors.Is(err, ErrForeign) {
		t.Fatal(err)
	}
}

// TestOutsiderHearsLists: an outsider hears lists and cannot make any.
func TestOutsiderHearsLists(t *testing.T) {
	s := newServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	d := newDerived(t, newConn(t, Config{}, s), 1<<20)
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard, err := nc.SubscribeSync("motet.7.accesslist.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	block := blockRef(5, 0)
	mustPublish(t, d, block, listOf(block, 20))
	var lists assembly
	var got *AccessList
	for got == nil {
		ctx, cancel := context.WithTimeout(t.Context(), testWait)
		msg, err := heard.NextMsgWithContext(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		var lost []error
		if got, lost = lists.add(0, msg.Header, msg.Data); lost != nil {
			t.Fatal(lost)
		}
	}
	if got.Block != block || got.List.Hash() != listOf(block, 20).Hash() {
		t.Fatalf("%+v", got)
	}
	js, err := jetstream.NewWithAPIPrefix(nc, "MOTET.API")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := js.Publish(ctx, "motet.7.accesslist.6", []byte("x")); err == nil {
		t.Error("an outsider can publish lists")
	}
	if tail, _, err := d.Tail(t.Context()); tail != block || err != nil {
		t.Errorf("the stream ends with %v, %v", tail, err)
	}
}
