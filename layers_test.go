package motet_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/motet-evm/motet"

// rows is the table of imports: a package imports only packages of lower rows,
// never one of its own row. docs/ARCHITECTURE.md holds the same table and tells
// what each row is for.
var rows = map[string]int{
	"": 1,

	"executor/blockstm": 2, "executor/predict": 2, "executor/report": 2, "internal/batchcodec": 2, "internal/oracle": 2, "internal/service": 2,
	"internal/telemetry": 2, "internal/timing": 2, "internal/wallet": 2, "migrations": 2, "l1bridge/bindings": 2,

	"executor": 3, "internal/chain": 3, "internal/derive": 3, "internal/eventlog": 3,
	"l1bridge": 3, "mempool": 3,

	"api": 4, "batcher": 4, "internal/conformance": 4, "internal/execbench": 4, "internal/indexer": 4, "internal/loadgen": 4,
	"internal/publish": 4,
	"internal/replay":  4, "internal/replica": 4, "sequencer": 4,

	"cmd/motet": 5,
}

// testOnly reports whether a package exists for tests alone: it may import all
// below row 5, and only test files (or packages of its kind) may import it.
func testOnly(pkg string) bool {
	return strings.HasPrefix(pkg, "internal/testkit") || strings.HasPrefix(pkg, "test/") ||
		strings.HasSuffix(pkg, "test") && pkg != "test"
}

// TestLayers parses the files itself, so that the result cannot come from a
// test cache that does not know what it depends on.
func TestLayers(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case path != "." && strings.HasPrefix(name, "."), name == "node_modules", name == "testdata", name == "tools":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		seen++
		checkFile(t, filepath.ToSlash(path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d Go files found: the walk is broken", seen)
	}
}

// TestLayersPage: the table of docs/ARCHITECTURE.md is rows, and every package in
// it exists.
func TestLayersPage(t *testing.T) {
	page, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([1-5]) \| ([^|]+) \|`).FindAllStringSubmatch(string(page), -1) {
		row, _ := strconv.Atoi(m[1])
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			shown[strings.TrimPrefix(name[1], "motet")] = row
		}
	}
	if !maps.Equal(shown, rows) {
		t.Errorf("docs/ARCHITECTURE.md shows %v\nthe table is %v", shown, rows)
	}
	for pkg := range rows {
		if files, _ := filepath.Glob(filepath.Join(filepath.FromSlash(pkg), "*.go")); len(files) == 0 {
			t.Errorf("there is no package %q", pkg)
		}
	}
}

func checkFile(t *testing.T, path string) {
	t.Helper()
	pkg := strings.Trim(strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "."), "/")
	isTest := strings.HasSuffix(path, "_test.go")
	row, known := rows[pkg]
	if !known && !testOnly(pkg) {
		t.Errorf("%s: package %q has no row in the table", path, pkg)
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if imp != module && !strings.HasPrefix(imp, module+"/") {
			continue
		}
		dep := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
		switch {
		case testOnly(dep):
			if !isTest && !testOnly(pkg) {
				t.Errorf("%s imports %s, which is for tests", path, imp)
			}
		case testOnly(pkg) || isTest:
			if rows[dep] == 5 {
				t.Errorf("%s imports %s: nothing imports row 5", path, imp)
			}
		case rows[dep] == 0:
			t.Errorf("%s imports %s, which has no row in the table", path, imp)
		case rows[dep] >= row:
			t.Errorf("%s (row %d) imports %s (row %d): imports point down", path, row, imp, rows[dep])
		}
	}
}
