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

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/motet-evm/motet/executor"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/telemetry"
)

// importBatch and exportBatch are how many blocks are inserted and written at a
// time.
const (
	importBatch = 1000
	exportBatch = 1000
)

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
		p := newProgress(io.err)
		for _, path := range paths {
			n, err := importFile(ctx, c, path, p)
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
func importFile(ctx context.Context, c *chain.Chain, path string, p *progress) (int, error) {
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
		p.step("imported %d blocks of %s so far", total, path)
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
		if err := exportFile(c, paths[0], *first, end, newProgress(io.err)); err != nil {
			return fmt.Errorf("export to %s: %w", paths[0], err)
		}
		fmt.Fprintf(io.err, "exported blocks %d to %d\n", *first, end)
		return c.Close()
	}
}

func exportFile(c *chain.Chain, path string, first, last uint64, p *progress) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".gz") {
		gz := gzip.NewWriter(f)
		if err := exportBlocks(c, gz, first, last, p); err != nil {
			return err
		}
		if err := gz.Close(); err != nil {
			return err
		}
	} else if err := exportBlocks(c, f, first, last, p); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func exportBlocks(c *chain.Chain, w io.Writer, first, last uint64, p *progress) error {
	for from := first; from <= last; from += exportBatch {
		to := min(last, from+exportBatch-1)
		if err := c.Export(w, from, to); err != nil {
			return err
		}
		p.step("exported blocks %d to %d of %d", first, to, last)
	}
	return nil
}

// verified is what motet verify prints.
type verified struct {
	Blocks       uint64      `json:"blocks"`
	Transactions int         `json:"transactions"`
	Hash         common.Hash `json:"hash"` // of the head
	StateRoot    common.Hash `json:"state_root"`
	ElapsedS     float64     `json:"elapsed_s"`
}

// setupVerify executes every block of a chain at rest once more, serially, from
// the genesis into a fresh store, and compares all roots.
func setupVerify(fs *flag.FlagSet) func(context.Context, streams, []string) error {
	var cfg chainCommand
	cfg.register(fs)
	asJSON := fs.Bool("json", false, "one JSON object")
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
		v, err := verify(ctx, c, fresh, newProgress(io.err))
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(io.out, v)
		} else {
			fmt.Fprintf(io.out, "verified %d blocks with %d transactions in %.1f s; head %s\n", v.Blocks, v.Transactions, v.ElapsedS, v.Hash)
		}
		return nil
	}
}

// verify executes the blocks of c again, into fresh.
func verify(ctx context.Context, c, fresh *chain.Chain, p *progress) (verified, error) {
	start, head := time.Now(), c.Head()
	v := verified{Hash: head.Hash(), StateRoot: head.Root}
	ex := executor.NewSerial(executor.Config{})
	for last := head.Number.Uint64(); v.Blocks < last; {
		n := v.Blocks + 1
		block := c.BlockByNumber(n)
		if block == nil {
			return v, fmt.Errorf("block %d is missing: %w", n, errMismatch)
		}
		if err := reexecute(ctx, fresh, ex, block); err != nil {
			return v, err
		}
		v.Blocks, v.Transactions = n, v.Transactions+len(block.Transactions())
		p.step("verified %d of %d blocks", n, last)
	}
	v.ElapsedS = time.Since(start).Seconds()
	return v, nil
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
