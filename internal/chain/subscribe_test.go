package chain

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// A hundred readers that never read do not slow the writer down, and a living
// one misses nothing.
func TestDeadReaders(t *testing.T) {
	s := newSUT(t, func(c *Config, _ *Deps) { c.SubscriptionEvents = 32 })
	const blocks = 60
	alone := commitTimes(s, blocks)

	var dead []*Subscription
	for range 100 {
		dead = append(dead, s.Subscribe())
	}
	alive := s.Subscribe()
	defer alive.Close()
	got := make(chan int)
	go func() {
		n := 0
		for {
			if _, err := alive.Next(t.Context()); err != nil || n == blocks-1 {
				got <- n + 1
				return
			}
			n++
		}
	}()
	watched := commitTimes(s, blocks)
	equal(t, blocks, <-got)
	t.Logf("median commit alone %v, with 100 dead readers %v", median(alone), median(watched))
	if median(watched) > 10*median(alone)+50*time.Millisecond {
		t.Errorf("commits take %v with dead readers, %v without", median(watched), median(alone))
	}
	for _, sub := range dead {
		for range 32 { // what fitted is still delivered
			_, err := sub.Next(t.Context())
			noErr(t, err)
		}
		if _, err := sub.Next(t.Context()); !errors.Is(err, ErrOverflow) {
			t.Fatalf("a reader that lost events is told %v", err)
		}
		sub.Close()
	}
}

func commitTimes(s *sut, n int) []time.Duration {
	var times []time.Duration
	for range n {
		out := s.build()
		sealed, err := s.Seal(s.Head(), out)
		noErr(s.t, err)
		start := time.Now()
		noErr(s.t, s.Commit(s.t.Context(), sealed))
		times = append(times, time.Since(start))
	}
	return times
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func TestSubscriptionEnds(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	sub := s.Subscribe()
	sub.Close()
	sub.Close()
	if _, err := sub.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("Next says %v, want ErrClosed", err)
	}
	sub = s.Subscribe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next says %v, want context.Canceled", err)
	}
	noErr(t, s.Close())
	noErr(t, s.Close())
	if _, err := sub.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("Next says %v, want ErrClosed", err)
	}
	if _, err := s.Subscribe().Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("Next says %v, want ErrClosed", err)
	}
	if _, err := s.Seal(s.Head(), nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("Seal says %v, want ErrClosed", err)
	}
}
