package derive

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/batchcodec"
)

const (
	testChain   = 7
	l1Begin     = 100
	genesisTime = 1_000_000
)

func l1Hash(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n + 1<<32)) }

// l1Time makes L1 blocks 12 s apart.
func l1Time(n uint64) uint64 { return genesisTime + (n-l1Begin)*12 }

func origin(n uint64) motet.Origin {
	return motet.Origin{Number: n, Hash: l1Hash(n), Time: l1Time(n), PrevRandao: common.Hash{byte(n)}}
}

func l1Block(n uint64, batches ...motet.PostedBatch) *motet.L1Block {
	return &motet.L1Block{Origin: origin(n), ParentHash: l1Hash(n - 1), Batches: batches}
}

func testRollup() *motet.Rollup {
	return &motet.Rollup{ChainID: testChain, L1Genesis: motet.BlockRef{Number: l1Begin, Hash: l1Hash(l1Begin)}}
}

func lastHash(n uint64) common.Hash { return common.Hash{0xaa, byte(n)} }

// post makes the batch with that index as the Inbox would record it.
func post(t interface{ Fatal(...any) }, b batchcodec.Batch) motet.PostedBatch {
	b.ChainID = testChain
	payload, err := batchcodec.Encode(&b, batchcodec.None)
	if err != nil {
		t.Fatal(err)
	}
	h := motet.BatchHeader{
		FirstBlock: b.FirstBlock, FirstTx: b.FirstTx, LastComplete: b.LastComplete,
		LastBlock: b.FirstBlock + uint64(len(b.Blocks)) - 1,
	}
	if b.LastComplete {
		h.LastHash = lastHash(h.LastBlock)
	} else if len(b.Blocks) > 1 {
		h.LastHash = lastHash(h.LastBlock - 1)
	}
	return motet.PostedBatch{Index: b.Index, Header: h, Payload: payload}
}

// at returns a state that knows the L1 blocks up to n.
func at(t *testing.T, rollup *motet.Rollup, n uint64) State {
	t.Helper()
	s := New(rollup, genesisTime)
	for s.NextL1() <= n {
		var err error
		if s, err = s.Extend(l1Block(s.NextL1())); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// simple is a block that is valid after genesis.
func simple(time uint64, txs ...[]byte) batchcodec.Block {
	return batchcodec.Block{Timestamp: genesisTime + time, Origin: l1Begin, Txs: txs}
}

func TestRules(t *testing.T) {
	tx := []byte{0xc0}
	drift := testRollup()
	drift.MaxDrift = 30
	for name, c := range map[string]struct {
		rollup *motet.Rollup
		batch  batchcodec.Batch
		bend   func(*motet.PostedBatch)
		want   error
	}{
		"plain":               {batch: batchcodec.Batch{FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{simple(1, tx), simple(2)}}},
		"newest usable":       {batch: batchcodec.Batch{FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 50, Origin: l1Begin + 4}}}},
		"payload is junk":     {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Payload = []byte("x") }, want: batchcodec.ErrInvalid},
		"another chain":       {rollup: &motet.Rollup{ChainID: 8, L1Genesis: testRollup().L1Genesis}, batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, want: errForeign},
		"index in payload":    {batch: batchcodec.Batch{Index: 1, FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Index = 0 }, want: errHeader},
		"range in header":     {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Header.LastBlock++ }, want: errHeader},
		"complete in header":  {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Header.LastComplete = true }, want: errHeader},
		"cursor in header":    {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Header.DepositCursor = 1 }, want: errCursors},
		"deposits in payload": {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 1, Origin: l1Begin, Deposits: 1}}}, want: errCursors},
		"hash of nothing":     {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Header.LastHash = common.Hash{1} }, want: errLastHash},
		"no hash":             {batch: batchcodec.Batch{FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{simple(1)}}, bend: func(p *motet.PostedBatch) { p.Header.LastHash = common.Hash{} }, want: errLastHash},
		"gap":                 {batch: batchcodec.Batch{FirstBlock: 2, Blocks: []batchcodec.Block{simple(1)}}, want: errStart},
		"genesis":             {batch: batchcodec.Batch{FirstBlock: 0, Blocks: []batchcodec.Block{simple(1)}}, want: errStart},
		"middle of nothing":   {batch: batchcodec.Batch{FirstBlock: 1, FirstTx: 1, Blocks: []batchcodec.Block{simple(1)}}, want: errStart},
		"time stands":         {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1), simple(1)}}, want: errTime},
		"time of genesis":     {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(0)}}, want: errTime},
		"origin unknown":      {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 500, Origin: l1Begin + 6}}}, want: errOrigin},
		"origin holds batch":  {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 500, Origin: l1Begin + 5}}}, want: errOrigin},
		"origin before begin": {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 1, Origin: l1Begin - 1}}}, want: errOrigin},
		"before its origin":   {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{{Timestamp: genesisTime + 11, Origin: l1Begin + 1}}}, want: errDrift},
		"drift allowed":       {rollup: drift, batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(30)}}},
		"drift":               {rollup: drift, batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(31)}}, want: errDrift},
		"blob transaction":    {batch: batchcodec.Batch{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1, []byte{types.BlobTxType, 1})}}, want: errBlobTx},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rollup == nil {
				c.rollup = testRollup()
			}
			before := at(t, c.rollup, l1Begin+5)
			posted := post(t, c.batch)
			if c.bend != nil {
				c.bend(&posted)
			}
			after, derived, err := before.Apply(&posted)
			if !errors.Is(err, c.want) || (c.want == nil) != (derived != nil) {
				t.Fatalf("got %v, %v; want %v", derived, err, c.want)
			}
			if c.want != nil && (!errors.Is(err, ErrInvalid) || after.Next() != before.Next()) {
				t.Fatalf("invalid batch moved %v to %v: %v", before.Next(), after.Next(), err)
			}
			if after.NextBatch() != before.NextBatch()+1 {
				t.Fatalf("next batch is %d", after.NextBatch())
			}
		})
	}
}

func TestExtend(t *testing.T) {
	s := at(t, testRollup(), l1Begin+2)
	other := l1Block(l1Begin + 3)
	other.ParentHash = common.Hash{1}
	for name, b := range map[string]*motet.L1Block{"gap": l1Block(l1Begin + 4), "again": l1Block(l1Begin + 2), "another parent": other} {
		if _, err := s.Extend(b); !errors.Is(err, ErrReorg) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := l1Block(l1Begin)
	wrong.Origin.Hash = common.Hash{9}
	if _, err := New(testRollup(), genesisTime).Extend(wrong); !errors.Is(err, ErrReorg) {
		t.Errorf("another beginning: %v", err)
	}
	skipped := post(t, batchcodec.Batch{Index: 1, FirstBlock: 1, Blocks: []batchcodec.Block{simple(1)}})
	if _, _, err := s.Apply(&skipped); !errors.Is(err, ErrSkipped) || errors.Is(err, ErrInvalid) {
		t.Errorf("skipped batch: %v", err)
	}
}

// TestRestart shows that a block whose beginning was bad can be posted anew.
func TestRestart(t *testing.T) {
	s := at(t, testRollup(), l1Begin+5)
	for i, b := range []batchcodec.Batch{
		{FirstBlock: 1, Blocks: []batchcodec.Block{simple(1, []byte{0xc1})}},
		{FirstBlock: 1, Blocks: []batchcodec.Block{simple(2)}},
		{FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{simple(3, []byte{0xc2})}},
	} {
		b.Index = uint64(i) //nolint:gosec // small
		posted := post(t, b)
		next, derived, err := s.Apply(&posted)
		if err != nil {
			t.Fatal(err)
		}
		s = next
		if i == 2 && (len(derived.Blocks) != 1 || len(derived.Blocks[0].Txs) != 1 || derived.Blocks[0].Timestamp != genesisTime+3) {
			t.Fatalf("%+v", derived)
		}
	}
}

// sequence draws blocks that follow the rules.
func sequence(t *rapid.T) []Block {
	var blocks []Block
	time, from := uint64(genesisTime), uint64(l1Begin)
	for n := range rapid.Uint64Range(1, 12).Draw(t, "blocks") {
		from += rapid.Uint64Max(2).Draw(t, "origin")
		time = max(time+rapid.Uint64Range(1, 20).Draw(t, "time"), l1Time(from))
		b := Block{Number: n + 1, Timestamp: time, Origin: origin(from)}
		for i := range rapid.IntRange(0, 8).Draw(t, "txs") {
			b.Txs = append(b.Txs, []byte{0xf0, byte(n), byte(i)})
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// cut returns the batch of the sequence from p on with room for a drawn number
// of transactions, and where it ends.
func cut(t *rapid.T, blocks []Block, p Position) (batchcodec.Batch, Position) {
	b := batchcodec.Batch{FirstBlock: p.Block, FirstTx: p.Tx}
	room := rapid.IntRange(0, 20).Draw(t, "room")
	for {
		block := blocks[p.Block-1]
		part := block.Txs[p.Tx:]
		n := min(len(part), room)
		b.Blocks = append(b.Blocks, batchcodec.Block{Timestamp: block.Timestamp, Origin: block.Origin.Number, Txs: part[:n]})
		room -= n
		if n < len(part) || rapid.Bool().Draw(t, "unfinished") {
			return b, Position{Block: p.Block, Tx: p.Tx + uint32(n)} //nolint:gosec // small
		}
		p = Position{Block: p.Block + 1}
		b.LastComplete = true
		if p.Block > uint64(len(blocks)) || room == 0 {
			return b, p
		}
		b.LastComplete = false
	}
}

// TestCutAnywhere is the property that everything rests on: however a block
// sequence is cut into batches, spread over L1 blocks and mixed with junk,
// restarts and stored snapshots, the same blocks are derived.
func TestCutAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := sequence(t)
		last := want[len(want)-1].Origin.Number
		s := New(testRollup(), genesisTime)
		extend := func() {
			var err error
			if s, err = s.Extend(l1Block(s.NextL1())); err != nil {
				t.Fatal(err)
			}
		}
		for s.NextL1() <= last+1 {
			extend()
		}
		var got []Block
		for s.Next().Block <= uint64(len(want)) {
			if rapid.Bool().Draw(t, "new L1 block") {
				extend()
			}
			start := s.Next()
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				start.Tx = 0
			}
			b, end := cut(t, want, start)
			b.Index = s.NextBatch()
			posted := post(t, b)
			junk := rapid.IntRange(0, 4).Draw(t, "junk") == 0
			if junk {
				posted.Payload = posted.Payload[:len(posted.Payload)-1]
			}
			next, derived, err := s.Apply(&posted)
			if junk != errors.Is(err, ErrInvalid) || !junk && err != nil {
				t.Fatal(err)
			}
			s = restored(t, next)
			if junk {
				continue
			}
			if s.Next() != end {
				t.Fatalf("next is %v, want %v", s.Next(), end)
			}
			if derived.Last.Hash != posted.Header.LastHash {
				t.Fatalf("last is %v", derived.Last)
			}
			got = append(got, derived.Blocks...)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// restored sends a state through its snapshot, where it has one.
func restored(t *rapid.T, s State) State {
	snap, ok := s.Snapshot()
	if !ok {
		return s
	}
	enc, err := json.Marshal(snap)
	if err != nil {
		t.Fatal(err)
	}
	var back Snapshot
	if err := json.Unmarshal(enc, &back); err != nil {
		t.Fatal(err)
	}
	again, err := Restore(testRollup(), back)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestRefuse shows that a batch that fails in execution leaves only its index.
func TestRefuse(t *testing.T) {
	s := at(t, testRollup(), l1Begin+5)
	posted := post(t, batchcodec.Batch{FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{simple(1)}})
	next, _, err := s.Apply(&posted)
	if err != nil || next.Safe() != 1 {
		t.Fatal(next.Safe(), err)
	}
	refused := s.Refuse()
	if refused.Safe() != 0 || refused.NextBatch() != 1 {
		t.Fatalf("safe %d, next batch %d", refused.Safe(), refused.NextBatch())
	}
	posted = post(t, batchcodec.Batch{Index: 1, FirstBlock: 1, LastComplete: true, Blocks: []batchcodec.Block{simple(2)}})
	if _, derived, err := refused.Apply(&posted); err != nil || derived.Blocks[0].Timestamp != genesisTime+2 {
		t.Fatal(derived, err)
	}
}
