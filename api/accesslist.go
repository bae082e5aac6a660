package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/go-chi/chi/v5"

	"github.com/motet-evm/motet/internal/chain"
)

// accessListJSON is a block's access list in REST.
type accessListJSON struct {
	Number uint64               `json:"number"`
	Hash   common.Hash          `json:"hash"`      // of the block
	List   common.Hash          `json:"list_hash"` // of the list, as EIP-7928 takes it
	Access *bal.BlockAccessList `json:"access_list"`
}

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
	if errors.Is(err, chain.ErrStateGone) || errors.Is(err, chain.ErrNoAccessList) || errors.Is(err, chain.ErrNotCanonical) {
		return nil, &Error{Code: CodeNotFound, Message: err.Error()}
	}
	if err != nil {
		return nil, errorOf(err)
	}
	return list, nil
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
	writeJSON(w, http.StatusOK, accessListJSON{Number: block.NumberU64(), Hash: block.Hash(), List: list.Hash(), Access: list})
}

// accessListAPI tells what blocks touched.
type accessListAPI struct{ s *Server }

// GetBlockAccessList returns the access list of a block in the JSON of EIP-7928's
// reference tests, under all rules. It returns null for a block that does not exist,
// the pending one included.
func (a accessListAPI) GetBlockAccessList(ctx context.Context, at rpc.BlockNumberOrHash) (*bal.BlockAccessList, error) {
	block, bad := a.s.blockNamed(at)
	if bad != nil {
		return nil, nil //nolint:nilerr,nilnil // as eth_getBlockByNumber answers
	}
	list, bad := a.s.accessList(ctx, block)
	if bad != nil {
		return nil, bad
	}
	return list, nil
}
