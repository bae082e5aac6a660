package sequencer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// childEnv names the directory that a child process works in.
const childEnv = "MOTET_SEQUENCER_TEST_DIR"

const (
	killRounds = 5
	killAfter  = 400 * time.Millisecond // at least, once the child serves
	childWait  = 60 * time.Second
)

// TestKillProcess kills a process under load again and again. Every transaction
// that it answered is in the chain in the end, every preconfirmation stands, no
// block changes its hash, and the log tells what the chain store holds.
func TestKillProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := &sightings{blocks: make(map[uint64]common.Hash), slices: make(map[[2]uint64]common.Hash)}
	var slowest time.Duration
	for round := range killRounds {
		child := startChild(t, dir, seen)
		slowest = max(slowest, child.recovered)
		time.Sleep(killAfter + rand.N(killAfter)) //nolint:gosec // no secret
		child.kill()
		t.Logf("round %d: recovered in %v; %d answered, %d preconfirmed, %d blocks so far", round, child.recovered, len(seen.answered), len(seen.slices), len(seen.blocks))
	}
	s := openSUT(t, dir)
	noErr(t, s.seq.Recover(t.Context()))
	s.run().included(seen.answered...)
	noErr(t, s.halt())
	s.agree()
	for n, want := range seen.blocks {
		if got := s.chain.BlockHash(n); got != want {
			t.Errorf("block %d was %s, is %s", n, want, got)
		}
	}
	for at, want := range seen.slices {
		if got := s.chain.BlockByNumber(at[0]).Transactions()[at[1]].Hash(); got != want {
			t.Errorf("transaction %d of block %d was %s, is %s", at[1], at[0], want, got)
		}
	}
	if len(seen.answered) == 0 || len(seen.slices) == 0 || len(seen.blocks) == 0 {
		t.Fatal("nothing happened")
	}
}

// sightings are what the children were seen to promise.
type sightings struct {
	answered []common.Hash
	blocks   map[uint64]common.Hash
	slices   map[[2]uint64]common.Hash // block, index
}

// note takes in a line of a child.
func (s *sightings) note(t *testing.T, line string) {
	var (
		hash          string
		number, index uint64
	)
	switch {
	case strings.HasPrefix(line, "answered"):
		if _, err := fmt.Sscanf(line, "answered %s", &hash); err == nil && len(hash) == 66 {
			s.answered = append(s.answered, common.HexToHash(hash))
		}
	case strings.HasPrefix(line, "slice"):
		if _, err := fmt.Sscanf(line, "slice %d %d %s", &number, &index, &hash); err == nil && len(hash) == 66 {
			at := [2]uint64{number, index}
			if old, ok := s.slices[at]; ok && old != common.HexToHash(hash) {
				t.Errorf("transaction %d of block %d was %s, is %s", index, number, old, hash)
			}
			s.slices[at] = common.HexToHash(hash)
		}
	case strings.HasPrefix(line, "block"):
		if _, err := fmt.Sscanf(line, "block %d %s", &number, &hash); err == nil && len(hash) == 66 {
			s.blocks[number] = common.HexToHash(hash)
		}
	}
}

// child is a sequencer in a process of its own.
type child struct {
	t         *testing.T
	cmd       *exec.Cmd
	read      chan struct{} // closed when all it said was noted
	recovered time.Duration
}

func startChild(t *testing.T, dir string, seen *sightings) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestChild$"), read: make(chan struct{})} //nolint:gosec // this very test
	c.cmd.Env = append(os.Environ(), childEnv+"="+dir)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	noErr(t, err)
	noErr(t, c.cmd.Start())
	ready := make(chan time.Duration, 1)
	go func() {
		defer close(c.read)
		c.listen(out, seen, ready)
	}()
	select {
	case c.recovered = <-ready:
	case <-c.read:
		t.Fatal("child ended")
	case <-time.After(childWait):
		t.Fatal("child does not get ready")
	}
	return c
}

func (c *child) listen(out io.Reader, seen *sightings, ready chan<- time.Duration) {
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return // what was cut off was not said
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "ready "); ok {
			d, err := time.ParseDuration(rest)
			if err != nil {
				c.t.Error(err)
			}
			ready <- d
			continue
		}
		seen.note(c.t, line)
	}
}

func (c *child) kill() {
	noErr(c.t, c.cmd.Process.Kill())
	<-c.read
	_ = c.cmd.Wait() // it was killed
}

// TestChild is what the children run: a sequencer under load that says what it
// answers.
func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("for TestKillProcess")
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
	start := time.Now()
	s := openSUT(t, dir, func(o *setup) { o.config.SecondOpinion = false })
	noErr(t, s.seq.Recover(t.Context()))
	tail, _ := s.log.Tail()
	feed, err := s.log.Read(t.Context(), tail)
	noErr(t, err)
	open := s.seq.Pending()
	s.run()
	say("ready %v", time.Since(start))
	go func() {
		index := uint64(0) // in the block, of the next transaction
		if open != nil {
			index = uint64(len(open.Txs))
		}
		for {
			switch r, err := feed.Next(context.Background()); {
			case err != nil:
				return
			case r.Open != nil:
				index = 0
			case r.Slice != nil:
				for _, raw := range r.Slice.Txs {
					say("slice %d %d %s", r.Slice.Number, index, crypto.Keccak256Hash(raw))
					index++
				}
			case r.Seal != nil:
				say("block %d %s", r.Seal.Number, r.Seal.Header.Hash())
			}
		}
	}()
	for i := range testAccounts {
		n, err := s.pool.Nonce(testAddr(i))
		noErr(t, err)
		s.nonces[i] = n
	}
	for deadline := time.Now().Add(childWait); time.Now().Before(deadline); {
		txs := make([]*types.Transaction, testAccounts)
		for i := range txs {
			txs[i] = s.transfer(i, testAddr((i+1)%testAccounts))
		}
		for i, err := range s.pool.Add(t.Context(), txs) {
			if err != nil {
				s.nonces[i]-- // the sender has as many waiting as it may
				continue
			}
			say("answered %s", txs[i].Hash())
		}
	}
}
