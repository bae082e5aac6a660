// Package loadgen offers transactions to an Ethereum JSON-RPC endpoint and
// measures what becomes of them. Transactions are signed beforehand and sent
// open-loop: each has a scheduled time that does not depend on how fast earlier
// ones were answered, and latency counts from that time, so that queueing at the
// server shows.
package loadgen

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says what to offer, and to whom.
type Config struct {
	Target       string  // JSON-RPC URL
	Kind         string  // transfers or erc20
	Accounts     int     // senders
	Transactions int     // in all
	Rate         float64 // transactions per second; 0 as fast as the server answers
	Batch        int     // transactions per JSON-RPC batch
	Connections  int     // HTTP connections that send at the same time

	// Funder pays for the senders.
	Funder *ecdsa.PrivateKey
	// Token is the runtime code of the ERC-20 that kind erc20 deploys. It keeps
	// balances in the mapping at slot 0.
	Token []byte
}

// RegisterFlags registers the settings that users choose.
func (c *Config) RegisterFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.Target, "target", "http://127.0.0.1:8545", "JSON-RPC `URL` of the node under load")
	fs.StringVar(&c.Kind, "kind", "transfers", "transfers or erc20")
	fs.IntVar(&c.Accounts, "accounts", 100, "number of senders")
	fs.IntVar(&c.Transactions, "transactions", 10_000, "number of transactions")
	fs.IntVar(&c.Batch, "batch", 50, "transactions per JSON-RPC batch")
	fs.IntVar(&c.Connections, "connections", 4, "connections that send at the same time")
}

// Validate checks the settings.
func (c *Config) Validate() error {
	switch {
	case c.Kind != "transfers" && c.Kind != "erc20":
		return fmt.Errorf("kind %q: use transfers or erc20", c.Kind)
	case !strings.HasPrefix(c.Target, "http://") && !strings.HasPrefix(c.Target, "https://"):
		return fmt.Errorf("target %q: an http:// or https:// URL is needed", c.Target)
	case c.Accounts < 1 || c.Transactions < 1 || c.Batch < 1 || c.Connections < 1:
		return errors.New("accounts, transactions, batch and connections must be at least 1")
	case c.Rate < 0:
		return errors.New("rate must not be negative")
	case c.Kind == "erc20" && len(c.Token) == 0:
		return errors.New("kind erc20 needs the token's code")
	}
	return nil
}

// Result is what a run found. Durations are in seconds.
type Result struct {
	Target         string   `json:"target"`
	Client         string   `json:"client"`
	Kind           string   `json:"kind"`
	Transactions   int      `json:"transactions"`
	Accepted       int      `json:"accepted"`
	Refused        int      `json:"refused"`
	FirstRefusal   string   `json:"first_refusal,omitempty"`
	Included       int      `json:"included"`
	Stranded       int      `json:"stranded"` // accepted, but an earlier nonce of the sender was refused
	Missing        int      `json:"missing"`  // accepted and owed, but in no block
	AcceptedPerSec float64  `json:"accepted_per_s"`
	IncludedPerSec float64  `json:"included_per_s"`
	ToAccepted     Latency  `json:"submit_to_accepted"`
	ToPreconfirmed *Latency `json:"submit_to_preconfirmed"` // null where the server gives none
	ToSealed       Latency  `json:"submit_to_sealed"`
}

// Run offers the load and waits until every accepted transaction is in a block,
// or until nothing has moved for 30 s; then some are Missing in the result.
// Progress goes to progress, one line a step.
func Run(ctx context.Context, cfg Config, progress func(string)) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := rpc.DialContext(ctx, cfg.Target)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Target, err)
	}
	defer client.Close()
	eth := ethclient.NewClient(client)
	chainID, err := eth.ChainID(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Target, err)
	}
	res := &Result{Target: cfg.Target, Kind: cfg.Kind, Transactions: cfg.Transactions}
	if err := client.CallContext(ctx, &res.Client, "web3_clientVersion"); err != nil {
		return nil, fmt.Errorf("ask for the client's version: %w", err)
	}
	p := preparer{cfg: cfg, eth: eth, rpc: client, signer: types.LatestSignerForChainID(chainID), chainID: chainID}
	progress(fmt.Sprintf("funding %d senders on chain %s", cfg.Accounts, chainID))
	if err := p.fund(ctx); err != nil {
		return nil, err
	}
	progress(fmt.Sprintf("signing %d transactions", cfg.Transactions))
	jobs, err := p.sign()
	if err != nil {
		return nil, err
	}
	w, err := watch(ctx, cfg, eth, jobs, res.Client)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	progress("sending")
	start := time.Now()
	if err := send(ctx, cfg, jobs, start); err != nil {
		return nil, err
	}
	accepted, stranded := count(jobs, cfg.Accounts)
	progress(fmt.Sprintf("%d of %d are accepted; waiting for blocks", accepted, len(jobs)))
	if err := w.wait(ctx, accepted-stranded, progress); err != nil {
		return nil, err
	}
	res.Stranded = stranded
	res.fill(jobs, start, w.preconfirms)
	return res, nil
}

// job is one transaction and the times of its life. Each time is written by one
// goroutine before the group that it belongs to is joined.
type job struct {
	raw  string
	hash common.Hash
	due  time.Time

	accepted     time.Time
	refusal      error
	preconfirmed time.Time
	sealed       time.Time
}

// preparer makes senders and transactions.
type preparer struct {
	cfg     Config
	eth     *ethclient.Client
	rpc     *rpc.Client
	signer  types.Signer
	chainID *big.Int

	keys  []*ecdsa.PrivateKey
	token common.Address
	fees  struct{ tip, cap *big.Int }
}
