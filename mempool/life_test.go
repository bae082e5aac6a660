package mempool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

func TestReplacementTakesThePlace(t *testing.T) {
	s := newSUT(t, 1, nil).start()
	old, next := s.transfer(0, 0, 10), s.transfer(0, 1, 10)
	better := s.dynamic(0, 0, fees{11, 1111}, nil)
	s.mustAdd(old, next, better)
	s.flush()
	f, _ := s.Fate(old.Hash())
	if f.State != motet.StateReplaced || f.By != better.Hash() {
		t.Fatalf("fate %+v", f)
	}
	got := hashes(s.Take(Limit{}))
	if diff := cmp.Diff([]common.Hash{better.Hash(), next.Hash()}, got); diff != "" {
		t.Fatal(diff)
	}
	if err := s.add(s.dynamic(0, 0, fees{100, 5000}, nil))[0]; !errors.Is(err, core.ErrNonceTooLow) {
		t.Fatalf("replaced what is in flight: %v", err)
	}
}

// TestReplacementWhileBecomingDurable checks that a transaction is not handed
// out while its replacement is on its way, and is if that fails.
func TestReplacementWhileBecomingDurable(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%v", fails), func(t *testing.T) {
			s := newSUT(t, 1, nil).start()
			old := s.transfer(0, 0, 10)
			s.mustAdd(old)
			gate := make(chan struct{})
			s.intake.gate = gate
			better := s.dynamic(0, 0, fees{20, 2000}, nil)
			answers := make(chan error)
			for range 2 {
				go func() { answers <- s.add(better)[0] }()
			}
			waitFor(t, func() bool { return len(s.ContentReplacing()) == 1 })
			if taken := s.Take(Limit{}); len(taken) != 0 {
				t.Fatal("handed out while a replacement is on its way")
			}
			if s.Get(better.Hash()) != nil {
				t.Fatal("told of a transaction that is not durable")
			}
			if fails {
				s.intake.set(motet.ErrUnavailable, false)
			}
			close(gate)
			first, second := <-answers, <-answers
			if fails {
				if !errors.Is(first, motet.ErrUnavailable) || !errors.Is(second, motet.ErrUnavailable) {
					t.Fatalf("answers %v, %v", first, second)
				}
			} else if !errors.Is(errors.Join(first, second), txpool.ErrAlreadyKnown) || first != nil && second != nil {
				t.Fatalf("answers %v, %v", first, second)
			}
			want := better.Hash()
			if fails {
				want = old.Hash()
			}
			if diff := cmp.Diff([]common.Hash{want}, hashes(s.Take(Limit{}))); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// ContentReplacing lists the replacements that are becoming durable.
func (s *sut) ContentReplacing() (out []*item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, acc := range s.accounts {
		out = append(out, acc.replacing...)
	}
	return out
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for range 2000 {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("condition does not come true")
}

func TestGapExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSUT(t, 2, nil)
		s.deps.Now = time.Now
		s.start()
		sub := s.Subscribe(16)
		defer sub.Close()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()

		gapped, late := s.transfer(0, 1, 10), s.transfer(1, 1, 10)
		s.mustAdd(gapped, late)
		if got := s.fate(gapped); got != motet.StateQueued {
			t.Fatalf("fate %s", got)
		}
		time.Sleep(20 * time.Second)
		closing := s.transfer(1, 0, 10)
		s.mustAdd(closing)
		if got := s.fate(late); got != motet.StatePending {
			t.Fatalf("fate %s after the gap was closed", got)
		}
		time.Sleep(9 * time.Second)
		if got := s.fate(gapped); got != motet.StateQueued {
			t.Fatalf("fate %s before its time", got)
		}
		time.Sleep(3 * time.Second)
		if got := s.fate(gapped); got != motet.StateExpired {
			t.Fatalf("fate %s", got)
		}
		events, lost := sub.Drain()
		if lost != 0 || len(events) != 4 || events[3].Fate.State != motet.StateExpired {
			t.Fatalf("events %+v, lost %d", events, lost)
		}
		time.Sleep(time.Minute)
		if got := s.fate(late); got != motet.StatePending {
			t.Fatalf("fate %s of a transaction that can run", got)
		}
		// Two live, the expired one had sequence 0.
		if s.intake.released != 1 {
			t.Fatalf("released %d", s.intake.released)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestFatesWaitForTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSUT(t, 1, nil).start()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		tx := s.transfer(0, 0, 10)
		s.mustAdd(tx)
		s.intake.set(motet.ErrUnavailable, false)
		s.Settle(Settlement{Dropped: []Drop{{s.Take(Limit{})[0], core.ErrInsufficientFunds}}})
		time.Sleep(time.Minute)
		if got := s.fate(tx); got != motet.StatePending {
			t.Fatalf("told %s before it is stored", got)
		}
		if err := s.add(tx)[0]; !errors.Is(err, txpool.ErrAlreadyKnown) {
			t.Fatal(err)
		}
		s.intake.set(nil, false)
		time.Sleep(3 * time.Second)
		if got := s.fate(tx); got != motet.StateRejected {
			t.Fatalf("fate %s", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		s.intake.set(fmt.Errorf("torn: %w", motet.ErrHalt), false)
		go func() { done <- s.Run(t.Context()) }()
		s.mu.Lock()
		s.dying = append(s.dying, &item{tx: &motet.Tx{Transaction: tx}})
		s.mu.Unlock()
		signal(s.dirty)
		if err := <-done; !errors.Is(err, motet.ErrHalt) {
			t.Fatal(err)
		}
	})
}

// TestOverdraftGoesAtOnce sweeps a sender's balance: the first transaction that
// is not covered goes with everything behind it.
func TestOverdraftGoesAtOnce(t *testing.T) {
	s := newSUT(t, 2, nil)
	s.state.setCode(s.addrs[1], types.AddressToDelegation(common.Address{0xaa}))
	s.start()
	var txs []*types.Transaction
	for n := range uint64(16) {
		txs = append(txs, s.transfer(0, n, 10))
	}
	s.mustAdd(txs...)
	first := s.Take(Limit{Count: 1})
	cost := txs[0].Cost().Uint64()
	s.state.set(s.addrs[0], 0, uint256.NewInt(5*cost))
	s.include(first...)
	s.flush()
	for i, tx := range txs[1:] {
		want := motet.StatePending
		if i >= 4 {
			want = motet.StateRejected
		}
		if got := s.fate(tx); got != want {
			t.Fatalf("transaction %d: %s, want %s", i+1, got, want)
		}
	}
	f, _ := s.Fate(txs[10].Hash())
	if !strings.HasPrefix(f.Reason, core.ErrInsufficientFunds.Error()) {
		t.Fatal(f.Reason)
	}
}

func TestAuthorityIsJudgedAfterItsDelegation(t *testing.T) {
	s := newSUT(t, 3, nil).start()
	tx := s.transfer(2, 0, 1)
	set := setCode(s, 0, 0, 2)
	s.mustAdd(tx, set)
	taken := s.Take(Limit{Count: 1})
	if taken[0].Hash() != set.Hash() {
		t.Fatal("not the one that pays more")
	}
	// The authorisation consumes the authority's nonce.
	s.state.set(s.addrs[2], 1, ether)
	s.state.setCode(s.addrs[2], types.AddressToDelegation(common.Address{0xaa}))
	s.include(taken...)
	s.flush()
	f, _ := s.Fate(tx.Hash())
	if f.State != motet.StateRejected || f.Reason != "nonce too low: next nonce 1, tx nonce 0" {
		t.Fatalf("fate %+v", f)
	}
	s.mustAdd(s.transfer(2, 1, 5))
	if err := s.add(s.transfer(2, 2, 5))[0]; !errors.Is(err, txpool.ErrInflightTxLimitReached) {
		t.Fatal(err)
	}
}

func TestSenderLimits(t *testing.T) {
	s := newSUT(t, 1, func(c *Config) { c.AccountSlots, c.AccountQueue = 3, 2 }).start()
	s.mustAdd(s.transfer(0, 0, 10), s.transfer(0, 1, 10), s.transfer(0, 2, 10), s.transfer(0, 5, 10), s.transfer(0, 6, 10))
	for _, n := range []uint64{3, 7} {
		if err := s.add(s.transfer(0, n, 10))[0]; err == nil || err.Error() != "account limit exceeded: pooled 5 txs" {
			t.Fatalf("nonce %d: %v", n, err)
		}
	}
}

func TestFullPool(t *testing.T) {
	s := newSUT(t, 8, func(c *Config) { c.GlobalSlots, c.GlobalQueue = 4, 2 }).start()
	parent, child := s.transfer(0, 0, 10), s.transfer(0, 1, 90)
	other, gap := s.transfer(1, 0, 50), s.transfer(2, 1, 40)
	s.mustAdd(parent, child, other, gap)

	refused := func(tx *types.Transaction, want error) {
		t.Helper()
		if err := s.add(tx)[0]; !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	refused(s.transfer(3, 0, 10), txpool.ErrUnderpriced)
	refused(s.transfer(3, 1, 5), txpool.ErrUnderpriced)
	s.mustAdd(s.transfer(3, 1, 60)) // pushes out the other gapped one
	refused(s.transfer(4, 1, 45), legacypool.ErrFutureReplacePending)
	// The child pays much, but its parent has to run first: the pair is worth 10.
	s.mustAdd(s.transfer(5, 0, 20))
	s.flush()
	for tx, want := range map[*types.Transaction]motet.State{
		parent: motet.StatePending, child: motet.StateEvicted, other: motet.StatePending, gap: motet.StateEvicted,
	} {
		if got := s.fate(tx); got != want {
			t.Fatalf("tip %v is %s, want %s", tx.GasTipCap(), got, want)
		}
	}
}

// TestIntakeFailure checks that a failed append leaves no trace, one that was
// durable after all comes back, and neither twice.
func TestIntakeFailure(t *testing.T) {
	for _, persist := range []bool{false, true} {
		t.Run(fmt.Sprintf("persist=%v", persist), func(t *testing.T) {
			s := newSUT(t, 2, func(c *Config) { c.GlobalSlots = 2 }).start()
			kept := s.transfer(0, 0, 5)
			s.mustAdd(kept, s.transfer(0, 1, 5))
			s.intake.set(motet.ErrUnavailable, persist)
			failed := s.transfer(1, 0, 50)
			if err := s.add(failed)[0]; !errors.Is(err, motet.ErrUnavailable) {
				t.Fatal(err)
			}
			if s.Get(failed.Hash()) != nil || s.count != 2 {
				t.Fatal("the reservation stays")
			}
			if s.fate(kept) != motet.StatePending {
				t.Fatal("evicted for one that failed")
			}
			s.intake.set(nil, false)
			s.restart(s.config)
			for i, raw := range s.intake.txs {
				if err := s.Restore(raw, uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			s.start()
			if (s.Get(failed.Hash()) != nil) != persist {
				t.Fatal("the restart disagrees with the intake")
			}
			if len(s.Take(Limit{})) != len(s.intake.txs) {
				t.Fatal("lost some, or doubled")
			}
		})
	}
}

func TestDeferredRunsAgainLater(t *testing.T) {
	s := newSUT(t, 1, nil).start()
	tx := s.transfer(0, 0, 10)
	s.mustAdd(tx)
	s.Settle(Settlement{Deferred: s.Take(Limit{})})
	if len(s.Take(Limit{})) != 0 {
		t.Fatal("handed out at once")
	}
	s.Settle(Settlement{})
	if len(s.Take(Limit{})) != 1 {
		t.Fatal("not handed out again")
	}
}

func TestLimitPassesOver(t *testing.T) {
	s := newSUT(t, 2, nil).start()
	large := s.dynamic(0, 0, fees{90, 2000}, func(tx *types.DynamicFeeTx) { tx.Gas = 100_000 })
	small := s.transfer(1, 0, 1)
	s.mustAdd(large, small)
	if diff := cmp.Diff([]common.Hash{small.Hash()}, hashes(s.Take(Limit{Gas: 50_000}))); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]common.Hash{large.Hash()}, hashes(s.Take(Limit{Gas: 100_000, Bytes: 1000}))); diff != "" {
		t.Fatal(diff)
	}
}

func TestCompactionMovesWhatHoldsBack(t *testing.T) {
	s := newSUT(t, 2, func(c *Config) { c.IntakeSpan, c.AccountSlots = 10, 100 }).start()
	stuck := s.dynamic(0, 0, fees{1, testBaseFee - 1}, nil)
	s.mustAdd(stuck)
	for n := range uint64(20) {
		s.mustAdd(s.transfer(1, n, 10))
	}
	s.include(s.Take(Limit{})...)
	if err := s.tend(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := s.intake.released; got != 21 {
		t.Fatalf("released %d", got)
	}
	if s.Get(stuck.Hash()) == nil || s.Lowest() != 21 {
		t.Fatalf("lowest %d", s.Lowest())
	}
}

func TestSlowSubscriberLosesTheOldest(t *testing.T) {
	s := newSUT(t, 1, nil).start()
	sub := s.Subscribe(2)
	defer sub.Close()
	s.mustAdd(s.transfer(0, 0, 1), s.transfer(0, 1, 1), s.transfer(0, 2, 1))
	<-sub.Ready()
	events, lost := sub.Drain()
	if lost != 1 || len(events) != 2 || events[0].Tx.Nonce() != 1 {
		t.Fatalf("events %v, lost %d", events, lost)
	}
}

func TestContent(t *testing.T) {
	s := newSUT(t, 1, nil).start()
	s.mustAdd(s.transfer(0, 0, 1), s.transfer(0, 2, 1))
	pending, queued := s.ContentFrom(s.addrs[0])
	if len(pending) != 1 || len(queued) != 1 {
		t.Fatalf("%d pending, %d queued", len(pending), len(queued))
	}
	if p, q := s.Stats(); p != 1 || q != 1 {
		t.Fatalf("%d pending, %d queued", p, q)
	}
	if n, err := s.Nonce(s.addrs[0]); n != 1 || err != nil {
		t.Fatalf("nonce %d, %v", n, err)
	}
}

// TestConcurrentUse adds from many goroutines while a sequencer takes and
// settles and the intake fails now and then. Every accepted transaction ends up
// included, since nothing here can drop one.
func TestConcurrentUse(t *testing.T) {
	const senders, each = 16, 60
	s := newSUT(t, senders, func(c *Config) { c.AccountSlots = each; c.AccountQueue = each }).start()
	txs := make([][]*types.Transaction, senders)
	for i := range txs {
		for n := range uint64(each) {
			txs[i] = append(txs[i], s.transfer(i, n, int64(1+n%7)))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var service, adders sync.WaitGroup
	service.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range txs {
		adders.Go(func() {
			for len(txs[i]) > 0 {
				n := min(len(txs[i]), 1+i%5)
				errs := s.Add(ctx, txs[i][:n])
				ok := 0
				for _, err := range errs {
					if err == nil || errors.Is(err, txpool.ErrAlreadyKnown) {
						ok++
					} else if !errors.Is(err, motet.ErrUnavailable) {
						t.Error(err)
						return
					}
				}
				if ok == n {
					txs[i] = txs[i][n:]
				}
			}
		})
	}
	service.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if i%3 == 0 {
				s.intake.set(motet.ErrUnavailable, false)
			} else {
				s.intake.set(nil, false)
			}
			time.Sleep(time.Millisecond)
		}
		s.intake.set(nil, false)
	})
	included := 0
	for deadline := time.Now().Add(20 * time.Second); included < senders*each; {
		select {
		case <-s.Wait():
		case <-time.After(10 * time.Millisecond):
		}
		taken := s.Take(Limit{Count: 100})
		included += len(taken)
		s.include(taken...)
		if time.Now().After(deadline) {
			t.Fatalf("included %d", included)
		}
	}
	adders.Wait()
	cancel()
	service.Wait()
	if pending, queued := s.Stats(); pending != 0 || queued != 0 {
		t.Fatalf("%d pending, %d queued", pending, queued)
	}
}
