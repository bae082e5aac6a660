package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	case stored != nil && given != nil && !sameGenesis(stored, given):
		return nil, fmt.Errorf("data directory %s holds chain %d with genesis %s, not chain %d with genesis %s of %s: %w",
			datadir, stored.Config.ChainID, stored.ToBlock().Hash(), given.Config.ChainID, given.ToBlock().Hash(), file, errUsage)
	case stored != nil:
		return stored, nil
	}
	if err := checkNew(datadir, given); err != nil {
		return nil, err
	}
	if given == nil {
		given = make()
	}
	if given == nil {
		return nil, fmt.Errorf("data directory %s holds no chain: name its genesis with --genesis: %w", datadir, errUsage)
	}
	// A crash leaves the whole file or none.
	tmp := genesisPath(datadir) + ".new"
	if err := chain.WriteGenesis(tmp, given); err != nil {
		return nil, err
	}
	return given, os.Rename(tmp, genesisPath(datadir))
}

// sameGenesis compares genesis blocks and what they do not contain, the chain id
// and the forks.
func sameGenesis(a, b *core.Genesis) bool {
	rawA, errA := json.Marshal(a.Config)
	rawB, errB := json.Marshal(b.Config)
	return a.ToBlock().Hash() == b.ToBlock().Hash() && errA == nil && errB == nil && bytes.Equal(rawA, rawB)
}

// checkNew refuses a directory without a genesis that is not free for a new
// chain: one that lost its genesis, or that another program owns.
func checkNew(datadir string, given *core.Genesis) error {
	if _, err := os.Stat(chainDir(datadir)); err == nil && given == nil {
		return fmt.Errorf("data directory %s holds a chain but no genesis.json: put that back, or name it with --genesis: %w", datadir, errUsage)
	}
	for _, name := range []string{"geth", "keystore", "chaindata"} {
		if _, err := os.Stat(filepath.Join(datadir, name)); err == nil {
			return fmt.Errorf("%s is the data directory of another program (it holds %s): choose another --datadir: %w", datadir, name, errUsage)
		}
	}
	return nil
}

// openChain opens the chain store of a data directory. Blocks that a crash left
// without state are executed again by the serial executor.
func openChain(ctx context.Context, cfg chain.Config, log *slog.Logger, reg prometheus.Registerer) (*chain.Chain, error) {
	serial := executor.NewSerial(executor.Config{})
	c, err := chain.Open(ctx, cfg, chain.Deps{
		Log: log, Registerer: reg,
		Execute: func(ctx context.Context, env chain.BlockEnv) (*motet.Outcome, error) {
			return executor.Replay(ctx, serial, executor.ReplayEnv{
				Config: cfg.Genesis.Config, Block: env.Block, Parent: env.Parent, State: env.State, BlockHash: env.BlockHash,
			})
		},
	})
	if errors.Is(err, chain.ErrDatadirUsed) {
		return nil, fmt.Errorf("%w: stop it or choose another --datadir", err)
	}
	return c, err
}

// requirePaths checks that the files and folders a command is given exist.
func requirePaths(paths []string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
	}
	return nil
}

// requireFiles checks that paths exist and that those that are no folders have one of
// the suffixes; what says which files are wanted.
func requireFiles(paths []string, what string, suffixes ...string) error {
	if err := requirePaths(paths); err != nil {
		return err
	}
	for _, path := range paths {
		named := slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(path, suffix) })
		if info, err := os.Stat(path); !named && (err != nil || !info.IsDir()) {
			return fmt.Errorf("%s: %s: %w", path, what, errUsage)
		}
	}
	return nil
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
