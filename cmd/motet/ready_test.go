package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motet-evm/motet/internal/testkit/l1test"
)

// readyLine is a line of /readyz?verbose.
type readyLine struct {
	Name, Reason      string
	OK, Informational bool
	Since             time.Time
}

// TestReadyzSaysWhatIsWrong: with Postgres and then L1 away the node stays ready,
// and the verbose answer names each part that waits, why and since when.
func TestReadyzSaysWhatIsWrong(t *testing.T) {
	to, err := url.Parse(l1test.StartDev(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	l1 := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
	defer l1.Close()
	begin := time.Now().Add(-time.Second) // times are whole seconds
	r, stop := startDev(t, "--datadir", t.TempDir(), "--empty-blocks", "--l1", l1.URL, "--postgres", "postgres://u:sekret@127.0.0.1:1/d")
	defer stop()
	probe := r.HTTP + "/readyz?verbose"
	awaitWaiting(t, probe, begin, "indexer")
	l1.CloseClientConnections()
	l1.Close()
	for name, line := range awaitWaiting(t, probe, begin, "batcher", "derivation", "indexer", "l1") {
		if !strings.Contains(line.Reason, "refused") || strings.ContainsAny(line.Reason, "\n\t") || strings.Contains(line.Reason, "sekret") {
			t.Errorf("%s: %q", name, line.Reason)
		}
	}
}

// startDev runs motet dev in this process until stop is called.
func startDev(t *testing.T, args ...string) (r *ready, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	exited := make(chan int, 1)
	var log strings.Builder
	go func() {
		exited <- run(ctx, streams{io.Discard, &log}, append([]string{
			"dev", "--http.port", "0", "--ready-file", readyFile, "--log-level", "warn",
		}, args...))
	}()
	stop = func() {
		cancel()
		if code := <-exited; code != exitOK {
			t.Errorf("the node ended with code %d: %s", code, log.String())
		}
	}
	return awaitReady(t, readyFile, exited), stop
}

// awaitWaiting waits until just these parts wait, and returns their lines.
func awaitWaiting(t *testing.T, probe string, begin time.Time, names ...string) map[string]readyLine {
	t.Helper()
	var waiting map[string]readyLine
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		waiting = map[string]readyLine{}
		for _, line := range askReadyz(t, probe) {
			if !line.OK {
				waiting[line.Name] = line
			}
			if !line.OK && (!line.Informational || line.Since.Before(begin) || line.Since.After(time.Now())) {
				t.Fatalf("%+v", line)
			}
		}
		if slices.Equal(slices.Sorted(maps.Keys(waiting)), names) {
			return waiting
		}
	}
	t.Fatalf("%+v wait, want %q", waiting, names)
	return nil
}

func askReadyz(t *testing.T, probe string) []readyLine {
	t.Helper()
	resp, err := http.Get(probe)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status string
		Checks []readyLine
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK || answer.Status != "ok" {
		t.Fatalf("%s: %+v, %v", resp.Status, answer, err)
	}
	return answer.Checks
}
