package chain_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/oracle"
	"github.com/motet-evm/motet/internal/testkit/listtest"
)

func expectAccesses(t *testing.T, c *listtest.Chain, block *types.Block) {
	t.Helper()
	got, err := c.AccessList(t.Context(), block)
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.CompareAccesses(listtest.Want(t, c.Chain, block), got); err != nil {
		t.Fatalf("block %d: %v", block.NumberU64(), err)
	}
}

// TestAccessList: the list is geth's, whether the execution left it behind, the
// block is executed anew, or the store holds it.
func TestAccessList(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]listtest.Setup{"osaka": {}, "amsterdam": {Amsterdam: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := listtest.Open(t, dir, setup)
			var blocks []*types.Block
			for range 6 {
				blocks = append(blocks, c.Grow(t, 40))
				expectAccesses(t, c, blocks[len(blocks)-1])
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = listtest.Open(t, dir, setup) // nothing is remembered
			kinds := map[uint64]int{}
			for _, block := range blocks {
				block = c.BlockByNumber(block.NumberU64())
				expectAccesses(t, c, block)
				for _, r := range c.ReceiptsOf(block) {
					kinds[r.Status]++
				}
			}
			if kinds[0] == 0 || kinds[1] == 0 {
				t.Errorf("the blocks hold too little: %v", kinds)
			}
		})
	}
}

// TestNoAccessList: what there is no list of is told apart.
func TestNoAccessList(t *testing.T) {
	t.Parallel()
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	first := c.Transfers(t, 1)
	second := c.Transfers(t, 1)
	if _, err := c.AccessList(t.Context(), c.Genesis()); !errors.Is(err, chain.ErrNoAccessList) {
		t.Errorf("genesis: %v", err)
	}
	stranger := second.WithBody(types.Body{})
	header := stranger.Header()
	header.Extra = []byte("another")
	stranger = stranger.WithSeal(header)
	if _, err := c.AccessList(t.Context(), stranger); !errors.Is(err, chain.ErrNotCanonical) {
		t.Errorf("a block of another chain: %v", err)
	}
	c.Rollback(t, first)
	c.Transfers(t, 2)
	if _, err := c.AccessList(t.Context(), second); err != nil {
		t.Errorf("a block that was rolled back lately: %v", err)
	}
}

// TestAccessListBounds: lists are kept of so many blocks and so much gas; older
// ones are made anew, unless the caller has no time for that.
func TestAccessListBounds(t *testing.T) {
	t.Parallel()
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	first := c.Grow(t, 10)
	want := listtest.Want(t, c.Chain, first)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if list, err := c.AccessList(over, first); err != nil || list.Hash() != want.Hash() {
		t.Fatal("a list that is kept takes no time", err)
	}
	for range 128 {
		c.Transfers(t, 1)
	}
	if _, err := c.AccessList(over, first); !errors.Is(err, context.Canceled) {
		t.Fatalf("the list is kept for longer than 128 blocks: %v", err)
	}
	expectAccesses(t, c, first)
}

// TestAccessListStateGone: a chain that forgets states cannot make old lists.
func TestAccessListStateGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := listtest.Open(t, dir, listtest.Setup{History: 256})
	for range 290 {
		c.Transfers(t, 1)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = listtest.Open(t, dir, listtest.Setup{History: 256})
	c.Transfers(t, 1)
	if _, err := c.AccessList(t.Context(), c.BlockByNumber(5)); !errors.Is(err, chain.ErrStateGone) {
		t.Errorf("old state: %v", err)
	}
	expectAccesses(t, c, c.BlockByNumber(289))
}

// TestWait: a waiter learns of a new head, and of a rollback, however close to it he
// begins to wait.
func TestWait(t *testing.T) {
	t.Parallel()
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	first := c.Transfers(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	wait := func(change func()) {
		known := motet.RefOf(c.Head())
		go func() { done <- c.Wait(ctx, known) }()
		change()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		wait(func() { c.Transfers(t, 1) })
		wait(func() { c.Rollback(t, first) })
	}
	if c.Head().Hash() != first.Hash() {
		t.Fatal("not rolled back")
	}
}
