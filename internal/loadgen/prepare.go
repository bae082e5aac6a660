package loadgen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"
)

const (
	transferGas = params.TxGas
	tokenGas    = 80_000
	deployGas   = 2_000_000
	// tokensEach is what every sender gets of the token.
	tokensEach = 1 << 40
	// fundBatch keeps funding within the batch limits of common servers.
	fundBatch = 50
	// stallTime is how long nothing may move before a run gives up.
	stallTime = 30 * time.Second
	// retryWait is the pause after a server had no room.
	retryWait = 20 * time.Millisecond
	// codeLimit is EIP-1474's "limit exceeded".
	codeLimit = -32005
)

// fund gives every sender a fresh key, enough ether for its transactions and,
// for kind erc20, tokens.
func (p *preparer) fund(ctx context.Context) error {
	if err := p.suggestFees(ctx); err != nil {
		return err
	}
	funder := crypto.PubkeyToAddress(p.cfg.Funder.PublicKey)
	nonce, err := p.eth.PendingNonceAt(ctx, funder)
	if err != nil {
		return fmt.Errorf("read the funder's nonce: %w", err)
	}
	seed := time.Now().UnixNano()
	perSender := (p.cfg.Transactions + p.cfg.Accounts - 1) / p.cfg.Accounts
	gas := transferGas
	if p.cfg.Kind == "erc20" {
		gas = tokenGas
	}
	value := new(big.Int).Mul(p.fees.cap, new(big.Int).SetUint64(gas*uint64(perSender)))
	value.Add(value, big.NewInt(int64(perSender)))
	if p.cfg.Kind == "erc20" {
		p.token = crypto.CreateAddress(funder, nonce)
	}
	var raws []string
	var last common.Hash
	add := func(to *common.Address, value *big.Int, gas uint64, data []byte) error {
		tx, err := types.SignNewTx(p.cfg.Funder, p.signer, p.dynamic(nonce, to, value, gas, data))
		if err != nil {
			return fmt.Errorf("sign funding: %w", err)
		}
		nonce++
		raw, err := tx.MarshalBinary()
		if err != nil {
			return fmt.Errorf("encode funding: %w", err)
		}
		raws, last = append(raws, hexutil.Encode(raw)), tx.Hash()
		return nil
	}
	if p.cfg.Kind == "erc20" {
		if err := add(nil, new(big.Int), deployGas, mintingInitCode(p.cfg.Token)); err != nil {
			return err
		}
	}
	for i := range p.cfg.Accounts {
		key, err := crypto.ToECDSA(crypto.Keccak256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(seed)), uint64(i))))
		if err != nil {
			return fmt.Errorf("make sender %d: %w", i, err)
		}
		p.keys = append(p.keys, key)
		to := crypto.PubkeyToAddress(key.PublicKey)
		if err := add(&to, value, transferGas, nil); err != nil {
			return err
		}
		if p.cfg.Kind == "erc20" {
			if err := add(&p.token, new(big.Int), tokenGas, transferCall(to, tokensEach)); err != nil {
				return err
			}
		}
	}
	return p.deliver(ctx, raws, last)
}

// suggestFees takes what the server suggests, with room for the base fee to rise.
func (p *preparer) suggestFees(ctx context.Context) error {
	tip, err := p.eth.SuggestGasTipCap(ctx)
	if err != nil {
		return fmt.Errorf("ask for a tip: %w", err)
	}
	head, err := p.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	base := head.BaseFee
	if base == nil {
		base = new(big.Int)
	}
	p.fees.tip = tip
	p.fees.cap = new(big.Int).Add(tip, new(big.Int).Mul(base, big.NewInt(10)))
	return nil
}

// deliver sends funding transactions in order and waits for the last one.
//
// A pool limits the transactions of one sender, and may take a later one of a
// batch while it refuses an earlier one for that limit. Those are offered once
// more, and then "already known" or in a block already is what was wanted.
func (p *preparer) deliver(ctx context.Context, raws []string, last common.Hash) error {
	progress := time.Now()
	for offered := 0; len(raws) > 0; {
		elems := batchOf(raws[:min(fundBatch, len(raws))])
		if err := p.rpc.BatchCallContext(ctx, elems); err != nil {
			return fmt.Errorf("send funding: %w", err)
		}
		taken := 0
		for taken < len(elems) && (elems[taken].Error == nil || taken < offered && isKnown(elems[taken].Error)) {
			taken++
		}
		raws, offered = raws[taken:], max(offered, len(elems))-taken
		if taken > 0 {
			progress = time.Now()
		}
		if taken == len(elems) {
			continue
		}
		refusal := elems[taken].Error
		if !isCapacity(refusal) || time.Since(progress) > stallTime {
			return fmt.Errorf("fund the senders from %s: %w", crypto.PubkeyToAddress(p.cfg.Funder.PublicKey), refusal)
		}
		if err := sleepUntil(ctx, time.Now().Add(retryWait)); err != nil {
			return fmt.Errorf("send funding: %w", err)
		}
	}
	deadline := time.Now().Add(stallTime)
	for {
		receipt, err := p.eth.TransactionReceipt(ctx, last)
		if err == nil {
			if receipt.Status != types.ReceiptStatusSuccessful {
				return fmt.Errorf("funding transaction %s failed", last)
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("funding transaction %s is not in a block after %s", last, stallTime)
		}
		if err := sleepUntil(ctx, time.Now().Add(50*time.Millisecond)); err != nil {
			return fmt.Errorf("wait for funding: %w", err)
		}
	}
}

// isKnown reports whether a refusal means that the server has the transaction.
func isKnown(err error) bool {
	return strings.Contains(err.Error(), txpool.ErrAlreadyKnown.Error()) || strings.Contains(err.Error(), core.ErrNonceTooLow.Error())
}

// isCapacity reports whether a refusal says that there is no room now. JSON-RPC
// has no code that all servers use for it.
func isCapacity(err error) bool {
	if coded, ok := errors.AsType[rpc.Error](err); ok && coded.ErrorCode() == codeLimit {
		return true
	}
	for _, full := range []error{txpool.ErrAccountLimitExceeded, legacypool.ErrTxPoolOverflow} {
		if strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

// sign makes all transactions. Senders take turns; recipients are fresh
// addresses, so that only what the kind itself shares is shared.
func (p *preparer) sign() ([]job, error) {
	jobs := make([]job, p.cfg.Transactions)
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for s, key := range p.keys {
		eg.Go(func() error {
			for n, i := uint64(0), s; i < len(jobs); n, i = n+1, i+len(p.keys) {
				to := common.BigToAddress(new(big.Int).SetUint64(1<<40 + uint64(i)))
				body := p.dynamic(n, &to, big.NewInt(1), transferGas, nil)
				if p.cfg.Kind == "erc20" {
					body = p.dynamic(n, &p.token, new(big.Int), tokenGas, transferCall(to, 1))
				}
				tx, err := types.SignNewTx(key, p.signer, body)
				if err != nil {
					return fmt.Errorf("sign: %w", err)
				}
				raw, err := tx.MarshalBinary()
				if err != nil {
					return fmt.Errorf("encode: %w", err)
				}
				jobs[i].raw, jobs[i].hash = hexutil.Encode(raw), tx.Hash()
			}
			return nil
		})
	}
	return jobs, eg.Wait()
}

func (p *preparer) dynamic(nonce uint64, to *common.Address, value *big.Int, gas uint64, data []byte) *types.DynamicFeeTx {
	return &types.DynamicFeeTx{
		ChainID: p.chainID, Nonce: nonce, GasTipCap: p.fees.tip, GasFeeCap: p.fees.cap,
		Gas: gas, To: to, Value: value, Data: data,
	}
}

// mintingInitCode deploys runtime and gives the deployer 2^62 tokens:
//
//	balances[caller] = 2^62   PUSH8 2^62, CALLER, PUSH1 0, MSTORE, PUSH1 64, PUSH1 0, KECCAK256, SSTORE
//	return runtime            PUSH2 len, DUP1, PUSH2 offset, PUSH1 0, CODECOPY, PUSH1 0, RETURN
func mintingInitCode(runtime []byte) []byte {
	const prefix = 9 + 4 + 5 + 1 + 3 + 1 + 3 + 2 + 1 + 2 + 1
	code := binary.BigEndian.AppendUint64([]byte{0x67}, 1<<62)
	code = append(code, 0x33, 0x60, 0, 0x52, 0x60, 0x40, 0x60, 0, 0x20, 0x55, 0x61)
	code = binary.BigEndian.AppendUint16(code, uint16(len(runtime)))
	code = binary.BigEndian.AppendUint16(append(code, 0x80, 0x61), prefix)
	code = append(code, 0x60, 0, 0x39, 0x60, 0, 0xf3)
	return append(code, runtime...)
}

// transferCall encodes ERC-20 transfer(to, amount).
func transferCall(to common.Address, amount uint64) []byte {
	data := append([]byte{0xa9, 0x05, 0x9c, 0xbb}, common.LeftPadBytes(to[:], 32)...)
	return append(data, common.LeftPadBytes(binary.BigEndian.AppendUint64(nil, amount), 32)...)
}

func batchOf(raws []string) []rpc.BatchElem {
	elems := make([]rpc.BatchElem, len(raws))
	for i, raw := range raws {
		elems[i] = rpc.BatchElem{Method: "eth_sendRawTransaction", Args: []any{raw}, Result: new(common.Hash)}
	}
	return elems
}
