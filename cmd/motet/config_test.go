package main

import (
	"bytes"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motet-evm/motet/internal/wallet"
)

// inProcess runs a command line in this process.
func inProcess(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), streams{&stdout, &stderr}, args)
	return code, stdout.String(), stderr.String()
}

// changedSettings has a value for every flag of motet dev that is not its default.
func changedSettings(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"log-format": "json", "log-level": "debug",
		"history": "100000", "cache": "77", "flush-interval": "7s", "flush-blocks": "7", "min-free-disk": "7",
		"rpc-gas-cap": "7000000", "rpc-evm-timeout": "7s",
		"block-time": "7s", "empty-blocks": "true", "slice-time": "7ms", "second-opinion": "false",
		"mempool.policy": "fcfs", "mempool.min-tip": "7", "mempool.price-bump": "7", "mempool.account-slots": "7",
		"mempool.account-queue": "7", "mempool.global-slots": "7", "mempool.global-bytes": "7", "mempool.global-queue": "7",
		"mempool.gap-life": "7s", "mempool.allow-unprotected": "true", "mempool.fate-memory": "7", "mempool.intake-span": "7",
		"http.hosts": "a.example,b.example", "http.cors": "https://a.example,https://b.example", "http.max-conns-per-ip": "7",
		"http.public-url": "https://a.example/rpc", "http.addr": "0.0.0.0", "http.port": "7",
		"datadir": filepath.Join(t.TempDir(), "a \"quoted\" … 'name'"), "chain-id": "7", "accounts": "7", "balance": "7",
		"mnemonic": "legal winner thank year wave sausage worth useful legal winner thank yellow",
		"genesis":  "a\tgenesis.json", "gas-limit": "7000000", "workers": "77", "executor": "serial", "predict": "static", "adaptive": "false",
		"l1": "off", "l1.beacon": "http://127.0.0.1:77", "l1.key-file": "key", "l1.block-time": "7s",
		"nats": "nats://127.0.0.1:7", "nats.listen": "127.0.0.1:7", "nats.monitor": "http://127.0.0.1:7", "nats.access-lists": "7", "postgres": "postgres://127.0.0.1:7/motet",
		"ready-file": filepath.Join(t.TempDir(), "ready.json"),
		"no-mining":  "true", "head": "0x07", "safe": "0x77", "finalized": "0x777",
	}
}

// TestConfigRoundTrip: what config print writes, config check takes, and it means
// the same, for the defaults and for every flag.
func TestConfigRoundTrip(t *testing.T) {
	changed := changedSettings(t)
	var args []string
	fs := flag.NewFlagSet("dev", flag.ContinueOnError)
	new(devConfig).register(fs)
	fs.VisitAll(func(f *flag.Flag) {
		value, ok := changed[f.Name]
		if !ok || value == f.DefValue {
			t.Errorf("--%s: the test has no value for it other than %q", f.Name, f.DefValue)
		}
		args = append(args, "--"+f.Name+"="+value)
	})
	t.Run("defaults", func(t *testing.T) { roundTrip(t) })
	t.Run("with L1", func(t *testing.T) {
		printed := roundTrip(t, "--l1=http://127.0.0.1:7")
		if !strings.Contains(printed, "http://127.0.0.1:7") {
			t.Error(printed)
		}
	})
	t.Run("implied", func(t *testing.T) { roundTrip(t, "--no-mining", "--datadir=d") })
	t.Run("changed", func(t *testing.T) {
		t.Setenv("MOTET_MNEMONIC", changed["mnemonic"]) // a secret, which the file does not hold
		printed := roundTrip(t, args...)
		fs.VisitAll(func(f *flag.Flag) {
			value := changed[f.Name]
			if f.Name != "mnemonic" && !strings.ContainsAny(value, "\"\t") && !strings.Contains(printed, value) {
				t.Errorf("--%s=%s is not in\n%s", f.Name, value, printed)
			}
		})
	})
}

// roundTrip prints the settings of a command line, checks them, and prints them
// once more from the file.
func roundTrip(t *testing.T, args ...string) (printed string) {
	t.Helper()
	code, printed, errs := inProcess(t, append([]string{"config", "print"}, args...)...)
	if code != exitOK {
		t.Fatalf("print: %d %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "motet.toml")
	write(t, file, printed)
	if code, out, errs := inProcess(t, "config", "check", "--config", file); code != exitOK || !strings.Contains(out, "valid") {
		t.Errorf("check: %d %s%s\n%s", code, out, errs, printed)
	}
	if _, again, errs := inProcess(t, "config", "print", "--config", file); again != printed {
		t.Errorf("printed once more it differs: %s\n%s\n%s", errs, printed, again)
	}
	return printed
}

// TestRedactedSettingIsRefused: a secret that config print left out must come
// from elsewhere.
func TestRedactedSettingIsRefused(t *testing.T) {
	args := []string{"--mnemonic", "legal winner thank year wave sausage worth useful legal winner thank yellow", "--nats", "nats://u:sekret@h"}
	_, printed, _ := inProcess(t, append([]string{"config", "print"}, args...)...)
	if strings.Contains(printed, "sekret") || strings.Contains(printed, "sausage") {
		t.Fatal(printed)
	}
	file := filepath.Join(t.TempDir(), "motet.toml")
	write(t, file, printed)
	code, _, errs := inProcess(t, "config", "check", "--config", file)
	if code != exitUsage || !strings.Contains(errs, "mnemonic: motet config print left the secret out") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs = inProcess(t, append([]string{"config", "check", "--config", file}, args...)...); code != exitOK {
		t.Errorf("%d %s", code, errs)
	}
}

// TestRedact: what is shown of a URL tells where it leads and no secret.
func TestRedact(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"mnemonic", "legal winner thank", "…"},
		{"mnemonic", wallet.DefaultMnemonic, wallet.DefaultMnemonic},
		{"l1", "embedded", "embedded"},
		{"l1", "http://127.0.0.1:8545", "http://127.0.0.1:8545"},
		{"l1", "http://127.0.0.1:8545/", "http://127.0.0.1:8545"},
		{"l1", "https://l1.example/v3/sekret", "https://l1.example/…"},
		{"l1.beacon", "https://u:sekret@l1.example?key=sekret", "https://u:…@l1.example/…"},
		{"nats", "nats://n.example:4222", "nats://n.example:4222"},
		{"nats", "nats://u:sekret@n.example", "nats://u:…@n.example"},
		{"nats", "nats://sekret@n.example", "nats://…@n.example"},
		{"nats", "nats://u:sek/re?t@n.example", "nats://u:…@n.example"},
		{"postgres", "postgres://u@h/d?sslmode=disable", "postgres://u@h/d?sslmode=disable"},
		{"postgres", "postgres://u:sekret@h/d?sslmode=disable&sslpassword=sekret", "postgres://u:…@h/d?sslmode=disable&sslpassword=…"},
		{"datadir", "a://b…", "a://b…"},
	} {
		got := redact(c.name, c.value)
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.name, c.value, got, c.want)
		}
		if isRedacted(got) != strings.Contains(got, hidden) {
			t.Errorf("%s is not told from what can be read back", got)
		}
	}
}

// TestSecretsAreNotShown: no message of a command that cannot reach a server
// holds the password, token or key of its URL.
func TestSecretsAreNotShown(t *testing.T) {
	for _, args := range []string{
		"dev --http.port 0 --l1 off --postgres off --nats nats://u:sekret@127.0.0.1:1",
		"dev --http.port 0 --l1 off --postgres off --nats nats://sekret@127.0.0.1:1",
		"dev --http.port 0 --l1 off --postgres off --nats nats://u:sekret@127.0.0.1:port",
		"dev --http.port 0 --postgres off --l1 http://u:sekret@127.0.0.1:1/v3/sekret?key=sekret",
		"dev --http.port 0 --postgres off --l1 http://127.0.0.1:port/v3/sekret",
		"dev --l1.beacon ftp://127.0.0.1/v3/sekret",
		"dev --postgres postgres://u:sekret@127.0.0.1:port/d",
		"rebuild-index --postgres postgres://u:sekret@127.0.0.1:1/d?sslpassword=sekret",
		"rebuild-index --postgres postgres://u:sekret@127.0.0.1:port/d",
	} {
		code, out, errs := inProcess(t, strings.Fields(args)...)
		if code == exitOK || errs == "" || strings.Contains(out+errs, "sekret") {
			t.Errorf("motet %s: exit code %d, %s%s", args, code, out, errs)
		}
	}
}
