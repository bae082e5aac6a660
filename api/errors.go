package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
)

// The codes of JSON-RPC 2.0, EIP-1474, EIP-7966 and execution-apis that clients meet here.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeNoMethod       = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	CodeGeneric        = -32000
	CodeNotFound       = -32001
	CodeUnavailable    = -32002
	CodeRejected       = -32003
	CodeLimit          = -32005
	CodeReverted       = 3
	CodeSyncTimeout    = 4
	CodeSyncUnready    = 5
	CodeSyncNonceGap   = 6
	CodePruned         = 4444
)

// Error is what a client is told, on every surface.
type Error struct {
	Code    int
	Message string
	Data    any
}

func (e *Error) Error() string { return e.Message }

// ErrorCode makes e an rpc.Error.
func (e *Error) ErrorCode() int { return e.Code }

// ErrorData makes e an rpc.DataError.
func (e *Error) ErrorData() any { return e.Data }

// ErrPolicy marks a refusal that is this chain's decision rather than a rule of
// Ethereum. Errors that wrap it get code -32003.
var ErrPolicy = errors.New("rejected")

// codes is the one table from conditions to codes. Whatever it does not list
// keeps the code it carries or gets -32000; texts are never changed, because
// clients match geth's.
//
//nolint:gochecknoglobals // a constant table
var codes = []struct {
	is   error
	code int
}{
	{motet.ErrUnavailable, CodeUnavailable},
	{context.DeadlineExceeded, CodeUnavailable},
	{context.Canceled, CodeUnavailable},
	{ErrPolicy, CodeRejected},
	{types.ErrTxTypeNotSupported, CodeRejected},
	{txpool.ErrAccountLimitExceeded, CodeLimit},
	{txpool.ErrInflightTxLimitReached, CodeLimit},
	{txpool.ErrOutOfCapacity, CodeLimit},
	{legacypool.ErrTxPoolOverflow, CodeLimit},
}

// errorOf turns any error into what the client is told. An error that stops the
// process says nothing about its cause, which may name paths and addresses.
func errorOf(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, motet.ErrHalt) {
		return &Error{Code: CodeInternal, Message: "internal error"}
	}
	out := &Error{Code: CodeGeneric, Message: err.Error()}
	if coded, ok := errors.AsType[rpc.Error](err); ok {
		out.Code = coded.ErrorCode()
	} else {
		for _, row := range codes {
			if errors.Is(err, row.is) {
				out.Code = row.code
				break
			}
		}
	}
	if d, ok := errors.AsType[rpc.DataError](err); ok {
		out.Data = d.ErrorData()
	}
	return out
}

// asRPC is errorOf for the return value of a method: geth's server looks at the
// error itself, never at what it wraps, and a typed nil is not nil.
func asRPC(err error) error {
	if err == nil {
		return nil
	}
	return errorOf(err)
}

func invalidParams(message string) *Error {
	return &Error{Code: CodeInvalidParams, Message: message}
}

// status is the HTTP status that belongs to a code on the REST surface.
func (e *Error) status() int {
	switch e.Code {
	case CodeParse, CodeInvalidRequest, CodeInvalidParams:
		return http.StatusBadRequest
	case CodeNoMethod, CodeNotFound:
		return http.StatusNotFound
	case CodePruned:
		return http.StatusGone
	case CodeUnavailable, CodeSyncUnready:
		return http.StatusServiceUnavailable
	case CodeLimit:
		return http.StatusTooManyRequests
	case CodeSyncTimeout:
		return http.StatusGatewayTimeout
	case CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusUnprocessableEntity
	}
}
