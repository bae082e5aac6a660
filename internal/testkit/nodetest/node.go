// Package nodetest runs the real motet binary as a process of its own, for tests
// that use it as its users do and kill it as machines do.
package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

// startTimeout bounds the time from exec to the ready file, on a loaded machine.
const startTimeout = 60 * time.Second

// stopTimeout is what a clean stop may take.
const stopTimeout = 30 * time.Second

// Ready is the part of the ready file that tests use.
type Ready struct {
	PID         int     `json:"pid"`
	ChainID     uint64  `json:"chain_id"`
	HTTP        string  `json:"http"`
	WS          string  `json:"ws"`
	REST        string  `json:"rest"`
	Metrics     string  `json:"metrics"`
	Postgres    *string `json:"postgres"`
	NATS        *string `json:"nats"`
	L1HTTP      *string `json:"l1_http"`
	L1Beacon    *string `json:"l1_beacon"`
	GenesisFile string  `json:"genesis_file"`
	RollupFile  string  `json:"rollup_file"`
	Datadir     string  `json:"datadir"`
	Accounts    []struct {
		Address common.Address `json:"address"`
		Key     string         `json:"key"`
	} `json:"accounts"`
	L1Contracts struct {
		Inbox common.Address `json:"inbox"`
	} `json:"l1_contracts"`
}

var build = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "motet-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "motet")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/motet")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build motet: %w: %s", err, out)
	}
	return bin, nil
})

// Root returns the root of the module, from whatever package the test runs in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod above the working directory")
}

// Binary builds motet once per test process and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Node is a running motet dev.
type Node struct {
	Ready
	Eth *ethclient.Client

	cmd    *exec.Cmd
	exited chan error
	log    *lockedBuffer
}

// Output is how a command that ends by itself ended.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Command runs motet with the given arguments and further environment variables
// until it ends.
func Command(t testing.TB, env []string, args ...string) Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var out, err bytes.Buffer
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &err
	if failed := cmd.Run(); failed != nil && cmd.ProcessState == nil {
		t.Fatal(failed)
	}
	if ctx.Err() != nil {
		t.Fatalf("motet %v does not end\n%s", args, err.String())
	}
	return Output{cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

// Start runs motet dev with the given flags and waits until it is ready. The
// process is killed when the test ends; its log is shown if the test failed.
func Start(t testing.TB, flags ...string) *Node {
	t.Helper()
	n, err := TryStart(t, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TryStart is Start for nodes that are expected to fail.
func TryStart(t testing.TB, flags ...string) (*Node, error) {
	t.Helper()
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	args := append([]string{"dev", "--http.port", "0", "--log-format", "logfmt", "--ready-file", readyFile}, flags...)
	n := &Node{cmd: exec.Command(Binary(t), args...), exited: make(chan error, 1), log: new(lockedBuffer)}
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { n.exited <- n.cmd.Wait() }()
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("log of motet %v:\n%s", args, n.log.tail(12_000))
		}
	})
	deadline := time.Now().Add(startTimeout)
	for {
		if raw, err := os.ReadFile(readyFile); err == nil {
			if err := json.Unmarshal(raw, &n.Ready); err != nil {
				return nil, fmt.Errorf("ready file: %w", err)
			}
			break
		}
		select {
		case err := <-n.exited:
			n.exited <- err
			return nil, fmt.Errorf("motet ended before it was ready: %w: %s", err, n.log.tail(2000))
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("motet is not ready after %s: %s", startTimeout, n.log.tail(2000))
		}
	}
	eth, err := ethclient.Dial(n.HTTP)
	if err != nil {
		return nil, err
	}
	n.Eth = eth
	t.Cleanup(eth.Close)
	return n, nil
}

// Kill ends the process as a crash does. It returns when the process is gone.
func (n *Node) Kill() {
	_ = n.cmd.Process.Signal(syscall.SIGKILL)
	n.exited <- <-n.exited
}

// Stop ends the process as an operator does, and fails the test unless it exits
// with code 0 in time.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	n.StopBy(t, syscall.SIGTERM)
}

// StopBy is Stop by another signal.
func (n *Node) StopBy(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-n.exited:
		n.exited <- err
		if err != nil {
			t.Fatalf("stop: %v\n%s", err, n.log.tail(4000))
		}
	case <-time.After(stopTimeout):
		t.Fatalf("not stopped after %s\n%s", stopTimeout, n.log.tail(4000))
	}
}

// ExitCode waits for the process to end by itself.
func (n *Node) ExitCode(ctx context.Context) (int, error) {
	select {
	case err := <-n.exited:
		n.exited <- err
		return n.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Log returns what the process has printed.
func (n *Node) Log() string { return n.log.tail(1 << 20) }

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.buf.Bytes()
	return string(all[max(0, len(all)-n):])
}
