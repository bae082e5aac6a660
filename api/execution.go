package api

import (
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/go-chi/chi/v5"

	"github.com/motet-evm/motet/executor/report"
)

// executionJSON is how a block was executed, the same on every surface.
type executionJSON struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
	*report.View
}

// execution tells how a block was executed. What a report cannot be given of is
// an error: older blocks, and those that another process executed.
func (s *Server) execution(block *types.Block) (*executionJSON, *Error) {
	if s.reports == nil {
		return nil, &Error{Code: CodeNotFound, Message: "this node does not execute blocks, so it has no reports"}
	}
	b := s.reports.Block(block.Hash())
	if b == nil {
		limits := s.reports.Limits()
		return nil, &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no report of block %d: "+
			"this process did not execute it, or has forgotten it (at most %d blocks and %d MiB are kept)",
			block.NumberU64(), limits.Blocks, limits.Bytes>>20)}
	}
	txs := block.Transactions()
	return &executionJSON{
		Number: block.NumberU64(), Hash: block.Hash(),
		View: b.View(func(index int) common.Hash { return txs[index].Hash() }),
	}, nil
}

// getExecution tells how a block was executed, without the lanes if lanes is
// false.
func (s *Server) getExecution(w http.ResponseWriter, r *http.Request) {
	s.metrics.requests.WithLabelValues("rest").Inc()
	lanes := true
	if r.URL.Query().Has("lanes") {
		var bad *Error
		if lanes, bad = flagParam(r, "lanes"); bad != nil {
			problem(w, bad)
			return
		}
	}
	block, bad := s.findBlock(chi.URLParam(r, "block"))
	if bad != nil {
		problem(w, bad)
		return
	}
	out, bad := s.execution(block)
	if bad != nil {
		problem(w, bad)
		return
	}
	if !lanes {
		out.Lanes = nil
	}
	writeJSON(w, http.StatusOK, out)
}

// GetBlockExecution tells how a block was executed: lanes, aborts, hottest
// locations, critical path, speed-up. It returns null for a block that does not
// exist, the pending one included, and an error for one without a report.
func (a motetAPI) GetBlockExecution(at rpc.BlockNumberOrHash) (*executionJSON, error) {
	block, bad := a.s.blockNamed(at)
	if bad != nil {
		return nil, nil //nolint:nilerr,nilnil // as eth_getBlockByNumber answers
	}
	out, bad := a.s.execution(block)
	if bad != nil {
		return nil, bad
	}
	return out, nil
}

// blockNamed is findBlock for a parameter of JSON-RPC.
func (s *Server) blockNamed(at rpc.BlockNumberOrHash) (*types.Block, *Error) {
	id := ""
	if hash, ok := at.Hash(); ok {
		id = hash.Hex()
	} else if number, ok := at.Number(); ok {
		id = number.String() // the name of a tag, or hex
	}
	return s.findBlock(id)
}
