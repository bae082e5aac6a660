package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

// Config configures a connection.
type Config struct {
	// URL is the address of an external server. It must sync every write
	// (sync_interval: always), which its clients cannot see: name MonitorURL
	// to have it checked.
	URL string
	// MonitorURL is the external server's monitoring address, for the check.
	MonitorURL string
	// Timeout bounds every append and request; 0 means 5 s.
	Timeout time.Duration
	// Replicas is the number of servers that hold each stream; 0 means 1.
	Replicas int
	// MaxLogBytes bounds the log, whose oldest records go first; 0 is no bound.
	MaxLogBytes int64
	// MaxIntakeBytes bounds the intake, which then refuses; 0 means 2 GiB.
	MaxIntakeBytes int64
}

// Deps are what a connection needs from outside.
type Deps struct {
	// Server is the embedded server. Without one the connection goes to
	// Config.URL.
	Server     *Server
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Identity says which chain a stream belongs to.
type Identity struct {
	ChainID uint64
	Genesis common.Hash
}

// Conn is a connection to the server that holds the streams. It reconnects by
// itself.
type Conn struct {
	cfg     Config
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
	server  *Server // nil if it is external

	mu    sync.Mutex
	lost  chan struct{} // closed when the current connection breaks
	marks []*mark
}

const (
	defaultTimeout     = 5 * time.Second
	defaultIntakeBytes = 2 << 30
	// requestTimeout bounds one question while an answer is sought repeatedly.
	requestTimeout = time.Second
	retryWait      = 25 * time.Millisecond
	pingInterval   = 2 * time.Second
)

// Connect connects to the server. The error wraps motet.ErrUnavailable when it
// cannot be reached.
func Connect(ctx context.Context, cfg Config, deps Deps) (*Conn, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	if cfg.MaxIntakeBytes == 0 {
		cfg.MaxIntakeBytes = defaultIntakeBytes
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	c := &Conn{cfg: cfg, log: deps.Log, now: deps.Now, metrics: m, server: deps.Server, lost: make(chan struct{})}
	opts := []nats.Option{
		nats.Name("motet"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(retryWait),
		nats.ReconnectJitter(retryWait, retryWait),
		// Nothing may be sent later than the caller thinks it was.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.Timeout(cfg.Timeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { c.reconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.log.Info("nats connection reports", slog.Any("err", err))
		}),
	}
	server := cfg.URL
	if s := deps.Server; s != nil {
		server = ""
		opts = append(opts, nats.InProcessServer(s.ns), nats.UserInfo(roleUser, s.password))
	}
	if c.nc, err = nats.Connect(server, opts...); err != nil {
		return nil, fmt.Errorf("connect to nats at %q: %w (%w)", hostOf(server), err, motet.ErrUnavailable)
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("use jetstream: %w", err)
	}
	ask, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if _, err := c.js.AccountInfo(ask); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("ask nats at %q for jetstream: %w", hostOf(server), unavailable(err))
	}
	if deps.Server == nil {
		if err := checkSync(ctx, cfg, deps.Log); err != nil {
			c.nc.Close()
			return nil, err
		}
	}
	return c, nil
}

// hostOf is what may be shown of a server's URL, which can hold a password.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host
}

// Close closes the connection. Appends in progress end with an error.
func (c *Conn) Close() {
	c.nc.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.marks {
		m.close()
	}
}

// Connected reports whether the server can be reached at this moment.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

func (c *Conn) disconnected(err error) {
	c.mu.Lock()
	close(c.lost)
	// A reconnect makes a new one; a second disconnect needs one to close.
	c.lost = make(chan struct{})
	c.mu.Unlock()
	c.metrics.disconnects.Inc()
	if err != nil {
		c.log.Warn("nats connection lost, reconnecting", slog.Any("err", err))
	}
}

func (c *Conn) reconnected() { c.log.Info("nats connection is back") }

// await waits, for the configured time at most, while the connection is broken.
func (c *Conn) await(ctx context.Context) error {
	if c.nc.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	tick := time.NewTicker(retryWait)
	defer tick.Stop()
	for !c.nc.IsConnected() {
		if c.nc.IsClosed() {
			return unavailable(nats.ErrConnectionClosed)
		}
		select {
		case <-ctx.Done():
			return unavailable(nats.ErrConnectionReconnecting)
		case <-tick.C:
		}
	}
	return nil
}

// broken returns a channel that is closed when the connection breaks.
func (c *Conn) broken() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// unavailable marks err as something that heals, unless it is the caller's
// context.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, motet.ErrUnavailable)
}

// The metadata that ties a stream to its chain.
const (
	metaChainID    = "motet_chain_id"
	metaGenesis    = "motet_genesis"
	metaGeneration = "motet_generation"
	metaFirst      = "motet_first_counter"
)

func (id Identity) metadata() map[string]string {
	return map[string]string{
		metaChainID: strconv.FormatUint(id.ChainID, 10),
		metaGenesis: id.Genesis.Hex(),
	}
}

// check compares a stream's metadata with the chain that it should belong to.
func (id Identity) check(stream string, meta map[string]string) error {
	for key, want := range id.metadata() {
		if got := meta[key]; got != want {
			return fmt.Errorf("stream %s: %s is %q, want %q: %w", stream, key, got, want, ErrForeign)
		}
	}
	return nil
}

// openStream opens the stream that cfg describes, or creates it.
func (c *Conn) openStream(ctx context.Context, id Identity, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := c.js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = c.js.CreateStream(ctx, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", cfg.Name, unavailable(err))
	}
	have := s.CachedInfo().Config
	if err := id.check(cfg.Name, have.Metadata); err != nil {
		return nil, err
	}
	return s, checkConfig(have, cfg)
}

var errStreamConfig = errors.New("stream is not configured as it must be")

// checkConfig compares the settings that the package's promises rest on.
func checkConfig(have, want jetstream.StreamConfig) error {
	bad := func(what string) error { return fmt.Errorf("stream %s: %s: %w", want.Name, what, errStreamConfig) }
	switch {
	case len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0]:
		return bad("subjects")
	case have.Storage != jetstream.FileStorage:
		return bad("storage")
	case have.Retention != jetstream.LimitsPolicy:
		return bad("retention")
	case have.Discard != want.Discard:
		return bad("discard")
	case have.DenyDelete != want.DenyDelete || have.DenyPurge != want.DenyPurge:
		return bad("deny_delete, deny_purge")
	case have.AllowDirect:
		return bad("allow_direct: reads would not come from the leader")
	case have.MaxMsgSize < want.MaxMsgSize:
		return bad("max_msg_size")
	case have.MaxAge != 0 || have.MaxMsgs > 0 || have.MaxMsgsPerSubject > 0:
		return bad("limits")
	case have.NoAck:
		return bad("no_ack")
	default:
		return nil
	}
}
