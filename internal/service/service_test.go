package service

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestGroupCancelsTheOthersWhenOneFails(t *testing.T) {
	var g Group
	broken := errors.New("broken")
	stopped := make(chan struct{})
	g.Add("steady", func(ctx context.Context) error {
		<-ctx.Done()
		close(stopped)
		return ctx.Err()
	})
	g.Add("failing", func(context.Context) error { return broken })
	if err := g.Run(t.Context()); !errors.Is(err, broken) || err.Error() != "failing: broken" {
		t.Fatalf("Run = %v", err)
	}
	select {
	case <-stopped:
	case <-time.After(time.Second):
		t.Fatal("the other part was not stopped")
	}
}

func TestGroupCancelledFromOutsideIsNoError(t *testing.T) {
	var g Group
	g.Add("steady", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestCloseRunsInReverseAndOnce(t *testing.T) {
	var g Group
	var order []int
	for i := range 3 {
		g.Defer("part", func() error { order = append(order, i); return nil })
	}
	broken := errors.New("broken")
	g.Defer("last", func() error { return broken })
	if err := g.Close(); !errors.Is(err, broken) {
		t.Fatalf("Close = %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatalf("second Close = %v", err)
	}
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Fatalf("order %v", order)
	}
}
