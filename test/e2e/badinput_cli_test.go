package e2e

import (
	"compress/gzip"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/internal/testkit/nodetest"
)

// badCommand is a command line that cannot work.
type badCommand struct {
	args string // separated by spaces
	env  string
	code int
	says string
}

// check runs it: the exit code is right, and one line says what is wrong.
func (c badCommand) check(t *testing.T) {
	t.Helper()
	var env []string
	if c.env != "" {
		env = []string{c.env}
	}
	out := nodetest.Command(t, env, strings.Fields(c.args)...)
	line := strings.TrimSuffix(out.Stderr, "\n")
	switch {
	case out.Code != c.code:
		t.Errorf("%s motet %s: exit code %d, want %d: %s", c.env, c.args, out.Code, c.code, out.Stderr)
	case strings.Count(line, "\n") > 0 || !strings.HasPrefix(line, "motet"):
		t.Errorf("motet %s: not one clear line:\n%s", c.args, out.Stderr)
	case !strings.Contains(line, c.says):
		t.Errorf("motet %s says %q, want %q in it", c.args, line, c.says)
	case out.Stdout != "":
		t.Errorf("motet %s printed to stdout: %s", c.args, out.Stdout)
	}
}

func checkAll(t *testing.T, cases []badCommand) {
	t.Helper()
	for _, c := range cases {
		c.check(t)
	}
}

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBadCommandLine: what a user gets wrong is told in one line, before
// anything has started.
func TestBadCommandLine(t *testing.T) {
	empty := t.TempDir()
	plain := file(t, "plain", []byte("text"))
	checkAll(t, []badCommand{
		{args: "frobnicate", code: 2, says: `unknown command "frobnicate"; see motet help`},
		{args: "bench", code: 2, says: "use executor or submit"},
		{args: "config nothing", code: 2, says: "use check or print"},
		{args: "dev --nope", code: 2, says: "unknown flag --nope (see --help)"},
		{args: "dev --workers many", code: 2, says: `invalid value "many" for flag --workers`},
		{args: "dev", env: "MOTET_WORKERS=many", code: 2, says: `MOTET_WORKERS="many"`},
		{args: "dev", env: "MOTET_CONFIG=/nonexistent", code: 2, says: "/nonexistent"},
		{args: "dev --config " + file(t, "a.toml", []byte("wrkers = 2\n")), code: 2, says: `there is no setting "wrkers"`},
		{args: "dev --config " + file(t, "b.toml", []byte("workers = [\n")), code: 2, says: "b.toml"},
		{args: "dev extra", code: 2, says: `unexpected "extra"`},
		{args: "version extra", code: 2, says: `unexpected "extra"`},
		{args: "verify extra", code: 2, says: `unexpected "extra"`},
		{args: "dev --block-time 1500ms", code: 2, says: "whole seconds"},
		{args: "dev --http.port 99999", code: 2, says: "not a port"},
		{args: "dev --executor magic", code: 2, says: "parallel or serial"},
		{args: "dev --l1 ftp://x", code: 2, says: "use embedded, off, a URL http://…"},
		{args: "dev --nats off", code: 2, says: "use embedded, a URL nats://…"},
		{args: "dev --nats.listen 4222", code: 2, says: "HOST:PORT"},
		{args: "dev --postgres 127.0.0.1", code: 2, says: "use auto, off, a URL postgres://…"},
		{args: "dev --mnemonic nonsense", code: 2, says: "--mnemonic"},
		{args: "dev --genesis /nonexistent", code: 2, says: "/nonexistent"},
		{args: "dev --genesis " + plain, code: 2, says: plain},
		{args: "dev --log-level loud", code: 2, says: "use debug, info, warn or error"},
		{args: "dev --datadir " + plain, code: 2, says: "not a directory"},
		{args: "dev --datadir /proc/nonexistent/x", code: 2, says: "make the data directory"},
		{args: "dev --ready-file /nonexistent/ready.json", code: 2, says: "no such folder"},
		{args: "dev --l1.key-file " + plain + " --l1 http://127.0.0.1:1", code: 1, says: "connection refused"},
		{args: "import", code: 2, says: "--datadir and at least one file"},
		{args: "import --datadir " + empty + " /nonexistent", code: 2, says: "/nonexistent"},
		{args: "export x", code: 2, says: "--datadir is missing"},
		{args: "verify --datadir /nonexistent", code: 2, says: "/nonexistent is no directory"},
		{args: "verify --datadir " + empty, code: 2, says: "name its genesis with --genesis"},
		{args: "replay", code: 2, says: "no block file or folder"},
		{args: "replay /nonexistent", code: 2, says: "/nonexistent"},
		{args: "statetest", code: 2, says: "no test file"},
		{args: "statetest /nonexistent", code: 2, says: "/nonexistent"},
		{args: "statetest --run ( " + empty, code: 2, says: "missing closing )"},
		{args: "blocktest --executor fast " + empty, code: 2, says: "none of both, parallel, serial"},
		{args: "blocktest --workers 0 " + empty, code: 2, says: "positive numbers"},
		{args: "blocktest " + empty, code: 2, says: "nothing to run"},
		{args: "bench executor --workload magic", code: 2, says: "is none of transfers"},
		{args: "bench executor --workers 0", code: 2, says: "positive numbers"},
		{args: "bench submit --target localhost:8545", code: 2, says: "http:// or https://"},
		{args: "bench submit --rate -1", code: 2, says: "positive number or max"},
		{args: "bench submit --target http://127.0.0.1:1", code: 1, says: "connection refused"},
		{args: "rebuild-index --postgres postgres://127.0.0.1:1/x", code: 1, says: "connection refused"},
		{args: "verifier --rollup x", code: 2, says: "is missing"},
	})
}

func TestHelp(t *testing.T) {
	list := nodetest.Command(t, nil, "help")
	commands := 0
	for line := range strings.Lines(list.Stdout) {
		name, ok := strings.CutPrefix(line, "  ")
		if !ok {
			continue
		}
		words := strings.Fields(name)
		if words[0] == "bench" || words[0] == "config" {
			words = words[:2]
		} else {
			words = words[:1]
		}
		commands++
		out := nodetest.Command(t, nil, append(words, "--help")...)
		if out.Code != 0 || out.Stderr != "" || !strings.HasPrefix(out.Stdout, "Usage: motet "+strings.Join(words, " ")) {
			t.Errorf("help of %v: code %d: %s%s", words, out.Code, out.Stdout, out.Stderr)
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands are listed:\n%s", commands, list.Stdout)
	}
}

// TestForeignSurroundings: a data directory, an L1, a NATS or a port that is
// somebody else's is refused, and the data directory is as it was.
func TestForeignSurroundings(t *testing.T) {
	anvil := l1test.StartAnvil(t)
	dir := t.TempDir()
	args := []string{"--datadir", dir, "--postgres", "off", "--l1", anvil.URL}
	n := nodetest.Start(t, args...)
	s := newSender(t, n, 0)
	s.send(&n.Accounts[1].Address, nil)
	head, err := n.Eth.HeaderByNumber(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := os.ReadFile(n.GenesisFile)
	if err != nil {
		t.Fatal(err)
	}
	otherID := file(t, "other-id.json", []byte(strings.Replace(string(genesis), `"chainId": 66838`, `"chainId": 777`, 1)))
	otherTime := file(t, "other-time.json", []byte(strings.Replace(string(genesis), `"timestamp": "0x`, `"timestamp": "0x1`, 1)))
	port := n.HTTP[strings.LastIndex(n.HTTP, ":")+1:]
	start := "dev --postgres off --http.port 0 --datadir "
	running := []badCommand{
		{args: start + dir + " --l1 " + anvil.URL, code: 1, says: "used by another process: stop it or choose another --datadir"},
		{args: "verify --datadir " + dir, code: 1, says: "used by another process"},
		{args: "dev --postgres off --http.port " + port, code: 1, says: "port " + port + " is in use: stop the other program or choose --http.port"},
	}
	checkAll(t, running)
	n.Stop(t)

	unbound := t.TempDir() // a chain without L1
	off := nodetest.Start(t, "--datadir", unbound, "--postgres", "off", "--l1", "off")
	newSender(t, off, 0).send(&off.Accounts[1].Address, nil)
	off.Stop(t)

	geth := t.TempDir()
	if err := os.MkdirAll(filepath.Join(geth, "geth", "chaindata"), 0o700); err != nil {
		t.Fatal(err)
	}
	lost := t.TempDir()
	if err := os.MkdirAll(filepath.Join(lost, "chain"), 0o700); err != nil {
		t.Fatal(err)
	}
	notRPC := httptest.NewServer(http.NotFoundHandler())
	defer notRPC.Close()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	stranger := l1test.StartAnvil(t)
	checkAll(t, []badCommand{
		{args: start + dir + " --genesis " + otherID, code: 2, says: "holds chain 66838"},
		{args: start + dir + " --genesis " + otherTime, code: 2, says: "holds chain 66838"},
		{args: start + dir + " --chain-id 5", code: 2, says: "has id 66838"},
		{args: start + geth, code: 2, says: "data directory of another program (it holds geth)"},
		{args: start + lost, code: 2, says: "holds a chain but no genesis.json"},
		{args: start + dir + " --l1 http://127.0.0.1:1", code: 1, says: "--l1: ask L1 http://127.0.0.1:1"},
		{args: start + dir + " --l1 " + notRPC.URL, code: 1, says: "it answers 404"},
		{args: start + dir + " --l1 " + stranger.URL, code: 2, says: "do not belong together"},
		{args: start + dir + " --l1 off", code: 2, says: "are bound to an L1"},
		{args: start + unbound, code: 2, says: "are bound to no L1"},
		{args: start + unbound + " --l1 " + stranger.URL, code: 2, says: "are bound to no L1"},
		{args: start + dir + " --nats nats://127.0.0.1:1 --log-level warn", code: 1, says: "--nats: connect to nats"},
		{args: start + dir + " --nats.listen " + busy.Addr().String() + " --log-level warn", code: 1, says: "address already in use"},
		{args: "export --datadir " + dir + " --first 1000000 " + filepath.Join(t.TempDir(), "x"), code: 2, says: "above the last block"},
		{args: "bench submit --target " + notRPC.URL, code: 1, says: "404"},
	})
	checkDamagedFiles(t, dir)

	again := nodetest.Start(t, args...)
	same, err := again.Eth.HeaderByHash(t.Context(), head.Hash())
	if err != nil || same.Number.Cmp(head.Number) != 0 {
		t.Errorf("block %d is gone after all that: %v", head.Number, err)
	}
	s.n = again
	s.send(&again.Accounts[1].Address, nil)
	again.Stop(t)
}

// checkDamagedFiles: a block file that was cut or flipped is told apart from one
// that works.
func checkDamagedFiles(t *testing.T, dir string) {
	t.Helper()
	exported := filepath.Join(t.TempDir(), "chain.rlp")
	if out := nodetest.Command(t, nil, "export", "--datadir", dir, exported); out.Code != 0 {
		t.Fatalf("export: %s", out.Stderr)
	}
	raw, err := os.ReadFile(exported)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), raw...)
	flipped[len(flipped)-40] ^= 1
	zipped := file(t, "cut.json.gz", zip(t, []byte(`{"number":`)))
	start := "import --log-level error --genesis " + filepath.Join(dir, "genesis.json") + " --datadir "
	checkAll(t, []badCommand{
		{args: start + t.TempDir() + " " + file(t, "cut.rlp", raw[:len(raw)-3]), code: 3, says: "the file is damaged"},
		{args: start + t.TempDir() + " " + file(t, "flipped.rlp", flipped), code: 3, says: "flipped.rlp"},
		{args: start + t.TempDir() + " " + file(t, "cut.rlp.gz", raw[:99]), code: 3, says: "the file is damaged"},
		{args: "replay " + zipped, code: 1, says: "cut.json.gz"},
	})
	if out := nodetest.Command(t, nil, strings.Fields(start+t.TempDir()+" "+exported)...); out.Code != 0 {
		t.Errorf("the sound file: %s", out.Stderr)
	}
	if out := nodetest.Command(t, nil, "verify", "--datadir", dir); out.Code != 0 {
		t.Errorf("verify: %s", out.Stderr)
	}
}

func zip(t *testing.T, content []byte) []byte {
	t.Helper()
	var b strings.Builder
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// TestProjectionsMayBeAway: without its Postgres a node starts, says so, and
// builds blocks.
func TestProjectionsMayBeAway(t *testing.T) {
	n := nodetest.Start(t, "--l1", "off", "--postgres", "postgres://nobody:secret@127.0.0.1:1/x")
	newSender(t, n, 0).send(&n.Accounts[1].Address, nil)
	n.Stop(t)
	log := n.Log()
	if !strings.Contains(log, "connection refused") || strings.Contains(log, "secret") {
		t.Errorf("log:\n%s", log)
	}
}

// TestBenchSubmit: the load generator ends against a pool that is much smaller
// than what it wants to send at once, and says what stops it.
func TestBenchSubmit(t *testing.T) {
	n := nodetest.Start(t, "--l1", "off", "--postgres", "off", "--mempool.account-slots", "4", "--mempool.account-queue", "4")
	for _, kind := range []string{"transfers", "erc20"} {
		out := nodetest.Command(t, nil, "bench", "submit", "--target", n.HTTP, "--kind", kind, "--transactions", "400", "--accounts", "30", "--batch", "25", "--json")
		if out.Code != 0 || !strings.Contains(out.Stdout, `"accepted":400,"refused":0,"included":400,"stranded":0,"missing":0`) {
			t.Errorf("%s: exit code %d: %s%s", kind, out.Code, out.Stdout, out.Stderr)
		}
	}
	poor, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key := file(t, "key", []byte(hexutil.Encode(crypto.FromECDSA(poor))[2:]))
	out := nodetest.Command(t, nil, "bench", "submit", "--target", n.HTTP, "--key-file", key)
	if out.Code != 1 || !strings.Contains(out.Stderr, "insufficient funds") {
		t.Errorf("a poor funder: exit code %d: %s", out.Code, out.Stderr)
	}
}
