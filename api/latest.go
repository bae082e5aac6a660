package api

import (
	"context"
	"encoding/json"
)

// latestAPI are geth's methods that name a block and are of no use on an open
// one. They treat pending as latest, rather than ask geth's miner, which knows
// nothing of the sequencer's block. Calls that execute take a slot.
type latestAPI struct{ s *Server }

// raw is a parameter that is passed on as it came.
type raw = json.RawMessage

// sealed replaces the tag pending by latest.
func sealed(block *raw) *raw {
	if !isPending(block) {
		return block
	}
	latest := raw(`"latest"`)
	return &latest
}

// isPending reports whether a block parameter is the tag pending, by itself or
// in an object as of EIP-1898.
func isPending(block *raw) bool {
	if block == nil {
		return false
	}
	if len(*block) == 0 || (*block)[0] != '{' {
		return string(*block) == `"pending"`
	}
	var object struct {
		Number string `json:"blockNumber"`
	}
	return json.Unmarshal(*block, &object) == nil && object.Number == "pending"
}

// GetProof returns an account with its Merkle proof.
func (a latestAPI) GetProof(ctx context.Context, addr, keys raw, block *raw) (any, error) {
	return a.s.execute(ctx, "eth_getProof", addr, keys, sealed(block))
}

// GetStorageValues returns many storage slots.
func (a latestAPI) GetStorageValues(ctx context.Context, requests raw, block *raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getStorageValues", requests, sealed(block))
}

// GetBlockReceipts returns all receipts of a block.
func (a latestAPI) GetBlockReceipts(ctx context.Context, block raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getBlockReceipts", sealed(&block))
}

// GetHeaderByNumber returns a header.
func (a latestAPI) GetHeaderByNumber(ctx context.Context, block raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getHeaderByNumber", sealed(&block))
}

// GetBlockTransactionCountByNumber counts the transactions of a block.
func (a latestAPI) GetBlockTransactionCountByNumber(ctx context.Context, block raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getBlockTransactionCountByNumber", sealed(&block))
}

// GetTransactionByBlockNumberAndIndex returns a transaction of a block.
func (a latestAPI) GetTransactionByBlockNumberAndIndex(ctx context.Context, block, index raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getTransactionByBlockNumberAndIndex", sealed(&block), index)
}

// GetRawTransactionByBlockNumberAndIndex returns a transaction's encoding.
func (a latestAPI) GetRawTransactionByBlockNumberAndIndex(ctx context.Context, block, index raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getRawTransactionByBlockNumberAndIndex", sealed(&block), index)
}

// GetUncleCountByBlockNumber returns zero for every block.
func (a latestAPI) GetUncleCountByBlockNumber(ctx context.Context, block raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getUncleCountByBlockNumber", sealed(&block))
}

// GetUncleByBlockNumberAndIndex returns null for every block.
func (a latestAPI) GetUncleByBlockNumberAndIndex(ctx context.Context, block, index raw) (any, error) {
	return a.s.upstream.call(ctx, "eth_getUncleByBlockNumberAndIndex", sealed(&block), index)
}

// CreateAccessList finds the access list of a call.
func (a latestAPI) CreateAccessList(ctx context.Context, args raw, block, overrides *raw) (any, error) {
	return a.s.execute(ctx, "eth_createAccessList", args, sealed(block), overrides)
}

// SimulateV1 executes calls in simulated blocks.
func (a latestAPI) SimulateV1(ctx context.Context, opts raw, block *raw) (any, error) {
	return a.s.execute(ctx, "eth_simulateV1", opts, sealed(block))
}

// FillTransaction completes a transaction. The nonce is the pool's.
func (a latestAPI) FillTransaction(ctx context.Context, args raw) (any, error) {
	filled, err := a.s.withNonce(args)
	if err != nil {
		return nil, asRPC(err)
	}
	return a.s.execute(ctx, "eth_fillTransaction", filled)
}

// FeeHistory returns the fees of past blocks.
func (a latestAPI) FeeHistory(ctx context.Context, count, block raw, percentiles *raw) (any, error) {
	if percentiles == nil {
		none := raw("[]")
		percentiles = &none
	}
	return a.s.upstream.call(ctx, "eth_feeHistory", count, sealed(&block), percentiles)
}

// Syncing is false: what the chain store holds is all there is.
func (latestAPI) Syncing() bool { return false }

// traceAPI are geth's tracers, bounded: a trace executes a transaction many
// times slower than a call and may answer with hundreds of megabytes.
type traceAPI struct{ s *Server }

// TraceTransaction traces a transaction.
func (a traceAPI) TraceTransaction(ctx context.Context, hash raw, config *raw) (any, error) {
	return a.s.trace(ctx, "debug_traceTransaction", hash, config)
}

// TraceCall traces a call.
func (a traceAPI) TraceCall(ctx context.Context, args raw, block, config *raw) (any, error) {
	if block == nil {
		latest := raw(`"latest"`)
		block = &latest
	}
	return a.s.trace(ctx, "debug_traceCall", args, sealed(block), config)
}

// TraceBlockByNumber traces all transactions of a block.
func (a traceAPI) TraceBlockByNumber(ctx context.Context, block raw, config *raw) (any, error) {
	return a.s.trace(ctx, "debug_traceBlockByNumber", sealed(&block), config)
}

// TraceBlockByHash traces all transactions of a block.
func (a traceAPI) TraceBlockByHash(ctx context.Context, hash raw, config *raw) (any, error) {
	return a.s.trace(ctx, "debug_traceBlockByHash", hash, config)
}

// TraceBlock traces a block given as RLP.
func (a traceAPI) TraceBlock(ctx context.Context, blob raw, config *raw) (any, error) {
	return a.s.trace(ctx, "debug_traceBlock", blob, config)
}

// IntermediateRoots returns the state root after each transaction of a block.
func (a traceAPI) IntermediateRoots(ctx context.Context, hash raw, config *raw) (any, error) {
	return a.s.trace(ctx, "debug_intermediateRoots", hash, config)
}
