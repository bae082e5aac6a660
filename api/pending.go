package api

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/eth/gasestimator"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/chain"
)

// estimateError is how far, as a ratio, an estimate may lie above the exact
// figure: geth's value.
const estimateError = 0.015

// Pending is the open block as it stood after some slice. Whoever hands it out
// must leave all of it unchanged from then on: View in particular is read for
// as long as a call takes.
type Pending struct {
	// Header has every field that the EVM can observe.
	Header   *types.Header
	Txs      []*motet.Tx
	Receipts types.Receipts
	View     state.Reader
	// Below is the block under this one while that is closed but not yet
	// sealed; nil once it is canonical.
	Below *Pending
}

// pending returns the open block. While none is open it is an empty block on
// top of the head, so that the pending tag never fails.
func (s *Server) pending() (*Pending, error) {
	if s.sequencer != nil {
		if p := s.sequencer.Pending(); p != nil {
			return p, nil
		}
	}
	head := s.chain.Head()
	view, err := s.chain.StateAt(head.Root)
	if err != nil {
		return nil, fmt.Errorf("open the state of the head: %w", err)
	}
	h := types.CopyHeader(head)
	h.ParentHash, h.Number = head.Hash(), new(big.Int).Add(head.Number, common.Big1)
	h.Time, h.GasUsed, h.Root, h.Bloom = head.Time+1, 0, common.Hash{}, types.Bloom{}
	if s.config.IsLondon(h.Number) {
		h.BaseFee = s.nextBaseFee(head)
	}
	return &Pending{Header: h, View: view}, nil
}

// stateOf is a StateDB over the open block's state, for one call.
func (s *Server) stateOf(p *Pending) (*state.StateDB, error) {
	return state.NewWithReader(types.EmptyRootHash, s.scratch, p.View)
}

// callPending runs a message on top of the open block.
func (s *Server) callPending(ctx context.Context, args *callArgs, so stateOverrides, bo *blockOverrides) (hexutil.Bytes, error) {
	p, err := s.pending()
	if err != nil {
		return nil, err
	}
	db, err := s.stateOf(p)
	if err != nil {
		return nil, err
	}
	header := bo.apply(p.Header)
	msg, err := args.message(header.BaseFee, s.config.ChainID, gasCap)
	if err != nil {
		return nil, err
	}
	msg = msg.SkipExecutionGasCapCheck()
	block := core.NewEVMBlockContext(header, s.headers(), &header.Coinbase)
	if bo != nil && bo.BlobBaseFee != nil {
		block.BlobBaseFee = bo.BlobBaseFee.ToInt()
	}
	if msg.GasPrice.IsZero() {
		block.BaseFee = new(big.Int) // as geth does: a message that pays nothing must not fall below the fee
	}
	precompiles := vm.ActivePrecompiledContracts(s.config.Rules(header.Number, true, header.Time))
	if err := so.apply(db, precompiles); err != nil {
		return nil, err
	}
	evm := vm.NewEVM(block, db, s.config, vm.Config{NoBaseFee: true})
	defer evm.Release()
	evm.SetPrecompiles(precompiles)
	res, err := applyWithin(ctx, evm, msg)
	if dbErr := db.Error(); dbErr != nil {
		return nil, fmt.Errorf("read the pending state: %w", dbErr)
	}
	if err != nil {
		return nil, err
	}
	if errors.Is(res.Err, vm.ErrExecutionReverted) {
		return nil, reverted(res.Revert())
	}
	return res.Return(), res.Err
}

// applyWithin applies msg and gives up when ctx ends.
func applyWithin(ctx context.Context, evm *vm.EVM, msg *core.Message) (*core.ExecutionResult, error) {
	stop := context.AfterFunc(ctx, evm.Cancel)
	defer stop()
	res, err := core.ApplyMessage(evm, msg, core.NewGasPool(gasCap))
	if evm.Cancelled() {
		return nil, fmt.Errorf("execution aborted (timeout = %v)", evmTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("err: %w (supplied gas %d)", err, msg.GasLimit)
	}
	return res, nil
}

// estimatePending estimates the gas of a message on top of the open block.
func (s *Server) estimatePending(ctx context.Context, args *callArgs, so stateOverrides, bo *blockOverrides) (hexutil.Uint64, error) {
	p, err := s.pending()
	if err != nil {
		return 0, err
	}
	db, err := s.stateOf(p)
	if err != nil {
		return 0, err
	}
	header := bo.apply(p.Header)
	msg, err := args.message(header.BaseFee, s.config.ChainID, 0)
	if err != nil {
		return 0, err
	}
	precompiles := vm.ActivePrecompiledContracts(s.config.Rules(header.Number, true, header.Time))
	if err := so.apply(db, precompiles); err != nil {
		return 0, err
	}
	gas, revert, err := gasestimator.Estimate(ctx, msg, &gasestimator.Options{
		Config: s.config, Chain: s.headers(), Header: header, State: db, ErrorRatio: estimateError,
	}, gasCap)
	if errors.Is(err, vm.ErrExecutionReverted) {
		return 0, reverted(revert)
	}
	return hexutil.Uint64(gas), err
}

// reverted is geth's error for a call that reverted: code 3, the reason in
// words, the raw data.
func reverted(data []byte) *Error {
	message := vm.ErrExecutionReverted.Error()
	if reason, err := abi.UnpackRevert(data); err == nil {
		message += ": " + reason
	}
	return &Error{Code: CodeReverted, Message: message, Data: hexutil.Encode(data)}
}

// headerChain shows the canonical headers to the EVM.
type headerChain struct {
	chain  *chain.Chain
	engine consensus.Engine
}

// headers returns what the EVM needs to know of the chain below a block.
func (s *Server) headers() core.ChainContext {
	return headerChain{s.chain, s.engine}
}

func (c headerChain) Engine() consensus.Engine { return c.engine }

func (c headerChain) Config() *params.ChainConfig { return c.chain.ChainConfig() }

func (c headerChain) CurrentHeader() *types.Header { return c.chain.Head() }

func (c headerChain) GetHeaderByNumber(n uint64) *types.Header { return c.chain.HeaderByNumber(n) }

func (c headerChain) GetHeader(hash common.Hash, n uint64) *types.Header {
	if h := c.chain.HeaderByNumber(n); h != nil && h.Hash() == hash {
		return h
	}
	return nil
}

func (c headerChain) GetHeaderByHash(hash common.Hash) *types.Header {
	if b := c.chain.BlockByHash(hash); b != nil {
		return b.Header()
	}
	return nil
}
