package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/eventlog"
	"github.com/motet-evm/motet/mempool"
)

// stopTimeout bounds how long requests under way may delay a stop.
const stopTimeout = 5 * time.Second

// Check is one condition of readiness.
type Check struct {
	Name string
	// Run reports why the condition does not hold, in words for an operator.
	Run func(ctx context.Context) error
}

// Note is a line of /readyz?verbose that does not decide on readiness: blocks go
// on without the part that it tells of.
type Note struct {
	Name string
	// State returns why the part waits, in words for an operator, and since when;
	// "" while it does not.
	State func() (reason string, since time.Time)
}

// Server answers clients.
type Server struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	checks  []Check
	notes   []Note

	chain     *chain.Chain
	pool      *mempool.Pool
	sequencer Sequencer
	logs      *eventlog.Log
	config    *params.ChainConfig
	posted    func() uint64
	reports   *report.History
	gatherer  prometheus.Gatherer

	rpc      *rpc.Server
	upstream *upstream
	search   *filters.FilterSystem
	engine   consensus.Engine
	scratch  state.Database // backs the StateDBs of pending calls; never written
	calls    *semaphore.Weighted
	traces   *semaphore.Weighted

	recent  *recent
	waiters waiters
	window  *window
	blocks  topic[*blockEvent]
	hashes  topic[[]*motet.Tx]
	slices  topic[*entry]
	heads   topic[motet.Heads]
	filters *filterSet
	conns   *conns
	handler http.Handler

	since    uint64 // the head when New was called
	limits   limits
	stopping chan struct{} // closed when Serve ends
}

// limits are bounds that tests lower.
type limits struct {
	logRange     uint64
	logResults   int
	eventTimeout time.Duration
}

// New assembles a server. It starts nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("api config: %w", err)
	}
	cfg = cfg.withDefaults()
	db := rawdb.NewMemoryDatabase()
	s := &Server{
		cfg: cfg, log: deps.Log, checks: deps.Checks, notes: deps.Notes,
		chain: deps.Chain, pool: deps.Pool, sequencer: deps.Sequencer, logs: deps.Events,
		config: deps.Chain.ChainConfig(), posted: deps.Posted, reports: deps.Reports, gatherer: deps.Gatherer,
		rpc: rpc.NewServer(), upstream: newUpstream(deps.Chain.APIs()),
		engine:  beacon.New(ethash.NewFaker()),
		scratch: state.NewDatabase(triedb.NewDatabase(db, nil), state.NewCodeDB(db)),
		calls:   semaphore.NewWeighted(int64(cfg.Calls)),
		traces:  semaphore.NewWeighted(traceSlots),
		recent:  newRecent(), window: newWindow(), conns: newConns(),
		stopping: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics = newMetrics(deps.Registerer, s)
	s.filters = newFilterSet()
	s.search = filters.NewFilterSystem(deps.Chain.Backend(), filters.Config{LogCacheSize: recentBlocks})
	s.since = s.headNumber()
	s.limits = limits{logRange: maxRange, logResults: maxResults, eventTimeout: eventTimeout}
	if s.logs != nil {
		tail, _ := s.logs.Tail()
		s.window.reset(tail)
	}
	if err := s.register(); err != nil {
		return nil, fmt.Errorf("register methods: %w", err)
	}
	s.handler = s.routes()
	return s, nil
}

// Serve answers on l until ctx ends, and then lets requests under way finish.
// It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelInfo),
	}
	eg, ctx := errgroup.WithContext(ctx)
	pool := s.watchPool() // before the first request, whose transaction is to be told
	eg.Go(func() error { return s.follow(ctx, pool) })
	eg.Go(func() error {
		if err := server.Serve(newLimited(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve http: %w", err)
		}
		return nil
	})
	eg.Go(func() error {
		<-ctx.Done()
		return s.stop(context.WithoutCancel(ctx), server)
	})
	return eg.Wait()
}

// stop ends first what http.Server does not know or would wait for: WebSocket
// connections, event streams and requests that wait for a block.
func (s *Server) stop(ctx context.Context, server *http.Server) error {
	close(s.stopping)
	s.conns.closeAll()
	s.rpc.Stop()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	s.conns.wait()
	if err != nil {
		return fmt.Errorf("stop serving http: %w", err)
	}
	return nil
}

// headNumber returns the number of the newest sealed block.
func (s *Server) headNumber() uint64 { return s.chain.Head().Number.Uint64() }

// blockAt returns a canonical block by hash, nil if there is none.
func (s *Server) blockAt(hash common.Hash) *types.Block {
	b := s.chain.BlockByHash(hash)
	if b == nil {
		return nil
	}
	if h := s.chain.HeaderByNumber(b.NumberU64()); h == nil || h.Hash() != hash {
		return nil
	}
	return b
}
