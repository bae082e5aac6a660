package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// metric is what /metrics and docs/METRICS.md say of a metric alike.
type metric struct {
	kind   string
	labels string // names, sorted, joined by ", "
}

// TestMetricsAreDocumented: docs/METRICS.md lists the metrics of a running node,
// no more and no fewer, and the Grafana dashboard uses no others.
func TestMetricsAreDocumented(t *testing.T) {
	served := scrape(t)
	documented := readMetricsPage(t)
	for name, m := range served {
		if d, ok := documented[name]; !ok && strings.HasPrefix(name, "motet_") {
			t.Errorf("docs/METRICS.md does not know %s (%s)", name, m.kind)
		} else if ok && d != m {
			t.Errorf("docs/METRICS.md says of %s %v, a node %v", name, d, m)
		}
	}
	for name := range documented {
		if _, ok := served[name]; !ok {
			t.Errorf("docs/METRICS.md lists %s, which no node has", name)
		}
	}
	for _, expr := range dashboardQueries(t) {
		for _, name := range regexp.MustCompile(`\b(motet|go|process)_[a-z0-9_]+`).FindAllString(expr, -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if m, ok := served[base]; ok && m.kind == "histogram" {
				continue
			}
			if _, ok := served[name]; !ok {
				t.Errorf("the dashboard asks for %s, which no node has: %s", name, expr)
			}
		}
	}
}

// scrape runs a node in this process and returns what its /metrics serves.
func scrape(t *testing.T) map[string]metric {
	t.Helper()
	r, stop := startDev(t, "--datadir", t.TempDir())
	defer stop()
	if r.Postgres == nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Postgres on this machine: run test/install.sh")
		}
		t.Skip("SKIPPED: no Postgres on this machine, so a node without the indexer's metrics; run test/install.sh")
	}
	resp, err := http.Get(r.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return parseMetrics(string(body))
}

func awaitReady(t *testing.T, path string, exited chan int) *ready {
	t.Helper()
	for range 6000 {
		if raw, err := os.ReadFile(path); err == nil {
			r := new(ready)
			if err := json.Unmarshal(raw, r); err != nil {
				t.Fatal(err)
			}
			return r
		}
		select {
		case code := <-exited:
			exited <- code
			t.Fatalf("the node ended with code %d before it was ready", code)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("the node is not ready after a minute")
	return nil
}

// parseMetrics reads the text form of Prometheus.
func parseMetrics(text string) map[string]metric {
	out := map[string]metric{}
	labels := map[string]map[string]bool{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
			out[f[2]] = metric{kind: f[3]}
			continue
		}
		name, rest, ok := strings.Cut(line, "{")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		for _, m := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(rest, -1) {
			if _, ok := out[name]; !ok {
				continue // the buckets of a histogram
			}
			if labels[name] == nil {
				labels[name] = map[string]bool{}
			}
			labels[name][m[1]] = true
		}
	}
	for name, set := range labels {
		m := out[name]
		m.labels = strings.Join(slices.Sorted(maps.Keys(set)), ", ")
		out[name] = m
	}
	return out
}

// readMetricsPage reads the rows "| `name` | kind | labels | meaning |".
func readMetricsPage(t *testing.T) map[string]metric {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "METRICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]metric{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([a-z]+) \\| ([^|]*) \\| [^|]+ \\|$").FindAllStringSubmatch(string(raw), -1) {
		if _, twice := out[m[1]]; twice {
			t.Errorf("docs/METRICS.md lists %s twice", m[1])
		}
		out[m[1]] = metric{kind: m[2], labels: strings.ReplaceAll(strings.TrimSpace(m[3]), "`", "")}
	}
	return out
}

// dashboardQueries returns every query of the provisioned dashboard. All of them
// ask the provisioned data source.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	deploy := filepath.Join("..", "..", "deploy", "grafana")
	sources, err := os.ReadFile(filepath.Join(deploy, "provisioning", "datasources", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(deploy, "dashboards", "motet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct {
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	var exprs []string
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			if !strings.Contains(string(sources), "uid: "+target.Datasource.UID+"\n") {
				t.Errorf("panel %q asks data source %q, which is not provisioned", p.Title, target.Datasource.UID)
			}
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) < 20 {
		t.Fatalf("only %d queries in the dashboard", len(exprs))
	}
	return exprs
}
