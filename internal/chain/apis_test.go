package chain

import (
	"context"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/motet-evm/motet"
)

// serve mounts APIs as the public listener does.
func (s *sut) serve() *rpc.Client {
	s.t.Helper()
	server := rpc.NewServer()
	for _, api := range s.APIs() {
		noErr(s.t, server.RegisterName(api.Namespace, api.Service))
	}
	client := rpc.DialInProc(server)
	s.t.Cleanup(func() { client.Close(); server.Stop() })
	return client
}

// geth's RPC answers for blocks that geth has not executed, old ones included:
// balances with proofs, receipts, logs and traces.
func TestHistoryIsReadable(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	client := s.serve()
	eth := ethclient.NewClient(client)
	counter := crypto.CreateAddress(testAddr(1), 0)
	s.extend(deploy(1, 0, counterCode))
	var calls []*types.Transaction
	for i := range uint64(300) {
		tx := call(1, i+1, counter)
		calls = append(calls, tx)
		s.extend(tx, transfer(0, i, common.Address{7}))
	}
	eventually(t, func() bool { _, err := eth.BalanceAt(t.Context(), testAddr(0), big.NewInt(1)); return err == nil })

	for _, n := range []uint64{2, 60, 100, 172, 173, 230, 300, 301} {
		at := new(big.Int).SetUint64(n)
		balance, err := eth.BalanceAt(t.Context(), common.Address{7}, at)
		noErr(t, err)
		equal(t, n-1, balance.Uint64())
		slot, err := eth.StorageAt(t.Context(), counter, common.Hash{}, at)
		noErr(t, err)
		equal(t, n-1, new(big.Int).SetBytes(slot).Uint64())
		s.checkProof(client, n, common.Address{7}, n-1)

		tx := calls[n-2]
		receipt, err := eth.TransactionReceipt(t.Context(), tx.Hash())
		noErr(t, err)
		equal(t, n, receipt.BlockNumber.Uint64())
		var trace struct {
			Gas    uint64
			Failed bool
		}
		noErr(t, client.CallContext(t.Context(), &trace, "debug_traceTransaction", tx.Hash()))
		equal(t, receipt.GasUsed, trace.Gas)
		var calls json.RawMessage
		noErr(t, client.CallContext(t.Context(), &calls, "debug_traceBlockByNumber", hexutil.Uint64(n), map[string]string{"tracer": "callTracer"}))
	}
}

// A start does not end before older states can be read.
func TestHistoryIsReadableFromTheStart(t *testing.T) {
	t.Parallel()
	genesis := testGenesis()
	genesis.Timestamp = uint64(time.Now().Unix()) //nolint:gosec // a time
	dir, recent := t.TempDir(), func(c *Config, _ *Deps) { c.Genesis = genesis }
	for range 10 {
		c, err := tryOpen(t, dir, recent)
		noErr(t, err)
		if indexing(c.bc) {
			t.Fatal("geth's indexers wait")
		}
		s := &sut{Chain: c, t: t, dir: dir}
		s.extend(transfer(0, c.Head().Number.Uint64(), common.Address{7}))
		noErr(t, c.Close())
	}
}

// checkProof verifies eth_getProof against the header of block n.
func (s *sut) checkProof(client *rpc.Client, n uint64, addr common.Address, balance uint64) {
	s.t.Helper()
	var proof struct{ AccountProof []hexutil.Bytes }
	noErr(s.t, client.CallContext(s.t.Context(), &proof, "eth_getProof", addr, []string{}, hexutil.Uint64(n)))
	nodes := memorydb.New()
	for _, node := range proof.AccountProof {
		noErr(s.t, nodes.Put(crypto.Keccak256(node), node))
	}
	value, err := trie.VerifyProof(s.HeaderByNumber(n).Root, crypto.Keccak256(addr[:]), nodes)
	noErr(s.t, err)
	account := new(types.StateAccount)
	noErr(s.t, rlp.DecodeBytes(value, account))
	equal(s.t, balance, account.Balance.Uint64())
}

// Nothing that writes, administrates or subscribes is offered.
func TestOfferedMethods(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	s.extend(transfer(0, 0, common.Address{1}))
	client := s.serve()
	modules, err := client.SupportedModules()
	noErr(t, err)
	var names []string
	for name := range modules {
		names = append(names, name)
	}
	slices.Sort(names)
	equal(t, []string{"debug", "eth", "net", "rpc", "web3"}, names)

	for _, method := range []string{
		"debug_setHead", "debug_chaindbCompact", "debug_chaindbProperty", "debug_printBlock", "debug_traceBlockFromFile",
		"debug_standardTraceBlockToFile", "debug_standardTraceBadBlockToFile", "debug_traceBadBlock", "debug_dumpBlock",
		"debug_storageRangeAt", "debug_preimage", "admin_addPeer", "miner_setExtra", "personal_newAccount",
		"engine_newPayloadV4", "eth_newFilter", "eth_newBlockFilter", "txpool_content",
	} {
		err := client.Call(nil, method)
		if err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%s is offered: %v", method, err)
		}
	}
	for _, kind := range []string{"newHeads", "logs", "syncing", "newPendingTransactions"} {
		if _, err := client.EthSubscribe(t.Context(), make(chan any), kind); err == nil {
			t.Errorf("a subscription to %s is offered", kind)
		}
	}
	for method, args := range map[string][]any{
		"eth_chainId": nil, "net_version": nil, "web3_clientVersion": nil, "eth_feeHistory": {"0x1", "latest", []int{50}},
		"debug_getRawHeader": {"latest"}, "debug_getRawBlock": {"latest"}, "debug_getRawReceipts": {"latest"},
		"eth_simulateV1": {map[string]any{"blockStateCalls": []any{}}, "latest"}, "eth_getBlockReceipts": {"latest"},
		"debug_traceCall":      {map[string]any{"to": common.Address{1}}, "latest", map[string]any{}},
		"eth_getBlockByNumber": {"safe", false}, "eth_call": {map[string]any{"to": common.Address{1}}, "finalized"},
	} {
		var out json.RawMessage
		if err := client.Call(&out, method, args...); err != nil && method != "eth_simulateV1" {
			t.Errorf("%s: %v", method, err)
		} else if len(out) == 0 && err == nil {
			t.Errorf("%s answers nothing", method)
		}
	}
}

func TestLabelsInRPC(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	for range 5 {
		s.extendNext()
	}
	eth := ethclient.NewClient(s.serve())
	noErr(t, s.Label(motet.RefOf(s.HeaderByNumber(4)), motet.RefOf(s.HeaderByNumber(2))))
	safe, err := eth.HeaderByNumber(t.Context(), big.NewInt(int64(rpc.SafeBlockNumber)))
	noErr(t, err)
	equal(t, uint64(4), safe.Number.Uint64())
}

func TestGenesisServesWebTools(t *testing.T) {
	t.Parallel()
	s := newSUT(t)
	eth := ethclient.NewClient(s.serve())
	code, err := eth.CodeAt(context.Background(), Multicall3Address, nil)
	noErr(t, err)
	// The code hash of Multicall3 on the public networks.
	equal(t, common.HexToHash("0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"), crypto.Keccak256Hash(code))
}
