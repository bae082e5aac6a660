package api

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"
)

func TestPolledFilters(t *testing.T) {
	s := newSUT(t)
	ctx := t.Context()
	s.mine()
	var logs, blocks, txs, full string
	topic := common.Hash{31: 7}
	noErr(t, s.rpc.CallContext(ctx, &logs, "eth_newFilter", map[string]any{"address": loggerAddr, "topics": []any{topic}}))
	noErr(t, s.rpc.CallContext(ctx, &blocks, "eth_newBlockFilter"))
	noErr(t, s.rpc.CallContext(ctx, &txs, "eth_newPendingTransactionFilter"))
	noErr(t, s.rpc.CallContext(ctx, &full, "eth_newPendingTransactionFilter", true))

	tx := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]})
	s.send(tx)
	eventually(t, "filters told", func() bool {
		s.server.filters.mu.Lock()
		defer s.server.filters.mu.Unlock()
		return len(s.server.filters.m[rpc.ID(txs)].txs) == 1
	})
	s.mine()
	var gotLogs []types.Log
	var hashes []common.Hash
	var gotTxs []*types.Transaction
	for _, again := range []bool{false, true} {
		want := 1
		if again {
			want = 0
		}
		noErr(t, s.rpc.CallContext(ctx, &gotLogs, "eth_getFilterChanges", logs))
		if len(gotLogs) != want || !again && gotLogs[0].TxHash != tx.Hash() {
			t.Errorf("logs %+v", gotLogs)
		}
		noErr(t, s.rpc.CallContext(ctx, &hashes, "eth_getFilterChanges", blocks))
		if len(hashes) != want || !again && hashes[0] != s.chain.Head().Hash() {
			t.Errorf("blocks %v", hashes)
		}
		noErr(t, s.rpc.CallContext(ctx, &hashes, "eth_getFilterChanges", txs))
		if len(hashes) != want || !again && hashes[0] != tx.Hash() {
			t.Errorf("transactions %v", hashes)
		}
		noErr(t, s.rpc.CallContext(ctx, &gotTxs, "eth_getFilterChanges", full))
		if len(gotTxs) != want || !again && gotTxs[0].Hash() != tx.Hash() {
			t.Errorf("full transactions %v", gotTxs)
		}
	}
	noErr(t, s.rpc.CallContext(ctx, &gotLogs, "eth_getFilterLogs", logs))
	if len(gotLogs) != 1 {
		t.Errorf("all logs %+v", gotLogs)
	}
	if err := s.rpc.CallContext(ctx, &gotLogs, "eth_getFilterLogs", blocks); err == nil || err.Error() != "filter not found" {
		t.Errorf("logs of a block filter: %v", err)
	}
	var removed bool
	noErr(t, s.rpc.CallContext(ctx, &removed, "eth_uninstallFilter", logs))
	if !removed {
		t.Error("not uninstalled")
	}
	noErr(t, s.rpc.CallContext(ctx, &removed, "eth_uninstallFilter", logs))
	if removed {
		t.Error("uninstalled twice")
	}
	// The others expire when nobody polls them.
	s.server.filters.sweep(time.Now().Add(filterLifetime - time.Second))
	noErr(t, s.rpc.CallContext(ctx, &hashes, "eth_getFilterChanges", blocks))
	s.server.filters.sweep(time.Now().Add(filterLifetime + time.Second))
	if err := s.rpc.CallContext(ctx, &hashes, "eth_getFilterChanges", blocks); err == nil || err.Error() != "filter not found" {
		t.Errorf("expired filter: %v", err)
	}
}

func TestFilterLimits(t *testing.T) {
	f := newFilterSet()
	for range maxFiltersPerIP {
		if _, err := f.add(t.Context(), &polled{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.add(t.Context(), &polled{}); err == nil {
		t.Error("one client holds more filters than it may")
	}
	f.sweep(time.Now().Add(2 * filterLifetime))
	if len(f.m) != 0 || len(f.owners) != 0 {
		t.Errorf("%d filters of %d owners are left", len(f.m), len(f.owners))
	}
}

// TestLogLimits checks that a query that is too large is told a range that is
// strictly smaller, and that following the advice ends with all logs.
func TestLogLimits(t *testing.T) {
	s := newSUT(t)
	nonce := uint64(0)
	for _, n := range []int{0, 3, 1, 8, 0, 2, 2, 5} {
		for range n {
			s.send(sign(0, types.DynamicFeeTx{Nonce: nonce, To: &loggerAddr, Gas: 100_000, Data: make([]byte, 32)}))
			nonce++
		}
		s.mine()
	}
	s.server.limits.logRange, s.server.limits.logResults = 6, 4
	head := s.headNumber()
	var got []types.Log
	queries := 0
	for from := uint64(0); from <= head; {
		to := head
		for {
			if queries++; queries > 100 {
				t.Fatal("the advice leads nowhere")
			}
			logs, err := s.eth.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to)})
			if err == nil {
				got, from = append(got, logs...), to+1
				break
			}
			var data rpc.DataError
			var coded rpc.Error
			if !errors.As(err, &data) || !errors.As(err, &coded) || coded.ErrorCode() != CodeLimit {
				t.Fatal(err)
			}
			advice := data.ErrorData().(map[string]any)
			first, last := new(big.Int), new(big.Int)
			first.SetString(advice["from"].(string)[2:], 16)
			last.SetString(advice["to"].(string)[2:], 16)
			if first.Uint64() != from || last.Uint64() >= to || last.Uint64() < from {
				t.Fatalf("asked for %d to %d, told to ask for %d to %d", from, to, first, last)
			}
			to = last.Uint64()
		}
	}
	if len(got) != int(nonce) {
		t.Errorf("%d logs, want %d", len(got), nonce)
	}
	for i, log := range got {
		if i > 0 && log.BlockNumber < got[i-1].BlockNumber {
			t.Error("logs are out of order")
		}
	}
	many := make([]common.Address, maxCriteria+1)
	_, err := s.eth.FilterLogs(t.Context(), ethereum.FilterQuery{Addresses: many})
	if err == nil || !strings.Contains(err.Error(), "exceed max addresses") {
		t.Errorf("too many addresses: %v", err)
	}
}

func (s *sut) headNumber() uint64 { return s.chain.Head().Number.Uint64() }

// TestMatchesAsGeth compares our matching of new logs, which subscriptions and
// polled filters use, with geth's search of stored ones.
func TestMatchesAsGeth(t *testing.T) {
	s := newSUT(t)
	for i := range 4 {
		topic := common.Hash{31: byte(i % 2)}
		s.send(sign(i, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]}))
	}
	s.mine()
	block := s.chain.BlockByHash(s.chain.Head().Hash())
	e := &blockEvent{block: block, receipts: s.chain.ReceiptsOf(block)}
	zero, one := common.Hash{}, common.Hash{31: 1}
	for _, crit := range []filters.FilterCriteria{
		{},
		{Addresses: []common.Address{loggerAddr}},
		{Addresses: []common.Address{reverterAddr}},
		{Addresses: []common.Address{reverterAddr, loggerAddr}, Topics: [][]common.Hash{{zero}}},
		{Topics: [][]common.Hash{{zero, one}}},
		{Topics: [][]common.Hash{{one}}},
		{Topics: [][]common.Hash{{}}},
		{Topics: [][]common.Hash{{}, {}}},
		{Topics: [][]common.Hash{{common.Hash{1}}}},
	} {
		stored, err := s.server.getLogs(t.Context(), crit)
		noErr(t, err)
		if fresh := matching(e, &crit); len(fresh) != len(stored) {
			t.Errorf("%+v: %d logs of the new block, geth finds %d", crit, len(fresh), len(stored))
		}
	}
}
