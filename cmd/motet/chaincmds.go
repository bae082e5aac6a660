package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/telemetry"
)

// importBatch is how many blocks are inserted at a time.
const importBatch = 1000

// chainCommand are the settings of the commands that work on a chain at rest.
type chainCommand struct {
	log     logConfig
	datadir string
	genesis string
}

func (c *chainCommand) register(fs *flag.FlagSet) {
	c.log.register(fs)
	fs.StringVar(&c.datadir, "datadir", "", "data `directory`")
	fs.StringVar(&c.genesis, "genesis", "", "geth-format genesis `file` (needed for a new directory)")
}

// open opens the chain at rest. closed must be called in the end.
func (c *chainCommand) open(ctx context.Context, io streams) (*chain.Chain, error) {
	log, err := telemetry.NewLogger(io.err, c.log.format, c.log.level)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errUsage)
	}
	genesis, err := settleGenesis(c.datadir, c.genesis, func() *core.Genesis { return nil })
	if err != nil {
		return nil, err
	}
	return openChain(ctx, chain.Config{DataDir: chainDir(c.datadir), Genesis: genesis}, log, nil)
}

func setupImport(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg chainCommand
	cfg.register(fs)
	return func(ctx context.Context, io streams, paths []string) error {
		if cfg.datadir == "" || len(paths) == 0 {
			return fmt.Errorf("import needs --datadir and at least one file: %w", errUsage)
		}
		if err := requirePaths(paths); err != nil {
			return err
		}
		if err := os.MkdirAll(cfg.datadir, 0o700); err != nil {
			return fmt.Errorf("make the data directory: %w: %w", err, errUsage)
		}
		c, err := cfg.open(ctx, io)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, path := range paths {
			n, err := importFile(ctx, c, path)
			if err != nil {
				return fmt.Errorf("import %s: after %d blocks: %w", path, n, err)
			}
			fmt.Fprintf(io.err, "imported %d blocks of %s; head is block %d %s\n", n, path, c.Head().Number, c.Head().Hash())
		}
		return c.Close()
	}
}

// importFile inserts the blocks of a file of concatenated RLP, gzipped or not.
// Blocks that the chain holds are skipped, the genesis too.
func importFile(ctx context.Context, c *chain.Chain, path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return 0, fmt.Errorf("the file is damaged: %w: %w", err, errMismatch)
		}
	}
	stream := rlp.NewStream(r, 0)
	total := 0
	for done := false; !done; {
		var batch types.Blocks
		for len(batch) < importBatch {
			var b types.Block
			if err := stream.Decode(&b); errors.Is(err, io.EOF) {
				done = true
				break
			} else if err != nil {
				n, insertErr := insert(ctx, c, batch)
				if insertErr != nil {
					return total + n, insertErr
				}
				return total + n, fmt.Errorf("the file is damaged: decode block: %w: %w", err, errMismatch)
			}
			if c.BlockHash(b.NumberU64()) != b.Hash() {
				batch = append(batch, &b)
			}
		}
		n, err := insert(ctx, c, batch)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// insert adds blocks and returns how many. One that geth refuses is a mismatch.
func insert(ctx context.Context, c *chain.Chain, batch types.Blocks) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	n, err := c.Import(ctx, batch)
	if err != nil && ctx.Err() == nil {
		return n, fmt.Errorf("%w: %w", err, errMismatch)
	}
	return n, err
}

func setupExport(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg chainCommand
	cfg.register(fs)
	first := fs.Uint64("first", 0, "first block")
	last := fs.Int64("last", -1, "last block (-1: the head)")
	return func(ctx context.Context, io streams, paths []string) error {
		if len(paths) != 1 {
			return fmt.Errorf("export needs exactly one file: %w", errUsage)
		}
		if err := requireDatadir(cfg.datadir); err != nil {
			return err
		}
		c, err := cfg.open(ctx, io)
		if err != nil {
			return err
		}
		defer c.Close()
		end := c.Head().Number.Uint64()
		if *last >= 0 {
			end = min(end, uint64(*last))
		}
		if *first > end {
			return fmt.Errorf("--first %d is above the last block, %d: %w", *first, end, errUsage)
		}
		if err := exportFile(c, paths[0], *first, end); err != nil {
			return fmt.Errorf("export to %s: %w", paths[0], err)
		}
		fmt.Fprintf(io.err, "exported blocks %d to %d\n", *first, end)
		return c.Close()
	}
}

func exportFile(c *chain.Chain, path string, first, last uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var w io.Writer = f
	if strings.HasSuffix(path, ".gz") {
		gz := gzip.NewWriter(f)
		if err := c.Export(gz, first, last); err != nil {
			return err
		}
		if err := gz.Close(); err != nil {
			return err
		}
	} else if err := c.Export(w, first, last); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// setupVerify executes every block of a chain at rest once more, serially, from
// the genesis into a fresh store, and compares all roots.
func setupVerify(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg chainCommand
	cfg.register(fs)
	return func(ctx context.Context, io streams, _ []string) error {
		if err := requireDatadir(cfg.datadir); err != nil {
			return err
		}
		c, err := cfg.open(ctx, io)
		if err != nil {
			return err
		}
		defer c.Close()
		dir, err := os.MkdirTemp("", "motet-verify-")
		if err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		defer os.RemoveAll(dir)
		genesis, err := chain.ReadGenesis(genesisPath(cfg.datadir))
		if err != nil {
			return err
		}
		fresh, err := openChain(ctx, chain.Config{DataDir: dir, Genesis: genesis}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			return err
		}
		defer fresh.Close()
		start, txs := time.Now(), 0
		head := c.Head().Number.Uint64()
		ex := executor.NewSerial(executor.Config{})
		for n := uint64(1); n <= head; n++ {
			block := c.BlockByNumber(n)
			if block == nil {
				return fmt.Errorf("block %d is missing: %w", n, errMismatch)
			}
			if err := reexecute(ctx, fresh, ex, block); err != nil {
				return err
			}
			if txs += len(block.Transactions()); n%1000 == 0 {
				fmt.Fprintf(io.err, "verified %d of %d blocks\n", n, head)
			}
		}
		fmt.Fprintf(io.out, "verified %d blocks with %d transactions in %.1f s; head %s\n", head, txs, time.Since(start).Seconds(), c.Head().Hash())
		return nil
	}
}

// reexecute adds a known block to a chain by executing it. Anything that differs
// from its header is an errMismatch.
func reexecute(ctx context.Context, into *chain.Chain, ex executor.Executor, block *types.Block) error {
	parent := into.Head()
	state, err := into.StateAt(parent.Root)
	if err != nil {
		return fmt.Errorf("state of block %d: %w", parent.Number, err)
	}
	out, err := executor.Replay(ctx, ex, executor.ReplayEnv{
		Config: into.ChainConfig(), Block: block, Parent: parent, State: state, BlockHash: into.BlockHash,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, errMismatch)
	}
	sealed, err := into.Seal(parent, out)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errMismatch)
	}
	return into.Commit(ctx, sealed)
}
