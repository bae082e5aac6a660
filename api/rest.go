package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/go-chi/chi/v5"

	"github.com/motet-evm/motet"
)

// getTransaction tells the fate of a transaction.
func (s *Server) getTransaction(w http.ResponseWriter, r *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	hash, err := parseHash(chi.URLParam(r, "hash"))
	if err != nil {
		problem(w, err)
		return
	}
	f, ok := s.fate(hash)
	if !ok {
		problem(w, &Error{Code: CodeNotFound, Message: "no transaction " + hash.Hex() + " is known"})
		return
	}
	writeJSON(w, http.StatusOK, s.describe(r.Context(), f))
}

func parseHash(s string) (common.Hash, *Error) {
	b, err := hexutil.Decode(s)
	if err != nil || len(b) != common.HashLength {
		return common.Hash{}, invalidParams(fmt.Sprintf("%q is not a hash of 32 bytes in hex", s))
	}
	return common.BytesToHash(b), nil
}

// blockJSON is a block on the REST surface.
type blockJSON struct {
	Number           uint64            `json:"number"`
	Hash             common.Hash       `json:"hash"`
	ParentHash       common.Hash       `json:"parent_hash"`
	Status           string            `json:"status"`
	Timestamp        uint64            `json:"timestamp"`
	GasUsed          uint64            `json:"gas_used"`
	GasLimit         uint64            `json:"gas_limit"`
	BaseFee          *hexutil.Big      `json:"base_fee,omitempty"`
	Coinbase         common.Address    `json:"coinbase"`
	StateRoot        common.Hash       `json:"state_root"`
	TransactionsRoot common.Hash       `json:"transactions_root"`
	ReceiptsRoot     common.Hash       `json:"receipts_root"`
	Origin           *originJSON       `json:"origin,omitempty"`
	Size             uint64            `json:"size"`
	Transactions     []any             `json:"transactions"`
	Withdrawals      types.Withdrawals `json:"withdrawals,omitempty"`
}

type originJSON struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
}

// getBlock returns a canonical block by number, hash or tag, with the hashes of
// its transactions, or with the transactions if full is true.
func (s *Server) getBlock(w http.ResponseWriter, r *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	full, bad := flagParam(r, "full")
	if bad != nil {
		problem(w, bad)
		return
	}
	block, bad := s.findBlock(chi.URLParam(r, "block"))
	if bad != nil {
		problem(w, bad)
		return
	}
	h := block.Header()
	out := blockJSON{
		Number: h.Number.Uint64(), Hash: block.Hash(), ParentHash: h.ParentHash,
		Status:    string(s.included(common.Hash{}, h.Number.Uint64(), 0).State),
		Timestamp: h.Time, GasUsed: h.GasUsed, GasLimit: h.GasLimit, BaseFee: (*hexutil.Big)(h.BaseFee),
		Coinbase: h.Coinbase, StateRoot: h.Root, TransactionsRoot: h.TxHash, ReceiptsRoot: h.ReceiptHash,
		Size: block.Size(), Transactions: make([]any, len(block.Transactions())), Withdrawals: block.Withdrawals(),
	}
	if number, err := motet.ParseExtraData(h.Extra); err == nil && h.ParentBeaconRoot != nil {
		out.Origin = &originJSON{number, *h.ParentBeaconRoot}
	}
	signer := types.MakeSigner(s.config, h.Number, h.Time)
	for i, tx := range block.Transactions() {
		if out.Transactions[i] = tx.Hash(); !full {
			continue
		}
		from, err := types.Sender(signer, tx)
		if err != nil {
			problem(w, &Error{Code: CodeInternal, Message: "internal error"})
			return
		}
		out.Transactions[i] = transactionOf(&motet.Tx{Transaction: tx, From: from})
	}
	writeJSON(w, http.StatusOK, out)
}

func flagParam(r *http.Request, name string) (bool, *Error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, invalidParams(fmt.Sprintf("%s must be true or false, not %q", name, v))
	}
	return b, nil
}

func (s *Server) findBlock(id string) (*types.Block, *Error) {
	var block *types.Block
	heads := s.chain.Heads()
	switch {
	case id == "latest":
		block = s.chain.BlockByHash(s.chain.Head().Hash())
	case id == "safe":
		block = s.chain.BlockByHash(heads.Safe.Hash)
	case id == "finalized":
		block = s.chain.BlockByHash(heads.Finalized.Hash)
	case id == "earliest":
		block = s.chain.Genesis()
	case strings.HasPrefix(id, "0x") && len(id) == 2+2*common.HashLength:
		hash, err := parseHash(id)
		if err != nil {
			return nil, err
		}
		block = s.blockAt(hash)
	default:
		n, err := strconv.ParseUint(id, 0, 64)
		if err != nil {
			return nil, invalidParams(fmt.Sprintf("%q is neither a number, a hash, latest, safe, finalized nor earliest", id))
		}
		block = s.chain.BlockByNumber(n)
	}
	if block == nil {
		return nil, &Error{Code: CodeNotFound, Message: "there is no block " + id}
	}
	return block, nil
}

// getStatus tells where the node stands.
func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	out := struct {
		Version string      `json:"version"`
		ChainID uint64      `json:"chain_id"`
		Genesis common.Hash `json:"genesis_hash"`
		Heads   syncStatus  `json:"heads"`
		Pool    struct {
			Pending int `json:"pending"`
			Queued  int `json:"queued"`
		} `json:"pool"`
		BaseFee *hexutil.Big `json:"base_fee"`
		Cursor  string       `json:"cursor,omitempty"`
	}{
		Version: s.cfg.Version, ChainID: s.config.ChainID.Uint64(), Genesis: s.chain.Genesis().Hash(),
		Heads: s.syncStatus(), BaseFee: (*hexutil.Big)(s.openBaseFee()),
	}
	if s.pool != nil {
		out.Pool.Pending, out.Pool.Queued = s.pool.Stats()
	}
	if s.logs != nil {
		out.Cursor = s.window.end().String()
	}
	writeJSON(w, http.StatusOK, out)
}

// getChain describes the chain to a wallet (EIP-3085).
func (s *Server) getChain(w http.ResponseWriter, r *http.Request) {
	url := s.cfg.PublicURL
	if url == "" {
		url = "http://" + r.Host
		if r.TLS != nil {
			url = "https://" + r.Host
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"chainId":           hexutil.EncodeBig(s.config.ChainID),
		"chainName":         s.cfg.ChainName,
		"nativeCurrency":    map[string]any{"name": "Ether", "symbol": "ETH", "decimals": 18},
		"rpcUrls":           []string{url},
		"blockExplorerUrls": []string{url + "/ui"},
		"iconUrls":          []string{},
	})
}

// decodeStrict decodes a JSON object and refuses fields that v does not have.
func decodeStrict(body []byte, v any) *Error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return &Error{Code: CodeParse, Message: "body is not what is expected: " + err.Error()}
	}
	if dec.More() {
		return &Error{Code: CodeParse, Message: "body holds more than one JSON value"}
	}
	return nil
}
