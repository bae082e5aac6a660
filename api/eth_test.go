package api

import (
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

func TestSubmitAndRead(t *testing.T) {
	s := newSUT(t)
	ctx := t.Context()
	tx := transfer(0, 0)
	s.send(tx)

	got, pending, err := s.eth.TransactionByHash(ctx, tx.Hash())
	noErr(t, err)
	if !pending || got.Hash() != tx.Hash() {
		t.Fatalf("pooled transaction: pending %v, hash %s", pending, got.Hash())
	}
	if _, err := s.eth.TransactionReceipt(ctx, tx.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Fatalf("receipt of a pooled transaction: %v", err)
	}
	nonce, err := s.eth.PendingNonceAt(ctx, testAddr(0))
	noErr(t, err)
	if nonce != 1 {
		t.Fatalf("pending nonce %d", nonce)
	}
	s.mine()
	receipt, err := s.eth.TransactionReceipt(ctx, tx.Hash())
	noErr(t, err)
	if receipt.Status != 1 || receipt.BlockNumber.Uint64() != 1 {
		t.Fatalf("receipt %+v", receipt)
	}
	if _, pending, err = s.eth.TransactionByHash(ctx, tx.Hash()); err != nil || pending {
		t.Fatalf("sealed transaction: pending %v, %v", pending, err)
	}
	balance, err := s.eth.BalanceAt(ctx, common.Address{0xaa, 0}, nil)
	noErr(t, err)
	if balance.Uint64() != 1 {
		t.Fatalf("balance %v", balance)
	}
}

// TestShapesEqualGeth compares what is marshalled here with what geth's own
// methods return for the same things.
func TestShapesEqualGeth(t *testing.T) {
	s := newSUT(t)
	list := types.AccessList{{Address: loggerAddr, StorageKeys: []common.Hash{{1}}}}
	auth, err := types.SignSetCode(testKey(5), types.SetCodeAuthorization{Address: loggerAddr})
	noErr(t, err)
	legacy := types.MustSignNewTx(testKey(1), types.LatestSignerForChainID(big.NewInt(testChainID)),
		&types.LegacyTx{To: &loggerAddr, Gas: 200_000, GasPrice: big.NewInt(1e11), Data: make([]byte, 32)})
	accessList := types.MustSignNewTx(testKey(2), types.LatestSignerForChainID(big.NewInt(testChainID)),
		&types.AccessListTx{ChainID: big.NewInt(testChainID), To: &reverterAddr, Gas: 200_000, GasPrice: big.NewInt(1e11), AccessList: list})
	setCode := types.MustSignNewTx(testKey(3), types.LatestSignerForChainID(big.NewInt(testChainID)), &types.SetCodeTx{
		ChainID: word((*hexutil.Big)(big.NewInt(testChainID))), To: testAddr(4), Gas: 200_000,
		GasFeeCap: word((*hexutil.Big)(big.NewInt(1e11))), GasTipCap: word((*hexutil.Big)(big.NewInt(1e9))), AuthList: []types.SetCodeAuthorization{auth},
	})
	create := sign(0, types.DynamicFeeTx{Gas: 200_000, Data: common.FromHex("5f5ff3")})
	txs := []*types.Transaction{legacy, accessList, setCode, create}
	s.send(txs...)
	s.mine()
	for _, tx := range txs {
		ours, err := s.server.receipt(t.Context(), tx.Hash())
		noErr(t, err)
		if _, ok := s.server.recent.find(tx.Hash()); !ok {
			t.Fatal("receipt is not a recent one")
		}
		theirs, err := s.server.upstream.call(t.Context(), "eth_getTransactionReceipt", tx.Hash())
		noErr(t, err)
		equalJSON(t, ours, theirs)

		sealed, err := s.server.upstream.call(t.Context(), "eth_getTransactionByHash", tx.Hash())
		noErr(t, err)
		from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(testChainID)), tx)
		noErr(t, err)
		want, have := asMap(t, sealed), asMap(t, transactionOf(mtx(tx, from)))
		for _, placed := range []string{"blockHash", "blockNumber", "blockTimestamp", "transactionIndex", "gasPrice"} {
			delete(want, placed)
			delete(have, placed)
		}
		if !reflect.DeepEqual(want, have) {
			t.Errorf("transaction of type %d: ours\n%v\ngeth's\n%v", tx.Type(), have, want)
		}
	}
	equalJSON(t, headerOf(s.chain.Head()), must(s.server.upstream.call(t.Context(), "eth_getHeaderByNumber", "latest")))
}

func TestPendingBlock(t *testing.T) {
	s := newSUT(t)
	ctx := t.Context()

	// Before any block is open, pending is an empty block on top of the head.
	var block map[string]any
	noErr(t, s.rpc.CallContext(ctx, &block, "eth_getBlockByNumber", "pending", true))
	if block["number"] != "0x1" || block["hash"] != nil {
		t.Fatalf("pending block of an idle chain: %v", block)
	}
	topic := common.Hash{31: 7}
	tx := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]})
	s.send(tx, transfer(1, 0))
	s.slice()

	count, err := s.eth.PendingTransactionCount(ctx)
	noErr(t, err)
	_ = count // geth's count is that of the latest block: the tag means latest there
	noErr(t, s.rpc.CallContext(ctx, &block, "eth_getBlockByNumber", "pending", true))
	if n := len(block["transactions"].([]any)); n != 2 {
		t.Fatalf("%d pending transactions", n)
	}
	balance, err := s.eth.PendingBalanceAt(ctx, common.Address{0xaa, 1})
	noErr(t, err)
	if balance.Uint64() != 1 {
		t.Fatalf("pending balance %v", balance)
	}
	if latest, err := s.eth.BalanceAt(ctx, common.Address{0xaa, 1}, nil); err != nil || latest.Sign() != 0 {
		t.Fatalf("latest balance %v, %v", latest, err)
	}
	slot, err := s.eth.PendingStorageAt(ctx, loggerAddr, common.Hash{})
	noErr(t, err)
	if slot[31] != 1 {
		t.Fatalf("pending storage %x", slot)
	}
	code, err := s.eth.PendingCodeAt(ctx, loggerAddr)
	noErr(t, err)
	if len(code) != len(loggerCode) {
		t.Fatalf("pending code %x", code)
	}
	// The receipt of the open block has no block hash, and the standard method
	// does not know it.
	var receipt map[string]any
	noErr(t, s.rpc.CallContext(ctx, &receipt, "motet_getPreconfirmedReceipt", tx.Hash()))
	if receipt["status"] != "0x1" || receipt["blockHash"] != nil || receipt["blockNumber"] != "0x1" {
		t.Fatalf("preconfirmed receipt %v", receipt)
	}
	if _, err := s.eth.TransactionReceipt(ctx, tx.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Fatalf("receipt of an unsealed transaction: %v", err)
	}
	var fate fateJSON
	noErr(t, s.rpc.CallContext(ctx, &fate, "motet_getTransactionStatus", tx.Hash()))
	if fate.State != "preconfirmed" || *fate.Block != 1 {
		t.Fatalf("fate %+v", fate)
	}
}

func TestPendingCalls(t *testing.T) {
	s := newSUT(t)
	ctx := t.Context()
	topic := common.Hash{31: 7}
	s.send(sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]}))
	s.slice()

	gas, err := s.eth.EstimateGas(ctx, ethereum.CallMsg{From: testAddr(1), To: &loggerAddr, Data: topic[:]})
	noErr(t, err)
	var pending hexutil.Uint64
	noErr(t, s.rpc.CallContext(ctx, &pending, "eth_estimateGas", map[string]any{"from": testAddr(1), "to": loggerAddr, "input": hexutil.Bytes(topic[:])}, "pending"))
	// In the pending state the slot is set already, which is cheaper to change.
	if uint64(pending) >= gas {
		t.Fatalf("estimate on pending %d, on latest %d", pending, gas)
	}
	for _, block := range []string{"latest", "pending"} {
		var out hexutil.Bytes
		err := s.rpc.CallContext(ctx, &out, "eth_call", map[string]any{"to": reverterAddr}, block)
		var de rpc.DataError
		if !errors.As(err, &de) || err.Error() != "execution reverted: no" || de.(rpc.Error).ErrorCode() != 3 {
			t.Fatalf("revert on %s: %v", block, err)
		}
		if data, _ := de.ErrorData().(string); !strings.HasPrefix(data, "0x08c379a0") {
			t.Fatalf("revert data on %s: %v", block, de.ErrorData())
		}
		err = s.rpc.CallContext(ctx, &out, "eth_estimateGas", map[string]any{"to": reverterAddr}, block)
		if err == nil || err.Error() != "execution reverted: no" {
			t.Fatalf("estimate of a revert on %s: %v", block, err)
		}
		// The code that returns its balance, put where no contract is.
		override := map[string]any{testAddr(9).Hex(): map[string]any{
			"code": "0x475f5260205ff3", "balance": "0x2a",
		}}
		noErr(t, s.rpc.CallContext(ctx, &out, "eth_call", map[string]any{"to": testAddr(9)}, block, override))
		if new(big.Int).SetBytes(out).Int64() != 42 {
			t.Fatalf("state override on %s: %x", block, out)
		}
		override = map[string]any{testAddr(9).Hex(): map[string]any{"code": "0x435f5260205ff3"}}
		noErr(t, s.rpc.CallContext(ctx, &out, "eth_call", map[string]any{"to": testAddr(9)}, block, override, map[string]any{"number": "0x64"}))
		if new(big.Int).SetBytes(out).Int64() != 100 {
			t.Fatalf("block override on %s: %x", block, out)
		}
	}
}

func TestSendSync(t *testing.T) {
	s := newSUT(t)
	for _, timeout := range []string{`"0x1388"`, `5000`, ``} {
		done := make(chan struct{})
		tx := transfer(0, must(s.eth.PendingNonceAt(t.Context(), testAddr(0))))
		go func() {
			defer close(done)
			params := []string{`"` + rawHex(t, tx) + `"`}
			if timeout != "" {
				params = append(params, timeout)
			}
			_, answer := s.post("/", "application/json", request("eth_sendRawTransactionSync", params...))
			if !strings.Contains(answer, `"status":"0x1"`) || !strings.Contains(answer, `"blockHash":"0x`) {
				t.Errorf("timeout %s: %s", timeout, answer)
			}
		}()
		eventually(t, "accepted", func() bool { return s.pool.Get(tx.Hash()) != nil })
		s.mine()
		<-done
	}
	_, answer := s.post("/", "application/json", request("eth_sendRawTransactionSync", `"`+rawHex(t, transfer(1, 0))+`"`, "10"))
	if code, _ := errorIn(t, answer); code != CodeSyncTimeout {
		t.Errorf("timeout: %s", answer)
	}
	_, answer = s.post("/", "application/json", request("eth_sendRawTransactionSync", `"`+rawHex(t, transfer(2, 5))+`"`, "1000"))
	if code, _ := errorIn(t, answer); code != CodeSyncNonceGap {
		t.Errorf("nonce gap: %s", answer)
	}
}

// TestMethods calls what wallets and libraries call, and checks the answer's
// form.
func TestMethods(t *testing.T) {
	s := newSUT(t)
	s.mine()
	topic := common.Hash{31: 7}
	tx := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 100_000, Data: topic[:]})
	s.send(tx)
	s.mine()
	hash, block, addr := `"`+tx.Hash().Hex()+`"`, `"`+s.chain.Head().Hash().Hex()+`"`, `"`+testAddr(0).Hex()+`"`
	logger := `"` + loggerAddr.Hex() + `"`
	call := `{"to":` + logger + `,"input":"` + topic.Hex() + `"}`
	for _, c := range []struct{ method, params, want string }{
		{"eth_chainId", ``, `"0x1092"`},
		{"net_version", ``, `"4242"`},
		{"net_listening", ``, `true`},
		{"net_peerCount", ``, `"0x0"`},
		{"web3_clientVersion", ``, `"Motet/v0-test"`},
		{"web3_sha3", `"0x"`, `"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"`},
		{"eth_blockNumber", ``, `"0x2"`},
		{"eth_syncing", ``, `false`},
		{"eth_accounts", ``, `[]`},
		{"eth_pendingTransactions", ``, `[]`},
		{"eth_getBlockByNumber", `"latest",true`, `"number":"0x2"`},
		{"eth_getBlockByNumber", `"earliest",false`, `"number":"0x0"`},
		{"eth_getBlockByNumber", `"0x63",false`, `null`},
		{"eth_getBlockByHash", block + `,false`, `"number":"0x2"`},
		{"eth_getHeaderByNumber", `"pending"`, `"number":"0x2"`},
		{"eth_getHeaderByHash", block, `"number":"0x2"`},
		{"eth_getBlockReceipts", `"latest"`, `"status":"0x1"`},
		{"eth_getBlockReceipts", `"pending"`, `"status":"0x1"`},
		{"eth_getBlockTransactionCountByNumber", `"latest"`, `"0x1"`},
		{"eth_getBlockTransactionCountByHash", block, `"0x1"`},
		{"eth_getTransactionByHash", hash, `"blockNumber":"0x2"`},
		{"eth_getTransactionByBlockNumberAndIndex", `"latest","0x0"`, tx.Hash().Hex()},
		{"eth_getTransactionByBlockHashAndIndex", block + `,"0x0"`, tx.Hash().Hex()},
		{"eth_getRawTransactionByHash", hash, rawHex(t, tx)},
		{"eth_getRawTransactionByBlockNumberAndIndex", `"latest","0x0"`, rawHex(t, tx)},
		{"eth_getTransactionReceipt", hash, `"transactionIndex":"0x0"`},
		{"eth_getTransactionReceipt", `"` + topic.Hex() + `"`, `null`},
		{"eth_getTransactionCount", addr + `,"latest"`, `"0x1"`},
		{"eth_getTransactionCount", addr + `,"0x1"`, `"0x0"`},
		{"eth_getTransactionCount", addr + `,{"blockHash":` + block + `}`, `"0x1"`},
		{"eth_getTransactionCount", addr + `,"pending"`, `"0x1"`},
		{"eth_getTransactionCount", addr + `,{"blockNumber":"pending"}`, `"0x1"`},
		{"eth_getBalance", addr + `,"latest"`, `"0x`},
		{"eth_getBalance", addr, `"0x`},
		{"eth_getBalance", `"0x00000000000000000000000000000000000000ff","pending"`, `"0x0"`},
		{"eth_getCode", logger + `,"latest"`, hexutil.Encode(loggerCode)},
		{"eth_getStorageAt", logger + `,"0x0","latest"`, `"0x0000000000000000000000000000000000000000000000000000000000000001"`},
		{"eth_getStorageAt", logger + `,"0x0","pending"`, `"0x0000000000000000000000000000000000000000000000000000000000000001"`},
		{"eth_getStorageValues", `{` + logger + `:["` + common.Hash{}.Hex() + `"]},"latest"`, `01"]`},
		{"eth_getProof", logger + `,["0x0"],"latest"`, `"storageProof":[{"key":"0x0","value":"0x1"`},
		{"eth_getProof", logger + `,["0x0"],"pending"`, `"storageProof":[{"key":"0x0","value":"0x1"`},
		{"eth_call", call + `,"latest"`, `"0x"`},
		{"eth_call", call, `"0x"`},
		{"eth_call", call + `,"pending"`, `"0x"`},
		{"eth_estimateGas", call, `"0x`},
		{"eth_createAccessList", call + `,"pending"`, `"accessList":[`},
		{"eth_simulateV1", `{"blockStateCalls":[{"calls":[` + call + `]}]},"latest"`, `"status":"0x1"`},
		{"eth_fillTransaction", `{"from":` + addr + `,"to":` + logger + `,"input":"` + topic.Hex() + `"}`, `"nonce":"0x1"`},
		{"eth_gasPrice", ``, `"0x`},
		{"eth_maxPriorityFeePerGas", ``, `"0x`},
		{"eth_baseFee", ``, `"0x`},
		{"eth_blobBaseFee", ``, `"0x1"`},
		{"eth_feeHistory", `"0x1","latest",[50]`, `"oldestBlock":"0x2"`},
		{"eth_feeHistory", `1,"pending"`, `"oldestBlock":"0x2"`},
		{"eth_config", ``, `"chainId":"0x1092"`},
		{"eth_getUncleCountByBlockNumber", `"latest"`, `"0x0"`},
		{"eth_getUncleByBlockNumberAndIndex", `"latest","0x0"`, `null`},
		{"eth_getLogs", `{"fromBlock":"0x0","address":` + logger + `}`, `"topics":["` + topic.Hex() + `"]`},
		{"eth_getLogs", `{"blockHash":` + block + `}`, `"topics":["` + topic.Hex() + `"]`},
		{"eth_getLogs", `{"topics":["` + common.Hash{}.Hex() + `"]}`, `[]`},
		{"txpool_status", ``, `"pending":"0x0"`},
		{"txpool_content", ``, `"pending":{}`},
		{"txpool_contentFrom", addr, `"pending":{}`},
		{"txpool_inspect", ``, `"queued":{}`},
		{"debug_traceTransaction", hash + `,{"tracer":"callTracer"}`, `"type":"CALL"`},
		{"debug_traceTransaction", hash, `"structLogs":[`},
		{"debug_traceCall", call + `,"pending",{"tracer":"callTracer"}`, `"type":"CALL"`},
		{"debug_traceBlockByNumber", `"latest",{"tracer":"callTracer"}`, `"txHash":` + hash},
		{"debug_traceBlockByHash", block + `,{"tracer":"prestateTracer"}`, `"txHash":` + hash},
		{"debug_getRawBlock", `"latest"`, `"0xf`},
		{"debug_getRawHeader", `"latest"`, `"0xf`},
		{"debug_getRawReceipts", `"latest"`, `["0x02`},
		{"debug_getRawTransaction", hash, rawHex(t, tx)},
		{"motet_syncStatus", ``, `"unsafe":{"number":2`},
		{"motet_getTransactionStatus", hash, `"state":"sealed"`},
		{"motet_getTransactionStatus", `"` + topic.Hex() + `"`, `null`},
		{"evm_mine", ``, `"0x0"`},
		{"rpc_modules", ``, `"motet":"1.0"`},
	} {
		var params []string
		if c.params != "" {
			params = []string{c.params}
		}
		status, answer := s.post("/", "application/json", request(c.method, params...))
		if status != 200 || strings.Contains(answer, `"error":{`) && !strings.Contains(c.want, "error") || !strings.Contains(answer, c.want) {
			t.Errorf("%s(%s): %d %.300s, want %s", c.method, c.params, status, answer, c.want)
		}
	}
}

func TestGasPriceHasHeadroom(t *testing.T) {
	s := newSUT(t)
	s.mine()
	price, err := s.eth.SuggestGasPrice(t.Context())
	noErr(t, err)
	if least := new(big.Int).Mul(s.server.openBaseFee(), big.NewInt(4)); price.Cmp(least) < 0 {
		t.Fatalf("gas price %v is below four times the base fee %v", price, least)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	enc, err := json.Marshal(v)
	noErr(t, err)
	var m map[string]any
	noErr(t, json.Unmarshal(enc, &m))
	return m
}

func equalJSON(t *testing.T, ours, theirs any) {
	t.Helper()
	if a, b := asMap(t, ours), asMap(t, theirs); !reflect.DeepEqual(a, b) {
		t.Errorf("ours\n%v\ngeth's\n%v", a, b)
	}
}

// errorIn returns the error of a JSON-RPC answer.
func errorIn(t *testing.T, answer string) (code int, message string) {
	t.Helper()
	var out struct {
		Error struct {
			Code    int
			Message string
		}
	}
	noErr(t, json.Unmarshal([]byte(answer), &out))
	return out.Error.Code, out.Error.Message
}
