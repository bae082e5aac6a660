package e2e

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

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
	nonce   uint64
	failed  int
}

func newSender(t *testing.T, n *nodetest.Node, account int) *sender {
	return &sender{t: t, n: n, account: account}
}

func (s *sender) send(to *common.Address, data []byte) (created common.Address) {
	s.t.Helper()
	key, err := crypto.HexToECDSA(s.n.Accounts[s.account].Key[2:])
	if err != nil {
		s.t.Fatal(err)
	}
	id := new(big.Int).SetUint64(s.n.ChainID)
	tx := types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: s.nonce, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(100e9), Gas: 200_000, To: to, Data: data,
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
