package batcher_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/batcher"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/derive"
	"github.com/motet-evm/motet/internal/testkit/rolluptest"
	"github.com/motet-evm/motet/l1bridge"
)

// TestCuts shows that batches of every codec stay within their size, that blocks
// larger than a batch are spread over several, and that nothing is left out.
func TestCuts(t *testing.T) {
	for name, codec := range map[string]batchcodec.Codec{"none": batchcodec.None, "zlib": batchcodec.Zlib, "zstd": batchcodec.Zstd} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *sut) {
				s.cfg.Codec, s.cfg.MaxPayload = codec, 1500
				s.grow(0, 1, 30, 0, 0, 3, 25, 2, 0)
				s.mustPost()
				partial := 0
				for _, b := range s.l1.Batches() {
					if len(b.Payload) > s.cfg.MaxPayload {
						t.Errorf("batch %d has %d bytes", b.Index, len(b.Payload))
					}
					if !b.Header.LastComplete {
						partial++
					}
				}
				if partial < 3 {
					t.Errorf("%d batches end within a block", partial)
				}
			})
		})
	}
}

// TestSmallBatches lets the parts of a batch besides its transactions be what
// does not fit: every size must give batches, and end.
func TestSmallBatches(t *testing.T) {
	for _, txs := range [][]int{slices.Repeat([]int{0}, 300), append(slices.Repeat([]int{0}, 300), 1), append(slices.Repeat([]int{0}, 300), 2, 0)} {
		for _, size := range []int{420, 500, 700} {
			bubble(t, func(s *sut) {
				s.cfg.Codec, s.cfg.MaxPayload = batchcodec.None, size
				s.grow(txs...)
				s.mustPost()
				for _, b := range s.l1.Batches() {
					if len(b.Payload) > size {
						t.Errorf("batch %d has %d of %d bytes", b.Index, len(b.Payload), size)
					}
				}
			})
		}
	}
}

// TestTooLarge halts on a transaction that no batch can hold.
func TestTooLarge(t *testing.T) {
	bubble(t, func(s *sut) {
		s.cfg.MaxPayload = 200
		s.grow(1)
		if err := s.run(s.posted); !errors.Is(err, motet.ErrHalt) || len(s.l1.Batches()) > 0 {
			t.Fatal(err, len(s.l1.Batches()))
		}
	})
}

// TestLag posts what is full at once and the rest when it is old enough.
func TestLag(t *testing.T) {
	bubble(t, func(s *sut) {
		s.cfg.MaxLag, s.cfg.MaxPayload, s.cfg.Codec = time.Minute, 3000, batchcodec.None
		stop, _ := s.start()
		time.Sleep(5 * time.Minute)
		s.grow(1)
		time.Sleep(50 * time.Second)
		if n := len(s.l1.Batches()); n != 0 {
			t.Errorf("%d batches before the lag is over", n)
		}
		time.Sleep(15 * time.Second)
		if n := len(s.l1.Batches()); n != 1 || !s.posted() {
			t.Errorf("%d batches after it", n)
		}
		time.Sleep(5 * time.Minute)
		s.grow(25) // about two batches and a half
		time.Sleep(10 * time.Second)
		if n := len(s.l1.Batches()); n != 3 {
			t.Errorf("%d batches of a backlog at once", n)
		}
		time.Sleep(2 * time.Minute)
		if err := stop(); err != nil || !s.posted() {
			t.Error(err)
		}
		s.judge()
	})
}

// TestSecondOpinion shows that no block is posted before its second opinion, and
// that nothing is after one that differs.
func TestSecondOpinion(t *testing.T) {
	bubble(t, func(s *sut) {
		s.cfg.MaxPayload = 600
		s.grow(2, 2, 2, 2)
		s.deps.Check = func(_ context.Context, b *types.Block) error {
			if b.NumberU64() == 3 {
				return errors.Join(batcher.ErrDiffers, motet.ErrHalt)
			}
			return nil
		}
		err := s.run(s.posted)
		if !errors.Is(err, batcher.ErrDiffers) || !errors.Is(err, motet.ErrHalt) {
			t.Fatal(err)
		}
		for _, b := range s.l1.Batches() {
			if b.Header.LastBlock >= 3 {
				t.Errorf("block %d is posted", b.Header.LastBlock)
			}
		}
	})
}

// TestNotDerived halts if derivation refuses what was posted.
func TestNotDerived(t *testing.T) {
	bubble(t, func(s *sut) {
		s.grow(2)
		s.deps.Derived = func() batcher.Derived {
			d := *s.derived.Load()
			d.Next.Block, d.Next.Tx = min(d.Next.Block, 1), 0
			return d
		}
		if err := s.run(func() bool { return false }); !errors.Is(err, motet.ErrHalt) || len(s.l1.Batches()) != 1 {
			t.Fatalf("%v, %d batches", err, len(s.l1.Batches()))
		}
		// A restart comes to the same.
		if err := s.run(func() bool { return false }); !errors.Is(err, motet.ErrHalt) || len(s.l1.Batches()) != 1 {
			t.Fatalf("%v, %d batches", err, len(s.l1.Batches()))
		}
	})
}

// TestNotDerivedInBacklog halts within a backlog at the first batch that derivation
// has refused, even if the next ones are posted by then.
func TestNotDerivedInBacklog(t *testing.T) {
	const late = 2 // batches that are posted before derivation looks
	bubble(t, func(s *sut) {
		s.cfg.MaxPayload = 1500
		s.grow(40, 40, 40, 40, 40)
		s.deps.Derived = func() batcher.Derived {
			d := *s.derived.Load()
			d.Next = derive.Position{Block: 1}
			if all := s.l1.Batches(); len(all) > late {
				last := &all[len(all)-1-late]
				d.Index, d.Acc, d.L1 = last.Index+1, last.Acc, s.l1.Newest().Number
			} else {
				d.Index, d.Acc = 0, common.Hash{}
			}
			return d
		}
		err := s.run(func() bool { return false })
		if !errors.Is(err, motet.ErrHalt) || !strings.Contains(err.Error(), "batch 0 ends before") {
			t.Error(err)
		}
		if n := len(s.l1.Batches()); n != late+1 {
			t.Errorf("%d batches are posted, want %d", n, late+1)
		}
	})
}

// TestStateFile goes on without a state that cannot be read or is another
// Inbox's, and halts where it cannot be written.
func TestStateFile(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "junk": "{", "no transaction": `{"state":"broadcast","inbox":"0x0000000000000000000000000000000000001b0c"}`,
		"no payload": `{"state":"encoded","inbox":"0x0000000000000000000000000000000000001b0c"}`,
		"unknown":    `{"state":"drafted","inbox":"0x0000000000000000000000000000000000001b0c"}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *sut) {
				if err := os.WriteFile(s.cfg.StateFile, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				s.grow(1, 2)
				s.mustPost()
			})
		})
	}
	bubble(t, func(s *sut) {
		s.cfg.StateFile = filepath.Join(t.TempDir(), "absent", "batch.json")
		s.grow(1)
		if err := s.run(s.posted); !errors.Is(err, motet.ErrHalt) || len(s.l1.Batches()) > 0 {
			t.Fatal(err)
		}
	})
}

// TestForeignState leaves a signed batch of another Inbox alone, even at the
// index that this one is at.
func TestForeignState(t *testing.T) {
	bubble(t, func(s *sut) {
		s.grow(2)
		s.l1.Faults = func(call string) rolluptest.Fault {
			if call == "Send" {
				return rolluptest.Fail
			}
			return rolluptest.None
		}
		stop, _ := s.start()
		time.Sleep(5 * time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if enc, err := os.ReadFile(s.cfg.StateFile); err != nil || !strings.Contains(string(enc), `"signed"`) {
			t.Fatal(string(enc), err)
		}
		other := *s.deps.Rollup
		other.Inbox[0]++
		s.deps.Rollup = &other
		prepared := 0
		s.l1.Faults = func(call string) rolluptest.Fault {
			if call == "Prepare" {
				prepared++
			}
			return rolluptest.None
		}
		if s.mustPost(); prepared != 1 {
			t.Errorf("%d batches were signed anew", prepared)
		}
	})
}

// TestMetrics reads what an operator sees.
func TestMetrics(t *testing.T) {
	bubble(t, func(s *sut) {
		s.cfg.MaxPayload, s.cfg.MaxLag = 1000, time.Hour
		s.grow(8, 1)
		refused := false
		s.l1.Faults = func(call string) rolluptest.Fault {
			if call == "Prepare" && !refused {
				refused = true
				return rolluptest.Refuse
			}
			return rolluptest.None
		}
		stop, _ := s.start()
		time.Sleep(time.Minute)
		bytes, txs, backlog := 0, 0, s.chain.Head().Number.Uint64()
		for _, b := range s.l1.Batches() {
			bytes += len(b.Payload)
			if b.Header.LastComplete {
				backlog = s.chain.Head().Number.Uint64() - b.Header.LastBlock
			} else {
				backlog = s.chain.Head().Number.Uint64() - b.Header.LastBlock + 1
				txs = int(b.Header.FirstTx)
			}
		}
		reg, ok := s.deps.Registerer.(prometheus.Gatherer)
		if !ok || bytes == 0 || backlog == 0 {
			t.Fatal(ok, bytes, backlog)
		}
		got := values(t, reg)
		if got["motet_batcher_batches_total mined"] != float64(len(s.l1.Batches())) || got["motet_batcher_batches_total refused"] != 1 ||
			got["motet_batcher_posted_bytes_total"] != float64(bytes) || got["motet_batcher_posted_txs_total"] < float64(txs) ||
			got["motet_batcher_backlog_blocks"] != float64(backlog) {
			t.Errorf("%d batches, %d bytes, backlog %d: %v", len(s.l1.Batches()), bytes, backlog, got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func values(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return got
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]batcher.Config{
		"size": {MaxPayload: l1bridge.MaxPayload + 1}, "negative size": {MaxPayload: -1}, "lag": {MaxLag: -1},
		"poll": {PollInterval: -1}, "retry": {RetryAfter: -1}, "resend": {ResendAfter: -1}, "codec": {Codec: 9},
	} {
		if c.Validate() == nil {
			t.Errorf("%s passes", name)
		}
		if _, err := batcher.New(c, batcher.Deps{}); err == nil {
			t.Errorf("%s makes a batcher", name)
		}
	}
	if err := (&batcher.Config{}).Validate(); err != nil {
		t.Error(err)
	}
	reg := prometheus.NewRegistry()
	for i, want := range []bool{true, false} {
		if _, err := batcher.New(batcher.Config{}, batcher.Deps{Registerer: reg}); (err == nil) != want {
			t.Errorf("batcher %d on one registry: %v", i, err)
		}
	}
}
