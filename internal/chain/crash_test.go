package chain

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
)

// childEnv makes the test binary play a part of a crash test on a data
// directory: it holds "part:directory".
const childEnv = "MOTET_CHAIN_TEST_CHILD"

// startedEnv tells a child the time of the genesis.
const startedEnv = "MOTET_CHAIN_TEST_STARTED"

func TestMain(m *testing.M) {
	if part, dir, ok := strings.Cut(os.Getenv(childEnv), ":"); ok {
		if _, err := fmt.Sscan(os.Getenv(startedEnv), &started); err != nil {
			die(err.Error())
		}
		runChild(part, dir)
	}
	goleak.VerifyTestMain(checkedLog{m},
		// geth's sender cache lives as long as the process.
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		// The p2p node database notices its end within half a minute.
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// checkedLog fails a run that logged a warning.
type checkedLog struct{ *testing.M }

func (m checkedLog) Run() int {
	code := m.M.Run()
	for _, line := range badLines.lines {
		fmt.Fprintln(os.Stderr, "unexpected log line:", line)
		code = max(code, 1)
	}
	return code
}

// childT is the testing.TB of a child: a failure ends it.
type childT struct{ testing.TB }

func (childT) Helper()                      {}
func (childT) Context() context.Context     { return context.Background() }
func (childT) Fatal(args ...any)            { die(fmt.Sprintln(args...)) }
func (childT) Fatalf(f string, args ...any) { die(fmt.Sprintf(f, args...)) }
func (childT) Errorf(f string, args ...any) { die(fmt.Sprintf(f, args...)) }

func die(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}

// report is a line that a child prints: something that it knows to be durable.
type report struct {
	Done   string // "commit", "rollback", "frozen"
	Block  motet.BlockRef
	Frozen uint64
}

func (r report) print() {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// crashConf flushes often, so that a short run has several flushes behind it.
func crashConf(c *Config, _ *Deps) {
	c.FlushBlocks = 16
	c.FlushInterval = 300 * time.Millisecond
}

// runChild extends the chain until it is killed. It labels blocks final right
// behind the head, so that nothing but the package keeps geth from freezing
// blocks whose state is not on disk.
func runChild(part, dir string) {
	t := childT{}
	conf := Config{DataDir: dir, Genesis: testGenesis(), CacheMiB: 32}
	deps := Deps{Log: slog.New(badLines), Execute: executeBlock(testGenesis().Config)}
	crashConf(&conf, &deps)
	c, err := Open(t.Context(), conf, deps)
	noErr(t, err)
	s := &sut{Chain: c, t: t, dir: dir}
	for {
		block := s.extendNext()
		if len(badLines.lines) > 0 {
			die(strings.Join(badLines.lines, "\n"))
		}
		report{Done: "commit", Block: motet.RefOf(block.Header())}.print()
		head := s.Head().Number.Uint64()
		if part == "label" && head > 2 {
			ref := motet.RefOf(s.HeaderByNumber(head - 2))
			noErr(t, s.Label(ref, ref))
		}
		if frozen, err := c.db.Ancients(); err == nil && frozen > 0 {
			report{Done: "frozen", Frozen: frozen}.print()
		}
		if part == "rollback" && head == 400 {
			to := motet.RefOf(s.HeaderByNumber(50))
			noErr(t, s.Rollback(t.Context(), to))
			report{Done: "rollback", Block: to}.print()
			part = "rolled back"
		}
	}
}

// extendNext commits a block with one transfer from account 0.
func (s *sut) extendNext() *types.Block {
	s.t.Helper()
	reader, err := s.StateAt(s.Head().Root)
	noErr(s.t, err)
	account, err := reader.Account(testAddr(0))
	noErr(s.t, err)
	return s.extend(transfer(0, account.Nonce, common.Address{byte(account.Nonce), 7}))
}

// crash runs a child on dir, kills it when until says so, and returns what it
// reported.
func crash(t *testing.T, part, dir string, until func(report) bool) []report {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+part+":"+dir, fmt.Sprintf("%s=%d", startedEnv, started))
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	noErr(t, err)
	noErr(t, cmd.Start())
	timeout := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	var reports []report
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			break // cut off by the kill
		}
		reports = append(reports, r)
		if !killed && until(r) {
			killed = true
			noErr(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait()
	if !killed {
		t.Fatalf("child ended by itself or hung: %s", stderr)
	}
	return reports
}

// kill -9, again and again, with labels set and blocks moved into the freezer:
// no block that Commit acknowledged is lost or changed.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[uint64]common.Hash{}
	last, frozen := uint64(0), uint64(0)
	for round := range 6 {
		target := last + 40 + uint64(rand.IntN(40))
		for _, r := range crash(t, "label", dir, func(r report) bool { return r.Block.Number >= target }) {
			switch r.Done {
			case "frozen":
				frozen = r.Frozen
			case "commit":
				if r.Block.Number <= last && round > 0 {
					t.Fatalf("round %d: block %d was built again", round, r.Block.Number)
				}
				acknowledged[r.Block.Number] = r.Block.Hash
			}
		}
		for n := range acknowledged {
			last = max(last, n)
		}
		if round%2 == 1 {
			continue // the next child opens what this one left
		}
		c, err := tryOpen(t, dir, crashConf)
		noErr(t, err)
		for n, hash := range acknowledged {
			equal(t, hash, c.BlockHash(n))
			if block := c.BlockByNumber(n); block == nil || len(c.ReceiptsOf(block)) != 1 {
				t.Fatalf("round %d: block %d or its receipts are missing", round, n)
			}
		}
		if head := c.Head(); head.Number.Uint64() < last || !c.bc.HasState(head.Root) {
			t.Fatalf("round %d: head is %d, %d was acknowledged, state there: %v", round, head.Number, last, c.bc.HasState(head.Root))
		}
		last = c.Head().Number.Uint64() // one more may have been durable than acknowledged
		if final := c.bc.CurrentFinalBlock(); round > 0 && final.Number.Sign() == 0 {
			t.Fatal("nothing is final: the test shows nothing")
		}
		// The freezer starts with the node and moves what is final then.
		for range 100 {
			if frozen, _ = c.db.Ancients(); frozen > 1 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		noErr(t, c.Close())
	}
	if frozen < 20 {
		t.Fatalf("only %d blocks are frozen: the test shows nothing", frozen)
	}
}

// After a crash the states since the last flush can be read at once, as before it.
// A kill right after a flush shows nothing, nor does a recovery so slow that it
// flushes.
func TestRecentStatesAfterKill(t *testing.T) {
	t.Parallel()
	for range 5 {
		if recentStatesAfterKill(t) {
			return
		}
	}
	t.Fatal("every kill came right after a flush, or every recovery was slow")
}

func recentStatesAfterKill(t *testing.T) (shown bool) {
	t.Helper()
	dir, last := t.TempDir(), uint64(0)
	crash(t, "", dir, func(r report) bool { last = r.Block.Number; return last >= 100 })
	c, err := tryOpen(t, dir, crashConf)
	noErr(t, err)
	defer func() { noErr(t, c.Close()) }()
	flushed := c.flush.flushed.Number
	for n := flushed; n <= last; n++ {
		state, err := c.StateAt(c.HeaderByNumber(n).Root)
		noErr(t, err)
		account, err := state.Account(testAddr(0))
		noErr(t, err)
		equal(t, n, account.Nonce)
	}
	// The states before it wait for geth's indexer.
	if _, err := c.StateAt(c.HeaderByNumber(1).Root); err != nil && !errors.Is(err, motet.ErrUnavailable) {
		t.Error(err)
	}
	return flushed > 0 && flushed < last
}

// A rollback by 350 blocks survives a crash, and so do the blocks after it.
func TestKillAfterDeepRollback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reports := crash(t, "rollback", dir, func(r report) bool { return r.Done == "rollback" })
	undo := reports[len(reports)-1]
	for i := range reports {
		if reports[i].Done == "rollback" {
			undo = reports[i]
		}
	}
	s := openSUT(t, dir, crashConf)
	equal(t, undo.Block.Hash, s.BlockHash(50))
	if head := s.Head().Number.Uint64(); head < 50 || head > 60 {
		t.Fatalf("head is %d after a rollback to 50", head)
	}
	for range 20 {
		s.extendNext()
	}
}
