package e2e

import (
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet/internal/testkit/nodetest"
	"github.com/motet-evm/motet/internal/testkit/stockgeth"
)

// answer is what an HTTP server said.
type answer struct {
	status      int
	contentType string
	body        string
}

func (a answer) String() string { return fmt.Sprintf("%d %.400s", a.status, a.body) }

// ask sends a request with further headers, given as name and value in turns.
func ask(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header.Get("Content-Type"), strings.TrimSpace(string(got))}
}

func askJSON(t *testing.T, url, body string) answer {
	t.Helper()
	return ask(t, http.MethodPost, url, body, "Content-Type", "application/json")
}

// rpcCase is a request that a stock geth gets too.
type rpcCase struct {
	name, body string
	want       string // part of the answer
	// ours is set where we do not answer as geth does, and is part of our answer.
	ours string
}

// rivals are our node and a stock geth with the same chain.
type rivals struct {
	t    *testing.T
	n    *nodetest.Node
	geth *stockgeth.Geth
	id   *big.Int
	good *sender
}

// newRivals starts both and gives them a chain in which account 2 has sent once.
func newRivals(t *testing.T, flags ...string) *rivals {
	t.Helper()
	n := nodetest.Start(t, append([]string{"--l1", "off", "--postgres", "off"}, flags...)...)
	r := &rivals{t: t, n: n, geth: stockgeth.Start(t, n.GenesisFile), id: new(big.Int).SetUint64(n.ChainID), good: newSender(t, n, 0)}
	newSender(t, n, 2).send(&n.Accounts[1].Address, nil)
	head, err := n.Eth.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for b := uint64(1); b <= head; b++ {
		block, err := n.Eth.BlockByNumber(t.Context(), new(big.Int).SetUint64(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.geth.Import(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "geth's pool follows", func() bool {
		nonce, err := r.geth.Eth.PendingNonceAt(t.Context(), n.Accounts[2].Address)
		return err == nil && nonce == 1
	})
	return r
}

// check sends the cases to both, then a good transaction to ours.
func (r *rivals) check(cases []rpcCase) {
	r.t.Helper()
	for _, c := range cases {
		start := time.Now()
		got := askJSON(r.t, r.n.HTTP, c.body)
		took := time.Since(start)
		geth := askJSON(r.t, r.geth.HTTP, c.body)
		switch same := got.status == geth.status && got.body == geth.body; {
		case c.ours == "" && !same:
			r.t.Errorf("%s:\nours %s\ngeth %s", c.name, got, geth)
		case c.ours != "" && same:
			r.t.Errorf("%s: geth says the same: %s", c.name, got)
		case !strings.Contains(got.body, c.ours) || !strings.Contains(geth.body, c.want):
			r.t.Errorf("%s:\nours %s, want %q\ngeth %s, want %q", c.name, got, c.ours, geth, c.want)
		case took > 8*time.Second:
			r.t.Errorf("%s took %s", c.name, took)
		}
	}
	r.includes()
}

// includes: the node takes a good transaction as if nothing had been.
func (r *rivals) includes() {
	r.t.Helper()
	start := time.Now()
	r.good.send(&r.n.Accounts[1].Address, nil)
	if took := time.Since(start); took > 8*time.Second {
		r.t.Errorf("a good transaction took %s", took)
	}
}

// call is a JSON-RPC request; the parameters are JSON.
func call(method string, params ...string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, strings.Join(params, ","))
}

func sendRaw(raw string) string { return call("eth_sendRawTransaction", `"`+raw+`"`) }

// sign signs for an account; change may break what is signed.
func (r *rivals) sign(account int, inner types.TxData) *types.Transaction {
	r.t.Helper()
	key, err := crypto.HexToECDSA(r.n.Accounts[account].Key[2:])
	if err != nil {
		r.t.Fatal(err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(chainOf(inner, r.id)), inner)
	if err != nil {
		r.t.Fatal(err)
	}
	return tx
}

// chainOf is the chain that a transaction is for.
func chainOf(inner types.TxData, id *big.Int) *big.Int {
	if named := types.NewTx(inner).ChainId(); named.Sign() > 0 {
		return named
	}
	return id
}

// transfer is a plain transaction, changed as the case wants it.
func (r *rivals) transfer(account int, nonce uint64, change func(*types.DynamicFeeTx)) *types.Transaction {
	tx := &types.DynamicFeeTx{
		ChainID: r.id, Nonce: nonce, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(50e9), Gas: params.TxGas, To: &r.n.Accounts[1].Address,
	}
	if change != nil {
		change(tx)
	}
	return r.sign(account, tx)
}

func rawOf(t *testing.T, tx *types.Transaction) string {
	t.Helper()
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return hexutil.Encode(raw)
}

func (r *rivals) sending(tx *types.Transaction) string {
	r.t.Helper()
	return sendRaw(rawOf(r.t, tx))
}

func (r *rivals) sendingTransfer(account int, nonce uint64, change func(*types.DynamicFeeTx)) string {
	r.t.Helper()
	return r.sending(r.transfer(account, nonce, change))
}

// resigned is a transaction with another signature in place of its own.
func (r *rivals) resigned(sig func(v, rr, s *big.Int)) string {
	r.t.Helper()
	tx := r.transfer(0, 1, nil)
	v, rr, s := tx.RawSignatureValues()
	sig(v, rr, s)
	return r.sending(types.NewTx(&types.DynamicFeeTx{
		ChainID: r.id, Nonce: 1, GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap(), Gas: tx.Gas(), To: tx.To(), V: v, R: rr, S: s,
	}))
}

// TestBadJSONRPC: what is no request, names no method or has other parameters.
func TestBadJSONRPC(t *testing.T) {
	r := newRivals(t)
	const (
		parse    = `"code":-32700,"message":"`
		invalid  = `"code":-32600,"message":"invalid request"`
		noMethod = `"code":-32601,"message":"the method `
		bad      = `"code":-32602,"message":"`
		addr     = `"0x00000000000000000000000000000000000000aa"`
	)
	r.check([]rpcCase{
		{name: "cut", body: `{"jsonrpc":"2.0","id":1,`, want: parse},
		{name: "no JSON", body: `eth_chainId`, want: parse},
		{name: "binary", body: "\x00\xff\xfe", want: parse},
		{name: "trailing comma", body: `[1,]`, want: parse},
		{name: "two requests", body: call("eth_chainId") + call("eth_chainId")},
		{name: "two submissions", body: sendRaw("0x") + sendRaw("0x")},
		{name: "number", body: `7`, want: invalid},
		{name: "string", body: `"eth_chainId"`, want: invalid},
		{name: "null", body: `null`, want: invalid},
		{name: "empty object", body: `{}`, want: invalid},
		{name: "no method", body: `{"jsonrpc":"2.0","id":1}`, want: invalid},
		{name: "no version", body: `{"id":1,"method":"eth_chainId"}`, want: invalid},
		{name: "version 1", body: `{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}`, want: invalid},
		{name: "method is a number", body: `{"jsonrpc":"2.0","id":1,"method":7}`},
		{name: "id is an object", body: `{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}`, want: invalid},
		{name: "id is a list", body: `{"jsonrpc":"2.0","id":[1],"method":"eth_sendRawTransaction","params":["0x"]}`, want: invalid},
		{name: "id of a submission is a text", body: `{"jsonrpc":"2.0","id":"<&>","method":"eth_sendRawTransaction","params":["0x"]}`, want: `"id":"<&>"`},
		{name: "id of a submission is null", body: `{"jsonrpc":"2.0","id":null,"method":"eth_sendRawTransaction","params":["0x"]}`},
		{name: "id of a submission is large", body: `{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"eth_sendRawTransaction","params":["0x"]}`},
		{name: "submission as a notification", body: `{"jsonrpc":"2.0","method":"eth_sendRawTransaction","params":["0x"]}`},
		{name: "names in capitals", body: `{"JSONRPC":"2.0","ID":1,"METHOD":"eth_sendRawTransaction","PARAMS":["0x"]}`},
		{name: "a field twice", body: `{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_sendRawTransaction","params":["0x"],"params":["0x01"]}`},
		{name: "more fields", body: `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x"],"auth":{"a":[1]}}`},
		{name: "no such method", body: call("eth_noSuchThing"), want: noMethod + `eth_noSuchThing does not exist/is not available"`},
		{name: "no such namespace", body: call("nosuch_thing"), want: noMethod + `nosuch_thing does not exist/is not available"`},
		{name: "no namespace", body: call("chainId"), want: noMethod},
		{name: "method not for the public", body: call("engine_newPayloadV4"), want: noMethod},
		{name: "subscription over HTTP", body: call("eth_subscribe", `"newHeads"`), want: `"code":-32601,"message":"notifications not supported"`},
		{name: "empty batch", body: `[]`, want: `"code":-32600,"message":"empty batch"`},
		{name: "batch of numbers", body: `[1,2]`, want: `[{"jsonrpc":"2.0","id":null,"error":{"code":-32600`},
		{name: "batch in a batch", body: `[[` + call("eth_chainId") + `]]`, want: invalid},
		{name: "good and bad in a batch", body: `[` + call("eth_chainId") + `,{},` + call("eth_no") + `,` + sendRaw("0x") + `]`},
		{name: "submissions and garbage", body: `[` + sendRaw("0x") + `,` + sendRaw("zz") + `,` + call("eth_sendRawTransaction") + `]`},
		{name: "parameter missing", body: call("eth_getBalance"), want: bad + `missing value for required argument 0"`},
		{name: "second parameter missing", body: call("eth_call", `{}`), want: `"id":1`},
		{name: "no parameters", body: `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}`, want: bad + `missing value for required argument 0"`},
		{name: "parameters are null", body: `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":null}`, want: bad},
		{name: "parameters are an object", body: `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"a":1}}`, want: bad + `non-array args"`},
		{name: "parameters are a text", body: `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":"0x"}`, want: bad},
		{name: "too many parameters", body: call("eth_chainId", `1`), want: bad + `too many arguments, want at most 0"`},
		{name: "address too short", body: call("eth_getBalance", `"0x12"`, `"latest"`), want: bad + `invalid argument 0: `},
		{name: "address without prefix", body: call("eth_getBalance", `"zz"`, `"latest"`), want: bad},
		{name: "address is a number", body: call("eth_getBalance", `7`, `"latest"`), want: bad},
		{name: "block is a word", body: call("eth_getBalance", addr, `"newest"`), want: bad},
		{name: "block with a zero", body: call("eth_getBalance", addr, `"0x01"`), want: bad},
		{name: "block above 2^63", body: call("eth_getBalance", addr, `"0xffffffffffffffff"`), want: bad},
		{name: "block of the future", body: call("eth_getBalance", addr, `"0x7fffffff"`), want: `"code":-32000,"message":"header not found"`},
		{name: "unknown block", body: call("eth_getBalance", addr, `{"blockHash":"0x`+strings.Repeat("12", 32)+`"}`)},
		{name: "number and hash of a block", body: call("eth_getBalance", addr, `{"blockHash":"0x`+strings.Repeat("12", 32)+`","blockNumber":"0x1"}`), want: bad},
		{name: "hash too short", body: call("eth_getTransactionByHash", `"0x12"`), want: bad},
		{name: "unknown transaction", body: call("eth_getTransactionByHash", `"0x`+strings.Repeat("12", 32)+`"`), want: `"result":null`},
		{name: "unknown receipt", body: call("eth_getTransactionReceipt", `"0x`+strings.Repeat("12", 32)+`"`), want: `"result":null`},
		{name: "future block", body: call("eth_getBlockByNumber", `"0x7fffffff"`, `false`), want: `"result":null`},
		{name: "full is a text", body: call("eth_getBlockByNumber", `"latest"`, `"yes"`), want: bad},
		{name: "data is not hex", body: call("eth_call", `{"data":"0xzz"}`, `"latest"`), want: bad},
		{name: "call that cannot pay", body: call("eth_call", `{"from":`+addr+`,"value":"0x1"}`, `"latest"`), want: `insufficient funds`},
		{name: "storage key too long", body: call("eth_getStorageAt", addr, `"0x`+strings.Repeat("1", 66)+`"`, `"latest"`)},
		{name: "logs of two kinds of range", body: call("eth_getLogs", `{"blockHash":"0x`+strings.Repeat("12", 32)+`","fromBlock":"0x1"}`), want: bad},
		{name: "logs backwards", body: call("eth_getLogs", `{"fromBlock":"0x1","toBlock":"0x0"}`)},
		{name: "logs of five topics", body: call("eth_getLogs", `{"topics":[null,null,null,null,null]}`)},
		{name: "filter of nobody", body: call("eth_getFilterChanges", `"0x1"`), want: `"code":-32000,"message":"filter not found"`},
		{name: "percentiles backwards", body: call("eth_feeHistory", `"0x1"`, `"latest"`, `[90,10]`)},
	})
	t.Run("sizes", r.sizes)
}

// sizes: what is too much, or comes in the wrong way.
func (r *rivals) sizes(t *testing.T) {
	batch := func(n int) string {
		return `[` + strings.Repeat(call("eth_chainId")+`,`, n-1) + call("eth_chainId") + `]`
	}
	large := strings.Repeat(" ", 5<<20) + call("eth_chainId")
	got, geth := askJSON(t, r.n.HTTP, batch(101)), askJSON(t, r.geth.HTTP, batch(1001))
	if got.body != geth.body || !strings.Contains(got.body, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batch too large"}}]`) {
		t.Errorf("batch too large:\nours %s\ngeth %s", got, geth)
	}
	if got := askJSON(t, r.n.HTTP, batch(100)); strings.Count(got.body, `"result":`) != 100 {
		t.Errorf("batch at the limit: %s", got)
	}
	for _, c := range []struct {
		name, method, body string
		header             []string
		status             int
	}{
		{"too large", http.MethodPost, large, []string{"Content-Type", "application/json"}, 413},
		{"text", http.MethodPost, call("eth_chainId"), []string{"Content-Type", "text/plain"}, 415},
		{"form", http.MethodPost, call("eth_chainId"), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"no type", http.MethodPost, call("eth_chainId"), nil, 415},
		{"charset", http.MethodPost, call("eth_chainId"), []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		{"PUT", http.MethodPut, call("eth_chainId"), []string{"Content-Type", "application/json"}, 405},
		{"DELETE", http.MethodDelete, "", []string{"Content-Type", "application/json"}, 405},
	} {
		got := ask(t, c.method, r.n.HTTP, c.body, c.header...)
		geth := ask(t, c.method, r.geth.HTTP, c.body, c.header...)
		if got.status != c.status || geth.status != c.status || c.status != 405 && got.body != geth.body {
			t.Errorf("%s: want %d\nours %s\ngeth %s", c.name, c.status, got, geth)
		}
	}
	if got := askJSON(t, r.n.HTTP, ""); got.status != 200 || !strings.Contains(got.body, `"code":-32700,"message":"empty request body"`) {
		t.Errorf("nothing: %s", got)
	}
	r.includes()
}

// TestBadTransactions: what cannot be included is refused in geth's words.
func TestBadTransactions(t *testing.T) {
	r := newRivals(t, "--gas-limit", "15000000")
	stranger, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	poor := types.MustSignNewTx(stranger, types.LatestSignerForChainID(r.id), &types.DynamicFeeTx{
		ChainID: r.id, GasTipCap: big.NewInt(2e9), GasFeeCap: big.NewInt(50e9), Gas: params.TxGas, To: &common.Address{1},
	})
	unprotected := types.MustSignNewTx(stranger, types.HomesteadSigner{}, &types.LegacyTx{Gas: params.TxGas, GasPrice: big.NewInt(50e9), To: &common.Address{1}})
	good := rawOf(t, r.transfer(0, 1, nil))
	blob := r.sign(0, &types.BlobTx{
		ChainID: uint256.MustFromBig(r.id), Nonce: 1, GasTipCap: uint256.NewInt(2e9), GasFeeCap: uint256.NewInt(50e9), Gas: params.TxGas,
		BlobFeeCap: uint256.NewInt(1e9), BlobHashes: []common.Hash{{1}},
	})
	data := func(n int, gas uint64) func(*types.DynamicFeeTx) {
		return func(tx *types.DynamicFeeTx) { tx.Data, tx.Gas = make([]byte, n), gas }
	}
	const generic = `"code":-32000,"message":"`
	garbage := []rpcCase{
		{name: "nothing", body: sendRaw("0x"), want: generic + "typed transaction too short"},
		{name: "no hex", body: sendRaw("0xzz"), want: `"code":-32602,"message":"invalid argument 0: `},
		{name: "half a byte", body: sendRaw("0x123"), want: `"code":-32602`},
		{name: "no prefix", body: sendRaw(good[2:]), want: `"code":-32602`},
		{name: "a number", body: call("eth_sendRawTransaction", "7"), want: `"code":-32602`},
		{name: "an object", body: call("eth_sendRawTransaction", `{"raw":"0x"}`), want: `"code":-32602`},
		{name: "null", body: call("eth_sendRawTransaction", "null"), want: `"code":-32602`},
		{name: "no parameter", body: call("eth_sendRawTransaction"), want: `"code":-32602,"message":"missing value for required argument 0"`},
		{name: "two", body: call("eth_sendRawTransaction", `"0x"`, `"0x"`), want: `"code":-32602,"message":"too many arguments, want at most 1"`},
		{name: "control characters", body: call("eth_sendRawTransaction", "\"0x\x01\""), want: `"code":-32700`},
		{name: "invalid UTF-8", body: call("eth_sendRawTransaction", "\"0x\xff\""), want: `"code":-32602`},
		{name: "cut", body: sendRaw(good[:len(good)-2]), want: generic},
		{name: "one byte more", body: sendRaw(good + "00"), want: generic},
		{name: "length that lies", body: sendRaw("0xfbffffffff"), want: generic},
		{name: "length beyond 2^64", body: sendRaw("0xff" + strings.Repeat("ff", 8)), want: generic},
		{name: "empty list", body: sendRaw("0xc0"), want: generic},
		{name: "typed empty list", body: sendRaw("0x02c0"), want: generic},
		{name: "nested lists", body: sendRaw("0x" + strings.Repeat("c1", 50) + "c0"), want: generic},
	}
	for _, kind := range []string{"01", "02", "03", "04"} {
		garbage = append(garbage, rpcCase{name: "type " + kind + " alone", body: sendRaw("0x" + kind), want: generic})
	}
	for _, kind := range []string{"00", "05", "7f"} {
		garbage = append(garbage, rpcCase{
			name: "unknown type " + kind, body: sendRaw("0x" + kind + good[4:]), want: generic + "transaction type not supported",
		})
	}
	r.check(garbage)
	r.check([]rpcCase{
		{name: "other chain", body: r.sendingTransfer(0, 2, func(tx *types.DynamicFeeTx) { tx.ChainID = big.NewInt(1) }), want: generic + fmt.Sprintf("invalid sender: invalid chain id for signer: have 1 want %d", r.id)},
		{name: "other chain, legacy", body: r.sending(types.MustSignNewTx(stranger, types.NewEIP155Signer(big.NewInt(5)), &types.LegacyTx{Gas: params.TxGas, GasPrice: big.NewInt(50e9), To: &common.Address{1}})), want: generic + "invalid sender: invalid chain id for signer"},
		{name: "no chain", body: r.sending(unprotected), want: generic + "only replay-protected (EIP-155) transactions allowed over RPC"},
		{name: "no signature", body: r.resigned(func(v, rr, s *big.Int) { v.SetUint64(0); rr.SetUint64(0); s.SetUint64(0) }), want: generic + "invalid sender: invalid transaction v, r, s values"},
		{name: "V of 27", body: r.resigned(func(v, _, _ *big.Int) { v.SetUint64(27) }), want: generic + "invalid sender"},
		{name: "S above half of the order", body: r.resigned(func(v, _, s *big.Int) { v.Xor(v, common.Big1); s.Sub(crypto.S256().Params().N, s) }), want: generic + "invalid sender: invalid transaction v, r, s values"},
		{name: "R above the order", body: r.resigned(func(_, rr, _ *big.Int) { rr.Set(crypto.S256().Params().N) }), want: generic + "invalid sender"},
		{name: "nonce too low", body: r.sendingTransfer(2, 0, func(tx *types.DynamicFeeTx) { tx.Gas = 30_000 }), want: generic + "nonce too low: next nonce 1, tx nonce 0"},
		{name: "largest nonce", body: r.sendingTransfer(0, ^uint64(0), nil), want: generic + "nonce has max value"},
		{name: "no funds", body: r.sending(poor), want: generic + "insufficient funds for gas * price + value: balance 0, tx cost 1050000000000000, overshot 1050000000000000"},
		{name: "value above the balance", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.Value = new(big.Int).Lsh(common.Big1, 200) }), want: generic + "insufficient funds for gas * price + value: balance 10000000000000000000000, tx cost "},
		{name: "value of 2^256", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.Value = new(big.Int).Lsh(common.Big1, 256) }), want: generic},
		{name: "gas below the intrinsic", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.Gas-- }), want: generic + "intrinsic gas too low: gas 20999, minimum needed 21000"},
		{name: "gas of a creation", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.To = nil }), want: generic + "intrinsic gas too low: gas 21000, minimum needed 53000"},
		{name: "floor gas", body: r.sendingTransfer(3, 0, data(1000, 30_000)), want: generic + "insufficient gas for floor data gas cost: gas 30000, minimum needed 31000"},
		{name: "gas above the block's", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.Gas = 16_000_000 }), want: generic + `exceeds block gas limit"`},
		{name: "gas above a transaction's", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.Gas = params.MaxTxGas + 1 }), want: generic + "transaction gas limit too high (cap: 16777216, tx: 16777217)"},
		{name: "131072 bytes of data", body: r.sendingTransfer(3, 0, data(128<<10, 2_000_000)), want: generic + "oversized data: transaction size 131"},
		{name: "2 MB of data", body: r.sendingTransfer(3, 0, data(2_000_000, 2_000_000)), want: generic + "oversized data: transaction size 2000"},
		{name: "init code too large", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { data(params.MaxInitCodeSize+1, 5_000_000)(tx); tx.To = nil }), want: generic + "max initcode size exceeded"},
		{name: "tip above the fee cap", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.GasTipCap = big.NewInt(60e9) }), want: generic + "max priority fee per gas higher than max fee per gas"},
		{name: "fee cap of 2^256", body: r.sendingTransfer(3, 0, func(tx *types.DynamicFeeTx) { tx.GasFeeCap = new(big.Int).Lsh(common.Big1, 256) }), want: "exceeds the configured cap (1.00 ether)", ours: generic + "max fee per gas higher than 2^256-1"},
		{name: "no authorisation", body: r.sending(r.sign(3, &types.SetCodeTx{ChainID: uint256.MustFromBig(r.id), Gas: 50_000, GasTipCap: uint256.NewInt(2e9), GasFeeCap: uint256.NewInt(50e9)})), want: generic + "set code tx must have at least one authorization tuple"},
		{name: "blob", body: r.sending(blob), want: generic + "missing sidecar in blob transaction", ours: `"code":-32003,"message":"transaction type not supported: tx type 3 not supported by this pool"`},
	})
	r.inPool(t)
}

// inPool: what the pool holds already, or would have to hold twice.
func (r *rivals) inPool(t *testing.T) {
	capped := func(tip, fee int64) func(*types.DynamicFeeTx) {
		return func(tx *types.DynamicFeeTx) { tx.GasTipCap, tx.GasFeeCap = big.NewInt(tip), big.NewInt(fee) }
	}
	fits := r.transfer(5, 0, func(tx *types.DynamicFeeTx) { tx.Data, tx.Gas = make([]byte, 128<<10-119), 2_000_000 })
	if fits.Size() != 128<<10 {
		t.Fatalf("it has %d bytes", fits.Size())
	}
	const (
		hash        = `"result":"0x`
		known       = `"code":-32000,"message":"already known"`
		underpriced = `"code":-32000,"message":"replacement transaction underpriced"`
	)
	below, gapped := r.sendingTransfer(4, 0, capped(1_100_000, 1_200_000)), r.sendingTransfer(4, 5, nil)
	paying := r.transfer(4, 0, nil)
	r.check([]rpcCase{
		{name: "fee cap below the base fee", body: below, want: hash},
		{name: "again", body: below, want: known},
		{name: "again in a batch, twice", body: `[` + below + `,` + below + `]`, want: known},
		{name: "replacement for the same", body: r.sendingTransfer(4, 0, func(tx *types.DynamicFeeTx) { capped(1_100_000, 1_200_000)(tx); tx.Value = common.Big1 }), want: underpriced},
		{name: "replacement for 9 %", body: r.sendingTransfer(4, 0, capped(1_199_000, 1_308_000)), want: underpriced},
		{name: "replacement with a higher tip alone", body: r.sendingTransfer(4, 0, capped(1_200_000, 1_200_000)), want: underpriced},
		{name: "behind a gap", body: gapped, want: hash},
		{name: "behind a gap, again", body: gapped, want: known},
		{name: "replacement behind a gap", body: r.sendingTransfer(4, 5, capped(2e9, 51e9)), want: underpriced},
		{name: "replacement above the balance", body: r.sendingTransfer(4, 0, func(tx *types.DynamicFeeTx) { tx.Value = new(big.Int).Mul(big.NewInt(1e18), big.NewInt(9_999_999)) }), want: `"code":-32000,"message":"insufficient funds`},
		{name: "largest transaction", body: r.sending(fits), want: hash},
		{name: "replacement that pays", body: r.sending(paying), want: hash},
	})
	for _, tx := range []*types.Transaction{fits, paying} {
		eventually(t, time.Minute, "included at once", func() bool {
			receipt, err := r.n.Eth.TransactionReceipt(t.Context(), tx.Hash())
			return err == nil && receipt.Status == types.ReceiptStatusSuccessful
		})
		if got := askJSON(t, r.n.HTTP, r.sending(tx)); !strings.Contains(got.body, known) {
			t.Errorf("after its inclusion: %s", got)
		}
	}
}
