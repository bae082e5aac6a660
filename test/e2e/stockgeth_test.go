package e2e

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet/internal/testkit/nodetest"
	"github.com/motet-evm/motet/internal/testkit/stockgeth"
)

// blocks is the length of the chain that the stock geth gets: longer than the
// 128 blocks of which a default node keeps the state.
const blocks = 220

// TestStockGethAcceptsOurBlocks feeds every sealed block to an unmodified geth,
// deployments, swaps and reverts among them, then rolls it back and forth.
func TestStockGethAcceptsOurBlocks(t *testing.T) {
	n := nodetest.Start(t, "--block-time", "0", "--l1", "off", "--postgres", "off", "--datadir", t.TempDir())
	c := newCast(t, n)
	s := newSender(t, n, 2)
	m := openMarket(t, c)
	token, first := m.gold, m.swap(c.addr.Hex()).TransactionHash
	// init code that reverts, and one that deploys a contract reverting when called
	s.send(nil, common.FromHex("0x60006000fd"))
	reverter := s.send(nil, common.FromHex("0x6460006000fd6000526005601bf3"))
	for {
		head, err := n.Eth.BlockNumber(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if head >= blocks {
			break
		}
		switch {
		case head%20 == 0:
			m.swap(n.Accounts[1].Address.Hex())
		case head%2 == 0:
			s.send(&common.Address{0xaa, byte(head)}, nil)
		default: // reverts
			s.send(&token, append(common.FromHex("0xa9059cbb"), make([]byte, 64)...))
		}
	}
	if reverter == (common.Address{}) {
		t.Fatal("no contract was created")
	}

	geth := stockgeth.Start(t, n.GenesisFile)
	chain := map[uint64]*types.Block{}
	for b := uint64(1); b <= blocks; b++ {
		block, err := n.Eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		chain[b] = block
		if err := geth.Import(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	compareState(t, n, geth, token)

	// Rollback by 150 blocks and forward again, one block at a time.
	if err := geth.SetHead(t.Context(), chain[blocks-150].Hash(), common.Hash{}, common.Hash{}); err != nil {
		t.Fatal(err)
	}
	if head, err := geth.Eth.BlockNumber(t.Context()); err != nil || head != blocks-150 {
		t.Fatalf("after the rollback the head is %d (%v)", head, err)
	}
	for b := uint64(blocks - 149); b <= blocks; b++ {
		if err := geth.Import(t.Context(), chain[b]); err != nil {
			t.Fatal(err)
		}
	}
	compareState(t, n, geth, token)

	// Our own history answers for old blocks: traces and proofs.
	if trace := c.run("run", first.Hex()); !strings.Contains(trace, "Transaction successfully executed") {
		t.Errorf("cast run of an old transaction: %s", trace)
	}
	c.run("proof", c.addr.Hex(), "0x0", "--block", "3")
}

// TestStockGethAcceptsAmsterdamBlocks feeds the blocks of a chain under Amsterdam rules to
// an unmodified geth, each with its access list: it takes none with another's.
func TestStockGethAcceptsAmsterdamBlocks(t *testing.T) {
	genesis := amsterdam(t)
	n := nodetest.Start(t, "--genesis", genesis, "--block-time", "0", "--l1", "off", "--postgres", "off", "--datadir", t.TempDir())
	s := newSender(t, n, 2)
	s.gas = 2_000_000 // to create something costs more there (EIP-8037)
	s.send(&n.Accounts[1].Address, nil)
	s.send(nil, common.FromHex("600160015533ff"))                                  // destroys what it makes
	counter := s.send(nil, common.FromHex("675f546001015f550060c01b5f5260085ff3")) // slot[0]++
	for range 3 {
		s.send(&counter, nil)
	}
	if s.failed > 0 {
		t.Fatalf("%d transactions failed", s.failed)
	}
	geth := stockgeth.Start(t, genesis)
	head, err := n.Eth.BlockNumber(t.Context())
	if err != nil || head < 6 {
		t.Fatal(head, err)
	}
	for b := uint64(1); b <= head; b++ {
		block, err := n.Eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		var list hexutil.Bytes
		if err := n.Eth.Client().CallContext(t.Context(), &list, "debug_getRawBlockAccessList", block.Hash()); err != nil {
			t.Fatal(err)
		}
		if hash := block.Header().BlockAccessListHash; hash == nil || *hash != crypto.Keccak256Hash(list) {
			t.Fatalf("block %d has the list %x under %v", b, list, hash)
		}
		if err := geth.ImportAlong(t.Context(), block, append(slices.Clip(list), 0)); err == nil {
			t.Errorf("geth takes block %d along another list", b)
		}
		if err := geth.ImportAlong(t.Context(), block, list); err != nil {
			t.Fatal(err)
		}
	}
	if count, err := geth.Eth.StorageAt(t.Context(), counter, common.Hash{}, nil); err != nil || new(big.Int).SetBytes(count).Int64() != 3 {
		t.Errorf("geth counts %x, %v", count, err)
	}
}

// amsterdam returns a file with the genesis of a development chain under Amsterdam rules.
func amsterdam(t *testing.T) string {
	t.Helper()
	n := nodetest.Start(t, "--l1", "off", "--postgres", "off", "--datadir", t.TempDir())
	content, err := os.ReadFile(n.GenesisFile)
	if err != nil {
		t.Fatal(err)
	}
	n.Stop(t)
	g := new(core.Genesis)
	if err := json.Unmarshal(content, g); err != nil {
		t.Fatal(err)
	}
	g.Config.AmsterdamTime = new(uint64)
	for _, addr := range []common.Address{params.BuilderDepositAddress, params.BuilderExitAddress} {
		g.Alloc[addr] = types.Account{Nonce: 1, Balance: new(big.Int), Code: []byte{0}}
	}
	if content, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	return file(t, "amsterdam.json", content)
}

func compareState(t *testing.T, n *nodetest.Node, geth *stockgeth.Geth, token common.Address) {
	t.Helper()
	ours, err := n.Eth.StorageAt(t.Context(), token, common.Hash{31: 2}, big.NewInt(blocks))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := geth.Eth.StorageAt(t.Context(), token, common.Hash{31: 2}, big.NewInt(blocks))
	if err != nil {
		t.Fatal(err)
	}
	if string(ours) != string(theirs) {
		t.Errorf("slot 2 of the token is %x here, %x at geth", ours, theirs)
	}
}

// sender sends transactions with a fixed gas limit, so that reverting ones are
// included, and waits for each receipt.
type sender struct {
	t       *testing.T
	n       *nodetest.Node
	account int
	gas     uint64 // that each may use
	nonce   uint64
	failed  int
}

func newSender(t *testing.T, n *nodetest.Node, account int) *sender {
	return &sender{t: t, n: n, account: account, gas: 200_000}
}

func (s *sender) send(to *common.Address, data []byte) (created common.Address) {
	s.t.Helper()
	key, err := crypto.HexToECDSA(s.n.Accounts[s.account].Key[2:])
	if err != nil {
		s.t.Fatal(err)
	}
	id := new(big.Int).SetUint64(s.n.ChainID)
	tx := types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: s.nonce, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(100e9), Gas: s.gas, To: to, Data: data,
	})
	s.nonce++
	var receipt *types.Receipt
	var raw []byte
	if raw, err = tx.MarshalBinary(); err == nil {
		err = s.n.Eth.Client().CallContext(s.t.Context(), &receipt, "eth_sendRawTransactionSync", fmt.Sprintf("%#x", raw))
	}
	if err != nil {
		s.t.Fatalf("send: %v", err)
	}
	if receipt.Status == types.ReceiptStatusFailed {
		s.failed++
	}
	return receipt.ContractAddress
}
