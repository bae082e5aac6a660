package mutationtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsAreKilled builds the test binary of each mutant with the changed
// file laid over the real one, and runs the test that must see the fault. What
// does not compile is no mutant.
func TestMutantsAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test binary for each mutant")
	}
	for _, m := range append(accessMutants, mutants...) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			binary := build(t, m)
			cmd := exec.CommandContext(t.Context(), binary, "-test.short", "-test.timeout=60s", "-test.run="+m.run)
			cmd.Dir = filepath.Join("..", m.pkg)
			out, err := cmd.CombinedOutput()
			at := strings.Index(string(out), "--- FAIL")
			if at < 0 {
				at = strings.Index(string(out), "panic: ")
			}
			why := string(out)[max(at, 0):]
			switch {
			case err == nil:
				t.Errorf("%s survives %s:\n%s", m.file, m.run, tail(out))
			case at < 0 || strings.Contains(why, "test timed out"):
				t.Errorf("%s did not fail, but: %v\n%s", m.run, err, tail(out))
			default:
				t.Log(why[:min(len(why), 400)])
			}
		})
	}
}

// build compiles the tests of the mutant's package.
func build(t *testing.T, m mutant) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%s: the text to change occurs %d times: change the mutant with the code\n%s", m.file, n, m.old)
	}
	dir := t.TempDir()
	changed, overlay, binary := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutant.test")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w",
		"-overlay", overlay, "-o", binary, "./"+filepath.Join("..", m.pkg)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s does not compile: %v\n%s", m.file, err, tail(out))
	}
	return binary
}

func tail(out []byte) string {
	const most = 2000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
