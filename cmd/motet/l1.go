package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/service"
	"github.com/motet-evm/motet/l1bridge"
)

// The rollup parameters of a chain that motet dev starts.
const (
	devConfirmationDepth = 1
	devForceWindow       = 1800
	devChallengePeriod   = 3600
	devMaxSafeLag        = 2
	devL1Finality        = 4
)

// l1Parts is the L1 side of a node; nil where L1 is off.
type l1Parts struct {
	client *l1bridge.Client
	inbox  *l1bridge.Inbox
	reader *l1bridge.Reader
	http   string
	beacon string
}

// bindsTo tells whether blocks of a data directory, if there are any, may go on
// with the chosen L1. Each block names its origin on L1, and a batch whose blocks
// name another one's derives to nothing.
func (cfg *devConfig) bindsTo(head uint64) error {
	_, err := os.Stat(rollupPath(cfg.datadir))
	bound := !errors.Is(err, fs.ErrNotExist)
	switch {
	case head == 0 || bound == (cfg.l1 != "off"):
		return nil
	case bound:
		return fmt.Errorf("--l1 off: the %d blocks of data directory %s are bound to an L1: %w", head, cfg.datadir, errUsage)
	default:
		return fmt.Errorf("--l1: the %d blocks of data directory %s are bound to no L1 (it has no %s): only --l1 off goes on with them: %w",
			head, cfg.datadir, filepath.Base(rollupPath(cfg.datadir)), errUsage)
	}
}

// openL1 starts or connects to L1 and settles the rollup config: that of the
// data directory, or for a new chain one with freshly deployed contracts.
func openL1(ctx context.Context, cfg *devConfig, genesis *core.Genesis, g *service.Group, log *slog.Logger) (*l1Parts, *motet.Rollup, error) {
	if cfg.l1 == "off" {
		return nil, newRollup(cfg, genesis), nil
	}
	p := &l1Parts{http: cfg.l1, beacon: cfg.l1Beacon}
	if cfg.l1 == "embedded" {
		dev, err := l1bridge.StartDev(ctx, l1bridge.DevConfig{
			DataDir: l1Dir(cfg.datadir), BlockTime: cfg.l1Block, FinalityDepth: devL1Finality, Log: log,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("start the embedded L1: %w", err)
		}
		g.Defer("embedded L1", dev.Close)
		p.http = dev.URL()
	}
	if p.beacon == "" {
		p.beacon = p.http
	}
	client, err := l1bridge.Dial(ctx, l1bridge.Config{URL: p.http, BeaconURL: p.beacon, ArchiveDir: batcherDir(cfg.datadir) + "/blobs", Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("--l1: %w", err)
	}
	g.Defer("L1 client", func() error { client.Close(); return nil })
	p.client = client
	key, err := l1Key(cfg.l1KeyFile)
	if err != nil {
		return nil, nil, err
	}
	rollup, err := settleRollup(ctx, cfg, genesis, client, key)
	if err != nil {
		return nil, nil, err
	}
	if p.inbox, err = l1bridge.NewInbox(client, l1bridge.InboxConfig{Address: rollup.Inbox, Key: key}); err != nil {
		return nil, nil, fmt.Errorf("open the inbox: %w", err)
	}
	p.reader = l1bridge.NewReader(client, l1bridge.ReaderConfig{Inbox: rollup.Inbox, ConfirmationDepth: rollup.ConfirmationDepth})
	return p, rollup, nil
}

// l1Key reads the batcher's key; without a file it is the well-known dev key.
func l1Key(file string) (*ecdsa.PrivateKey, error) {
	if file == "" {
		return crypto.HexToECDSA(l1bridge.DevKeyHex)
	}
	key, err := crypto.LoadECDSA(file)
	if err != nil {
		return nil, fmt.Errorf("--l1.key-file: %w: %w", err, errUsage)
	}
	return key, nil
}

// settleRollup returns the rollup config of the data directory. For a new chain
// it deploys the contracts and writes the config; a crash in between leaves an
// Inbox that nobody uses.
func settleRollup(ctx context.Context, cfg *devConfig, genesis *core.Genesis, client *l1bridge.Client, key *ecdsa.PrivateKey) (*motet.Rollup, error) {
	path := rollupPath(cfg.datadir)
	rollup, err := motet.ReadRollup(path)
	if err == nil {
		if rollup.GenesisHash != genesis.ToBlock().Hash() {
			return nil, fmt.Errorf("%s is of another chain than %s: %w", path, genesisPath(cfg.datadir), errUsage)
		}
		if err := client.CheckRollup(ctx, rollup); err != nil {
			return nil, fmt.Errorf("data directory %s and L1 do not belong together: %w", cfg.datadir, err)
		}
		return rollup, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", err, errUsage)
	}
	head, err := client.Eth().BlockNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("read L1's head: %w", err)
	}
	origin, err := client.Origin(ctx, head)
	if err != nil {
		return nil, fmt.Errorf("read L1's head: %w", err)
	}
	rollup = newRollup(cfg, genesis)
	rollup.L1ChainID = client.ChainID()
	rollup.L1Genesis = motet.BlockRef{Number: origin.Number, Hash: origin.Hash}
	rollup.Batcher = crypto.PubkeyToAddress(key.PublicKey)
	rollup.Proposer = rollup.Batcher
	addresses, err := l1bridge.Deploy(ctx, client, key, rollup)
	if err != nil {
		return nil, fmt.Errorf("deploy the contracts: %w", err)
	}
	rollup.Inbox = addresses.Inbox
	return rollup, writeFileAtomic(path, append(rollup.Canonical(), '\n'), 0o644)
}

func newRollup(cfg *devConfig, genesis *core.Genesis) *motet.Rollup {
	return &motet.Rollup{
		ChainID:           genesis.Config.ChainID.Uint64(),
		GenesisHash:       genesis.ToBlock().Hash(),
		Coinbase:          common.HexToAddress("0x4200000000000000000000000000000000000011"),
		GasLimitTarget:    cfg.gasLimit,
		BlockTime:         uint64(cfg.sequencer.BlockTime.Seconds()),
		ConfirmationDepth: devConfirmationDepth,
		ForceWindow:       devForceWindow,
		ChallengePeriod:   devChallengePeriod,
		MaxSafeLag:        devMaxSafeLag,
		ForksByL1Time:     []motet.RollupFork{},
	}
}

// genesisOrigin is the origin of block 0: the L1 block that the rollup began at,
// or with L1 off one that stands for it.
func genesisOrigin(ctx context.Context, l1 *l1Parts, rollup *motet.Rollup, genesis *core.Genesis) (motet.Origin, error) {
	if l1 == nil {
		return motet.Origin{Time: genesis.Timestamp}, nil
	}
	origin, err := l1.client.Origin(ctx, rollup.L1Genesis.Number)
	if err != nil {
		return motet.Origin{}, fmt.Errorf("read L1 block %d: %w", rollup.L1Genesis.Number, err)
	}
	return origin, nil
}
