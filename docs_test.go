package motet_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInvariantsNameTests: every test that docs/INVARIANTS.md names exists, in
// the package that it names.
func TestInvariantsNameTests(t *testing.T) {
	page, err := os.ReadFile("docs/INVARIANTS.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("`([A-Za-z0-9_/]+)`")
	found := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| I") {
			continue
		}
		pkg := ""
		for _, m := range word.FindAllStringSubmatch(line, -1) {
			name := m[1]
			if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
				pkg = name
				continue
			}
			if name == "TestMain" {
				continue
			}
			if found++; !declares(t, pkg, name) {
				t.Errorf("no %s in %s", name, pkg)
			}
		}
	}
	if found < 20 {
		t.Fatalf("only %d tests found on the page", found)
	}
}

// declares reports whether a test file of pkg declares the function.
func declares(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

// TestLinks: what the pages link to within the repository is there.
func TestLinks(t *testing.T) {
	pages := []string{"README.md", "CHANGELOG.md"}
	for _, pattern := range []string{"docs/*.md", "docs/adr/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)`)
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if found++; !exists(filepath.Join(filepath.Dir(page), m[1])) {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
	if found < 10 {
		t.Fatalf("only %d links found", found)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
