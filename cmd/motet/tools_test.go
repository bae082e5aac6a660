package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

// TestReplay: the columns stand one below the other, and JSON has the same figures.
func TestReplay(t *testing.T) {
	blocks := filepath.Join(fixtures.Dir(t, "mainnet"), "blocks")
	args := []string{"replay", "--workers", "2", filepath.Join(blocks, "46147.json.gz"), filepath.Join(blocks, "19934116.json.gz")}
	code, out, errs := inProcess(t, args...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 3 {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, column := range []string{" geth ", " serial ", " parallel ", " by list ", " cpu ", " ideal ", " of ideal ", " ok"} {
		if at := strings.Index(lines[0], column); at < 0 || at != strings.Index(lines[1], column) {
			t.Errorf("column %q:\n%s", column, out)
		}
	}
	if !strings.Contains(lines[0], " cpu      - ") {
		t.Errorf("one transfer is too short for a ratio:\n%s", out)
	}
	if want := []string{"2 ok", "of ideal ", "cpu ", "other processes used "}; !containsAll(lines[2], want) || containsAll(lines[2], []string{" 0.00x"}) {
		t.Errorf("%q holds not all of %q", lines[2], want)
	}

	code, out, errs = inProcess(t, append(args, "--json")...)
	lines = strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 3 {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	for line, fields := range map[string][]string{
		lines[1]: {"serial_s", "ideal", "fraction_of_ideal", "cpu_s", "geth_cpu_s", "serial_cpu_s"},
		lines[2]: {"geo_mean_vs_serial", "geo_mean_ideal", "geo_mean_fraction_of_ideal", "cpu_vs_serial"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		for _, name := range fields {
			if figure, _ := got[name].(float64); figure <= 0 {
				t.Errorf("%s: %v", name, got[name])
			}
		}
		if others, ok := got["others_cores"].(float64); !ok || others < 0 {
			t.Errorf("others_cores: %v", got["others_cores"])
		}
	}
}
