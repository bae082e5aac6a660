package eventlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/motet-evm/motet"
)

// replayed is what an intake holds.
type replayed struct {
	first, last uint64
	txs         [][]byte
	fates       []motet.Fate
}

func replay(t testing.TB, in *Intake) replayed {
	t.Helper()
	var got replayed
	err := in.Replay(t.Context(), func(seq uint64, raw []byte) error {
		if got.first == 0 {
			got.first = seq
		} else if seq != got.last+1 {
			t.Errorf("sequence %d follows %d", seq, got.last)
		}
		got.last = seq
		got.txs = append(got.txs, raw)
		return nil
	}, func(f motet.Fate) error {
		got.fates = append(got.fates, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustAppendTxs(t testing.TB, in *Intake, raw ...[]byte) uint64 {
	t.Helper()
	first, err := in.AppendTxs(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func TestIntake(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	in := newIntake(t, c)
	if first := mustAppendTxs(t, in, []byte{1}, []byte{2, 2}); first != 1 {
		t.Fatal(first)
	}
	fates := []motet.Fate{
		{Hash: common.Hash{1}, State: motet.StateReplaced, Reason: "underpriced", By: common.Hash{2}, Block: 3, Index: 4},
		{Hash: common.Hash{5}, State: motet.StateRejected, Reason: strings.Repeat("x", 2*maxReason)},
	}
	if err := in.AppendFates(t.Context(), fates); err != nil {
		t.Fatal(err)
	}
	if first := mustAppendTxs(t, in, []byte{3}); first != 3 {
		t.Fatal(first)
	}
	again := newIntake(t, c)
	got := replay(t, again)
	fates[1].Reason = fates[1].Reason[:maxReason]
	if d := cmp.Diff(fates, got.fates); d != "" {
		t.Error(d)
	}
	if got.first != 1 || got.last != 3 || !bytes.Equal(got.txs[1], []byte{2, 2}) {
		t.Fatalf("%+v", got)
	}
	if first := mustAppendTxs(t, again, []byte{4}); first != 4 {
		t.Fatal(first)
	}
	// The first one finds that it is not alone, and goes on.
	if _, err := in.AppendTxs(t.Context(), [][]byte{{5}}); !errors.Is(err, motet.ErrUnavailable) {
		t.Fatal(err)
	}
	if first := mustAppendTxs(t, in, []byte{5}); first != 5 {
		t.Fatal(first)
	}
}

// TestIntakeLargeBatch cuts one call into several messages.
func TestIntakeLargeBatch(t *testing.T) {
	in := newIntake(t, newConn(t, Config{}, newServer(t, ServerConfig{})))
	var txs [][]byte
	for i := range 25 {
		txs = append(txs, bytes.Repeat([]byte{byte(i)}, 100_000))
	}
	mustAppendTxs(t, in, txs...)
	if !slices.EqualFunc(txs, replay(t, in).txs, bytes.Equal) {
		t.Fatal("replayed transactions differ")
	}
	if _, err := in.AppendTxs(t.Context(), [][]byte{make([]byte, MaxMessage)}); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestIntakeRelease(t *testing.T) {
	c := newConn(t, Config{}, newServer(t, ServerConfig{}))
	in := newIntake(t, c)
	const txs = 300
	for i := range txs {
		mustAppendTxs(t, in, []byte{byte(i)})
	}
	for _, lowest := range []uint64{100, 120, txs + 1} {
		if err := in.Release(t.Context(), lowest); err != nil {
			t.Fatal(err)
		}
		got := replay(t, newIntake(t, c))
		if got.first > lowest || got.last != txs {
			t.Fatalf("released below %d, replayed %d to %d", lowest, got.first, got.last)
		}
		t.Logf("released below %d, first left is %d", lowest, got.first)
	}
	if first := mustAppendTxs(t, newIntake(t, c), []byte{1}); first != txs+1 {
		t.Fatalf("goes on with %d", first)
	}
}

func TestIntakeFull(t *testing.T) {
	in := newIntake(t, newConn(t, Config{MaxIntakeBytes: 50_000}, newServer(t, ServerConfig{})))
	var err error
	for range 100 {
		if _, err = in.AppendTxs(t.Context(), [][]byte{make([]byte, 1000)}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, motet.ErrUnavailable) {
		t.Fatal(err)
	}
	kept := replay(t, in)
	if kept.first != 1 {
		t.Fatalf("full intake lost its first transaction: %d", kept.first)
	}
}

// TestIntakeConcurrent checks that every caller gets its own sequences, also
// when some lose patience.
func TestIntakeConcurrent(t *testing.T) {
	in := newIntake(t, newConn(t, Config{}, newServer(t, ServerConfig{})))
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		want = map[uint64]uint64{}
	)
	for w := range uint64(16) {
		wg.Go(func() {
			for n := range uint64(20) {
				id := w<<32 | n
				if w == 0 {
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					_, _ = in.AppendTxs(ctx, [][]byte{binary.BigEndian.AppendUint64(nil, id)})
					continue
				}
				raw := [][]byte{binary.BigEndian.AppendUint64(nil, id), binary.BigEndian.AppendUint64(nil, id|1<<31)}
				first := mustAppendTxs(t, in, raw...)
				mu.Lock()
				want[first], want[first+1] = id, id|1<<31
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := replay(t, in)
	for seq, id := range want {
		if binary.BigEndian.Uint64(got.txs[seq-1]) != id {
			t.Fatalf("sequence %d is another transaction", seq)
		}
	}
}

// BenchmarkIntake measures accepted transactions of 110 bytes, by 128
// concurrent callers with one, ten, a hundred each.
func BenchmarkIntake(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run("batch="+strconv.Itoa(size), func(b *testing.B) { benchIntake(b, size) })
	}
}

func benchIntake(b *testing.B, size int) {
	in := newIntake(b, newConn(b, Config{}, newServer(b, ServerConfig{})))
	raw := make([][]byte, size)
	for i := range raw {
		raw[i] = make([]byte, 110)
	}
	before := in.w.last
	var calls atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			calls.Add(1)
			mustAppendTxs(b, in, raw...)
		}
	})
	txs := float64(calls.Load()) * float64(size)
	b.ReportMetric(txs/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(txs/float64(in.w.last-before), "tx/message")
}

// BenchmarkReplay measures a start with messages of a single transaction each.
func BenchmarkReplay(b *testing.B) {
	c := newConn(b, Config{}, newServer(b, ServerConfig{}))
	in := newIntake(b, c)
	const messages = 2000
	for range messages {
		mustAppendTxs(b, in, make([]byte, 110))
	}
	for b.Loop() {
		replay(b, in)
	}
	b.ReportMetric(float64(b.N)*messages/b.Elapsed().Seconds(), "message/s")
}
