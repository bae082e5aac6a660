package api

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// The sizes that bound a single client. They are constants because a client
// library relies on them and no operator has a reason to move them.
const (
	maxBody          = 5 << 20   // bytes of an HTTP request, as geth's
	maxFrame         = 512 << 10 // bytes of a WebSocket message
	maxBatch         = 100       // calls in a batch
	maxBatchAnswer   = 4 << 20   // bytes of a batch's answer
	maxDepth         = 64        // nesting of a JSON-RPC request
	maxHeader        = 16 << 10  // bytes of HTTP headers
	maxSubscriptions = 50        // per WebSocket connection
	maxFilters       = 2000      // polled filters, all clients together
	maxFiltersPerIP  = 200
	maxRange         = 10_000 // blocks of one log query
	maxResults       = 10_000 // logs of one log query, events of one polled filter
	maxCriteria      = 1000   // addresses, or alternatives of one topic
	ringSize         = 256    // events that a subscriber may lag behind
	maxConns         = 8192   // connections of all clients together
)

const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
	evmTimeout     = 5 * time.Second
	traceTimeout   = 20 * time.Second
	eventTimeout   = 10 * time.Second // for a client of the event stream to take what is written
	traceSlots     = 2
	gasCap         = 50_000_000
	filterLifetime = 5 * time.Minute
)

// Config says how the edge presents itself. The zero value listens to requests
// for localhost and for bare IP addresses only, with CORS off.
type Config struct {
	// Hosts are further values of the Host header that are served. "*" serves
	// all and gives up the protection against DNS rebinding.
	Hosts []string
	// Origins are web origins that browsers may call from, "*" for any. Pages
	// served by this server itself always may.
	Origins []string
	// MaxConnsPerIP bounds the WebSocket and event-stream connections of one
	// address. Loopback is exempt, since proxies live there.
	MaxConnsPerIP int
	// Calls bounds the calls, estimates and simulations that run at a time.
	Calls int
	// Dev adds the methods of a development chain (evm_mine).
	Dev bool
	// Version is told by web3_clientVersion and /v1/status.
	Version string
	// ChainName is what wallets show for the chain.
	ChainName string
	// PublicURL is the address that /chain.json names; empty: the one that the
	// request came to.
	PublicURL string
}

// RegisterFlags registers the options that a user sets.
func (c *Config) RegisterFlags(fs *flag.FlagSet, prefix string) {
	fs.Var((*list)(&c.Hosts), prefix+"hosts", "comma-separated `names` to serve beside localhost and IP addresses (* for any)")
	fs.Var((*list)(&c.Origins), prefix+"cors", "comma-separated web `origins` that browsers may call from (* for any)")
	fs.IntVar(&c.MaxConnsPerIP, prefix+"max-conns-per-ip", 100, "long-lived connections per client address")
	fs.StringVar(&c.PublicURL, prefix+"public-url", "", "`URL` that /chain.json names")
}

// list is a flag with several values between commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// Validate reports the first value that makes no sense.
func (c *Config) Validate() error {
	switch {
	case c.MaxConnsPerIP < 0:
		return errors.New("connections per address must not be negative")
	case c.Calls < 0:
		return errors.New("concurrent calls must not be negative")
	}
	for _, o := range c.Origins {
		if o != "*" && !strings.Contains(o, "://") {
			return fmt.Errorf("origin %q: write it with its scheme, as in https://%s", o, o)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.MaxConnsPerIP == 0 {
		c.MaxConnsPerIP = 100
	}
	if c.Calls == 0 {
		c.Calls = runtime.GOMAXPROCS(0)
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.ChainName == "" {
		c.ChainName = "Motet"
	}
	return c
}
