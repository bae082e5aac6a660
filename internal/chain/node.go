package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/ethereum/go-ethereum/triedb/pathdb"
)

// instanceDir is the directory below DataDir in which geth keeps its databases;
// a stock geth started on DataDir finds them there.
const instanceDir = "geth"

// stateBufferMiB is the write buffer of the path database. It is small, since
// flushes come by time and number of blocks long before it fills.
const stateBufferMiB = 32

// openNode starts the embedded node.
func openNode(c *Config) (*node.Node, *eth.Ethereum, error) {
	nodeKey, err := crypto.GenerateKey() // the node has no peers to know it by
	if err != nil {
		return nil, nil, fmt.Errorf("generate node key: %w", err)
	}
	stack, err := node.New(&node.Config{
		Name:    instanceDir,
		DataDir: c.DataDir,
		P2P:     p2p.Config{PrivateKey: nodeKey, NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		if errors.Is(err, node.ErrDatadirUsed) {
			return nil, nil, fmt.Errorf("%s: %w", c.DataDir, ErrDatadirUsed)
		}
		return nil, nil, fmt.Errorf("create node in %s: %w", c.DataDir, err)
	}
	conf := ethConfig(c)
	backend, err := openEthereum(stack, conf)
	if err != nil {
		if mismatch := new(core.GenesisMismatchError); errors.As(err, &mismatch) {
			err = &ForeignDatadirError{Dir: c.DataDir, Stored: mismatch.Stored, Given: mismatch.New}
		} else {
			err = fmt.Errorf("open chain in %s: %w", c.DataDir, err)
		}
		return nil, nil, errors.Join(err, stack.Close())
	}
	return stack, backend, nil
}

func openEthereum(stack *node.Node, conf *ethconfig.Config) (*eth.Ethereum, error) {
	if err := setupGenesis(stack, conf); err != nil {
		return nil, err
	}
	backend, err := eth.New(stack, conf)
	if err != nil {
		return nil, err
	}
	return backend, stack.Start()
}

// setupGenesis writes the genesis of a new chain, and checks that of an existing
// one, before geth opens the database.
//
// geth would do both by itself, but worse: it removes the blocks that changed
// fork times concern, or passes over a change at time zero, and it makes the
// states of a chain that has no head when it is opened unreadable for a minute.
func setupGenesis(stack *node.Node, conf *ethconfig.Config) (err error) {
	db, err := stack.OpenDatabaseWithOptions("chaindata", node.DatabaseOptions{Cache: 16, Handles: 16})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	stored := rawdb.ReadCanonicalHash(db, 0)
	if config := rawdb.ReadChainConfig(db, stored); config != nil {
		return checkStored(db, config, conf.Genesis)
	}
	tries := triedb.NewDatabase(db, &triedb.Config{PathDB: &pathdb.Config{
		JournalDirectory:    stack.ResolvePath("triedb"),
		StateHistory:        conf.StateHistory,
		TrienodeHistory:     conf.TrienodeHistory,
		FullValueCheckpoint: conf.NodeFullValueCheckpoint,
		WriteBufferSize:     stateBufferMiB << 20,
	}})
	defer func() { err = errors.Join(err, tries.Close()) }()
	_, _, _, err = core.SetupGenesisBlockWithOverride(db, tries, conf.Genesis, nil, nil)
	return err
}

// checkStored reports whether the chain in db is the one that g starts.
func checkStored(db ethdb.Database, config *params.ChainConfig, g *core.Genesis) error {
	if stored, given := rawdb.ReadCanonicalHash(db, 0), g.ToBlock().Hash(); stored != given {
		return &core.GenesisMismatchError{Stored: stored, New: given}
	}
	head := rawdb.ReadHeadHeader(db)
	if head == nil || head.Number.Sign() == 0 {
		return nil
	}
	if err := config.CheckCompatible(g.Config, head.Number.Uint64(), head.Time); err != nil {
		return &ForkScheduleError{Err: err}
	}
	return nil
}

// ethConfig derives geth's settings from ours. geth's defaults would use 3 to 4
// GiB of caches and forget state older than 128 blocks, which is two minutes.
func ethConfig(c *Config) *ethconfig.Config {
	conf := ethconfig.Defaults
	conf.Genesis = c.Genesis
	conf.SyncMode = ethconfig.FullSync
	conf.StateScheme = rawdb.PathScheme
	conf.NoPruning = true // makes the path database index the histories
	conf.StateHistory = c.History
	conf.TrienodeHistory = int64(c.History)
	conf.TransactionHistory = c.History
	conf.LogHistory = c.History

	conf.DatabaseCache = c.CacheMiB / 4
	conf.TrieCleanCache = c.CacheMiB / 2
	conf.SnapshotCache = max(c.CacheMiB/4, 1)
	conf.TrieDirtyCache = stateBufferMiB
	conf.DatabaseHandles = 512

	conf.RPCTxFeeCap = 0
	conf.RPCGasCap = c.GasCap
	conf.RPCEVMTimeout = c.CallTimeout
	conf.EngineMaxReorgDepth = 0
	// The node's own pool stays empty: transactions reach blocks another way.
	conf.TxPool.NoLocals = true
	conf.TxPool.Journal = ""
	return &conf
}
