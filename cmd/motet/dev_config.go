package main

import (
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet/api"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/wallet"
	"github.com/motet-evm/motet/mempool"
	"github.com/motet-evm/motet/sequencer"
)

// defaultChainID spells MOTET on a phone's keys. It differs from the ids that
// anvil and geth take, so that a wallet keeps the chains apart.
const defaultChainID = 66838

// logConfig is shared by all commands that log.
type logConfig struct {
	format, level string
}

func (c *logConfig) register(fs *flag.FlagSet) {
	fs.StringVar(&c.format, "log-format", "auto", "auto, json or logfmt")
	fs.StringVar(&c.level, "log-level", "info", "debug, info, warn or error")
}

// devConfig are the settings of motet dev.
type devConfig struct {
	log logConfig

	chain     chain.Config
	sequencer sequencer.Config
	mempool   mempool.Config
	api       api.Config

	datadir  string
	httpAddr string
	httpPort int

	chainID  uint64
	accounts int
	balance  uint64 // ether
	mnemonic string
	genesis  string
	gasLimit uint64

	workers  int
	executor string
	predict  predict.Sources
	adaptive bool

	l1        string
	l1Beacon  string
	l1KeyFile string
	l1Block   time.Duration

	nats                    string
	natsListen, natsMonitor string
	accessLists             int // MiB
	postgres                string
	readyFile               string

	noMining              bool
	head, safe, finalized string
}

func (c *devConfig) register(fs *flag.FlagSet) {
	c.sequencer, c.mempool = sequencer.DefaultConfig(), mempool.DefaultConfig()
	c.sequencer.SecondOpinion = true
	c.log.register(fs)
	c.chain.RegisterFlags(fs, "")
	c.sequencer.RegisterFlags(fs, "")
	c.mempool.RegisterFlags(fs, "mempool.")
	c.api.RegisterFlags(fs, "http.")
	fs.StringVar(&c.datadir, "datadir", "", "data `directory` (empty: a temporary one, removed at exit)")
	fs.StringVar(&c.httpAddr, "http.addr", "127.0.0.1", "address to listen on")
	fs.IntVar(&c.httpPort, "http.port", 8545, "port for JSON-RPC, WebSocket, REST and metrics (0: any free one)")
	fs.Uint64Var(&c.chainID, "chain-id", defaultChainID, "chain id of a new chain")
	fs.IntVar(&c.accounts, "accounts", 10, "number of funded accounts")
	fs.Uint64Var(&c.balance, "balance", 10_000, "balance of each funded account, in `ETH`")
	fs.StringVar(&c.mnemonic, "mnemonic", wallet.DefaultMnemonic, "BIP-39 `phrase` of the funded accounts")
	fs.StringVar(&c.genesis, "genesis", "", "geth-format genesis `file` of a new chain (empty: one with the funded accounts)")
	fs.Uint64Var(&c.gasLimit, "gas-limit", 1_000_000_000, "block gas limit to aim for")
	fs.IntVar(&c.workers, "workers", runtime.GOMAXPROCS(0), "workers of the parallel executor")
	fs.StringVar(&c.executor, "executor", "parallel", "parallel or serial")
	c.predict.Flag(fs)
	fs.BoolVar(&c.adaptive, "adaptive", true, adaptiveUsage)
	fs.StringVar(&c.l1, "l1", "embedded", "embedded, off, or the `URL` of an L1 node")
	fs.StringVar(&c.l1Beacon, "l1.beacon", "", "`URL` of the L1's beacon API (empty: the L1's own)")
	fs.StringVar(&c.l1KeyFile, "l1.key-file", "", "`file` with the batcher's L1 key in hex (empty: a known dev key; dev L1s only)")
	fs.DurationVar(&c.l1Block, "l1.block-time", 2*time.Second, "block time of the embedded L1")
	fs.StringVar(&c.nats, "nats", "embedded", "embedded, or the `URL` of a NATS server with JetStream and sync_interval: always")
	fs.StringVar(&c.natsMonitor, "nats.monitor", "", "`URL` of the NATS server's monitor, to check its sync_interval")
	fs.StringVar(&c.natsListen, "nats.listen", "", "`address` on which the embedded NATS lets others subscribe (empty: none)")
	fs.IntVar(&c.accessLists, "nats.access-lists", 1024, "`MiB` of block access lists (EIP-7928) to keep on the stream MOTET_DERIVED, the oldest go first (0: publish none)")
	fs.StringVar(&c.postgres, "postgres", "auto", "auto (a private cluster where Postgres is installed), off, or a `URL`")
	fs.StringVar(&c.readyFile, "ready-file", "", "`file` to write, as JSON, when everything answers")
	fs.BoolVar(&c.noMining, "no-mining", false, "serve the chain of the data directory without building on it; implies --l1 off")
	fs.StringVar(&c.head, "head", "", "with --no-mining: `hash` of the block to set as head")
	fs.StringVar(&c.safe, "safe", "", "with --no-mining: `hash` of the block to label safe")
	fs.StringVar(&c.finalized, "finalized", "", "with --no-mining: `hash` of the block to label finalized")
}

// settle gives settings that were not given the value that others imply.
func (c *devConfig) settle(fs *flag.FlagSet) {
	if c.noMining && !wasSet(fs, "l1") {
		c.l1 = "off"
	}
}

// validate checks what can be checked without touching the world outside.
func (c *devConfig) validate() error {
	usage := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, errUsage)...)
	}
	switch {
	case c.executor != "parallel" && c.executor != "serial":
		return usage("--executor %q: use parallel or serial", c.executor)
	case c.workers < 1:
		return usage("--workers %d: must be at least 1", c.workers)
	case c.sequencer.BlockTime < 0 || c.sequencer.BlockTime%time.Second != 0:
		return usage("--block-time %s: block timestamps are whole seconds; use 0, 1s, 2s …", c.sequencer.BlockTime)
	case c.httpPort < 0 || c.httpPort > 65535:
		return usage("--http.port %d: not a port", c.httpPort)
	case c.accessLists < 0 || c.accessLists > 1<<20:
		return usage("--nats.access-lists %d: must be 0 to %d", c.accessLists, 1<<20)
	case c.accounts < 0 || c.accounts > 10_000:
		return usage("--accounts %d: use 0 to 10000", c.accounts)
	case c.chainID == 0:
		return usage("--chain-id 0: must be positive")
	case c.gasLimit < params.MinGasLimit || c.gasLimit > params.MaxGasLimit:
		return usage("--gas-limit %d: out of range", c.gasLimit)
	case c.l1Block < time.Second:
		return usage("--l1.block-time %s: at least 1s", c.l1Block)
	case !c.noMining && (c.head != "" || c.safe != "" || c.finalized != ""):
		return usage("--head, --safe and --finalized need --no-mining")
	case c.noMining && c.l1 != "off":
		return usage("--no-mining implies --l1 off: it cannot go with --l1 %s", redact("l1", c.l1))
	case c.noMining && c.datadir == "":
		return usage("--no-mining needs --datadir with an imported chain")
	}
	for _, part := range []interface{ Validate() error }{&c.sequencer, &c.mempool, &c.api} {
		if err := part.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
	}
	return c.validateEndpoints()
}

// validateEndpoints checks what names other programs and files.
func (c *devConfig) validateEndpoints() error {
	for _, e := range []struct {
		flag, value    string
		words, schemes []string
	}{
		{"--l1", c.l1, []string{"embedded", "off"}, []string{"http", "https"}},
		{"--l1.beacon", c.l1Beacon, []string{""}, []string{"http", "https"}},
		{"--nats", c.nats, []string{"embedded"}, []string{"nats", "tls", "ws", "wss"}},
		{"--nats.monitor", c.natsMonitor, []string{""}, []string{"http", "https"}},
		{"--postgres", c.postgres, []string{"auto", "off"}, []string{"postgres", "postgresql"}},
	} {
		if slices.Contains(e.words, e.value) {
			continue
		}
		u, err := url.Parse(e.value)
		if err != nil || u.Host == "" || !slices.Contains(e.schemes, u.Scheme) {
			choices := append(slices.DeleteFunc(e.words, func(w string) bool { return w == "" }), "a URL "+e.schemes[0]+"://…")
			return fmt.Errorf("%s %q: use %s: %w", e.flag, redact(strings.TrimPrefix(e.flag, "--"), e.value), strings.Join(choices, ", "), errUsage)
		}
	}
	if c.natsListen != "" {
		_, port, err := net.SplitHostPort(c.natsListen)
		if _, notNumber := strconv.ParseUint(port, 10, 16); err != nil || notNumber != nil {
			return fmt.Errorf("--nats.listen %q: use HOST:PORT, as in 127.0.0.1:4222: %w", c.natsListen, errUsage)
		}
	}
	if c.readyFile != "" {
		if info, err := os.Stat(filepath.Dir(c.readyFile)); err != nil || !info.IsDir() {
			return fmt.Errorf("--ready-file %s: there is no such folder: %w", c.readyFile, errUsage)
		}
	}
	return nil
}

// checkGenesis reports why a genesis is not one for this node.
func (c *devConfig) checkGenesis(g *core.Genesis) error {
	if c.noMining {
		return nil
	}
	if err := chain.CheckGenesis(g); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	if id := g.Config.ChainID.Uint64(); c.chainID != id && c.chainID != defaultChainID {
		return fmt.Errorf("--chain-id %d: the chain in %s has id %d: %w", c.chainID, c.datadir, id, errUsage)
	}
	return nil
}

// weiPerAccount is the balance of a funded account.
func (c *devConfig) weiPerAccount() *uint256.Int {
	wei := new(big.Int).Mul(new(big.Int).SetUint64(c.balance), big.NewInt(params.Ether))
	return uint256.MustFromBig(wei)
}

// openDatadir makes the data directory. A temporary one comes with a function
// that removes it.
func (c *devConfig) openDatadir() (cleanup func() error, err error) {
	if c.datadir == "" {
		dir, err := os.MkdirTemp("", "motet-dev-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary data directory: %w", err)
		}
		c.datadir = dir
		return func() error { return os.RemoveAll(dir) }, nil
	}
	abs, err := filepath.Abs(c.datadir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", c.datadir, err)
	}
	c.datadir = abs
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w: %w", err, errUsage)
	}
	return func() error { return nil }, nil
}

// parseHash parses an optional block hash.
func parseHash(flagName, text string) (common.Hash, error) {
	if text == "" {
		return common.Hash{}, nil
	}
	var h common.Hash
	if err := h.UnmarshalText([]byte(text)); err != nil {
		return h, fmt.Errorf("%s %q: not a block hash: %w", flagName, text, errUsage)
	}
	return h, nil
}
