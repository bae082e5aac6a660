package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/core"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
)

// The content of a data directory. Everything but the genesis and the rollup
// config can be rebuilt: the chain from the log or from L1, the log from the
// chain, the index from the chain.
func genesisPath(datadir string) string { return filepath.Join(datadir, "genesis.json") }
func rollupPath(datadir string) string  { return filepath.Join(datadir, "rollup.json") }
func chainDir(datadir string) string    { return filepath.Join(datadir, "chain") }
func natsDir(datadir string) string     { return filepath.Join(datadir, "nats") }
func batcherDir(datadir string) string  { return filepath.Join(datadir, "batcher") }
func batchPath(datadir string) string   { return filepath.Join(batcherDir(datadir), "batch.json") }
func checkpointPath(datadir string) string {
	return filepath.Join(datadir, "derived.json")
}
func l1Dir(datadir string) string       { return filepath.Join(datadir, "l1") }
func postgresDir(datadir string) string { return filepath.Join(datadir, "postgres") }

// settleGenesis returns the genesis of the data directory. A new directory gets
// what make returns; one that has a genesis keeps it, and a different file given
// by the user is refused.
func settleGenesis(datadir, file string, make func() *core.Genesis) (*core.Genesis, error) {
	stored, err := chain.ReadGenesis(genesisPath(datadir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", err, errUsage)
	}
	var given *core.Genesis
	if file != "" {
		if given, err = chain.ReadGenesis(file); err != nil {
			return nil, fmt.Errorf("%w: %w", err, errUsage)
		}
	}
	switch {
	case stored != nil && given != nil && stored.ToBlock().Hash() != given.ToBlock().Hash():
		return nil, fmt.Errorf("data directory %s holds a chain with genesis %s, not the one in %s (%s): %w",
			datadir, stored.ToBlock().Hash(), file, given.ToBlock().Hash(), errUsage)
	case stored != nil:
		return stored, nil
	case given == nil:
		given = make()
	}
	if given == nil {
		return nil, fmt.Errorf("data directory %s holds no chain: name its genesis with --genesis: %w", datadir, errUsage)
	}
	return given, chain.WriteGenesis(genesisPath(datadir), given)
}

// openChain opens the chain store of a data directory. Blocks that a crash left
// without state are executed again by the serial executor.
func openChain(ctx context.Context, cfg chain.Config, log *slog.Logger, reg prometheus.Registerer) (*chain.Chain, error) {
	serial := executor.NewSerial(executor.Config{})
	return chain.Open(ctx, cfg, chain.Deps{
		Log: log, Registerer: reg,
		Execute: func(ctx context.Context, env chain.BlockEnv) (*motet.Outcome, error) {
			return executor.Replay(ctx, serial, executor.ReplayEnv{
				Config: cfg.Genesis.Config, Block: env.Block, Parent: env.Parent, State: env.State, BlockHash: env.BlockHash,
			})
		},
	})
}

// requireDatadir checks that a command got a data directory that exists.
func requireDatadir(datadir string) error {
	if datadir == "" {
		return fmt.Errorf("--datadir is missing: %w", errUsage)
	}
	if info, err := os.Stat(datadir); err != nil || !info.IsDir() {
		return fmt.Errorf("--datadir %s is no directory: %w", datadir, errUsage)
	}
	return nil
}
