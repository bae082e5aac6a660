package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"golang.org/x/sync/semaphore"
)

// stateAPI are the methods that read a state: the open block's for the tag
// pending, otherwise geth's.
type stateAPI struct{ s *Server }

// GetBalance returns the balance of an account.
func (a stateAPI) GetBalance(ctx context.Context, addr common.Address, block *raw) (any, error) {
	if !isPending(block) {
		return a.s.upstream.call(ctx, "eth_getBalance", addr, block)
	}
	p, err := a.s.pending()
	if err != nil {
		return nil, asRPC(err)
	}
	account, err := p.View.Account(addr)
	switch {
	case err != nil:
		return nil, asRPC(err)
	case account == nil:
		return new(hexutil.Big), nil
	default:
		return (*hexutil.Big)(account.Balance.ToBig()), nil
	}
}

// GetTransactionCount returns the nonce of an account; the pending one counts
// what is pooled.
func (a stateAPI) GetTransactionCount(ctx context.Context, addr common.Address, block *raw) (any, error) {
	if !isPending(block) {
		return a.s.upstream.call(ctx, "eth_getTransactionCount", addr, block)
	}
	nonce, err := a.s.pendingNonce(addr)
	return hexutil.Uint64(nonce), asRPC(err)
}

// pendingNonce returns the next nonce of an account.
func (s *Server) pendingNonce(addr common.Address) (uint64, error) {
	if s.pool != nil {
		if nonce, err := s.pool.Nonce(addr); err == nil {
			return nonce, nil
		}
	}
	p, err := s.pending()
	if err != nil {
		return 0, err
	}
	account, err := p.View.Account(addr)
	if err != nil || account == nil {
		return 0, err
	}
	return account.Nonce, nil
}

// GetCode returns the code of an account.
func (a stateAPI) GetCode(ctx context.Context, addr common.Address, block *raw) (any, error) {
	if !isPending(block) {
		return a.s.upstream.call(ctx, "eth_getCode", addr, block)
	}
	p, err := a.s.pending()
	if err != nil {
		return nil, asRPC(err)
	}
	account, err := p.View.Account(addr)
	if err != nil || account == nil {
		return hexutil.Bytes{}, asRPC(err)
	}
	return hexutil.Bytes(p.View.Code(addr, common.BytesToHash(account.CodeHash))), nil
}

// GetStorageAt returns a storage slot.
func (a stateAPI) GetStorageAt(ctx context.Context, addr common.Address, slot string, block *raw) (any, error) {
	if !isPending(block) {
		return a.s.upstream.call(ctx, "eth_getStorageAt", addr, slot, block)
	}
	key, err := slotKey(slot)
	if err != nil {
		return nil, err
	}
	p, err := a.s.pending()
	if err != nil {
		return nil, asRPC(err)
	}
	value, err := p.View.Storage(addr, key)
	return hexutil.Bytes(value[:]), asRPC(err)
}

// slotKey reads a slot as geth does: with or without prefix and leading zeros.
func slotKey(s string) (common.Hash, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hexutil.Decode("0x" + digits)
	if err != nil && len(digits) > 0 {
		return common.Hash{}, invalidParams("unable to decode storage key: invalid hex in storage key")
	}
	if len(b) > common.HashLength {
		return common.Hash{}, invalidParams("unable to decode storage key: storage key too long (want at most 32 bytes)")
	}
	return common.BytesToHash(b), nil
}

// GetBlockByNumber returns a block.
func (a stateAPI) GetBlockByNumber(ctx context.Context, block raw, full bool) (any, error) {
	if !isPending(&block) {
		return a.s.upstream.call(ctx, "eth_getBlockByNumber", block, full)
	}
	p, err := a.s.pending()
	if err != nil {
		return nil, asRPC(err)
	}
	return pendingBlockOf(p, full), nil
}

// Call executes a call without a transaction.
func (a stateAPI) Call(ctx context.Context, args raw, block, overrides, header *raw) (any, error) {
	if !isPending(block) {
		return a.s.execute(ctx, "eth_call", args, block, overrides, header)
	}
	return onPending(ctx, a.s, []*raw{&args, overrides, header}, a.s.callPending)
}

// EstimateGas returns the gas that a transaction needs.
func (a stateAPI) EstimateGas(ctx context.Context, args raw, block, overrides, header *raw) (any, error) {
	if !isPending(block) {
		return a.s.execute(ctx, "eth_estimateGas", args, block, overrides, header)
	}
	return onPending(ctx, a.s, []*raw{&args, overrides, header}, a.s.estimatePending)
}

// onPending decodes the parameters of a call and runs it in a slot, for a
// limited time. The parameters' positions are those in the request, where the
// block stands second.
func onPending[T any](ctx context.Context, s *Server, params []*raw,
	run func(context.Context, *callArgs, stateOverrides, *blockOverrides) (T, error),
) (any, error) {
	var (
		args callArgs
		so   stateOverrides
		bo   *blockOverrides
	)
	for i, into := range []any{&args, &so, &bo} {
		if params[i] == nil {
			continue
		}
		if err := json.Unmarshal(*params[i], into); err != nil {
			return nil, invalidParams(fmt.Sprintf("invalid argument %d: %v", []int{0, 2, 3}[i], err))
		}
	}
	release, err := slot(ctx, s.calls)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, evmTimeout)
	defer cancel()
	out, err := run(ctx, &args, so, bo)
	if err != nil {
		return nil, asRPC(err)
	}
	return out, nil
}

// execute calls a method of geth that executes code.
func (s *Server) execute(ctx context.Context, method string, params ...any) (any, error) {
	release, err := slot(ctx, s.calls)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.upstream.call(ctx, method, params...)
}

// trace calls one of geth's tracers.
func (s *Server) trace(ctx context.Context, method string, params ...any) (any, error) {
	release, err := slot(ctx, s.traces)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	return s.upstream.call(ctx, method, params...)
}

// slot waits for a slot as long as a call may take. Waiting longer would only
// build a queue of clients that are gone.
func slot(ctx context.Context, slots *semaphore.Weighted) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, evmTimeout)
	defer cancel()
	if err := slots.Acquire(ctx, 1); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, &Error{Code: CodeLimit, Message: "too many calls at a time"}
		}
		return nil, asRPC(err)
	}
	return func() { slots.Release(1) }, nil
}

// withNonce fills the nonce of transaction arguments that have none.
func (s *Server) withNonce(args raw) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(args, &fields); err != nil {
		return nil, invalidParams(fmt.Sprintf("invalid argument 0: %v", err))
	}
	if n, ok := fields["nonce"]; ok && string(n) != "null" {
		return args, nil
	}
	var from common.Address
	if f, ok := fields["from"]; ok {
		if err := json.Unmarshal(f, &from); err != nil {
			return nil, invalidParams(fmt.Sprintf("invalid argument 0: %v", err))
		}
	}
	nonce, err := s.pendingNonce(from)
	if err != nil {
		return nil, err
	}
	if fields == nil {
		fields = make(map[string]json.RawMessage)
	}
	fields["nonce"] = json.RawMessage(`"` + hexutil.EncodeUint64(nonce) + `"`)
	return fields, nil
}
