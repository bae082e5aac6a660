package chain

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

// Config is what an operator chooses about the chain store. The zero value of
// every field but DataDir and Genesis means its default.
type Config struct {
	// DataDir is the directory of the embedded node. One process owns it.
	DataDir string
	// Genesis is block 0. A data directory of another genesis is refused.
	Genesis *core.Genesis
	// History is the number of recent blocks whose state, transactions and logs
	// can be looked up; 0 keeps those of all blocks.
	History uint64
	// CacheMiB is the memory given to geth's caches, write buffers excluded.
	CacheMiB int
	// FlushInterval and FlushBlocks bound what a restart has to execute again:
	// the state is written to disk when the oldest block that only memory holds
	// the state of is older, or is that many blocks below the head. After a
	// start it waits up to 30 s longer, and for up to twice as many blocks, until
	// geth can read older states from disk.
	FlushInterval time.Duration
	FlushBlocks   uint64
	// MinFreeMiB is the free disk space below which Healthy reports an error.
	MinFreeMiB uint64
	// GasCap and CallTimeout bound eth_call and its relatives.
	GasCap      uint64
	CallTimeout time.Duration
	// SubscriptionEvents is how many events a subscriber may lag behind.
	SubscriptionEvents int
}

const (
	defaultCacheMiB           = 256
	defaultFlushInterval      = 10 * time.Second
	defaultFlushBlocks        = 64
	defaultMinFreeMiB         = 1024
	defaultGasCap             = 50_000_000
	defaultCallTimeout        = 5 * time.Second
	defaultSubscriptionEvents = 1024
)

// RegisterFlags registers the flags of c, each with prefix before its name.
func (c *Config) RegisterFlags(fs *flag.FlagSet, prefix string) {
	fs.Uint64Var(&c.History, prefix+"history", 0, "recent `blocks` whose state, transactions and logs are kept; 0 keeps all")
	fs.IntVar(&c.CacheMiB, prefix+"cache", defaultCacheMiB, "`MiB` of memory for the caches of the chain store")
	fs.DurationVar(&c.FlushInterval, prefix+"flush-interval", defaultFlushInterval, "longest time that a state stays in memory only")
	fs.Uint64Var(&c.FlushBlocks, prefix+"flush-blocks", defaultFlushBlocks, "most `blocks` whose state stays in memory only")
	fs.Uint64Var(&c.MinFreeMiB, prefix+"min-free-disk", defaultMinFreeMiB, "`MiB` of free disk below which no block is produced")
	fs.Uint64Var(&c.GasCap, prefix+"rpc-gas-cap", defaultGasCap, "most `gas` for eth_call and eth_estimateGas")
	fs.DurationVar(&c.CallTimeout, prefix+"rpc-evm-timeout", defaultCallTimeout, "longest time for eth_call")
}

// Validate reports the first value that cannot work.
func (c *Config) Validate() error {
	switch {
	case c.DataDir == "":
		return errors.New("chain: no data directory")
	case c.Genesis == nil || c.Genesis.Config == nil || c.Genesis.Config.ChainID == nil:
		return errors.New("chain: no genesis with a chain config and a chain id")
	case c.History != 0 && c.History < minHistory:
		return fmt.Errorf("chain: history of %d blocks is shorter than %d", c.History, minHistory)
	case c.CacheMiB < 0 || c.SubscriptionEvents < 0:
		return errors.New("chain: negative cache or subscription size")
	case c.FlushInterval < 0 || c.CallTimeout < 0:
		return errors.New("chain: negative duration")
	case c.FlushBlocks > maxFlushBlocks:
		return fmt.Errorf("chain: flush-blocks %d is above %d, the layers that geth keeps in memory", c.FlushBlocks, maxFlushBlocks)
	}
	return nil
}

// Bounds of Config. geth's path database keeps 128 layers in memory; a history
// that is shorter could not undo what a rollback may have to undo.
const (
	minHistory     = 256
	maxFlushBlocks = 120
)

// withDefaults returns c with its zero values replaced.
func (c Config) withDefaults() Config {
	setDefault(&c.CacheMiB, defaultCacheMiB)
	setDefault(&c.FlushInterval, defaultFlushInterval)
	setDefault(&c.FlushBlocks, defaultFlushBlocks)
	setDefault(&c.MinFreeMiB, defaultMinFreeMiB)
	setDefault(&c.GasCap, defaultGasCap)
	setDefault(&c.CallTimeout, defaultCallTimeout)
	setDefault(&c.SubscriptionEvents, defaultSubscriptionEvents)
	return c
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Deps are the things that Chain is given.
type Deps struct {
	// Log receives geth's lines too. geth has one logger for the whole process:
	// with several nodes in a process the one opened last owns it.
	Log *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
	// Execute runs a block on the state after its parent. Open uses it to bring
	// the state up to the head, AccessList to make lists anew. If it is nil, geth
	// executes those blocks, and they have no lists.
	Execute func(ctx context.Context, env BlockEnv) (*motet.Outcome, error)
}

// BlockEnv is a stored block and what it has to be executed in.
type BlockEnv struct {
	Block  *types.Block
	Parent *types.Header
	// State is the state after Parent; safe for concurrent use.
	State state.Reader
	// BlockHash returns the hashes of canonical ancestors; safe for concurrent use.
	BlockHash func(number uint64) common.Hash
}
