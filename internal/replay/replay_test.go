package replay

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// fixtures returns a folder of the shared fixtures. It skips the test without
// them, except where a run without them must not pass.
func fixtures(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("MOTET_FIXTURES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("fixtures are missing: %v (set MOTET_FIXTURES)", err)
		}
		t.Skipf("FIXTURES ARE MISSING, nothing is tested: %v (set MOTET_FIXTURES)", err)
	}
	return dir
}

// TestGethOnMainnet shows that the recordings are read rightly: geth gets what
// the headers say.
func TestGethOnMainnet(t *testing.T) {
	files, err := findBlocks([]string{fixtures(t, "mainnet")})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 66 {
		t.Fatalf("want 66 blocks, found %d", len(files))
	}
	geth := runner{rounds: 1, engines: []engine{{name: gethName, exec: execGeth}}}
	replayFiles(t, &geth, files)
}

func TestGethOnUnsignedBlock(t *testing.T) {
	files, err := findBlocks([]string{fixtures(t, "pectra")})
	if err != nil {
		t.Fatal(err)
	}
	geth := runner{rounds: 1, engines: []engine{{name: gethName, exec: execGeth}}}
	replayFiles(t, &geth, files)
}

func replayFiles(t *testing.T, r *runner, files []string) {
	t.Helper()
	var (
		load  loader
		total int
	)
	for _, file := range files {
		block, err := load.load(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.block(context.Background(), block)
		if err != nil {
			t.Fatalf("block %v: %v", block.header.Number, err)
		}
		if !result.OK {
			t.Errorf("block %d: %s", result.Number, result.Mismatch)
		}
		total += result.Transactions
	}
	t.Logf("%d transactions", total)
}

func TestShortHash(t *testing.T) {
	for text, want := range map[string]common.Hash{
		"0x0":    {},
		"0x4":    {31: 4},
		"0x0104": {30: 1, 31: 4},
		"0x104":  {30: 1, 31: 4},
	} {
		var got shortHash
		if err := got.UnmarshalText([]byte(text)); err != nil || common.Hash(got) != want {
			t.Errorf("%s: want %v, got %v, %v", text, want, common.Hash(got), err)
		}
	}
	var h shortHash
	for _, text := range []string{"0xg", "0x" + strings.Repeat("1", 65)} {
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
