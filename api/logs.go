package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"
)

// logStep is how many blocks are searched before the results are counted.
const logStep = 1000

func checkCriteria(crit *filters.FilterCriteria) error {
	if len(crit.Topics) > 4 {
		return invalidParams("exceed max topics")
	}
	if len(crit.Addresses) > maxCriteria {
		return errCriteria
	}
	for _, alternatives := range crit.Topics {
		if len(alternatives) > maxCriteria {
			return errCriteria
		}
	}
	return nil
}

var errCriteria = invalidParams("exceed max addresses or topics per search position")

// getLogs searches sealed blocks. A query that is too large is told the range
// to ask for instead, which is strictly smaller.
func (s *Server) getLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error) {
	if err := checkCriteria(&crit); err != nil {
		return nil, err
	}
	if crit.BlockHash != nil {
		if crit.FromBlock != nil || crit.ToBlock != nil {
			return nil, invalidParams("can't specify fromBlock/toBlock with blockHash")
		}
		logs, err := s.search.NewBlockFilter(*crit.BlockHash, crit.Addresses, crit.Topics).Logs(ctx)
		return orEmpty(logs), err
	}
	from, to, err := s.logRange(&crit)
	if err != nil {
		return nil, err
	}
	if most := s.limits.logRange; to-from >= most {
		return nil, s.tooMany(fmt.Sprintf("query covers more than %d blocks", most), from, from+most-1)
	}
	var out []*types.Log
	for first := from; first <= to; first += logStep {
		last := min(first+logStep-1, to)
		logs, err := s.search.NewRangeFilter(int64(first), int64(last), crit.Addresses, crit.Topics, 0).Logs(ctx)
		if err != nil {
			return nil, err
		}
		if out = append(out, logs...); len(out) > s.limits.logResults {
			return s.overflow(out, from, to)
		}
	}
	return orEmpty(out), nil
}

// overflow answers a query with too many results. Those of a single block are
// given, since there is no smaller range to ask for; otherwise the suggested
// range ends before the block with the first result too many.
func (s *Server) overflow(logs []*types.Log, from, to uint64) ([]*types.Log, error) {
	if from == to {
		return logs, nil
	}
	most := s.limits.logResults
	end := max(logs[most].BlockNumber, from+1)
	return nil, s.tooMany(fmt.Sprintf("query returned more than %d results", most), from, end-1)
}

// tooMany is the error that clients parse for a range to try instead.
func (s *Server) tooMany(what string, from, to uint64) *Error {
	first, last := hexutil.EncodeUint64(from), hexutil.EncodeUint64(to)
	return &Error{
		Code:    CodeLimit,
		Message: fmt.Sprintf("%s. Try with this block range [%s, %s].", what, first, last),
		Data:    map[string]any{"from": first, "to": last, "limit": s.limits.logResults},
	}
}

// logRange resolves the tags of a range. Pending means latest: the logs of an
// open block have no block hash and are not found by standard methods.
func (s *Server) logRange(crit *filters.FilterCriteria) (from, to uint64, err error) {
	begin, end := rpc.LatestBlockNumber, rpc.LatestBlockNumber
	if crit.FromBlock != nil {
		begin = rpc.BlockNumber(crit.FromBlock.Int64())
	}
	if crit.ToBlock != nil {
		end = rpc.BlockNumber(crit.ToBlock.Int64())
	}
	if from, err = s.resolve(begin); err != nil {
		return 0, 0, err
	}
	if to, err = s.resolve(end); err != nil {
		return 0, 0, err
	}
	switch {
	case to > s.headNumber():
		return 0, 0, invalidParams("block range extends beyond current head block")
	case from > to:
		return 0, 0, invalidParams("invalid block range params")
	}
	return from, to, nil
}

// resolve turns a block tag into a number.
func (s *Server) resolve(n rpc.BlockNumber) (uint64, error) {
	heads := s.chain.Heads()
	switch n {
	case rpc.LatestBlockNumber, rpc.PendingBlockNumber:
		return s.headNumber(), nil
	case rpc.SafeBlockNumber:
		return heads.Safe.Number, nil
	case rpc.FinalizedBlockNumber:
		return heads.Finalized.Number, nil
	case rpc.EarliestBlockNumber:
		return 0, nil
	default:
		if n < 0 {
			return 0, errors.New("negative block number")
		}
		return uint64(n), nil
	}
}

func orEmpty(logs []*types.Log) []*types.Log {
	if logs == nil {
		return []*types.Log{}
	}
	return logs
}

func logMatches(log *types.Log, crit *filters.FilterCriteria) bool {
	if len(crit.Addresses) > 0 && !slices.Contains(crit.Addresses, log.Address) {
		return false
	}
	if len(crit.Topics) > len(log.Topics) {
		return false
	}
	for i, alternatives := range crit.Topics {
		if len(alternatives) > 0 && !slices.Contains(alternatives, log.Topics[i]) {
			return false
		}
	}
	return true
}

func bloomMatches(bloom types.Bloom, crit *filters.FilterCriteria) bool {
	if len(crit.Addresses) > 0 && !slices.ContainsFunc(crit.Addresses, func(a common.Address) bool { return types.BloomLookup(bloom, a) }) {
		return false
	}
	for _, alternatives := range crit.Topics {
		if len(alternatives) > 0 && !slices.ContainsFunc(alternatives, func(t common.Hash) bool { return types.BloomLookup(bloom, t) }) {
			return false
		}
	}
	return true
}
