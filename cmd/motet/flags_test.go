package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPrecedence: flag over environment over file over default.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "motet.toml")
	write(t, file, "workers = 3\nblock-time = \"3s\"\ngas-limit = 33\n[http]\nport = 3333\n[l1]\nself = \"off\"\nbeacon = \"http://file\"\n")
	fs := flag.NewFlagSet("dev", flag.ContinueOnError)
	workers := fs.Int("workers", 0, "")
	blockTime := fs.Duration("block-time", time.Second, "")
	port := fs.Int("http.port", 8545, "")
	gas := fs.Uint64("gas-limit", 1, "")
	l1 := fs.String("l1", "embedded", "")
	beacon := fs.String("l1.beacon", "", "")
	untouched := fs.String("nats", "embedded", "")
	env := map[string]string{"MOTET_WORKERS": "2", "MOTET_BLOCK_TIME": "2s", "MOTET_CONFIG": file}
	rest, err := parseFlags(fs, []string{"a", "--workers=1", "b"}, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if *workers != 1 || *blockTime != 2*time.Second || *port != 3333 || *gas != 33 || *l1 != "off" || *beacon != "http://file" || *untouched != "embedded" {
		t.Fatal(*workers, *blockTime, *port, *gas, *l1, *beacon, *untouched)
	}
	if strings.Join(rest, " ") != "a b" {
		t.Fatalf("positional %q", rest)
	}
}

func TestBadSettingsAreUsageErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "motet.toml")
	write(t, file, "wokers = 3\n")
	for name, args := range map[string][]string{
		"unknown flag":    {"--wrkers", "1"},
		"bad value":       {"--workers", "many"},
		"unknown setting": {"--config", file},
		"no file":         {"--config", file + ".gone"},
	} {
		fs := flag.NewFlagSet("dev", flag.ContinueOnError)
		fs.SetOutput(discard{})
		fs.Int("workers", 0, "")
		if _, err := parseFlags(fs, args, func(string) (string, bool) { return "", false }); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStrayArgumentsAreRefused: a command that takes no arguments says so before
// it does anything.
func TestStrayArgumentsAreRefused(t *testing.T) {
	for _, c := range commands() {
		if c.args != "" {
			continue
		}
		code, out, errs := inProcess(t, append(strings.Fields(c.name), "extra", "--config=")...)
		if code != exitUsage || out != "" || !strings.Contains(errs, `unexpected "extra"`) {
			t.Errorf("%s: exit code %d, %q, %q", c.name, code, out, errs)
		}
	}
}

// TestNoMiningHasNoL1: an L1 that was asked for is not passed over, wherever the
// setting came from.
func TestNoMiningHasNoL1(t *testing.T) {
	file := filepath.Join(t.TempDir(), "motet.toml")
	write(t, file, "[l1]\nself = \"http://127.0.0.1:7/sekret\"\n")
	check := []string{"config", "check", "--no-mining", "--datadir", t.TempDir()}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitOK, ""},
		{[]string{"--l1", "off"}, exitOK, ""},
		{[]string{"--l1", "embedded"}, exitUsage, "--no-mining implies --l1 off: it cannot go with --l1 embedded"},
		{[]string{"--config", file}, exitUsage, "it cannot go with --l1 http://127.0.0.1:7/…\n"},
	} {
		code, _, errs := inProcess(t, slices.Concat(check, c.args)...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%q: exit code %d, %s", c.args, code, errs)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
