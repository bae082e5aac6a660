package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/api"
	"github.com/motet-evm/motet/batcher"
	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/batchcodec"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/internal/indexer"
	"github.com/motet-evm/motet/internal/publish"
	"github.com/motet-evm/motet/internal/replica"
	"github.com/motet-evm/motet/internal/telemetry"
)

// postedPoll is the time between looks at how far L1 holds the chain.
const postedPoll = 500 * time.Millisecond

// addRollup adds what posts the chain to L1 and what derives it from there.
func (n *node) addRollup(deps *api.Deps) error {
	if n.l1 == nil {
		return nil
	}
	rep, err := replica.New(replica.Config{Checkpoint: checkpointPath(n.cfg.datadir)}, replica.Deps{
		Rollup: n.rollup, L1: n.l1.reader, Chain: n.chain, Log: n.log, Registerer: n.registry,
	})
	if err != nil {
		return fmt.Errorf("make the replica: %w", err)
	}
	opinion := &batcher.Opinion{Chain: n.chain, Executor: executor.NewSerial(executor.Config{})}
	b, err := batcher.New(batcher.Config{
		StateFile: batchPath(n.cfg.datadir), MaxLag: time.Duration(n.rollup.MaxSafeLag) * time.Second, Codec: batchcodec.Zstd,
	}, batcher.Deps{
		Rollup: n.rollup, Chain: n.chain, Inbox: n.l1.inbox, Check: opinion.Check, Log: n.log, Registerer: n.registry,
		Derived: func() batcher.Derived {
			p := rep.Progress()
			return batcher.Derived{L1: p.L1.Number, Index: p.NextBatch, Acc: p.Acc, Next: p.Next}
		},
	})
	if err != nil {
		return fmt.Errorf("make the batcher: %w", err)
	}
	posted := new(atomic.Uint64)
	deps.Posted = posted.Load
	n.Add("L1 reader", n.l1.reader.Run)
	n.Add("replica", rep.Run)
	n.Add("batcher", b.Run)
	n.notes = append(n.notes,
		api.Note{Name: "l1", State: n.l1.reader.Outage},
		api.Note{Name: "derivation", State: rep.Outage},
		api.Note{Name: "batcher", State: b.Outage})
	n.Add("posted", func(ctx context.Context) error { return n.followPosted(ctx, posted) })
	return nil
}

// followPosted notes the last block that the Inbox holds completely. While L1 is
// away the number stays.
func (n *node) followPosted(ctx context.Context, posted *atomic.Uint64) error {
	for {
		if tip, err := n.l1.inbox.Next(ctx); err == nil && tip.LastBlock > 0 {
			last := tip.LastBlock
			if !tip.LastComplete {
				last--
			}
			posted.Store(last)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(postedPoll):
		}
	}
}

// addIndex adds the Postgres index: on a private cluster where Postgres is
// installed, or on the server of a URL.
func (n *node) addIndex(ctx context.Context) error {
	url := n.cfg.postgres
	switch url {
	case "off":
		return nil
	case "auto":
		cluster, err := indexer.StartCluster(ctx, indexer.ClusterConfig{Dir: postgresDir(n.cfg.datadir), Log: n.log})
		if errors.Is(err, indexer.ErrNoPostgres) {
			n.ready.notes["Postgres"] = "not installed: the chain store answers receipts and logs"
			return nil
		}
		if err != nil {
			return fmt.Errorf("start the private Postgres: %w", err)
		}
		n.Defer("Postgres", cluster.Stop)
		if err := cluster.CreateDatabase(ctx, indexDatabase, ""); err != nil {
			return fmt.Errorf("create the index database: %w", err)
		}
		url = cluster.URL(indexDatabase)
		n.ready.notes["Postgres"] = "a private cluster in the data directory"
	}
	shown := redact("postgres", url)
	n.ready.Postgres = &shown
	cfg := indexer.DefaultConfig()
	cfg.URL = url
	ix, err := indexer.New(cfg, indexer.Deps{
		Source: indexSource{n.chain}, Signer: types.LatestSigner(n.chain.ChainConfig()), Log: n.log, Registerer: n.registry,
	})
	if err != nil {
		return fmt.Errorf("make the indexer: %w", err)
	}
	n.Add("indexer", ix.Run)
	n.notes = append(n.notes, api.Note{Name: "indexer", State: ix.Outage})
	return nil
}

// addPublisher adds what puts block access lists on the derived stream.
func (n *node) addPublisher(ctx context.Context, conn *eventlog.Conn, id eventlog.Identity) error {
	if n.cfg.accessLists == 0 {
		return nil
	}
	stream, err := conn.OpenDerived(ctx, id, int64(n.cfg.accessLists)<<20)
	if err != nil {
		return fmt.Errorf("open the derived stream: %w", err)
	}
	p, err := publish.New(publish.Deps{Chain: n.chain, Stream: stream, Log: n.log, Registerer: n.registry})
	if err != nil {
		return fmt.Errorf("make the publisher: %w", err)
	}
	n.Add("publisher", p.Run)
	n.notes = append(n.notes, api.Note{Name: "access lists", State: p.Outage})
	return nil
}

// indexDatabase is the database of the private cluster.
const indexDatabase = "motet"

// indexSource shows the chain store to the indexer.
type indexSource struct{ *chain.Chain }

// Head names the newest block.
func (s indexSource) Head() motet.BlockRef { return motet.RefOf(s.Chain.Head()) }

// Block returns a canonical block with its receipts, nil if there is none.
func (s indexSource) Block(number uint64) (*types.Block, types.Receipts, error) {
	block := s.BlockByNumber(number)
	if block == nil {
		return nil, nil, nil
	}
	return block, s.ReceiptsOf(block), nil
}

// setupRebuildIndex empties the index of a Postgres server. The node that uses
// it fills it anew.
func setupRebuildIndex(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg logConfig
	cfg.register(fs)
	datadir := fs.String("datadir", "", "data `directory`")
	url := fs.String("postgres", "", "`URL` of the index (empty: the private cluster of the data directory)")
	return func(ctx context.Context, io streams, _ []string) error {
		log, err := telemetry.NewLogger(io.err, cfg.format, cfg.level)
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		target := *url
		if target == "" {
			if err := requireDatadir(*datadir); err != nil {
				return err
			}
			cluster, err := indexer.StartCluster(ctx, indexer.ClusterConfig{Dir: postgresDir(*datadir), Log: log})
			if err != nil {
				return fmt.Errorf("start the private Postgres: %w", err)
			}
			defer cluster.Stop() //nolint:errcheck // the process ends with it
			target = cluster.URL(indexDatabase)
		}
		if err := indexer.Rebuild(ctx, target); err != nil {
			return fmt.Errorf("empty the index: %w", err)
		}
		fmt.Fprintln(io.out, "the index is empty; motet dev fills it from block 0 when it starts")
		return nil
	}
}
