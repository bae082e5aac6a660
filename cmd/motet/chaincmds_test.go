package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TestVerifyReportsAsJSON: one object, alone on stdout, with what was verified.
func TestVerifyReportsAsJSON(t *testing.T) {
	datadir := t.TempDir()
	r, stop := startDev(t, "--datadir", datadir, "--l1", "off", "--postgres", "off", "--block-time", "0")
	for range 3 {
		resp, err := http.Post(r.HTTP, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"evm_mine","params":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	stop()
	code, out, errs := inProcess(t, "verify", "--datadir", datadir, "--json", "--log-level", "warn")
	var got verified
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK || errs != "" {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	if got.Blocks != 3 || got.Hash == (common.Hash{}) || got.StateRoot == (common.Hash{}) || got.ElapsedS <= 0 || strings.Count(out, "\n") != 1 {
		t.Error(out)
	}

	// What was exported in one piece is what was verified.
	file := filepath.Join(t.TempDir(), "chain.rlp.gz")
	if code, _, errs := inProcess(t, "export", "--datadir", datadir, file); code != exitOK {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	code, _, errs = inProcess(t, "import", "--datadir", t.TempDir(), "--genesis", genesisPath(datadir), file)
	if code != exitOK || !strings.Contains(errs, "head is block 3 "+got.Hash.Hex()) {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// TestProgressIsALineNowAndThen: long work shows that it gets on, short work and
// each step of long work do not.
func TestProgressIsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := newProgress(&out)
		for n := range 12 {
			p.step("%d of 12 blocks", n)
			time.Sleep(time.Second)
		}
		if got, want := out.String(), "5 of 12 blocks\n10 of 12 blocks\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
