package l1bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/l1bridge"
)

const (
	crashDirEnv = "MOTET_TEST_CRASH_DIR"
	crashRounds = 20
)

// runCrashChild is the other process of TestKill: a dev L1 that runs until it
// is killed.
func runCrashChild(dir string) {
	dev, err := l1bridge.StartDev(context.Background(), l1bridge.DevConfig{DataDir: dir, FinalityDepth: 2, Log: discard()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", dev.URL())
	select {}
}

type child struct {
	*l1test.L1
	cmd *exec.Cmd
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		t.Fatalf("child says %q: %v", line, err)
	}
	c.L1 = &l1test.L1{Kind: "dev", URL: url}
	return c
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// seen collects what an L1 has shown to its clients.
type seen struct {
	mu      sync.Mutex
	blocks  map[uint64]common.Hash
	batches []*l1bridge.Signed // mined
}

func (s *seen) block(o motet.Origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[o.Number] = o.Hash
}

// TestKill kills a dev L1 again and again while batches are posted to it. No
// block and no batch that anybody saw may be missing or changed afterwards.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	shown := &seen{blocks: make(map[uint64]common.Hash)}
	var s *sut
	rounds := crashRounds
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		c := startChild(t, dir)
		if s == nil {
			s = newSUT(t, c.L1)
		} else {
			s.client = c.Dial(t)
		}
		s.reader = l1bridge.NewReader(s.client, l1bridge.ReaderConfig{Inbox: s.rollup.Inbox})
		shown.check(t, s)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { shown.watch(ctx, s.reader) })
		wg.Go(func() { shown.post(ctx, t, s) })
		waitFor(t, func() bool { return shown.count() > round })
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		c.kill()
		cancel()
		wg.Wait()
	}
	t.Logf("%d blocks and %d batches were seen", len(shown.blocks), len(shown.batches))
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.batches)
}

func (s *seen) watch(ctx context.Context, r *l1bridge.Reader) {
	for ctx.Err() == nil {
		if head, err := r.Head(ctx); err == nil {
			s.block(head)
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *seen) post(ctx context.Context, t *testing.T, u *sut) {
	for ctx.Err() == nil {
		inbox := u.inbox(t, l1bridge.DACalldata)
		tip, err := inbox.Next(ctx)
		if err != nil { // the child has been killed, or is still starting
			time.Sleep(time.Millisecond)
			continue
		}
		if tip.Index%7 == 6 {
			inbox = u.inbox(t, l1bridge.DABlobs)
		}
		signed, receipt, err := inbox.Post(ctx, l1bridge.Batch{
			Index: tip.Index, PrevAcc: tip.Acc, Payload: fmt.Append(nil, "batch ", tip.Index),
			Header: motet.BatchHeader{FirstBlock: 1, LastBlock: 1, LastComplete: true, LastHash: common.Hash{1}},
		})
		if err != nil {
			if ctx.Err() == nil && receipt != nil {
				t.Errorf("batch %d: %v", tip.Index, err)
			}
			continue
		}
		s.mu.Lock()
		s.blocks[receipt.BlockNumber.Uint64()] = receipt.BlockHash
		s.batches = append(s.batches, signed)
		s.mu.Unlock()
	}
}

func (s *seen) check(t *testing.T, u *sut) {
	t.Helper()
	batches := make(map[uint64]motet.PostedBatch)
	for number, hash := range s.blocks {
		block, err := u.reader.Block(t.Context(), number)
		if err != nil {
			t.Errorf("block %d, which was seen, is gone: %v", number, err)
			continue
		}
		if block.Origin.Hash != hash {
			t.Errorf("block %d was %s and is %s", number, hash, block.Origin.Hash)
		}
		for _, b := range block.Batches {
			batches[b.Index] = b
		}
	}
	for _, signed := range s.batches {
		got := batches[signed.Index]
		if got.Acc != signed.Acc || string(got.Payload) != fmt.Sprintf("batch %d", signed.Index) {
			t.Errorf("batch %d was %s and is %s with %q", signed.Index, signed.Acc, got.Acc, got.Payload)
		}
	}
}
