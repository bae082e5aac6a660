package api

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// callArgs are the arguments of a call on the pending block, in geth's form.
// Calls on sealed blocks go to geth and are not decoded here.
type callArgs struct {
	From                 *common.Address              `json:"from"`
	To                   *common.Address              `json:"to"`
	Gas                  *hexutil.Uint64              `json:"gas"`
	GasPrice             *hexutil.Big                 `json:"gasPrice"`
	MaxFeePerGas         *hexutil.Big                 `json:"maxFeePerGas"`
	MaxPriorityFeePerGas *hexutil.Big                 `json:"maxPriorityFeePerGas"`
	Value                *hexutil.Big                 `json:"value"`
	Nonce                *hexutil.Uint64              `json:"nonce"`
	Data                 *hexutil.Bytes               `json:"data"`
	Input                *hexutil.Bytes               `json:"input"`
	AccessList           *types.AccessList            `json:"accessList"`
	ChainID              *hexutil.Big                 `json:"chainId"`
	AuthorizationList    []types.SetCodeAuthorization `json:"authorizationList"`
}

// message turns the arguments into a message for the EVM, with geth's defaults
// and refusals. A gas of nil becomes defaultGas.
func (a *callArgs) message(baseFee, chainID *big.Int, defaultGas uint64) (*core.Message, error) {
	switch {
	case a.GasPrice != nil && (a.MaxFeePerGas != nil || a.MaxPriorityFeePerGas != nil):
		return nil, errors.New("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
	case a.To == nil && a.AuthorizationList != nil:
		return nil, core.ErrSetCodeTxCreate
	case a.ChainID != nil && a.ChainID.ToInt().Cmp(chainID) != 0:
		return nil, fmt.Errorf("chainId does not match node's (have=%v, want=%v)", a.ChainID.ToInt(), chainID)
	}
	msg := &core.Message{
		To: a.To, Value: word(a.Value), GasLimit: defaultGas,
		SetCodeAuthorizations: a.AuthorizationList,
	}
	if a.From != nil {
		msg.From = *a.From
	}
	if a.Gas != nil {
		msg.GasLimit = min(uint64(*a.Gas), gasCap)
	}
	if a.Nonce != nil {
		msg.Nonce = uint64(*a.Nonce)
	}
	if a.AccessList != nil {
		msg.AccessList = *a.AccessList
	}
	switch {
	case a.Input != nil:
		msg.Data = *a.Input
	case a.Data != nil:
		msg.Data = *a.Data
	}
	a.price(msg, baseFee)
	msg.SkipNonceCheck()
	return msg.SkipEOACheck().SkipGasLimitCapCheck(), nil
}

// price sets the fee fields. Without any the message pays nothing.
func (a *callArgs) price(msg *core.Message, baseFee *big.Int) {
	if a.GasPrice != nil {
		msg.GasPrice = word(a.GasPrice)
		msg.GasFeeCap, msg.GasTipCap = msg.GasPrice, msg.GasPrice
		return
	}
	msg.GasFeeCap, msg.GasTipCap, msg.GasPrice = word(a.MaxFeePerGas), word(a.MaxPriorityFeePerGas), new(uint256.Int)
	if msg.GasFeeCap.IsZero() && msg.GasTipCap.IsZero() {
		return
	}
	if base, over := uint256.FromBig(baseFee); !over {
		msg.GasPrice.Add(msg.GasTipCap, base)
	}
	if msg.GasPrice.Gt(msg.GasFeeCap) {
		msg.GasPrice = msg.GasFeeCap
	}
}

// word converts a quantity; hexutil refuses what does not fit 256 bits.
func word(b *hexutil.Big) *uint256.Int {
	if b == nil {
		return new(uint256.Int)
	}
	w, _ := uint256.FromBig(b.ToInt())
	return w
}

// stateOverride replaces parts of an account for one call.
type stateOverride struct {
	Nonce            *hexutil.Uint64             `json:"nonce"`
	Code             *hexutil.Bytes              `json:"code"`
	Balance          *hexutil.Big                `json:"balance"`
	State            map[common.Hash]common.Hash `json:"state"`
	StateDiff        map[common.Hash]common.Hash `json:"stateDiff"`
	MovePrecompileTo *common.Address             `json:"movePrecompileToAddress"`
}

type stateOverrides map[common.Address]stateOverride

// apply changes db, and precompiles, which must be the call's own copy.
func (o stateOverrides) apply(db *state.StateDB, precompiles vm.PrecompiledContracts) error {
	moved := make(map[common.Address]bool)
	for _, addr := range slices.SortedFunc(maps.Keys(o), common.Address.Cmp) {
		account := o[addr]
		if moved[addr] {
			return fmt.Errorf("account %s has already been overridden by a precompile", addr.Hex())
		}
		contract, isPrecompile := precompiles[addr]
		if to := account.MovePrecompileTo; to != nil {
			if !isPrecompile {
				return fmt.Errorf("account %s is not a precompile", addr.Hex())
			}
			if _, taken := o[*to]; taken {
				return fmt.Errorf("account %s is already overridden", to.Hex())
			}
			precompiles[*to], moved[*to] = contract, true
		}
		delete(precompiles, addr)
		if err := account.apply(db, addr); err != nil {
			return err
		}
	}
	db.Finalise(params.Rules{})
	return nil
}

func (o *stateOverride) apply(db *state.StateDB, addr common.Address) error {
	if o.State != nil && o.StateDiff != nil {
		return fmt.Errorf("account %s has both 'state' and 'stateDiff'", addr.Hex())
	}
	if o.Nonce != nil {
		db.SetNonce(addr, uint64(*o.Nonce), tracing.NonceChangeUnspecified)
	}
	if o.Code != nil {
		db.SetCode(addr, *o.Code, tracing.CodeChangeUnspecified)
	}
	if o.Balance != nil {
		db.SetBalance(addr, word(o.Balance), tracing.BalanceChangeUnspecified)
	}
	if o.State != nil {
		db.SetStorage(addr, o.State)
	}
	for key, value := range o.StateDiff {
		db.SetState(addr, key, value)
	}
	return nil
}

// blockOverrides replace header fields for one call.
type blockOverrides struct {
	Number        *hexutil.Big
	Time          *hexutil.Uint64
	GasLimit      *hexutil.Uint64
	FeeRecipient  *common.Address
	PrevRandao    *common.Hash
	BaseFeePerGas *hexutil.Big
	BlobBaseFee   *hexutil.Big
}

// apply returns a copy of h with the fields replaced.
func (o *blockOverrides) apply(h *types.Header) *types.Header {
	h = types.CopyHeader(h)
	if o == nil {
		return h
	}
	if o.Number != nil {
		h.Number = o.Number.ToInt()
	}
	if o.Time != nil {
		h.Time = uint64(*o.Time)
	}
	if o.GasLimit != nil {
		h.GasLimit = uint64(*o.GasLimit)
	}
	if o.FeeRecipient != nil {
		h.Coinbase = *o.FeeRecipient
	}
	if o.PrevRandao != nil {
		h.MixDigest = *o.PrevRandao
	}
	if o.BaseFeePerGas != nil {
		h.BaseFee = o.BaseFeePerGas.ToInt()
	}
	return h
}
