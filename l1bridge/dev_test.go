package l1bridge_test

import (
	"context"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/l1bridge"
)

func startDev(t *testing.T, cfg l1bridge.DevConfig) *l1bridge.DevL1 {
	t.Helper()
	cfg.Log = discard()
	begin := time.Now()
	dev, err := l1bridge.StartDev(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(begin).Round(time.Millisecond))
	return dev
}

func TestDevGoesOnAfterRestart(t *testing.T) {
	dir := t.TempDir()
	rich := common.Address{0xaa}
	cfg := l1bridge.DevConfig{DataDir: dir, ChainID: 4242, Alloc: map[common.Address]*big.Int{rich: big.NewInt(99)}}
	dev := startDev(t, cfg)
	l1 := &l1test.L1{Kind: "dev", URL: dev.URL()}
	s := newSUT(t, l1)
	signed := s.post(t, l1bridge.DABlobs, []byte("kept"))
	head, err := s.reader.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}

	dev = startDev(t, cfg)
	defer dev.Close()
	s.client = (&l1test.L1{URL: dev.URL()}).Dial(t)
	s.reader = l1bridge.NewReader(s.client, l1bridge.ReaderConfig{Inbox: s.rollup.Inbox})
	if got, err := s.reader.Head(t.Context()); err != nil || got != head {
		t.Fatalf("head is %v, was %v (%v)", got, head, err)
	}
	if s.client.ChainID() != 4242 {
		t.Errorf("chain id %d", s.client.ChainID())
	}
	if wei, err := s.client.Eth().BalanceAt(t.Context(), rich, nil); err != nil || wei.Int64() != 99 {
		t.Errorf("balance %v (%v)", wei, err)
	}
	block, err := s.reader.Block(t.Context(), head.Number)
	if err != nil || len(block.Batches) != 1 || block.Batches[0].Acc != signed.Acc || string(block.Batches[0].Payload) != "kept" {
		t.Fatalf("batch after restart: %+v (%v)", block, err)
	}
	s.post(t, l1bridge.DACalldata, []byte("next"))
}

func TestDevKeepsItsBlockTime(t *testing.T) {
	dev := startDev(t, l1bridge.DevConfig{DataDir: t.TempDir(), BlockTime: time.Second, FinalityDepth: 1})
	defer dev.Close()
	reader := l1bridge.NewReader((&l1test.L1{URL: dev.URL()}).Dial(t), l1bridge.ReaderConfig{})
	waitFor(t, func() bool {
		head, err := reader.Head(t.Context())
		return err == nil && head.Number >= 2
	})
	head, err := reader.Head(t.Context())
	if err != nil || head.Time > uint64(time.Now().Unix())+1 {
		t.Errorf("head %v is ahead of the clock (%v)", head, err)
	}
}

func TestDevRefusesBadSettings(t *testing.T) {
	dir := t.TempDir()
	dev := startDev(t, l1bridge.DevConfig{DataDir: dir})
	defer dev.Close()
	port := dev.URL()[strings.LastIndex(dev.URL(), ":")+1:]
	busy, ok := new(big.Int).SetString(port, 10)
	if !ok {
		t.Fatal(dev.URL())
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]l1bridge.DevConfig{
		"no data directory":       {},
		"not in whole seconds":    {DataDir: dir, BlockTime: 1500 * time.Millisecond},
		"out of range":            {DataDir: dir, HTTPPort: 70000},
		"address already in use":  {DataDir: t.TempDir(), HTTPPort: int(busy.Int64())},
		"already used by another": {DataDir: dir},
		"not a directory":         {DataDir: file},
	} {
		cfg.Log = discard()
		dev, err := l1bridge.StartDev(context.Background(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, want)
		}
		if dev != nil {
			dev.Close()
		}
	}
}
