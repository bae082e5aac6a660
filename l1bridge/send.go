package l1bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
)

// Send hands a signed batch to L1. Sending one again does no harm: it succeeds
// if L1 has it already, mined or not.
func (i *Inbox) Send(ctx context.Context, s *Signed) error {
	err := i.client.eth.Client().CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Encode(s.Raw))
	var answered rpc.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answered):
		return wrap(fmt.Sprintf("send batch %d", s.Index), err)
	case strings.Contains(err.Error(), txpool.ErrAlreadyKnown.Error()),
		strings.Contains(err.Error(), "already imported"): // anvil
		return nil
	}
	// A mined transaction is refused for its nonce.
	if _, lookErr := i.client.receipt(ctx, s.Hash); lookErr == nil {
		return nil
	} else if !errors.Is(lookErr, ethereum.NotFound) {
		return lookErr
	}
	if strings.Contains(strings.ToLower(err.Error()), core.ErrNonceTooLow.Error()) {
		return fmt.Errorf("send batch %d with nonce %d: %w", s.Index, s.Nonce, ErrDisplaced)
	}
	return fmt.Errorf("send batch %d: %w: %w", s.Index, ErrRefused, err)
}

// Wait returns the receipt of a sent batch once it is mined, with a
// *RevertError if it reverted. It waits through outages of L1 until ctx ends.
func (i *Inbox) Wait(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	receipt, err := i.client.waitMined(ctx, hash, i.cfg.PollInterval)
	if err != nil {
		return nil, err
	}
	if receipt.Status == types.ReceiptStatusSuccessful {
		return receipt, nil
	}
	tx, _, err := i.client.eth.TransactionByHash(ctx, hash)
	if err != nil {
		return receipt, wrap("read the reverted batch", err)
	}
	revert := &RevertError{}
	if err := i.simulate(ctx, tx, receipt.BlockNumber); err != nil && !errors.As(err, &revert) {
		return receipt, err
	}
	revert.Tx = hash
	return receipt, revert
}

// Post signs b, sends it and waits until it is mined.
func (i *Inbox) Post(ctx context.Context, b Batch) (*Signed, *types.Receipt, error) {
	signed, err := i.Prepare(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	if err := i.Send(ctx, signed); err != nil {
		return signed, nil, err
	}
	receipt, err := i.Wait(ctx, signed.Hash)
	return signed, receipt, err
}

// receipt returns ethereum.NotFound, wrapped, while the transaction is not mined.
func (c *Client) receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	receipt, err := c.eth.TransactionReceipt(ctx, hash)
	if err == nil {
		return receipt, nil
	}
	var answered rpc.Error
	if errors.As(err, &answered) && strings.Contains(err.Error(), "indexing is in progress") {
		err = ethereum.NotFound // geth cannot know yet
	}
	return nil, wrap("read receipt "+hash.Hex(), err)
}

func (c *Client) waitMined(ctx context.Context, hash common.Hash, every time.Duration) (*types.Receipt, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		receipt, err := c.receipt(ctx, hash)
		if err == nil {
			return receipt, nil
		}
		if ctx.Err() == nil && !errors.Is(err, ethereum.NotFound) && !errors.Is(err, motet.ErrUnavailable) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for L1 transaction %s: %w", hash, ctx.Err())
		case <-tick.C:
		}
	}
}
