package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
	"github.com/motet-evm/motet/internal/testkit/listtest"
)

// TestAccessList: every surface tells the list of a block as geth records it, of
// one that was executed lately and of one that has to be executed again.
func TestAccessList(t *testing.T) {
	dir := t.TempDir()
	first := listtest.Open(t, dir, listtest.Setup{})
	var blocks []*types.Block
	for range 3 {
		blocks = append(blocks, first.Grow(t, 12))
	}
	noErr(t, first.Close())
	c := listtest.Open(t, dir, listtest.Setup{}) // has forgotten the outcomes
	blocks = append(blocks, c.Grow(t, 12))
	s := newSUT(t, func(_ *Config, d *Deps) { d.Chain, d.Pool, d.Sequencer, d.Events = c.Chain, nil, nil, nil })
	for _, block := range blocks {
		want := listtest.Want(t, c.Chain, block)
		var got, byHash json.RawMessage
		noErr(t, s.rpc.Call(&got, "eth_getBlockAccessList", "0x"+block.Number().Text(16)))
		noErr(t, s.rpc.Call(&byHash, "eth_getBlockAccessList", block.Hash()))
		if hash := hashOfJSON(t, got); hash != want.Hash() || string(byHash) != string(got) {
			t.Errorf("block %d: the list is %s, by hash %s", block.Number(), got, byHash)
		}
		var raw hexutil.Bytes
		noErr(t, s.rpc.Call(&raw, "debug_getRawBlockAccessList", block.Hash()))
		status, octets := s.get("/v1/blocks/"+block.Hash().Hex()+"/access-list", "Accept", "application/octet-stream")
		if crypto.Keccak256Hash(raw) != want.Hash() || status != 200 || octets != string(raw) {
			t.Errorf("block %d: the RLP is %x, in REST %d %x", block.Number(), raw, status, octets)
		}
		var ours json.RawMessage
		noErr(t, s.rpc.Call(&ours, "motet_getBlockAccessList", block.Hash()))
		status, answer := s.get("/v1/blocks/" + block.Number().String() + "/access-list")
		var rest struct {
			Number     uint64
			Hash       common.Hash
			ListHash   common.Hash     `json:"list_hash"`
			AccessList json.RawMessage `json:"access_list"`
		}
		noErr(t, json.Unmarshal([]byte(answer), &rest))
		if status != 200 || rest.Number != block.NumberU64() || rest.Hash != block.Hash() || rest.ListHash != want.Hash() || string(rest.AccessList) != string(got) || string(ours) != strings.TrimSpace(answer) {
			t.Errorf("block %d: REST says %d %s\nJSON-RPC %s, %s", block.Number(), status, answer, got, ours)
		}
	}
	for _, none := range []string{"0x99", "pending"} {
		for _, method := range []string{"eth_getBlockAccessList", "motet_getBlockAccessList"} {
			var got json.RawMessage
			if err := s.rpc.Call(&got, method, none); err != nil || string(got) != "null" {
				t.Errorf("%s of %s: %s, %v", method, none, got, err)
			}
		}
		expectCode(t, s.rpc.Call(nil, "debug_getRawBlockAccessList", none), CodeNotFound)
	}
	expectCode(t, s.rpc.Call(nil, "eth_getBlockAccessList", "earliest"), CodeNotFound)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/v1/blocks/99/access-list":   {404, "there is no block 99"},
		"/v1/blocks/nine/access-list": {400, "neither a number"},
		"/v1/blocks/0/access-list":    {404, "block 0"},
	} {
		if status, answer := s.get(path); status != want.status || !strings.Contains(answer, want.text) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func expectCode(t *testing.T, err error, want int) {
	t.Helper()
	if coded, ok := errors.AsType[rpc.Error](err); !ok || coded.ErrorCode() != want {
		t.Errorf("%v, want code %d", err, want)
	}
}

// hashOfJSON reads a list in the form of execution-apis and returns its hash.
func hashOfJSON(t *testing.T, enc []byte) common.Hash {
	t.Helper()
	type change[T any] struct {
		Index hexutil.Uint64
		Value T
	}
	var accounts []struct {
		Address        common.Address
		StorageChanges []struct {
			Key     common.Hash
			Changes []change[common.Hash]
		}
		StorageReads   []common.Hash
		BalanceChanges []change[hexutil.U256]
		NonceChanges   []change[hexutil.Uint64]
		CodeChanges    []struct {
			Index hexutil.Uint64
			Code  hexutil.Bytes
		}
	}
	dec := json.NewDecoder(bytes.NewReader(enc))
	dec.DisallowUnknownFields()
	noErr(t, dec.Decode(&accounts))
	if strings.Contains(string(enc), "null") {
		t.Error("something is null")
	}
	list := bal.NewConstructionBlockAccessList()
	for _, a := range accounts {
		list.AccountRead(a.Address)
		for _, s := range a.StorageChanges {
			for _, c := range s.Changes {
				list.StorageWrite(uint32(c.Index), a.Address, s.Key, c.Value)
			}
		}
		for _, key := range a.StorageReads {
			list.StorageRead(a.Address, key)
		}
		for _, c := range a.BalanceChanges {
			list.BalanceChange(uint32(c.Index), a.Address, (*uint256.Int)(&c.Value))
		}
		for _, c := range a.NonceChanges {
			list.NonceChange(a.Address, uint32(c.Index), uint64(c.Value))
		}
		for _, c := range a.CodeChanges {
			list.CodeChange(a.Address, uint32(c.Index), c.Code)
		}
	}
	return list.ToEncodingObj().Hash()
}

// TestAccessListOfOldBlock: a list that cannot be made any more is told apart from
// one that there never was.
func TestAccessListOfOldBlock(t *testing.T) {
	for err, want := range map[error]struct{ code, status int }{
		fmt.Errorf("make it: %w: no such layer", chain.ErrStateGone): {CodePruned, http.StatusGone},
		fmt.Errorf("block 0: %w", chain.ErrNoAccessList):             {CodeNotFound, http.StatusNotFound},
		chain.ErrNotCanonical:    {CodeNotFound, http.StatusNotFound},
		motet.ErrHalt:            {CodeInternal, http.StatusInternalServerError},
		context.DeadlineExceeded: {CodeUnavailable, http.StatusServiceUnavailable},
	} {
		if got := listError(err); got.Code != want.code || got.status() != want.status {
			t.Errorf("%v: code %d, status %d", err, got.Code, got.status())
		}
	}
}

// TestAccessListWaitsForSlot: lists take turns with traces, and a client is told
// when its turn does not come.
func TestAccessListWaitsForSlot(t *testing.T) {
	c := listtest.Open(t, t.TempDir(), listtest.Setup{})
	block := c.Grow(t, 3)
	s := newSUT(t, func(_ *Config, d *Deps) { d.Chain, d.Pool, d.Sequencer, d.Events = c.Chain, nil, nil, nil })
	ask := func() *Error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, bad := s.server.accessList(ctx, block)
		return bad
	}
	noErr(t, s.server.traces.Acquire(t.Context(), traceSlots))
	if bad := ask(); bad == nil || bad.Code != CodeLimit {
		t.Errorf("without a slot: %v", bad)
	}
	s.server.traces.Release(traceSlots)
	if bad := ask(); bad != nil {
		t.Errorf("with a slot: %v", bad)
	}
}
