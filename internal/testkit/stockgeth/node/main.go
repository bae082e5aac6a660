// Node is go-ethereum as it comes, without peers: `geth --syncmode full
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
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
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
	stack, err := node.New(&node.Config{
		Name: "geth", DataDir: datadir, UseLightweightKDF: true,
		AuthAddr: "127.0.0.1", AuthPort: port, AuthVirtualHosts: []string{"*"}, JWTSecret: jwt,
		P2P: p2p.Config{NoDiscovery: true, NoDial: true, MaxPeers: 0},
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
	if err := catalyst.Register(stack, backend); err != nil {
		return err
	}
	if err := stack.Start(); err != nil {
		return err
	}
	fmt.Println(stack.HTTPAuthEndpoint())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return nil
}
