package l1bridge

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/telemetry"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

// ReaderConfig says what to read from L1.
type ReaderConfig struct {
	Inbox common.Address
	// ConfirmationDepth is how many blocks origins lie behind L1's head.
	ConfirmationDepth uint64
	// PollInterval is how often Run asks for the head; default 500 ms.
	PollInterval time.Duration
}

// Reader reads L1 blocks as derivation takes them, and origins for the
// sequencer.
type Reader struct {
	client   *Client
	contract *bindings.Inbox
	cfg      ReaderConfig

	// confirmed is the newest block at the confirmation depth that Run saw.
	confirmed atomic.Pointer[motet.Origin]
	outage    telemetry.Outage
}

// NewReader returns a reader through c.
func NewReader(c *Client, cfg ReaderConfig) *Reader {
	if cfg.PollInterval == 0 {
		cfg.PollInterval = 500 * time.Millisecond
	}
	return &Reader{client: c, contract: bindings.NewInbox(), cfg: cfg}
}

// Head returns L1's newest block.
func (r *Reader) Head(ctx context.Context) (motet.Origin, error) {
	h, err := r.client.header(ctx, nil)
	if err != nil {
		return motet.Origin{}, wrap("read L1's head", err)
	}
	return originOf(h), nil
}

// Finalized returns the newest block that L1 calls final; its genesis while it
// calls none so.
func (r *Reader) Finalized(ctx context.Context) (motet.Origin, error) {
	h, err := r.client.header(ctx, big.NewInt(int64(rpc.FinalizedBlockNumber)))
	var answered rpc.Error
	if errors.Is(err, ethereum.NotFound) || errors.As(err, &answered) {
		h, err = r.client.header(ctx, new(big.Int))
	}
	if err != nil {
		return motet.Origin{}, wrap("read L1's finalized block", err)
	}
	return originOf(h), nil
}

// Block reads the L1 block of that number: its batches in order, with their
// payloads. The error wraps ethereum.NotFound while L1 has no such block, and
// motet.ErrUnavailable while L1 or a blob cannot be had.
func (r *Reader) Block(ctx context.Context, number uint64) (*motet.L1Block, error) {
	h, err := r.client.header(ctx, new(big.Int).SetUint64(number))
	if err != nil {
		return nil, wrap(fmt.Sprintf("read L1 block %d", number), err)
	}
	block := &motet.L1Block{Origin: originOf(h), ParentHash: h.ParentHash}
	topic := r.contract.GetABI().Events[bindings.InboxBatchPostedEventName].ID
	// The bloom is part of the hash, so it can be trusted to say no.
	if !types.BloomLookup(h.Bloom, r.cfg.Inbox) || !types.BloomLookup(h.Bloom, topic) {
		return block, nil
	}
	hash := h.Hash()
	logs, err := r.client.eth.FilterLogs(ctx, ethereum.FilterQuery{
		BlockHash: &hash,
		Addresses: []common.Address{r.cfg.Inbox},
		Topics:    [][]common.Hash{{topic}},
	})
	if err != nil {
		return nil, wrap(fmt.Sprintf("read the events of L1 block %d", number), err)
	}
	slices.SortFunc(logs, func(a, b types.Log) int { return int(a.Index) - int(b.Index) })
	for i := range logs {
		batch, err := r.readBatch(ctx, h, &logs[i])
		if err != nil {
			return nil, fmt.Errorf("read L1 block %d: %w", number, err)
		}
		block.Batches = append(block.Batches, batch)
	}
	return block, nil
}

// NextOrigin returns the origin for the next L2 block: the newest confirmed L1
// block, or current if there is no newer one or L1 is away. It asks nobody and
// never waits; Run must be running for origins to advance.
func (r *Reader) NextOrigin(_ context.Context, current motet.Origin) (motet.Origin, error) {
	confirmed := r.confirmed.Load()
	if confirmed == nil || confirmed.Number <= current.Number {
		return current, nil
	}
	return *confirmed, nil
}

// Outage returns why and since when L1 does not answer Run, in one line; "" while
// it does.
func (r *Reader) Outage() (reason string, since time.Time) { return r.outage.State() }

// Run follows L1's head until ctx ends. Outages of L1 are logged once when they
// begin and once when they end.
func (r *Reader) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.PollInterval)
	defer tick.Stop()
	for {
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if r.outage.Fail(err) {
				r.client.log.Warn("L1 is away", "err", err)
			}
		} else if lasted, ended := r.outage.End(); ended {
			r.client.log.Info("L1 is back", "elapsed", lasted)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Reader) follow(ctx context.Context) error {
	head, err := r.Head(ctx)
	if err != nil {
		return err
	}
	if head.Number < r.cfg.ConfirmationDepth {
		return nil
	}
	if known := r.confirmed.Load(); known != nil && known.Number >= head.Number-r.cfg.ConfirmationDepth {
		return nil
	}
	confirmed, err := r.client.Origin(ctx, head.Number-r.cfg.ConfirmationDepth)
	if err != nil {
		return err
	}
	r.confirmed.Store(&confirmed)
	return nil
}
