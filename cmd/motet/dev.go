package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/api"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/executor/predict"
	execution "github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/internal/service"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/internal/wallet"
	"github.com/motet-evm/motet/mempool"
	"github.com/motet-evm/motet/sequencer"
)

func setupDev(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	cfg := new(devConfig)
	cfg.register(fs)
	return func(ctx context.Context, io streams, _ []string) error {
		cfg.settle(fs)
		if err := cfg.validate(); err != nil {
			return err
		}
		log, err := telemetry.NewLogger(io.err, cfg.log.format, cfg.log.level)
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		ctx, stop := service.SignalContext(ctx, log, os.Exit)
		defer stop()
		return runDev(ctx, cfg, io, log)
	}
}

// node collects the parts of a process while it is put together.
type node struct {
	service.Group
	cfg      *devConfig
	log      *slog.Logger
	registry *prometheus.Registry
	accounts []wallet.Account
	genesis  *core.Genesis
	rollup   *motet.Rollup
	l1       *l1Parts
	chain    *chain.Chain
	checks   []api.Check
	notes    []api.Note
	ready    *ready
}

// runDev puts the whole pipeline together, says that it is ready, and runs it
// until ctx ends.
func runDev(ctx context.Context, cfg *devConfig, io streams, log *slog.Logger) (err error) {
	n := &node{cfg: cfg, log: log, registry: telemetry.NewRegistry(version()), ready: &ready{notes: map[string]string{}}}
	defer func() { err = errors.Join(err, n.Close()) }()
	cleanup, err := cfg.openDatadir()
	if err != nil {
		return err
	}
	n.Defer("data directory", cleanup)
	listener, err := listenHTTP(cfg)
	if err != nil {
		return err
	}
	n.Defer("listener", func() error { _ = listener.Close(); return nil })
	if n.accounts, err = wallet.Derive(cfg.mnemonic, cfg.accounts); err != nil {
		return fmt.Errorf("--mnemonic: %w: %w", err, errUsage)
	}
	if err := n.openChain(ctx); err != nil {
		return err
	}
	deps := api.Deps{Chain: n.chain, Log: log, Registerer: n.registry, Gatherer: n.registry}
	if !cfg.noMining {
		if err := n.build(ctx, &deps); err != nil {
			return err
		}
	}
	deps.Checks, deps.Notes = n.checks, n.notes
	cfg.api.Dev, cfg.api.Version = true, version()
	server, err := api.New(cfg.api, deps)
	if err != nil {
		return fmt.Errorf("start the API: %w", err)
	}
	n.Add("trusted setup", loadTrustedSetup)
	n.Add("api", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	n.describe(listener.Addr())
	n.Add("ready", func(context.Context) error {
		printBanner(io.out, n.ready, cfg)
		if cfg.readyFile == "" {
			return nil
		}
		return writeReady(cfg.readyFile, n.ready)
	})
	return n.Run(ctx)
}

// listenHTTP takes the port first, so that a busy one costs nothing.
func listenHTTP(cfg *devConfig) (net.Listener, error) {
	addr := net.JoinHostPort(cfg.httpAddr, strconv.Itoa(cfg.httpPort))
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: stop the other program or choose --http.port (0 takes any free one)", cfg.httpPort)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// openChain settles the genesis and opens the chain store.
func (n *node) openChain(ctx context.Context) error {
	if n.cfg.genesis != "" { // before it is written into the data directory
		given, err := chain.ReadGenesis(n.cfg.genesis)
		if err != nil {
			return fmt.Errorf("--genesis: %w: %w", err, errUsage)
		}
		if err := n.cfg.checkGenesis(given); err != nil {
			return err
		}
	}
	var err error
	n.genesis, err = settleGenesis(n.cfg.datadir, n.cfg.genesis, func() *core.Genesis {
		if n.cfg.noMining {
			return nil
		}
		alloc := make(map[common.Address]*uint256.Int, len(n.accounts))
		for _, a := range n.accounts {
			alloc[a.Address] = n.cfg.weiPerAccount()
		}
		return chain.DevGenesis(chain.DevConfig{
			ChainID: n.cfg.chainID, GasLimit: n.cfg.gasLimit, Timestamp: uint64(time.Now().Unix()), Alloc: alloc,
		})
	})
	if err != nil {
		return err
	}
	if err := n.cfg.checkGenesis(n.genesis); err != nil {
		return err
	}
	n.cfg.chain.DataDir, n.cfg.chain.Genesis = chainDir(n.cfg.datadir), n.genesis
	if n.chain, err = openChain(ctx, n.cfg.chain, n.log, n.registry); err != nil {
		return err
	}
	n.Defer("chain", n.chain.Close)
	if n.cfg.noMining {
		return n.setHeads(ctx)
	}
	return nil
}

// setHeads sets the labels that --head, --safe and --finalized name.
func (n *node) setHeads(ctx context.Context) error {
	refs := map[string]motet.BlockRef{}
	for name, text := range map[string]string{"--head": n.cfg.head, "--safe": n.cfg.safe, "--finalized": n.cfg.finalized} {
		hash, err := parseHash(name, text)
		if err != nil {
			return err
		}
		if hash == (common.Hash{}) {
			continue
		}
		block := n.chain.BlockByHash(hash)
		if block == nil {
			return fmt.Errorf("%s %s: no such block: %w", name, hash, errUsage)
		}
		refs[name] = motet.RefOf(block.Header())
	}
	if head, ok := refs["--head"]; ok && head.Hash != n.chain.Head().Hash() {
		if err := n.chain.Rollback(ctx, head); err != nil {
			return fmt.Errorf("--head: %w", err)
		}
	}
	heads := n.chain.Heads()
	safe, final := heads.Safe, heads.Finalized
	if ref, ok := refs["--safe"]; ok {
		safe = ref
	}
	if ref, ok := refs["--finalized"]; ok {
		final = ref
	}
	if err := n.chain.Label(safe, final); err != nil {
		return fmt.Errorf("set the labels: %w", err)
	}
	return nil
}

// build adds what makes blocks: the log, L1, the pool, the sequencer, and the
// projections of the chain.
func (n *node) build(ctx context.Context, deps *api.Deps) error {
	if err := n.cfg.bindsTo(n.chain.Head().Number.Uint64()); err != nil {
		return err
	}
	conn, err := n.openLog(ctx)
	if err != nil {
		return err
	}
	id := eventlog.Identity{ChainID: n.genesis.Config.ChainID.Uint64(), Genesis: n.chain.Genesis().Hash()}
	log, err := conn.OpenLog(ctx, id)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	intake, err := conn.OpenIntake(ctx, id)
	if err != nil {
		return fmt.Errorf("open the intake: %w", err)
	}
	if n.l1, n.rollup, err = openL1(ctx, n.cfg, n.genesis, &n.Group, n.log); err != nil {
		return err
	}
	origin, err := genesisOrigin(ctx, n.l1, n.rollup, n.genesis)
	if err != nil {
		return err
	}
	pool, err := mempool.New(n.cfg.mempool, mempool.Deps{
		ChainConfig: n.chain.ChainConfig(), Intake: intake, Log: n.log, Registerer: n.registry,
		Included: func(tx common.Hash) (uint64, uint64, bool) {
			block, index, ok := n.chain.TransactionBlock(tx)
			return block.Number, index, ok
		},
	})
	if err != nil {
		return fmt.Errorf("make the mempool: %w", err)
	}
	reports, err := execution.NewHistory(execution.DefaultLimits(), n.registry)
	if err != nil {
		return err
	}
	exec, err := n.executor()
	if err != nil {
		return err
	}
	n.cfg.sequencer.EvidenceDir = n.cfg.datadir
	seq, err := sequencer.New(n.cfg.sequencer, sequencer.Deps{
		Rollup: n.rollup, Origin: origin, L1: n.originSource(), Log: sequencer.OverLog(log), Chain: n.chain,
		Pool: pool, Intake: intake, Executor: exec, Opinion: executor.NewSerial(executor.Config{}),
		Reports: reports, Logger: n.log, Registerer: n.registry,
	})
	if err != nil {
		return fmt.Errorf("make the sequencer: %w", err)
	}
	if err := seq.Recover(ctx); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	n.Add("mempool", pool.Run)
	n.Add("sequencer", seq.Run)
	deps.Pool, deps.Sequencer, deps.Events, deps.Reports = pool, seqAdapter{seq}, log, reports
	if err := n.addRollup(deps); err != nil {
		return err
	}
	if err := n.addIndex(ctx); err != nil {
		return err
	}
	if err := n.addPublisher(ctx, conn, id); err != nil {
		return err
	}
	n.checks = append(n.checks,
		api.Check{Name: "log", Run: func(context.Context) error {
			if !conn.Connected() {
				return errors.New("NATS is away")
			}
			return nil
		}},
		api.Check{Name: "disk", Run: func(context.Context) error { return n.chain.Healthy() }})
	return nil
}

// openLog starts or connects to NATS.
func (n *node) openLog(ctx context.Context) (*eventlog.Conn, error) {
	deps := eventlog.Deps{Log: n.log, Registerer: n.registry}
	var cfg eventlog.Config
	if n.cfg.nats == "embedded" {
		srv, err := eventlog.StartServer(eventlog.ServerConfig{StoreDir: natsDir(n.cfg.datadir), Listen: n.cfg.natsListen}, n.log)
		if err != nil {
			return nil, fmt.Errorf("start the embedded NATS: %w", err)
		}
		n.Defer("embedded NATS", func() error { srv.Shutdown(); return nil })
		deps.Server = srv
		if url := srv.URL(); url != "" {
			n.ready.NATS = &url
		} else {
			n.ready.notes["NATS"] = "embedded, in this process only; --nats.listen opens it to subscribers"
		}
	} else {
		cfg.URL, cfg.MonitorURL = n.cfg.nats, n.cfg.natsMonitor
		url := redact("nats", n.cfg.nats)
		n.ready.NATS = &url
	}
	conn, err := eventlog.Connect(ctx, cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("--nats: %w", err)
	}
	n.Defer("NATS connection", func() error { conn.Close(); return nil })
	return conn, nil
}

func (n *node) executor() (executor.Executor, error) {
	if n.cfg.executor == "serial" {
		return executor.NewSerial(executor.Config{}), nil
	}
	predictor := predict.New(n.cfg.predict)
	if err := predictor.Register(n.registry); err != nil {
		return nil, fmt.Errorf("register the metrics of predictions: %w", err)
	}
	return executor.NewParallel(executor.Config{Workers: n.cfg.workers, Warm: true, Schedule: schedule(n.cfg.adaptive), Predict: predictor}), nil
}

// loadTrustedSetup computes what KZG proofs are checked with. It takes seconds, for
// which the first transaction that calls the precompile (EIP-4844) would hold up its
// block.
func loadTrustedSetup(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- kzg4844.UseCKZG(false) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("load the trusted setup of KZG: %w", err)
		}
	case <-ctx.Done(): // a node that stops does not wait for it
	}
	return nil
}

// originSource is where the sequencer learns of L1 blocks.
func (n *node) originSource() sequencer.L1Source {
	if n.l1 == nil {
		return sequencer.NoL1{}
	}
	return n.l1.reader
}

// describe fills the ready file with what is known now.
func (n *node) describe(addr net.Addr) {
	host := addr.String()
	if h, port, err := net.SplitHostPort(host); err == nil && net.ParseIP(h).IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", port)
	}
	r := n.ready
	r.Version, r.PID, r.ChainID, r.Datadir = version(), os.Getpid(), n.genesis.Config.ChainID.Uint64(), n.cfg.datadir
	r.HTTP, r.WS = "http://"+host, "ws://"+host
	r.REST, r.UI, r.Metrics = r.HTTP+"/v1", r.HTTP+"/ui", r.HTTP+"/metrics"
	r.GenesisFile = genesisPath(n.cfg.datadir)
	if n.l1 != nil {
		path := rollupPath(n.cfg.datadir)
		node, beacon := redact("l1", n.l1.http), redact("l1.beacon", n.l1.beacon)
		r.RollupFile, r.L1HTTP, r.L1Beacon = &path, &node, &beacon
		r.L1Contracts = &l1Contracts{Inbox: n.rollup.Inbox, Bridge: n.rollup.Bridge, Outputs: n.rollup.Outputs}
	} else {
		r.notes["L1"] = "no batches are posted and no block becomes safe"
	}
	r.Accounts = []readyAccount{}
	for _, a := range readyAccounts(n.accounts) {
		if _, funded := n.genesis.Alloc[a.Address]; funded {
			r.Accounts = append(r.Accounts, a)
		}
	}
}

// seqAdapter shows the sequencer to the API, which knows it only by interface.
type seqAdapter struct{ *sequencer.Sequencer }

// Pending returns the open block in the API's words.
func (a seqAdapter) Pending() *api.Pending {
	p := a.Sequencer.Pending()
	if p == nil {
		return nil
	}
	return &api.Pending{Header: p.Header, Txs: p.Txs, Receipts: p.Receipts, View: p.View}
}
