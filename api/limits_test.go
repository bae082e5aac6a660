package api

import (
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
)

// TestBadInput sends what must be refused, each with one clear error, and
// checks that the server goes on.
func TestBadInput(t *testing.T) {
	s := newSUT(t)
	s.mine()
	foreign := sign(0, types.DynamicFeeTx{ChainID: big.NewInt(1), To: &loggerAddr})
	good := transfer(0, 0)
	unsigned := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(testChainID), Gas: 21000, GasFeeCap: big.NewInt(1e11), To: &loggerAddr})
	blob := func() string { return "0x03" + strings.TrimPrefix(rawHex(t, good), "0x02") }()
	big128 := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 16_000_000, Data: make([]byte, 129<<10)})
	poor := sign(9, types.DynamicFeeTx{To: &loggerAddr, Value: new(big.Int).Mul(big.NewInt(1e18), big.NewInt(20_000))})
	cheap := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: 20_000})
	huge := sign(0, types.DynamicFeeTx{To: &loggerAddr, Gas: params.MaxTxGas + 1})
	send := func(raw string) string { return request(sendRaw, `"`+raw+`"`) }
	batch := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}

	for _, c := range []struct {
		name, body string
		code       int
		text       string
	}{
		{"not JSON", `{"jsonrpc":`, CodeParse, ""},
		{"garbage", "\x00\xff\xfe", CodeParse, ""},
		{"empty", "", CodeParse, "empty request body"},
		{"white space", "  \n", CodeParse, "empty request body"},
		{"a number", `7`, CodeInvalidRequest, "invalid request"},
		{"no method", `{"jsonrpc":"2.0","id":1}`, CodeInvalidRequest, "invalid request"},
		{"wrong version", `{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}`, CodeInvalidRequest, "invalid request"},
		{"unknown method", request("eth_noSuchThing"), CodeNoMethod, "the method eth_noSuchThing does not exist/is not available"},
		{"unknown namespace", request("admin_nodeInfo"), CodeNoMethod, "the method admin_nodeInfo does not exist/is not available"},
		{"file writer", request("debug_standardTraceBlockToFile", `"0x0"`), CodeNoMethod, ""},
		{"file reader", request("debug_traceBlockFromFile", `"/etc/passwd"`), CodeNoMethod, ""},
		{"head mover", request("debug_setHead", `"0x0"`), CodeNoMethod, ""},
		{"miner", request("miner_setExtra", `"x"`), CodeNoMethod, ""},
		{"keys", request("eth_sendTransaction", `{}`), CodeNoMethod, "the method eth_sendTransaction does not exist/is not available: this node holds no keys; sign the transaction and use eth_sendRawTransaction"},
		{"keys to sign", request("eth_sign", `"0x00","0x00"`), CodeNoMethod, "the method eth_sign does not exist/is not available: this node holds no keys; sign the transaction and use eth_sendRawTransaction"},
		{"subscription over HTTP", request("eth_subscribe", `"newHeads"`), CodeNoMethod, "notifications not supported"},
		{"missing parameter", request(sendRaw), CodeInvalidParams, "missing value for required argument 0"},
		{"too many parameters", request(sendRaw, `"0x"`, `"0x"`), CodeInvalidParams, "too many arguments, want at most 1"},
		{"not hex", send("zz"), CodeInvalidParams, "invalid argument 0: json: cannot unmarshal hex string without 0x prefix into Go value of type hexutil.Bytes"},
		{"no transaction", send("0x"), CodeGeneric, "typed transaction too short"},
		{"cut short", send(rawHex(t, good)[:40]), CodeGeneric, ""},
		{"wrong chain id", send(rawHex(t, foreign)), CodeGeneric, "invalid sender"},
		{"no signature", send(rawHex(t, unsigned)), CodeGeneric, "invalid sender"},
		{"oversized", send(rawHex(t, big128)), CodeGeneric, "oversized data"},
		{"no funds", send(rawHex(t, poor)), CodeGeneric, "insufficient funds for gas * price + value"},
		{"gas too low", send(rawHex(t, cheap)), CodeGeneric, "intrinsic gas too low"},
		{"gas too high", send(rawHex(t, huge)), CodeGeneric, "transaction gas limit too high"},
		{"blob that is none", send(blob), CodeGeneric, ""},
		{"unknown type", send("0x7f" + rawHex(t, good)[4:]), CodeGeneric, "transaction type not supported"},
		{"null", request(sendRaw, "null"), CodeInvalidParams, "missing value for required argument 0"},
		{"names in capitals", strings.ToUpper(`{"jsonrpc":"2.0","id":1,"params":["0x"],"method":`) + `"eth_sendRawTransaction"}`, CodeInvalidRequest, "invalid request"},
		{"empty batch", `[]`, CodeInvalidRequest, "empty batch"},
		{"deep", request("eth_chainId", strings.Repeat("[", 1_000_000)+strings.Repeat("]", 1_000_000)), CodeInvalidRequest, "request is nested too deeply"},
		{"deep and open", strings.Repeat("[", 1_000_000), CodeInvalidRequest, "request is nested too deeply"},
		{"block of the future", request("eth_call", `{}`, `"0x7fffffff"`), CodeGeneric, "header not found"},
		{"two fees", request("eth_call", `{"gasPrice":"0x1","maxFeePerGas":"0x1"}`, `"pending"`), CodeGeneric, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"},
		{"filter of nobody", request("eth_getFilterChanges", `"0x1"`), CodeGeneric, "filter not found"},
		{"logs of the future", request("eth_getLogs", `{"fromBlock":"0x0","toBlock":"0x7fffffff"}`), CodeInvalidParams, "block range extends beyond current head block"},
		{"logs backwards", request("eth_getLogs", `{"fromBlock":"latest","toBlock":"earliest"}`), CodeInvalidParams, "invalid block range params"},
	} {
		start := time.Now()
		status, answer := s.post("/", "application/json", c.body)
		if status != http.StatusOK {
			t.Errorf("%s: status %d %s", c.name, status, answer)
			continue
		}
		code, message := errorIn(t, answer)
		if code != c.code || c.text != "" && !strings.HasPrefix(message, c.text) {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, message, c.code, c.text)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
	for _, item := range []string{`{}`, `[]`, request("eth_chainId"), send(rawHex(t, good)), `"]["`} {
		_, answer := s.post("/", "application/json", batch(101, item))
		if !strings.HasPrefix(answer, `[{"jsonrpc":"2.0","id":`) || !strings.Contains(answer, `"code":-32600,"message":"batch too large"`) {
			t.Errorf("101 times %.20s: %.200s", item, answer)
		}
		if _, answer = s.post("/", "application/json", batch(100, item)); strings.Contains(answer, "batch too large") {
			t.Errorf("100 times %.20s: %.200s", item, answer)
		}
	}
	if n, _ := s.pool.Stats(); n != 1 {
		t.Errorf("%d transactions in the pool, want the good one alone", n)
	}
}

func TestHTTPRefusals(t *testing.T) {
	s := newSUT(t, func(c *Config, _ *Deps) {
		c.Hosts, c.Origins = []string{"rpc.example"}, []string{"https://app.example"}
	})
	ok := request("eth_chainId")
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		header                  []string
	}{
		{"plain text", "text/plain", ok, 415, nil},
		{"no type", "", ok, 415, nil},
		{"charset", "application/json; charset=utf-8", ok, 200, nil},
		{"compressed", "application/json", ok, 415, []string{"Content-Encoding", "gzip"}},
		{"too large", "application/json", strings.Repeat(" ", maxBody+1), 413, nil},
		{"foreign host", "application/json", ok, 403, []string{"Host", "evil.example"}},
		{"foreign host with port", "application/json", ok, 403, []string{"Host", "localhost.evil.example:8545"}},
		{"localhost", "application/json", ok, 200, []string{"Host", "localhost:1"}},
		{"IPv6", "application/json", ok, 200, []string{"Host", "[::1]:8545"}},
		{"configured host", "application/json", ok, 200, []string{"Host", "RPC.example"}},
		{"foreign origin", "application/json", ok, 403, []string{"Origin", "https://evil.example"}},
		{"null origin", "application/json", ok, 403, []string{"Origin", "null"}},
		{"allowed origin", "application/json", ok, 200, []string{"Origin", "https://app.example"}},
		{"same origin", "application/json", ok, 200, []string{"Origin", s.url}},
		{"extension", "application/json", ok, 200, []string{"Origin", "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"}},
	} {
		if status, answer := s.post("/", c.contentType, c.body, c.header...); status != c.status {
			t.Errorf("%s: %d %.100s, want %d", c.name, status, answer, c.status)
		}
	}
	// Without a Content-Length the limit is met while reading.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", maxBody+1))})
	noErr(t, err)
	req.Header.Set("Content-Type", "application/json")
	if status, _ := s.do(req); status != 413 {
		t.Errorf("chunked body: %d", status)
	}
	if status, answer := s.get("/"); status != 200 || !strings.Contains(answer, `"json_rpc"`) {
		t.Errorf("GET /: %d %s", status, answer)
	}
	if status, _ := s.get("/nothing"); status != 404 {
		t.Errorf("GET /nothing: %d", status)
	}
	req, err = http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url, nil)
	noErr(t, err)
	if status, _ := s.do(req); status != 405 {
		t.Errorf("DELETE /: %d", status)
	}
}

// TestOversizedBatch sends batches of 5 MB with as many items as fit.
func TestOversizedBatch(t *testing.T) {
	s := newSUT(t)
	for name, item := range map[string]string{"objects": `{}`, "numbers": `1`, "strings": `"\\\""`, "arrays": `[[]]`} {
		body := "[" + strings.Repeat(item+",", (maxBody-2)/(len(item)+1)-1) + item + "]"
		start := time.Now()
		status, answer := s.post("/", "application/json", body)
		t.Logf("%s: %v", name, time.Since(start))
		if status != 200 || !strings.Contains(answer, "batch too large") {
			t.Errorf("%s: %d %.100s", name, status, answer)
		}
	}
}

// BenchmarkOversizedBatch measures what such a batch costs.
func BenchmarkOversizedBatch(b *testing.B) {
	s := newSUT(b)
	body := "[" + strings.Repeat(`{},`, maxBody/3-1) + "{}]"
	for b.Loop() {
		s.post("/", "application/json", body)
	}
}

// BenchmarkSubmit measures submissions by JSON-RPC, the signature recovery in
// the pool included, on a pool that is never emptied.
func BenchmarkSubmit(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch-%d", size), func(b *testing.B) {
			s := newSUT(b)
			var bodies []string
			for i := 0; i < 600; i += size {
				var items []string
				for k := i; k < i+size; k++ {
					items = append(items, request(sendRaw, `"`+rawHex(b, transfer(k%10, uint64(k/10)))+`"`))
				}
				if bodies = append(bodies, items[0]); size > 1 {
					bodies[len(bodies)-1] = "[" + strings.Join(items, ",") + "]"
				}
			}
			b.ResetTimer()
			start := time.Now()
			for i := range b.N {
				// After the first round the pool knows them all: recovery is paid, admission is not.
				s.post("/", "application/json", bodies[i%len(bodies)])
			}
			b.ReportMetric(float64(b.N*size)/time.Since(start).Seconds(), "tx/s")
		})
	}
}

func TestScan(t *testing.T) {
	for body, want := range map[string]shape{
		``:                             {},
		`{}`:                           {},
		`{"a":[1,2,3]}`:                {},
		`[]`:                           {batch: true},
		` [ ] `:                        {batch: true},
		`[1]`:                          {batch: true, items: 1},
		`[{}]`:                         {batch: true, items: 1},
		`[{},{}]`:                      {batch: true, items: 2},
		`[[1,2],[3,4],"],[",{"a":[]}]`: {batch: true, items: 4},
		`["\"],[\\"]`:                  {batch: true, items: 1},
		`["open`:                       {batch: true},
		`"a",[1,2]`:                    {},
	} {
		if got := scan([]byte(body)); got != want {
			t.Errorf("scan(%s) = %+v, want %+v", body, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{}]`))
	f.Add([]byte(`["\"],[\\",[[]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sh := scan(body)
		calls, ok := decodeSubmissions(body, sh)
		if ok && sh.batch && len(calls) != sh.items {
			t.Fatalf("%d items counted, %d decoded", sh.items, len(calls))
		}
		if ok && (sh.deep || len(calls) > maxBatch) && sh.items <= maxBatch {
			t.Fatalf("%d calls passed the limits", len(calls))
		}
	})
}

// TestBatchOfSubmissions checks that one item's failure is its own, that answers
// keep order and ids, and that a batch mixed with other calls works too.
func TestBatchOfSubmissions(t *testing.T) {
	s := newSUT(t)
	item := func(id, raw string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":[%q]}`, id, sendRaw, raw)
	}
	a, b := transfer(0, 0), transfer(1, 0)
	body := "[" + strings.Join([]string{
		item(`"x"`, rawHex(t, a)), item(`2`, "0x02"), item(`null`, rawHex(t, b)), item(`4`, rawHex(t, a)),
	}, ",") + "]"
	want := `[{"jsonrpc":"2.0","id":"x","result":"` + a.Hash().Hex() + `"},` +
		`{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"typed transaction too short"}},` +
		`{"jsonrpc":"2.0","id":null,"result":"` + b.Hash().Hex() + `"},` +
		`{"jsonrpc":"2.0","id":4,"error":{"code":-32000,"message":"already known"}}]`
	if _, answer := s.post("/", "application/json", body); answer != want {
		t.Errorf("got\n%s\nwant\n%s", answer, want)
	}
	c := transfer(2, 0)
	_, answer := s.post("/", "application/json", "["+item("1", rawHex(t, c))+`,{"jsonrpc":"2.0","id":2,"method":"eth_chainId"}]`)
	if !strings.Contains(answer, c.Hash().Hex()) || !strings.Contains(answer, `"0x1092"`) {
		t.Errorf("mixed batch: %s", answer)
	}
}

func TestUnavailable(t *testing.T) {
	s := newSUT(t)
	s.intake.fail = fmt.Errorf("intake: %w", motet.ErrUnavailable)
	_, answer := s.post("/", "application/json", request(sendRaw, `"`+rawHex(t, transfer(0, 0))+`"`))
	if code, _ := errorIn(t, answer); code != CodeUnavailable {
		t.Errorf("intake away: %s", answer)
	}
	status, answer := s.post("/v1/transactions", "application/octet-stream", string(must(transfer(0, 0).MarshalBinary())))
	if status != 503 || !strings.Contains(answer, `"code":-32002`) {
		t.Errorf("intake away: %d %s", status, answer)
	}
}

func TestCallLimits(t *testing.T) {
	s := newSUT(t, func(c *Config, _ *Deps) { c.Calls = 1 })
	for _, block := range []string{"latest", "pending"} {
		start := time.Now()
		_, answer := s.post("/", "application/json", request("eth_call", `{"to":"`+spinnerAddr.Hex()+`"}`, `"`+block+`"`))
		if code, _ := errorIn(t, answer); code == 0 || time.Since(start) > evmTimeout+8*time.Second {
			t.Errorf("endless call on %s: %s after %v", block, answer, time.Since(start))
		}
	}
	// With the only slot taken a call waits no longer than one may run.
	noErr(t, s.server.calls.Acquire(t.Context(), 1))
	defer s.server.calls.Release(1)
	_, answer := s.post("/", "application/json", request("eth_call", `{"to":"`+loggerAddr.Hex()+`"}`, `"latest"`))
	if code, _ := errorIn(t, answer); code != CodeLimit {
		t.Errorf("no slot: %s", answer)
	}
}
