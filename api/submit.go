package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

const sendRaw = "eth_sendRawTransaction"

// call is one JSON-RPC request as far as a submission needs it.
type call struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

// serveSubmissions answers a body that holds nothing but calls of
// eth_sendRawTransaction, and returns false, having written nothing, for any
// other. geth's server would run a batch call by call, each waiting for the
// disk; here the whole batch becomes durable at once.
func (s *Server) serveSubmissions(w http.ResponseWriter, r *http.Request, body []byte, sh shape) bool {
	calls, ok := decodeSubmissions(body, sh)
	if !ok {
		return false
	}
	raws := make([][]byte, len(calls))
	fails := make([]error, len(calls))
	for i := range calls {
		var raw hexutil.Bytes
		if err := json.Unmarshal(calls[i].Params[0], &raw); err != nil {
			fails[i] = invalidParams(fmt.Sprintf("invalid argument 0: %v", err))
		}
		raws[i] = raw
	}
	hashes, errs := s.submit(r.Context(), raws, fails)
	out := make([]byte, 0, 128*len(calls)+2)
	if sh.batch {
		out = append(out, '[')
	}
	for i := range calls {
		if i > 0 {
			out = append(out, ',')
		}
		if errs[i] != nil {
			out = appendRPCError(out, calls[i].ID, errorOf(errs[i]))
			continue
		}
		out = append(out, `{"jsonrpc":"2.0","id":`...)
		out = append(out, calls[i].ID...)
		out = append(out, `,"result":"`...)
		out = append(out, hashes[i].Hex()...)
		out = append(out, `"}`...)
	}
	if sh.batch {
		out = append(out, ']')
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out)
	return true
}

// decodeSubmissions is strict: whatever is not plainly a submission is left to
// geth's server, which knows what to say about it.
func decodeSubmissions(body []byte, sh shape) ([]call, bool) {
	var calls []call
	if sh.batch {
		if sh.items == 0 || json.Unmarshal(body, &calls) != nil {
			return nil, false
		}
	} else {
		calls = make([]call, 1)
		if json.Unmarshal(body, &calls[0]) != nil {
			return nil, false
		}
	}
	for i := range calls {
		c := &calls[i]
		if c.Version != "2.0" || c.Method != sendRaw || !scalar(c.ID) || len(c.Params) != 1 || string(c.Params[0]) == "null" {
			return nil, false
		}
	}
	for _, name := range []string{`"jsonrpc":`, `"id":`, `"method":`, `"params":`} {
		// Else one is written in capitals, which encoding/json takes for the same.
		if bytes.Count(body, []byte(name)) != len(calls) {
			return nil, false
		}
	}
	return calls, len(calls) > 0
}

// submit decodes raws and adds them to the pool in one go. Where fails holds an
// error already, the transaction is skipped. A hash is returned exactly where
// the error is nil, and then the transaction is durable.
func (s *Server) submit(ctx context.Context, raws [][]byte, fails []error) ([]common.Hash, []error) {
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	txs, at := make([]*types.Transaction, 0, len(raws)), make([]int, 0, len(raws))
	for i, raw := range raws {
		if fails != nil && fails[i] != nil {
			errs[i] = fails[i]
			continue
		}
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(raw); err != nil {
			errs[i] = &Error{Code: CodeGeneric, Message: err.Error()} // nothing that there could be a policy on
			continue
		}
		txs, at = append(txs, tx), append(at, i)
	}
	if len(txs) == 0 {
		return hashes, errs
	}
	start := time.Now()
	for j, err := range s.pool.Add(ctx, txs) {
		if errs[at[j]] = err; err == nil {
			hashes[at[j]] = txs[j].Hash()
		}
	}
	s.metrics.submit.Observe(time.Since(start).Seconds())
	return hashes, errs
}
