package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/motet-evm/motet/internal/execbench"
	"github.com/motet-evm/motet/internal/replay"
)

// TestBenchExecutor: the table and the JSON tell the same things, and what is not
// there is named.
func TestBenchExecutor(t *testing.T) {
	args := []string{"bench", "executor", "--gas", "2000000", "--rounds", "1", "--workers", "1,2", "--simulate", "4,8", "--artifacts", t.TempDir(), "--workload", "erc20-hot,uniswap"}
	code, out, errs := inProcess(t, args...)
	lines := undisturbed(out)
	if code != 0 || len(lines) != 5 || errs != "setting up erc20-hot …\nsetting up uniswap …\n" {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	if want := []string{"simulated, vs serial:", "4 workers 1.00x", "8 workers 1.00x"}; !containsAll(lines[3], want) {
		t.Errorf("%q holds not all of %q", lines[3], want)
	}
	if want := []string{"uniswap ", "skipped", "@uniswap/v3-core", "--artifacts"}; !containsAll(lines[4], want) {
		t.Errorf("%q holds not all of %q", lines[4], want)
	}
	if titles, figures := strings.Fields(lines[0]), strings.Fields(lines[1]); len(titles) != len(figures)+6 { // of two words: geth ms, serial ms, vs geth, vs serial, of ideal, by list
		t.Errorf("%d titles over %d figures:\n%s", len(titles), len(figures), out)
	}

	code, out, errs = inProcess(t, append(args, "--json")...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	var r execbench.Result
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &r); err != nil {
		t.Fatal(err)
	}
	if r.Workload != "erc20-hot" || r.CPUVsSerial <= 0 || r.AlongVsSerial <= 0 || r.Ideal != 1 || r.CriticalShare != 1 || len(r.Simulated) != 2 {
		t.Errorf("got %+v", r)
	}
	for flag, says := range map[string]string{
		"--simulate=4,x":      "positive numbers",
		"--workers=0":         "positive numbers",
		"--workload=nonsense": "none of transfers",
		"--amsterdam":         "--simulate 4,8 cannot go with --amsterdam\n",
	} {
		if code, out, errs := inProcess(t, append(args, flag)...); code != exitUsage || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d, %s%s", flag, code, out, errs)
		}
	}
}

// undisturbed returns the lines of a table without those that warn of a busy machine.
func undisturbed(out string) []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(out), "\n"), func(line string) bool {
		return strings.Contains(line, "other processes used")
	})
}

// TestDisturbed: who reads the figures is told if they say little, and how busy the
// machine was.
func TestDisturbed(t *testing.T) {
	const warning = ": the durations say little\n"
	for share, want := range map[float64]bool{0: false, 0.09: false, 0.5: true} {
		var bench, replayed strings.Builder
		cores := share * float64(runtime.NumCPU())
		printDisturbed(&bench, cores)
		printReplayed(&replayed, replay.Summary{Blocks: 1, OK: 1, OthersCores: cores})
		used := fmt.Sprintf("other processes used %.2f cores", cores)
		if strings.HasSuffix(bench.String(), used+warning) != want || (bench.Len() > 0) != want {
			t.Errorf("%v cores: got %q", cores, bench.String())
		}
		if !strings.Contains(replayed.String(), used) || strings.HasSuffix(replayed.String(), warning) != want {
			t.Errorf("%v cores: got %q", cores, replayed.String())
		}
	}
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// TestBenchAmsterdam: stock geth is measured on the same blocks.
func TestBenchAmsterdam(t *testing.T) {
	args := []string{"bench", "executor", "--amsterdam", "--gas", "2000000", "--rounds", "1", "--workers", "2"}
	code, out, errs := inProcess(t, args...)
	lines := undisturbed(out)
	if code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[2], "transfers ") || !strings.HasPrefix(lines[3], "erc20 ") {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	if a, b := strings.Count(lines[1], "|"), strings.Count(lines[2], "|"); a != 3 || a != b || strings.Index(lines[1], "|") != strings.Index(lines[3], "|") {
		t.Errorf("the columns do not fit:\n%s", out)
	}
	code, out, errs = inProcess(t, append(args, "--json", "--workload", "erc20", "--simulate=")...)
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	var r execbench.AmsterdamResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Amsterdam || r.Workload != "erc20" || r.GethListImportS <= 0 || r.Fallback != "" {
		t.Errorf("got %+v", r)
	}
}
