// Package l1test starts real L1s for tests: anvil, and the development L1 that
// Motet embeds.
package l1test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/motet-evm/motet/l1bridge"
)

// L1 is a running L1 without any contract of ours. Both kinds build a block
// when a transaction arrives, answer evm_mine, serve a beacon API at the same
// URL, and give the account of l1bridge.DevKeyHex a fortune.
type L1 struct {
	Kind string // dev or anvil
	URL  string
}

// Each runs fn against every kind of L1, as subtests.
func Each(t *testing.T, fn func(t *testing.T, l1 *L1)) {
	t.Helper()
	t.Run("dev", func(t *testing.T) { fn(t, StartDev(t)) })
	t.Run("anvil", func(t *testing.T) { fn(t, StartAnvil(t)) })
}

// StartDev starts the embedded development L1 in a temporary directory.
func StartDev(t testing.TB) *L1 {
	t.Helper()
	dev, err := l1bridge.StartDev(context.Background(), l1bridge.DevConfig{
		DataDir: t.TempDir(), FinalityDepth: 2, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("start dev L1: %v", err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Errorf("close dev L1: %v", err)
		}
	})
	return &L1{Kind: "dev", URL: dev.URL()}
}

var listening = regexp.MustCompile(`Listening on (\S+)`)

// StartAnvil starts anvil on a free port, with further arguments if given. A
// test without anvil is skipped, or fails where CI=true.
func StartAnvil(t testing.TB, args ...string) *L1 {
	t.Helper()
	bin, err := Anvil()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	cmd := exec.Command(bin, append([]string{"--port", "0", "--slots-in-an-epoch", "1"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("pipe anvil: %v", err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start anvil: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				addr <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case a := <-addr:
		return &L1{Kind: "anvil", URL: "http://" + a}
	case <-time.After(20 * time.Second):
		t.Fatal("anvil does not listen")
		return nil
	}
}

// Anvil finds the binary: MOTET_ANVIL, then the npm package in the repository,
// then PATH.
func Anvil() (string, error) {
	if bin := os.Getenv("MOTET_ANVIL"); bin != "" {
		return bin, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		bin := filepath.Join(dir, "node_modules", "@foundry-rs", "anvil-linux-amd64", "bin", "anvil")
		if _, err := os.Stat(bin); err == nil {
			return bin, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	bin, err := exec.LookPath("anvil")
	if err != nil {
		return "", fmt.Errorf("no anvil: run `npm ci --ignore-scripts`, or set MOTET_ANVIL: %w", err)
	}
	return bin, nil
}

// Mine builds n blocks.
func (l *L1) Mine(t testing.TB, n int) {
	t.Helper()
	for range n {
		l.call(t, "evm_mine")
	}
}

func (l *L1) call(t testing.TB, method string) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[]}`, method)
	resp, err := http.Post(l.URL, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer resp.Body.Close()
	if raw, err := io.ReadAll(resp.Body); err != nil || strings.Contains(string(raw), `"error"`) {
		t.Fatalf("%s: %s %v", method, raw, err)
	}
}

// Dial connects a client that logs nothing.
func (l *L1) Dial(t testing.TB) *l1bridge.Client {
	t.Helper()
	c, err := l1bridge.Dial(t.Context(), l1bridge.Config{URL: l.URL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("dial L1: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}
