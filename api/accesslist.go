package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/go-chi/chi/v5"

	"github.com/motet-evm/motet/internal/chain"
)

// accessListJSON is a block's access list beside what names it, the same in REST
// and in JSON-RPC.
type accessListJSON struct {
	Number uint64          `json:"number"`
	Hash   common.Hash     `json:"hash"`      // of the block
	List   common.Hash     `json:"list_hash"` // of the list, as EIP-7928 takes it
	Access []accountAccess `json:"access_list"`
}

// rawListType asks REST for the RLP of a list.
const rawListType = "application/octet-stream"

// accessList returns what a block touched and changed (EIP-7928). The list of a
// block that was not executed lately is made by executing it again, which takes a
// place among the traces.
func (s *Server) accessList(ctx context.Context, block *types.Block) (*bal.BlockAccessList, *Error) {
	release, err := slot(ctx, s.traces)
	if err != nil {
		return nil, errorOf(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	list, err := s.chain.AccessList(ctx, block)
	if err != nil {
		return nil, listError(err)
	}
	return list, nil
}

// listError tells why there is no list.
func listError(err error) *Error {
	switch {
	case errors.Is(err, chain.ErrStateGone):
		return &Error{Code: CodePruned, Message: "pruned history unavailable: " + chain.ErrStateGone.Error()}
	case errors.Is(err, chain.ErrNoAccessList), errors.Is(err, chain.ErrNotCanonical):
		return &Error{Code: CodeNotFound, Message: err.Error()}
	default:
		return errorOf(err)
	}
}

func (s *Server) getAccessList(w http.ResponseWriter, r *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	block, bad := s.findBlock(chi.URLParam(r, "block"))
	if bad != nil {
		problem(w, bad)
		return
	}
	list, bad := s.accessList(r.Context(), block)
	if bad != nil {
		problem(w, bad)
		return
	}
	if r.Header.Get("Accept") != rawListType {
		writeJSON(w, http.StatusOK, describeList(block, list))
		return
	}
	raw, err := rlp.EncodeToBytes(list)
	if err != nil {
		problem(w, errorOf(err))
		return
	}
	w.Header().Set("Content-Type", rawListType)
	_, _ = w.Write(raw) // a client that is gone is nobody's fault
}

func describeList(block *types.Block, list *bal.BlockAccessList) *accessListJSON {
	return &accessListJSON{Number: block.NumberU64(), Hash: block.Hash(), List: list.Hash(), Access: shapeOfList(list)}
}

// listAt returns the block that a parameter of JSON-RPC names, nil if there is none,
// and its list.
func (s *Server) listAt(ctx context.Context, at rpc.BlockNumberOrHash) (*types.Block, *bal.BlockAccessList, error) {
	block, bad := s.blockNamed(at)
	if bad != nil {
		return nil, nil, nil //nolint:nilerr // the caller tells of it in the method's own way
	}
	list, bad := s.accessList(ctx, block)
	if bad != nil {
		return nil, nil, bad
	}
	return block, list, nil
}

// accessListAPI tells what blocks touched, by the name that Ethereum has for it.
type accessListAPI struct{ s *Server }

// GetBlockAccessList returns the access list of a block in the form of
// execution-apis, under all rules. It returns null for a block that does not exist,
// the pending one included, as eth_getBlockByNumber does.
func (a accessListAPI) GetBlockAccessList(ctx context.Context, at rpc.BlockNumberOrHash) (any, error) {
	block, list, err := a.s.listAt(ctx, at)
	if block == nil {
		return nil, err
	}
	return shapeOfList(list), nil
}

// GetBlockAccessList returns the access list of a block beside the hashes of both,
// as REST does; null for a block that does not exist.
func (a motetAPI) GetBlockAccessList(ctx context.Context, at rpc.BlockNumberOrHash) (*accessListJSON, error) {
	block, list, err := a.s.listAt(ctx, at)
	if block == nil {
		return nil, err
	}
	return describeList(block, list), nil
}

// GetRawBlockAccessList returns the RLP of a block's access list. Unlike the others
// it tells of a block that does not exist by an error, as execution-apis has it.
func (a traceAPI) GetRawBlockAccessList(ctx context.Context, at rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	block, list, err := a.s.listAt(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case block == nil:
		return nil, &Error{Code: CodeNotFound, Message: "block not found"}
	}
	raw, err := rlp.EncodeToBytes(list)
	return raw, asRPC(err)
}
