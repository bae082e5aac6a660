package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/migrations"
)

// ErrForeign says that the database indexes another chain.
var ErrForeign = errors.New("the index belongs to another chain")

// cursorName is the row of this projection in the table of cursors.
const cursorName = "chain"

// Source is the canonical chain.
type Source interface {
	// Head returns the newest sealed block.
	Head() motet.BlockRef
	// Block returns a canonical block with its receipts, nil if there is none of
	// that number.
	Block(number uint64) (*types.Block, types.Receipts, error)
	// Wait returns when the head is another block than known.
	Wait(ctx context.Context, known motet.BlockRef) error
}

// Deps are what an indexer works with.
type Deps struct {
	Source     Source
	Signer     types.Signer // recovers senders that transactions do not remember
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Indexer writes the index. One at a time moves a database; a second one waits
// its turn by failing and trying again.
type Indexer struct {
	config  Config
	deps    Deps
	metrics *metrics
	outage  telemetry.Outage
}

// New returns an indexer. It connects in Run.
func New(config Config, deps Deps) (*Indexer, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register indexer metrics: %w", err)
	}
	return &Indexer{config: config, deps: deps, metrics: m}, nil
}

// Outage returns why and since when the index cannot be written, in one line; ""
// while it can.
func (ix *Indexer) Outage() (reason string, since time.Time) { return ix.outage.State() }

// Run indexes until ctx ends. It connects and migrates by itself, and again
// after Postgres was away: one line tells of an outage, one that it is over. It
// returns an error only for what does not heal: a newer schema, the index of
// another chain, motet.ErrHalt.
func (ix *Indexer) Run(ctx context.Context) error {
	pause := ix.config.RetryMin
	for {
		progress, err := ix.session(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what ended the session is the stop
		}
		if errors.Is(err, ErrForeign) || errors.Is(err, migrations.ErrNewerSchema) || errors.Is(err, motet.ErrHalt) {
			return fmt.Errorf("index chain: %w", err)
		}
		if progress {
			pause = ix.config.RetryMin
		}
		ix.metrics.retries.Inc()
		if ix.outage.Fail(err) {
			reason, _ := ix.outage.State()
			ix.deps.Log.Warn("index interrupted", "err", reason)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
		pause = min(2*pause, ix.config.RetryMax)
	}
}

// session works over one connection until it fails. It reports whether it got
// anywhere.
func (ix *Indexer) session(ctx context.Context) (progress bool, err error) {
	config, err := ix.connConfig()
	if err != nil {
		return false, err
	}
	if err := migrate(ctx, config); err != nil {
		return false, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, fmt.Errorf("connect to postgres: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	w := &writer{conn: conn, signer: ix.deps.Signer, timeout: ix.config.StatementTimeout}
	if err := w.loadCursor(ctx); err != nil {
		return false, err
	}
	for {
		if err := ix.catchUp(ctx, w); err != nil {
			return progress, err
		}
		progress = true
		if err := ix.deps.Source.Wait(ctx, w.cursor); err != nil {
			return progress, fmt.Errorf("wait for a block: %w", err)
		}
	}
}

func (ix *Indexer) connConfig() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(ix.config.URL)
	if err != nil {
		return nil, errors.New("index URL is not a Postgres connection string")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	// What a crash of Postgres forgets is indexed again: the cursor goes with it.
	config.RuntimeParams["synchronous_commit"] = "off"
	config.RuntimeParams["application_name"] = "motet-indexer"
	return config, nil
}

func migrate(ctx context.Context, config *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*config)
	return errors.Join(migrations.Up(ctx, db), db.Close())
}

// Rebuild empties the index, so that Run starts from the first block.
func Rebuild(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("index URL is not a Postgres connection string")
	}
	db := stdlib.OpenDB(*config)
	if err := migrations.Down(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(migrations.Up(ctx, db), db.Close())
}

// catchUp applies blocks until the cursor is at the head.
func (ix *Indexer) catchUp(ctx context.Context, w *writer) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		head := ix.deps.Source.Head()
		ix.metrics.head.Set(float64(head.Number))
		if w.begun && w.cursor == head {
			ix.goesOn()
			return nil
		}
		if err := ix.step(ctx, w); err != nil {
			return err
		}
		ix.goesOn()
		ix.metrics.indexed.Set(float64(w.cursor.Number))
	}
}

// goesOn notes that the index can be written.
func (ix *Indexer) goesOn() {
	if lasted, ended := ix.outage.End(); ended {
		ix.deps.Log.Info("index goes on", "elapsed", lasted)
	}
}

// step applies the next block, or takes back those that the chain has left.
func (ix *Indexer) step(ctx context.Context, w *writer) error {
	number := uint64(0)
	if w.begun {
		number = w.cursor.Number + 1
	}
	block, receipts, err := ix.deps.Source.Block(number)
	if err != nil {
		return fmt.Errorf("read block %d: %w", number, err)
	}
	if w.begun && (block == nil || block.ParentHash() != w.cursor.Hash) {
		return ix.unwind(ctx, w)
	}
	if block == nil {
		return fmt.Errorf("read block %d: %w", number, errNoBlock)
	}
	if len(receipts) != len(block.Transactions()) {
		return fmt.Errorf("block %d has %d transactions and %d receipts: %w", number, len(block.Transactions()), len(receipts), errNoBlock)
	}
	begin := time.Now()
	if err := w.apply(ctx, block, receipts); err != nil {
		return fmt.Errorf("index block %d: %w", number, err)
	}
	ix.metrics.seconds.Observe(time.Since(begin).Seconds())
	return nil
}

// errNoBlock is a moment in which the chain moves under the reader.
var errNoBlock = errors.New("the chain does not hold the block")

// unwind removes what is above the newest block that index and chain share.
func (ix *Indexer) unwind(ctx context.Context, w *writer) error {
	fork := w.cursor
	for {
		block, _, err := ix.deps.Source.Block(fork.Number)
		if err != nil {
			return fmt.Errorf("read block %d: %w", fork.Number, err)
		}
		if block != nil && block.Hash() == fork.Hash {
			break
		}
		if fork.Number == 0 {
			return ErrForeign
		}
		hash, err := w.hashOf(ctx, fork.Number-1)
		if err != nil {
			return err
		}
		fork = motet.BlockRef{Number: fork.Number - 1, Hash: hash}
	}
	if fork == w.cursor {
		return errNoBlock
	}
	old := w.cursor
	if err := w.unwind(ctx, fork); err != nil {
		return fmt.Errorf("unwind index to block %d: %w", fork.Number, err)
	}
	ix.metrics.reorgs.Inc()
	ix.deps.Log.Info("index followed a rollback", "block", fork.Number, "block_hash", fork.Hash, "from", old.Number)
	return nil
}

type metrics struct {
	head    prometheus.Gauge
	indexed prometheus.Gauge
	reorgs  prometheus.Counter
	retries prometheus.Counter
	seconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		head:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_indexer_head_number", Help: "Number of the newest block that the indexer knows of."}),
		indexed: prometheus.NewGauge(prometheus.GaugeOpts{Name: "motet_indexer_indexed_number", Help: "Number of the newest block in Postgres."}),
		reorgs:  prometheus.NewCounter(prometheus.CounterOpts{Name: "motet_indexer_rollbacks_total", Help: "Rollbacks of the chain that the index followed."}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "motet_indexer_retries_total", Help: "Times that indexing was interrupted and tried again."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "motet_indexer_block_seconds", Help: "Time to write one block.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.head, m.indexed, m.reorgs, m.retries, m.seconds} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
