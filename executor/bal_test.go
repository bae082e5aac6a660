package executor

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/holiman/uint256"
)

// TestAccessList compares the list that is made of a log with geth's own, where
// several system calls of the same index change the same value.
func TestAccessList(t *testing.T) {
	addrs := []common.Address{{9}, {1}, {5}}
	key := func(n byte) common.Hash { return common.Hash{31: n} }
	log := &accessLog{
		accounts: addrs,
		slots:    []slotAccess{{0, key(3)}, {0, key(1)}, {1, key(3)}, {0, key(2)}},
		balances: []balanceAccess{{1, 0, *uint256.NewInt(4)}, {1, 0, *uint256.NewInt(5)}, {0, 1, *uint256.NewInt(1)}, {1, 2, *uint256.NewInt(6)}},
		nonces:   []nonceAccess{{0, 3, 1}, {0, 3, 2}, {0, 4, 3}},
		codes:    []codeAccess{{1, 1, []byte{1}}, {1, 1, []byte{2}}, {1, 4, nil}},
		values:   []valueAccess{{0, 0, key(7)}, {0, 0, key(8)}, {3, 1, key(1)}, {0, 5, common.Hash{}}},
	}
	geth := bal.NewConstructionBlockAccessList()
	for _, addr := range addrs {
		geth.AccountRead(addr)
	}
	for _, s := range log.slots {
		geth.StorageRead(addrs[s.account], s.key)
	}
	for _, b := range log.balances {
		geth.BalanceChange(b.index, addrs[b.account], &b.balance)
	}
	for _, n := range log.nonces {
		geth.NonceChange(addrs[n.account], n.index, n.nonce)
	}
	for _, c := range log.codes {
		geth.CodeChange(addrs[c.account], c.index, c.code)
	}
	for _, v := range log.values {
		s := log.slots[v.slot]
		geth.StorageWrite(v.index, addrs[s.account], s.key, v.value)
	}
	want, got := geth.ToEncodingObj(), log.list()
	if want.Hash() != got.Hash() {
		t.Fatalf("want\n%sgot\n%s", want.PrettyPrint(), got.PrettyPrint())
	}
	wantJSON, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	gotJSON, err := json.Marshal(got)
	if err != nil || string(gotJSON) != string(wantJSON) {
		t.Fatalf("want %s\ngot %s, %v", wantJSON, gotJSON, err)
	}
}
