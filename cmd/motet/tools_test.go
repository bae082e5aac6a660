package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motet-evm/motet/internal/replay"
	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

// TestReplay: the columns stand one below the other, and JSON has the same figures.
func TestReplay(t *testing.T) {
	blocks := filepath.Join(fixtures.Dir(t, "mainnet"), "blocks")
	// The first takes microseconds and the second so long that four rounds tell its processor time.
	args := []string{"replay", "--workers", "2", "--rounds", "4", filepath.Join(blocks, "46147.json.gz"), filepath.Join(blocks, "15537394.json.gz")}
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

// TestReplayNotMeasured: of what did not run, or was too short, there is no figure.
func TestReplayNotMeasured(t *testing.T) {
	blocks := filepath.Join(fixtures.Dir(t, "mainnet"), "blocks")
	transfer, calls := filepath.Join(blocks, "46147.json.gz"), filepath.Join(blocks, "19934116.json.gz")
	for _, c := range []struct {
		args            string
		block, last     []string // what the lines hold
		absent          []string // what the last one does not hold
		fields, missing []string // of JSON, in either line
	}{
		{
			args:   "--executor serial " + calls,
			block:  []string{" parallel           -  by list           -  cpu      -  ideal      -  of ideal     -  ok"},
			last:   []string{"1 ok, 0 failed; geometric means: ", "geth's serial processor; in total: other processes used "},
			absent: []string{"our serial", "access lists", "ideal", "cpu"},
			fields: []string{"serial_s", "serial_cpu_s", "geth_serial_s", "geo_mean_vs_geth", "others_cores"},
			missing: []string{
				"parallel_s", "along_s", "ideal", "fraction_of_ideal", "cpu_s", "cpu_vs_serial",
				"geo_mean_vs_serial", "geo_mean_along_vs_geth", "geo_mean_ideal", "geo_mean_fraction_of_ideal",
			},
		},
		{
			args:    "--executor parallel " + calls,
			block:   []string{" serial           -  parallel ", "  cpu      -  ideal ", "x  of ideal     -  ok"},
			last:    []string{"geth's serial processor; along their access lists ", "dependencies allow ", "our serial executor; in total: other "},
			absent:  []string{"of ideal", "cpu"},
			fields:  []string{"parallel_s", "along_s", "ideal", "cpu_s", "geo_mean_vs_geth", "geo_mean_along_vs_geth", "geo_mean_ideal"},
			missing: []string{"serial_s", "serial_cpu_s", "fraction_of_ideal", "cpu_vs_serial", "geo_mean_vs_serial", "geo_mean_fraction_of_ideal"},
		},
		{
			args:    transfer,
			block:   []string{" cpu      -  ideal  1.00x  of ideal "},
			last:    []string{"our serial executor, of ideal ", "%; in total: other processes used "},
			absent:  []string{"cpu"},
			fields:  []string{"serial_s", "parallel_s", "cpu_s", "fraction_of_ideal", "geo_mean_vs_serial"},
			missing: []string{"cpu_vs_serial"},
		},
	} {
		code, out, errs := inProcess(t, append([]string{"replay"}, strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != exitOK || len(lines) != 2 || !containsAll(lines[0], c.block) || !containsAll(lines[1], c.last) {
			t.Errorf("%s: exit code %d, %s, want %q and %q in\n%s", c.args, code, errs, c.block, c.last, out)
		}
		for _, text := range c.absent {
			if strings.Contains(lines[len(lines)-1], text) {
				t.Errorf("%s: %q in\n%s", c.args, text, out)
			}
		}
		for _, text := range []string{"0.00x", "0.000", "0%"} {
			if strings.Contains(out, " "+text) {
				t.Errorf("%s: %s in\n%s", c.args, text, out)
			}
		}
		_, out, _ = inProcess(t, append([]string{"replay", "--json"}, strings.Fields(c.args)...)...)
		for _, name := range c.fields {
			if !strings.Contains(out, `"`+name+`":`) {
				t.Errorf("%s: no %s in\n%s", c.args, name, out)
			}
		}
		for _, name := range c.missing {
			if strings.Contains(out, `"`+name+`":`) {
				t.Errorf("%s: %s in\n%s", c.args, name, out)
			}
		}
	}
}

// TestNothingToRun: what is not there, or is of another kind, is the caller's fault,
// whatever was to be done with it; a file that is damaged is not.
func TestNothingToRun(t *testing.T) {
	empty, dir := t.TempDir(), t.TempDir()
	text, cut, cutTest := filepath.Join(dir, "README.md"), filepath.Join(dir, "cut.json.gz"), filepath.Join(dir, "cut.json")
	for _, path := range []string{text, cut, cutTest} {
		write(t, path, "{")
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"replay " + empty, exitUsage, empty + ": no block files (*.json.gz) are in it\n"},
		{"statetest " + empty, exitUsage, "nothing to run: no state test\n"},
		{"blocktest " + empty, exitUsage, "nothing to run: no block test\n"},
		{"replay " + text, exitUsage, text + ": a block is a *.json.gz file\n"},
		{"statetest " + text, exitUsage, text + ": tests are in *.json files and *.tar.gz archives\n"},
		{"blocktest " + text, exitUsage, text + ": tests are in *.json files and *.tar.gz archives\n"},
		{"replay " + text + ".gone", exitUsage, "no such file"},
		{"statetest " + text + ".gone", exitUsage, "no such file"},
		{"blocktest " + text + ".gone", exitUsage, "no such file"},
		{"replay " + cut, exitFailure, cut},
		{"statetest " + cutTest, exitFailure, cutTest},
		{"blocktest " + cutTest, exitFailure, cutTest},
		{"replay --workers 0 " + cut, exitUsage, "--workers 0: must be at least 1\n"},
		{"replay --workers -1 " + cut, exitUsage, "--workers -1: must be at least 1\n"},
		{"replay --rounds 0 " + cut, exitUsage, "--rounds 0: must be at least 1\n"},
		{"replay --rounds -1 " + cut, exitUsage, "--rounds -1: must be at least 1\n"},
		{"replay --predict= " + cut, exitUsage, "access-list, static, learned"},
	} {
		code, out, errs := inProcess(t, strings.Fields(c.args)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, out, errs)
		}
	}
}

// TestReplayNothingMatches: blocks that differ make no means.
func TestReplayNothingMatches(t *testing.T) {
	var w strings.Builder
	printReplayed(&w, replay.Summary{Blocks: 2, Failed: 2})
	if want := "2 blocks, 0 ok, 2 failed; in total: other processes used 0.00 cores\n"; w.String() != want {
		t.Errorf("got %q, want %q", w.String(), want)
	}
}
