package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/replica"
	"github.com/motet-evm/motet/internal/service"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/l1bridge"
)

// verifierConfig are the settings of motet verifier.
type verifierConfig struct {
	log                      logConfig
	datadir, genesis, rollup string
	l1, l1Beacon             string
	untilSafe                uint64
	timeout                  time.Duration
	workers                  int
	predict                  predict.Sources
	adaptive                 bool
	json                     bool
}

func (c *verifierConfig) register(fs *flag.FlagSet) {
	c.log.register(fs)
	fs.StringVar(&c.datadir, "datadir", "", "data `directory`")
	fs.StringVar(&c.genesis, "genesis", "", "geth-format genesis `file`")
	fs.StringVar(&c.rollup, "rollup", "", "rollup.json, as motet dev writes it")
	fs.StringVar(&c.l1, "l1", "", "`URL` of an L1 node")
	fs.StringVar(&c.l1Beacon, "l1.beacon", "", "`URL` of the L1's beacon API (empty: the L1's own)")
	fs.Uint64Var(&c.untilSafe, "until-safe", 0, "end when this block is safe (0: go on)")
	fs.DurationVar(&c.timeout, "timeout", 0, "with --until-safe: give up after this time (0: never)")
	fs.IntVar(&c.workers, "workers", runtime.GOMAXPROCS(0), "workers of the parallel executor")
	c.predict.Flag(fs)
	fs.BoolVar(&c.adaptive, "adaptive", true, adaptiveUsage)
	fs.BoolVar(&c.json, "json", false, "one JSON object a block")
}

func (c *verifierConfig) validate() error {
	for _, f := range []struct{ name, value string }{{"--datadir", c.datadir}, {"--rollup", c.rollup}, {"--l1", c.l1}} {
		if f.value == "" {
			return fmt.Errorf("%s is missing: %w", f.name, errUsage)
		}
	}
	if c.workers < 1 {
		return fmt.Errorf("--workers %d: must be at least 1: %w", c.workers, errUsage)
	}
	return nil
}

// errReached ends a verifier that has come as far as it was asked to.
var errReached = errors.New("reached the block asked for")

func setupVerifier(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	cfg := new(verifierConfig)
	cfg.register(fs)
	return func(ctx context.Context, io streams, _ []string) error {
		if err := cfg.validate(); err != nil {
			return err
		}
		log, err := telemetry.NewLogger(io.err, cfg.log.format, cfg.log.level)
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		ctx, stop := service.SignalContext(ctx, log, os.Exit)
		defer stop()
		if cfg.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, cfg.timeout)
			defer cancel()
		}
		var g service.Group
		err = assembleVerifier(ctx, cfg, io, &g)
		if err == nil {
			err = g.Run(ctx)
		}
		if errors.Is(err, errReached) {
			err = nil
		} else if err == nil && cfg.untilSafe > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("block %d is not safe after %s", cfg.untilSafe, cfg.timeout)
		}
		return errors.Join(err, g.Close())
	}
}

// assembleVerifier puts together what derives the chain: L1, the chain store,
// an executor.
func assembleVerifier(ctx context.Context, cfg *verifierConfig, io streams, g *service.Group) error {
	log, err := telemetry.NewLogger(io.err, cfg.log.format, cfg.log.level)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	rollup, err := motet.ReadRollup(cfg.rollup)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	if err := os.MkdirAll(cfg.datadir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	genesis, err := settleGenesis(cfg.datadir, cfg.genesis, func() *core.Genesis { return nil })
	if err != nil {
		return err
	}
	if genesis.ToBlock().Hash() != rollup.GenesisHash {
		return fmt.Errorf("genesis %s is not the one that %s names (%s): %w", genesis.ToBlock().Hash(), cfg.rollup, rollup.GenesisHash, errUsage)
	}
	client, err := l1bridge.Dial(ctx, l1bridge.Config{URL: cfg.l1, BeaconURL: cfg.l1Beacon, ChainID: rollup.L1ChainID, Log: log})
	if err != nil {
		return err
	}
	g.Defer("L1 client", func() error { client.Close(); return nil })
	if err := client.CheckRollup(ctx, rollup); err != nil {
		return err
	}
	c, err := openChain(ctx, chain.Config{DataDir: chainDir(cfg.datadir), Genesis: genesis}, log, nil)
	if err != nil {
		return err
	}
	g.Defer("chain", c.Close)
	reader := l1bridge.NewReader(client, l1bridge.ReaderConfig{Inbox: rollup.Inbox, ConfirmationDepth: rollup.ConfirmationDepth})
	rep, err := replica.New(replica.Config{Build: true, Checkpoint: checkpointPath(cfg.datadir)}, replica.Deps{
		Rollup: rollup, L1: reader, Chain: c, Executor: executor.NewParallel(executor.Config{Workers: cfg.workers, Warm: true, Schedule: schedule(cfg.adaptive), Predict: predict.New(cfg.predict)}), Log: log,
	})
	if err != nil {
		return fmt.Errorf("make the replica: %w", err)
	}
	g.Add("trusted setup", loadTrustedSetup)
	g.Add("replica", rep.Run)
	g.Add("report", func(ctx context.Context) error { return reportSafe(ctx, cfg, io, c, rep) })
	return nil
}

// reportPoll is the time between looks at how far derivation has come.
const reportPoll = 20 * time.Millisecond

// derivedBlock is what motet verifier prints of a block.
type derivedBlock struct {
	Number    uint64      `json:"number"`
	Hash      common.Hash `json:"hash"`
	StateRoot common.Hash `json:"state_root"`
	// Batch is absent if an earlier run derived the block.
	Batch *uint64 `json:"batch,omitempty"`
}

// reportSafe prints each block once it is safe, in order.
func reportSafe(ctx context.Context, cfg *verifierConfig, io streams, c *chain.Chain, rep *replica.Replica) error {
	for next := uint64(1); ; {
		p := rep.Progress()
		for ; next <= p.Safe.Number; next++ {
			h := c.HeaderByNumber(next)
			if h == nil {
				break // L1 has just lost it
			}
			b := derivedBlock{Number: next, Hash: h.Hash(), StateRoot: h.Root}
			of := "an earlier run"
			if batch, ok := rep.BatchOf(next); ok {
				b.Batch, of = &batch, fmt.Sprintf("batch %d", batch)
			}
			if cfg.json {
				printJSON(io.out, b)
			} else {
				fmt.Fprintf(io.out, "block %d  %s  state root %s  %s\n", b.Number, b.Hash, b.StateRoot, of)
			}
			if next == cfg.untilSafe {
				return errReached
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reportPoll):
		}
	}
}
