package l1bridge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

var (
	// ErrSuperseded marks a batch whose place in the Inbox another batch took.
	// It will never be accepted: the batcher must read the tip again.
	ErrSuperseded = errors.New("another batch took this index")

	// ErrReverted marks a batch that the Inbox refuses, for whatever reason.
	ErrReverted = errors.New("the Inbox refuses the batch")

	// ErrRefused marks a transaction that the L1 node does not take into its
	// pool, such as for want of funds. Sending it again as it is cannot help.
	ErrRefused = errors.New("L1 refuses the transaction")

	// ErrDisplaced marks a transaction whose nonce another transaction used.
	ErrDisplaced = errors.New("another transaction used this nonce")

	// ErrForeign marks an L1, or contracts on it, that are not the ones the
	// rollup config names.
	ErrForeign = errors.New("not the L1 of this rollup")
)

// RevertError is a custom error of the Inbox. It matches ErrReverted, and
// ErrSuperseded where that is what the revert means.
type RevertError struct {
	// Name of the Solidity error, such as WrongIndex; empty if unknown.
	Name string
	Args []any
	// Tx is the reverted transaction, zero if it was not sent.
	Tx common.Hash
}

func (e *RevertError) Error() string {
	name := e.Name
	if name == "" {
		name = "no reason given"
	}
	msg := fmt.Sprintf("%v: %s%v", ErrReverted, name, e.Args)
	if e.Tx != (common.Hash{}) {
		msg += fmt.Sprintf(" (transaction %s)", e.Tx)
	}
	return msg
}

// Is tells which sentinels the revert stands for.
func (e *RevertError) Is(target error) bool {
	switch target {
	case ErrReverted:
		return true
	case ErrSuperseded:
		return e.Name == "WrongIndex" || e.Name == "WrongAcc"
	default:
		return false
	}
}

// asRevert decodes the revert in the answer to eth_call, nil if err is none.
func asRevert(err error) *RevertError {
	var withData rpc.DataError
	if !errors.As(err, &withData) {
		return nil
	}
	text, ok := withData.ErrorData().(string)
	if !ok {
		return nil
	}
	data, decodeErr := hexutil.Decode(text)
	if decodeErr != nil {
		return nil //nolint:nilerr // data that is no hex says nothing
	}
	inbox := bindings.NewInbox().GetABI()
	return decodeRevert(&inbox, data)
}

func decodeRevert(contract *abi.ABI, data []byte) *RevertError {
	for name, def := range contract.Errors {
		if len(data) < 4 || !bytes.Equal(def.ID[:4], data[:4]) {
			continue
		}
		args, err := def.Inputs.UnpackValues(data[4:])
		if err != nil {
			break
		}
		return &RevertError{Name: name, Args: args}
	}
	return &RevertError{Args: []any{hexutil.Encode(data)}}
}

// wrap names the action that failed. An error that is not the node's own answer
// means that the node could not be asked.
func wrap(action string, err error) error {
	var answered rpc.Error
	if errors.As(err, &answered) || errors.Is(err, ethereum.NotFound) {
		return fmt.Errorf("%s: %w", action, err)
	}
	if status, ok := errors.AsType[rpc.HTTPError](err); ok { // whose text is the whole body
		return fmt.Errorf("%s: L1 %w: it answers %s", action, motet.ErrUnavailable, status.Status)
	}
	return fmt.Errorf("%s: L1 %w: %w", action, motet.ErrUnavailable, err)
}
