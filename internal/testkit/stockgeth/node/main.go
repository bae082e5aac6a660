// Node is go-ethereum as it comes, without peers: `geth --http --syncmode full
// --engine.maxreorgdepth 0`, driven through its Engine API. It exists as a
// program of its own since the geth command of this version does not build from
// the module mirror.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

func main() {
	datadir := flag.String("datadir", "", "data directory")
	genesis := flag.String("genesis", "", "genesis file")
	port := flag.Int("authrpc.port", 0, "port of the Engine API")
	jwt := flag.String("authrpc.jwtsecret", "", "JWT secret file")
	flag.Parse()
	if err := run(*datadir, *genesis, *port, *jwt); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(datadir, genesisFile string, port int, jwt string) error {
	raw, err := os.ReadFile(genesisFile)
	if err != nil {
		return err
	}
	genesis := new(core.Genesis)
	if err := json.Unmarshal(raw, genesis); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	defaults := node.DefaultConfig
	stack, err := node.New(&node.Config{
		Name: "geth", DataDir: datadir, UseLightweightKDF: true,
		AuthAddr: "127.0.0.1", AuthPort: port, AuthVirtualHosts: []string{"*"}, JWTSecret: jwt,
		HTTPHost: "127.0.0.1", HTTPModules: append(defaults.HTTPModules, "eth"), HTTPTimeouts: defaults.HTTPTimeouts,
		BatchRequestLimit: defaults.BatchRequestLimit, BatchResponseMaxSize: defaults.BatchResponseMaxSize,
		HTTPBodyLimit: defaults.HTTPBodyLimit,
		P2P:           p2p.Config{NoDiscovery: true, NoDial: true, MaxPeers: 0},
	})
	if err != nil {
		return err
	}
	defer stack.Close()
	config := ethconfig.Defaults
	config.Genesis = genesis
	config.NetworkId = genesis.Config.ChainID.Uint64()
	config.SyncMode = ethconfig.FullSync
	config.EngineMaxReorgDepth = 0
	config.TrieCleanCache, config.TrieDirtyCache, config.SnapshotCache, config.DatabaseCache = 32, 32, 32, 32
	backend, err := eth.New(stack, &config)
	if err != nil {
		return err
	}
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{
		LogCacheSize: config.FilterLogCacheSize, LogQueryLimit: config.LogQueryLimit, RangeLimit: config.RangeLimit,
	}))}})
	if err := catalyst.Register(stack, backend); err != nil {
		return err
	}
	if err := stack.Start(); err != nil {
		return err
	}
	fmt.Println(stack.HTTPAuthEndpoint(), stack.HTTPEndpoint())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return nil
}
