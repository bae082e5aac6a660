package l1bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

// Config says where L1 is.
type Config struct {
	// URL of the JSON-RPC endpoint, http or https.
	URL string
	// BeaconURL is the beacon API that serves blobs; empty means URL, as with
	// development L1s.
	BeaconURL string
	// ChainID is what L1 must have; 0 takes any.
	ChainID uint64
	// ArchiveDir keeps the blobs that we post and serves them to readers where
	// no beacon API does. Empty keeps none.
	ArchiveDir string
	Log        *slog.Logger
}

// Validate reports the first setting that cannot work.
func (c *Config) Validate() error {
	for _, raw := range []string{c.URL, c.BeaconURL} {
		if raw == "" && c.URL != "" {
			continue
		}
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return errNoURL(raw)
		}
	}
	if c.Log == nil {
		return errors.New("L1 client: no logger")
	}
	return nil
}

func errNoURL(raw string) error { return fmt.Errorf("%q is no http or https URL", redact(raw)) }

// Client is a connection to L1. It is safe for concurrent use.
type Client struct {
	log       *slog.Logger
	eth       *ethclient.Client
	transport *http.Transport
	beacon    *beacon
	archive   *blobStore // nil without one
	chainID   *big.Int
	url       string

	warm sync.WaitGroup
}

// Dial connects to L1 and checks that it answers with the right chain id. It
// begins to load the KZG trusted setup, which takes about two seconds, in the
// background.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.BeaconURL == "" {
		cfg.BeaconURL = cfg.URL
	}
	c := &Client{log: cfg.Log, transport: newTransport(), url: redact(cfg.URL)}
	toNode, err := clientTo(cfg.URL, c.transport)
	if err != nil {
		return nil, err
	}
	toBeacon, err := clientTo(cfg.BeaconURL, c.transport)
	if err != nil {
		return nil, err
	}
	rpcClient, err := rpc.DialOptions(ctx, c.url, rpc.WithHTTPClient(toNode))
	if err != nil {
		return nil, fmt.Errorf("dial L1 %s: %w", c.url, err)
	}
	c.eth = ethclient.NewClient(rpcClient)
	c.beacon = &beacon{base: redact(cfg.BeaconURL), http: toBeacon}
	if cfg.ArchiveDir != "" {
		if c.archive, err = openBlobStore(cfg.ArchiveDir); err != nil {
			return nil, err
		}
	}
	if c.chainID, err = c.eth.ChainID(ctx); err != nil {
		c.Close()
		return nil, wrap("ask L1 "+c.url+" for its chain id", err)
	}
	if cfg.ChainID != 0 && (!c.chainID.IsUint64() || c.chainID.Uint64() != cfg.ChainID) {
		c.Close()
		return nil, fmt.Errorf("%w: L1 %s has chain id %s, not %d", ErrForeign, c.url, c.chainID, cfg.ChainID)
	}
	c.warm.Go(func() { _, _ = kzg4844.BlobToCommitment(new(kzg4844.Blob)) })
	return c, nil
}

// Close releases the connection.
func (c *Client) Close() {
	c.warm.Wait()
	c.eth.Close()
	c.transport.CloseIdleConnections()
}

// Eth is the plain client beneath, for calls that this package has no word for.
func (c *Client) Eth() *ethclient.Client { return c.eth }

// ChainID is L1's.
func (c *Client) ChainID() uint64 { return c.chainID.Uint64() }

// Origin returns the L1 block of that number as an origin.
func (c *Client) Origin(ctx context.Context, number uint64) (motet.Origin, error) {
	h, err := c.header(ctx, new(big.Int).SetUint64(number))
	if err != nil {
		return motet.Origin{}, wrap(fmt.Sprintf("read L1 block %d", number), err)
	}
	return originOf(h), nil
}

// CheckRollup verifies that this L1 holds the rollup: the chain id, the block it
// began at, and an Inbox made for exactly this config.
func (c *Client) CheckRollup(ctx context.Context, r *motet.Rollup) error {
	if c.ChainID() != r.L1ChainID {
		return fmt.Errorf("%w: L1 %s has chain id %d, the rollup config says %d", ErrForeign, c.url, c.ChainID(), r.L1ChainID)
	}
	begin, err := c.Origin(ctx, r.L1Genesis.Number)
	if errors.Is(err, ethereum.NotFound) {
		return fmt.Errorf("%w: L1 %s has no block %d, where the rollup begins", ErrForeign, c.url, r.L1Genesis.Number)
	}
	if err != nil {
		return err
	}
	if begin.Hash != r.L1Genesis.Hash {
		return fmt.Errorf("%w: block %d of L1 %s is %s, the rollup begins at %s",
			ErrForeign, begin.Number, c.url, begin.Hash, r.L1Genesis.Hash)
	}
	inbox := bindings.NewInbox()
	out, err := c.eth.CallContract(ctx, ethereum.CallMsg{To: &r.Inbox, Data: inbox.PackConfigHash()}, nil)
	if err != nil {
		return wrap("read the Inbox's config hash", err)
	}
	got, err := inbox.UnpackConfigHash(out)
	if err != nil {
		return fmt.Errorf("%w: there is no Inbox at %s", ErrForeign, r.Inbox)
	}
	if want := r.Hash(); common.Hash(got) != want {
		return fmt.Errorf("%w: the Inbox at %s was made for config %s, not %s", ErrForeign, r.Inbox, common.Hash(got), want)
	}
	return nil
}

// header reads a header by number (nil is the head, negative numbers are geth's
// tags) and checks that its hash is what the node says it is, which a header
// with fields that we do not know would fail.
func (c *Client) header(ctx context.Context, number *big.Int) (*types.Header, error) {
	tag := "latest"
	if number != nil {
		tag = rpc.BlockNumber(number.Int64()).String()
	}
	raw := new(rawHeader)
	if err := c.eth.Client().CallContext(ctx, raw, "eth_getBlockByNumber", tag, false); err != nil {
		return nil, err
	}
	if raw.header == nil {
		return nil, ethereum.NotFound
	}
	if got := raw.header.Hash(); got != raw.hash {
		return nil, fmt.Errorf("L1 block %d hashes to %s, the node says %s", raw.header.Number, got, raw.hash)
	}
	return raw.header, nil
}

// rawHeader takes both a header and the hash that the node gives it.
type rawHeader struct {
	header *types.Header
	hash   common.Hash
}

// UnmarshalJSON implements json.Unmarshaler. null leaves the header nil.
func (r *rawHeader) UnmarshalJSON(b []byte) error {
	var named *struct {
		Hash common.Hash `json:"hash"`
	}
	if err := json.Unmarshal(b, &named); err != nil || named == nil {
		return err
	}
	r.hash = named.Hash
	return json.Unmarshal(b, &r.header)
}

func originOf(h *types.Header) motet.Origin {
	return motet.Origin{Number: h.Number.Uint64(), Hash: h.Hash(), Time: h.Time, PrevRandao: h.MixDigest}
}
