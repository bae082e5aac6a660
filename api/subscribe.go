package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
)

// maxReceiptHashes bounds a subscription to receipts, as geth does.
const maxReceiptHashes = 200

var errTooManySubscriptions = &Error{Code: CodeLimit, Message: fmt.Sprintf("a connection can hold %d subscriptions", maxSubscriptions)}

// subscriptions are the subscriptions of eth_subscribe. geth's write to the
// client from the loop that all subscribers share, so that one that stops
// reading stops the chain; here a ring stands between the two.
type subscriptions struct{ s *Server }

// NewHeads tells each new head.
func (a subscriptions) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	return subscribe(ctx, a.s, &a.s.blocks, func(e *blockEvent, send func(any) error) error {
		if e.removed {
			return nil
		}
		return send(e.block.Header())
	})
}

// Logs tells each log that matches crit, and again, marked as removed, when a
// rollback removes its block.
func (a subscriptions) Logs(ctx context.Context, crit filters.FilterCriteria) (*rpc.Subscription, error) {
	if err := checkCriteria(&crit); err != nil {
		return nil, err
	}
	return subscribe(ctx, a.s, &a.s.blocks, func(e *blockEvent, send func(any) error) error {
		for _, log := range matching(e, &crit) {
			if err := send(log); err != nil {
				return err
			}
		}
		return nil
	})
}

// NewPendingTransactions tells each transaction that the pool accepts.
func (a subscriptions) NewPendingTransactions(ctx context.Context, full *bool) (*rpc.Subscription, error) {
	return subscribe(ctx, a.s, &a.s.hashes, func(txs []*motet.Tx, send func(any) error) error {
		for _, tx := range txs {
			var what any = tx.Hash()
			if full != nil && *full {
				what = transactionOf(tx)
			}
			if err := send(what); err != nil {
				return err
			}
		}
		return nil
	})
}

// TransactionReceipts tells the receipts of each block, or those of the given
// transactions in it.
func (a subscriptions) TransactionReceipts(ctx context.Context, query *filters.TransactionReceiptsQuery) (*rpc.Subscription, error) {
	var only map[common.Hash]bool
	if query != nil && len(query.TransactionHashes) > 0 {
		if len(query.TransactionHashes) > maxReceiptHashes {
			return nil, errors.New("exceed max number of transaction hashes allowed per transactionReceipts subscription")
		}
		only = make(map[common.Hash]bool, len(query.TransactionHashes))
		for _, h := range query.TransactionHashes {
			only[h] = true
		}
	}
	return subscribe(ctx, a.s, &a.s.blocks, func(e *blockEvent, send func(any) error) error {
		if e.removed {
			return nil
		}
		var out []map[string]any
		for i, tx := range e.block.Transactions() {
			if only != nil && !only[tx.Hash()] {
				continue
			}
			out = append(out, a.s.sealedReceipt(place{e, i}))
		}
		if len(out) == 0 {
			return nil
		}
		return send(out)
	})
}

// Syncing never tells anything: a sequencer is its chain's head.
func (a subscriptions) Syncing(ctx context.Context) (*rpc.Subscription, error) {
	return subscribe(ctx, a.s, new(topic[struct{}]), func(struct{}, func(any) error) error { return nil })
}

// Slices tells each slice of the open block as soon as the log holds it.
func (a subscriptions) Slices(ctx context.Context) (*rpc.Subscription, error) {
	return subscribe(ctx, a.s, &a.s.slices, func(e *entry, send func(any) error) error {
		if e.record.Slice == nil {
			return nil
		}
		return send(json.RawMessage(e.render().data))
	})
}

// Heads tells moves of the safe and finalized heads.
func (a subscriptions) Heads(ctx context.Context) (*rpc.Subscription, error) {
	return subscribe(ctx, a.s, &a.s.heads, func(h motet.Heads, send func(any) error) error { return send(h) })
}

// subscribe couples a topic to a client. A client whose ring overflows, or whose
// connection does not take a message in time, is disconnected.
func subscribe[T any](ctx context.Context, s *Server, t *topic[T], tell func(T, func(any) error) error) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	conn := s.conns.peer(ctx)
	if !ok || conn == nil {
		return nil, asRPC(rpc.ErrNotificationsUnsupported)
	}
	if conn.subs.Add(1) > maxSubscriptions {
		conn.subs.Add(-1)
		return nil, errTooManySubscriptions
	}
	sub := notifier.CreateSubscription()
	ring := t.subscribe()
	send := func(v any) error { return notifier.Notify(sub.ID, v) }
	s.conns.open.Go(func() {
		defer conn.subs.Add(-1)
		defer t.unsubscribe(ring)
		for {
			select {
			case <-sub.Err(): //nolint:errcheck // closed when the client leaves; there is no error
				return
			case <-ring.wake:
			}
			items, ok := ring.take()
			if !ok {
				conn.cut()
				return
			}
			for _, item := range items {
				if tell(item, send) != nil {
					_ = conn.Close()
					return
				}
			}
		}
	})
	return sub, nil
}

// matching returns the logs of a block that match crit, marked as removed if
// the block was.
func matching(e *blockEvent, crit *filters.FilterCriteria) []*types.Log {
	if !bloomMatches(e.block.Bloom(), crit) {
		return nil
	}
	var out []*types.Log
	for _, receipt := range e.receipts {
		for _, log := range receipt.Logs {
			if !logMatches(log, crit) {
				continue
			}
			if e.removed {
				gone := *log
				gone.Removed = true
				log = &gone
			}
			out = append(out, log)
		}
	}
	return out
}
