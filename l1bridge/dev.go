package l1bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"golang.org/x/sync/errgroup"
)

// DevKeyHex is the private key of the first account of every development L1,
// anvil's included. Everybody knows it.
const DevKeyHex = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

// DevChainID is the default chain id of a development L1.
const DevChainID = 1337

// DevConfig says how a development L1 is to run.
type DevConfig struct {
	DataDir string
	// BlockTime is the distance of blocks in whole seconds. With 0 a block is
	// built when a transaction arrives or evm_mine is called.
	BlockTime time.Duration
	HTTPAddr  string // default 127.0.0.1
	HTTPPort  int    // 0 takes any free one
	ChainID   uint64 // default DevChainID
	// Alloc are balances in wei at genesis, beside that of DevKeyHex.
	Alloc map[common.Address]*big.Int
	// FinalityDepth is how many blocks finalized lies behind the head.
	FinalityDepth uint64
	Log           *slog.Logger
}

// Validate reports the first setting that cannot work.
func (c *DevConfig) Validate() error {
	switch {
	case c.DataDir == "":
		return errors.New("dev L1: no data directory")
	case c.BlockTime < 0 || c.BlockTime%time.Second != 0:
		return fmt.Errorf("dev L1: block time %s is not in whole seconds", c.BlockTime)
	case c.HTTPPort < 0 || c.HTTPPort > 65535:
		return fmt.Errorf("dev L1: port %d out of range", c.HTTPPort)
	case c.Log == nil:
		return errors.New("dev L1: no logger")
	}
	return nil
}

// DevL1 is a development L1 in this process. A block that any client has seen
// survives the death of the process at any instant.
type DevL1 struct {
	log      *slog.Logger
	node     *node.Node
	eth      *eth.Ethereum
	filters  *filters.FilterSystem
	blobs    *blobStore
	finality uint64
	url      string

	server *http.Server
	cancel context.CancelFunc
	group  *errgroup.Group

	building sync.Mutex // held while a block is built
}

// StartDev starts a development L1, or goes on with the one in cfg.DataDir.
// The caller must Close it.
func StartDev(ctx context.Context, cfg DevConfig) (*DevL1, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	addr := cfg.HTTPAddr
	if addr == "" {
		addr = "127.0.0.1"
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(cfg.HTTPPort)))
	if err != nil {
		return nil, fmt.Errorf("listen for the dev L1: %w", err)
	}
	d, err := openDev(&cfg)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	d.url = "http://" + listener.Addr().String()
	if d.server, err = d.newServer(); err != nil {
		return nil, errors.Join(err, listener.Close(), d.node.Close())
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	d.group, runCtx = errgroup.WithContext(runCtx)
	d.group.Go(func() error {
		if err := d.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the dev L1: %w", err)
		}
		return nil
	})
	d.group.Go(func() error { return d.buildLoop(runCtx, cfg.BlockTime) })
	return d, nil
}

func openDev(cfg *DevConfig) (*DevL1, error) {
	blobs, err := openBlobStore(filepath.Join(cfg.DataDir, "blobs"))
	if err != nil {
		return nil, err
	}
	nodeKey, err := crypto.GenerateKey() // the node has no peers to know it by
	if err != nil {
		return nil, fmt.Errorf("generate node key: %w", err)
	}
	stack, err := node.New(&node.Config{
		Name:    "l1",
		DataDir: cfg.DataDir,
		P2P:     p2p.Config{PrivateKey: nodeKey, NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		return nil, fmt.Errorf("open dev L1 in %s: %w", cfg.DataDir, err)
	}
	conf, err := devEthConfig(cfg, stack)
	if err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	backend, err := eth.New(stack, conf)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open dev L1 in %s: %w", cfg.DataDir, err), stack.Close())
	}
	d := &DevL1{
		log:      cfg.Log,
		node:     stack,
		eth:      backend,
		filters:  filters.NewFilterSystem(backend.APIBackend, filters.Config{}),
		blobs:    blobs,
		finality: cfg.FinalityDepth,
	}
	if err = stack.Start(); err == nil {
		err = d.restoreHead()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open dev L1 in %s: %w", cfg.DataDir, err), stack.Close())
	}
	return d, nil
}

// devEthConfig derives geth's settings. The hash scheme without pruning writes
// a block's state together with the block, so the chain is whole on disk after
// every write-ahead log sync.
func devEthConfig(cfg *DevConfig, stack *node.Node) (*ethconfig.Config, error) {
	conf := ethconfig.Defaults
	conf.SyncMode = ethconfig.FullSync
	conf.StateScheme = rawdb.HashScheme
	conf.NoPruning = true
	conf.LogNoHistory = true
	conf.TransactionHistory = 0
	conf.DatabaseCache, conf.DatabaseHandles = 32, 128
	conf.TrieCleanCache, conf.TrieDirtyCache, conf.SnapshotCache = 16, 16, 0
	conf.TxPool.NoLocals = true
	conf.TxPool.Journal = ""
	conf.RPCTxFeeCap = 0

	// The genesis holds the time of its making, so a restart takes the stored one.
	fresh, err := isFresh(stack)
	if err != nil {
		return nil, err
	}
	if fresh {
		conf.Genesis = devGenesis(cfg, uint64(time.Now().Unix()))
	} else {
		conf.Genesis = nil
	}
	return &conf, nil
}

func isFresh(stack *node.Node) (bool, error) {
	db, err := stack.OpenDatabaseWithOptions("chaindata", node.DatabaseOptions{Cache: 16, Handles: 16})
	if err != nil {
		return false, fmt.Errorf("open chain data: %w", err)
	}
	fresh := rawdb.ReadCanonicalHash(db, 0) == (common.Hash{})
	return fresh, db.Close()
}

func devGenesis(cfg *DevConfig, now uint64) *core.Genesis {
	var zero uint64
	chain := *params.AllDevChainProtocolChanges
	id := cfg.ChainID
	if id == 0 {
		id = DevChainID
	}
	chain.ChainID = new(big.Int).SetUint64(id)
	chain.BogotaTime = nil
	chain.BPO1Time, chain.BPO2Time = &zero, &zero
	chain.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig,
		BPO1: params.DefaultBPO1BlobConfig, BPO2: params.DefaultBPO2BlobConfig,
	}

	alloc := core.SystemContractAllocs()
	million := new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))
	alloc[devAddress()] = types.Account{Balance: million}
	maps.Copy(alloc, precompileAllocs())
	for addr, wei := range cfg.Alloc {
		alloc[addr] = types.Account{Balance: wei}
	}
	return &core.Genesis{
		Config:     &chain,
		Timestamp:  now,
		GasLimit:   ethconfig.Defaults.Miner.GasCeil,
		BaseFee:    big.NewInt(params.InitialBaseFee),
		Difficulty: new(big.Int),
		Alloc:      alloc,
	}
}

// precompileAllocs gives precompiled contracts one wei, as on a real L1, where
// calling them creates no account.
func precompileAllocs() types.GenesisAlloc {
	out := make(types.GenesisAlloc)
	for i := byte(1); i <= 0x11; i++ {
		out[common.BytesToAddress([]byte{i})] = types.Account{Balance: big.NewInt(1)}
	}
	return out
}

func devAddress() common.Address {
	key, err := crypto.HexToECDSA(DevKeyHex)
	if err != nil {
		panic(err) // a constant
	}
	return crypto.PubkeyToAddress(key.PublicKey)
}

// URL is where the L1 answers: JSON-RPC by POST, the beacon API by GET.
func (d *DevL1) URL() string { return d.url }

// Close stops building and serving and flushes the chain.
func (d *DevL1) Close() error {
	d.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = d.server.Close()
	}
	return errors.Join(err, d.group.Wait(), d.node.Close())
}
