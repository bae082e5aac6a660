package api

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/types"
)

// feeHeadroom is the multiple of the base fee that eth_gasPrice suggests: with
// blocks of one second the base fee can quadruple in twelve full blocks, about
// the time in which a wallet's user makes up her mind.
const feeHeadroom = 4

// feeAPI suggests fees.
type feeAPI struct{ s *Server }

// GasPrice suggests a gas price for legacy transactions.
func (a feeAPI) GasPrice(ctx context.Context) (*hexutil.Big, error) {
	tip, err := a.s.suggestTip(ctx)
	if err != nil {
		return nil, asRPC(err)
	}
	price := new(big.Int).Mul(a.s.openBaseFee(), big.NewInt(feeHeadroom))
	return (*hexutil.Big)(price.Add(price, tip)), nil
}

// MaxPriorityFeePerGas suggests a tip, never below the least that the pool
// admits.
func (a feeAPI) MaxPriorityFeePerGas(ctx context.Context) (*hexutil.Big, error) {
	tip, err := a.s.suggestTip(ctx)
	return (*hexutil.Big)(tip), asRPC(err)
}

// BaseFee returns the base fee of the open block.
func (a feeAPI) BaseFee() *hexutil.Big { return (*hexutil.Big)(a.s.openBaseFee()) }

func (s *Server) suggestTip(ctx context.Context) (*big.Int, error) {
	out, err := s.upstream.call(ctx, "eth_maxPriorityFeePerGas")
	if err != nil {
		return nil, err
	}
	tip, ok := out.(*hexutil.Big)
	if !ok {
		return nil, fmt.Errorf("suggest a tip: unexpected type %T", out)
	}
	suggested := new(big.Int).Set(tip.ToInt())
	if s.pool != nil {
		if least := s.pool.MinTip(); least.Cmp(suggested) > 0 {
			return least, nil
		}
	}
	return suggested, nil
}

// openBaseFee returns the base fee of the open block, or of the one that would
// be opened now.
func (s *Server) openBaseFee() *big.Int {
	if s.sequencer != nil {
		if p := s.sequencer.Pending(); p != nil && p.Header.BaseFee != nil {
			return new(big.Int).Set(p.Header.BaseFee)
		}
	}
	return s.nextBaseFee(s.chain.Head())
}

func (s *Server) nextBaseFee(parent *types.Header) *big.Int {
	if parent.BaseFee == nil {
		return new(big.Int)
	}
	return new(big.Int).Set(eip1559.CalcBaseFee(s.config, parent))
}
