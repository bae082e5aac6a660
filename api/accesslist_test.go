package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"

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
		var list bal.BlockAccessList
		noErr(t, json.Unmarshal(got, &list))
		if list.Hash() != want.Hash() || string(byHash) != string(got) {
			t.Errorf("block %d: the list is %s, by hash %s", block.Number(), got, byHash)
		}
		status, answer := s.get("/v1/blocks/" + block.Number().String() + "/access-list")
		var rest struct {
			Number     uint64
			Hash       common.Hash
			ListHash   common.Hash     `json:"list_hash"`
			AccessList json.RawMessage `json:"access_list"`
		}
		noErr(t, json.Unmarshal([]byte(answer), &rest))
		if status != 200 || rest.Number != block.NumberU64() || rest.Hash != block.Hash() || rest.ListHash != want.Hash() || string(rest.AccessList) != string(got) {
			t.Errorf("block %d: REST says %d %s\nJSON-RPC %s", block.Number(), status, answer, got)
		}
	}
	for _, none := range []string{"0x99", "pending"} {
		var got json.RawMessage
		if err := s.rpc.Call(&got, "eth_getBlockAccessList", none); err != nil || string(got) != "null" {
			t.Errorf("%s: %s, %v", none, got, err)
		}
	}
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
