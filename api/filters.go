package api

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
)

var errFilterNotFound = &Error{Code: CodeGeneric, Message: "filter not found"}

// polled is a filter of eth_newFilter and its relatives: what happened since it
// was last asked. One that nobody asks, or that holds more than maxResults, is
// removed; its client is told that it does not exist and makes a new one.
type polled struct {
	kind  filterKind
	crit  filters.FilterCriteria
	full  bool
	owner string // address of the client that made it
	used  time.Time

	blocks []common.Hash
	logs   []*types.Log
	txs    []*motet.Tx
}

type filterKind uint8

const (
	logFilter filterKind = iota
	blockFilter
	txFilter
)

// filterSet are the polled filters of all clients.
type filterSet struct {
	mu     sync.Mutex
	m      map[rpc.ID]*polled
	owners map[string]int
}

func newFilterSet() *filterSet {
	return &filterSet{m: make(map[rpc.ID]*polled), owners: make(map[string]int)}
}

func (f *filterSet) add(ctx context.Context, p *polled) (rpc.ID, error) {
	p.owner, _, _ = net.SplitHostPort(rpc.PeerInfoFromContext(ctx).RemoteAddr)
	p.used = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.m) >= maxFilters || f.owners[p.owner] >= maxFiltersPerIP {
		return "", &Error{Code: CodeLimit, Message: "too many filters"}
	}
	id := rpc.NewID()
	f.m[id] = p
	f.owners[p.owner]++
	return id, nil
}

// remove must be called with the lock held.
func (f *filterSet) remove(id rpc.ID) bool {
	p, ok := f.m[id]
	if !ok {
		return false
	}
	delete(f.m, id)
	if f.owners[p.owner]--; f.owners[p.owner] == 0 {
		delete(f.owners, p.owner)
	}
	return true
}

func (f *filterSet) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, p := range f.m {
		if now.Sub(p.used) > filterLifetime {
			f.remove(id)
		}
	}
}

func (f *filterSet) onBlock(e *blockEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, p := range f.m {
		switch {
		case p.kind == blockFilter && !e.removed:
			p.blocks = append(p.blocks, e.block.Hash())
		case p.kind == logFilter:
			p.logs = append(p.logs, matching(e, &p.crit)...)
		}
		if len(p.blocks) > maxResults || len(p.logs) > maxResults {
			f.remove(id)
		}
	}
}

func (f *filterSet) onPool(txs []*motet.Tx) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, p := range f.m {
		if p.kind != txFilter {
			continue
		}
		if p.txs = append(p.txs, txs...); len(p.txs) > maxResults {
			f.remove(id)
		}
	}
}

// filterAPI is the polling part of the eth namespace.
type filterAPI struct{ s *Server }

// NewFilter makes a filter for logs from now on.
func (a filterAPI) NewFilter(ctx context.Context, crit filters.FilterCriteria) (rpc.ID, error) {
	if err := checkCriteria(&crit); err != nil {
		return "", err
	}
	return a.s.filters.add(ctx, &polled{kind: logFilter, crit: crit})
}

// NewBlockFilter makes a filter for block hashes.
func (a filterAPI) NewBlockFilter(ctx context.Context) (rpc.ID, error) {
	return a.s.filters.add(ctx, &polled{kind: blockFilter})
}

// NewPendingTransactionFilter makes a filter for transactions that the pool
// accepts.
func (a filterAPI) NewPendingTransactionFilter(ctx context.Context, full *bool) (rpc.ID, error) {
	return a.s.filters.add(ctx, &polled{kind: txFilter, full: full != nil && *full})
}

// UninstallFilter removes a filter.
func (a filterAPI) UninstallFilter(id rpc.ID) bool {
	a.s.filters.mu.Lock()
	defer a.s.filters.mu.Unlock()
	return a.s.filters.remove(id)
}

// GetFilterChanges returns what happened since the last call.
func (a filterAPI) GetFilterChanges(id rpc.ID) (any, error) {
	f := a.s.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.m[id]
	if !ok {
		return nil, errFilterNotFound
	}
	p.used = time.Now()
	blocks, logs, txs := p.blocks, p.logs, p.txs
	p.blocks, p.logs, p.txs = nil, nil, nil
	switch {
	case p.kind == logFilter:
		return orEmpty(logs), nil
	case p.kind == blockFilter:
		return append([]common.Hash{}, blocks...), nil
	case p.full:
		out := make([]*rpcTransaction, len(txs))
		for i, tx := range txs {
			out[i] = transactionOf(tx)
		}
		return out, nil
	default:
		out := make([]common.Hash, len(txs))
		for i, tx := range txs {
			out[i] = tx.Hash()
		}
		return out, nil
	}
}

// GetFilterLogs returns all logs in the range that the filter was made with.
func (a filterAPI) GetFilterLogs(ctx context.Context, id rpc.ID) ([]*types.Log, error) {
	f := a.s.filters
	f.mu.Lock()
	p, ok := f.m[id]
	if ok {
		p.used = time.Now()
	}
	f.mu.Unlock()
	if !ok || p.kind != logFilter {
		return nil, errFilterNotFound
	}
	return a.GetLogs(ctx, p.crit)
}

// GetLogs searches sealed blocks.
func (a filterAPI) GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error) {
	logs, err := a.s.getLogs(ctx, crit)
	return logs, asRPC(err)
}
