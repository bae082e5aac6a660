package l1bridge

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/l1bridge/bindings"
)

// Addresses are where a rollup's contracts are on L1.
type Addresses struct {
	Inbox common.Address `json:"inbox"`
}

const receiptPoll = 100 * time.Millisecond

// Deploy deploys the contracts of a rollup, owned by the account of key. On a
// development L1, the account and the batcher are funded first.
func Deploy(ctx context.Context, c *Client, key *ecdsa.PrivateKey, r *motet.Rollup) (Addresses, error) {
	owner := crypto.PubkeyToAddress(key.PublicKey)
	dev, err := c.isDev(ctx)
	if err != nil {
		return Addresses{}, err
	}
	for _, addr := range []common.Address{owner, r.Batcher} {
		if err := c.Fund(ctx, addr); err != nil {
			return Addresses{}, err
		}
	}
	code, err := hexutil.Decode(bindings.InboxMetaData.Bin)
	if err != nil {
		return Addresses{}, fmt.Errorf("decode the Inbox's bytecode: %w", err)
	}
	code = append(code, bindings.NewInbox().PackConstructor(r.Hash(), r.Batcher, owner)...)
	receipt, err := c.transact(ctx, key, payment{input: code, now: dev})
	if err != nil {
		return Addresses{}, fmt.Errorf("deploy the Inbox: %w", err)
	}
	return Addresses{Inbox: receipt.ContractAddress}, nil
}

// Fund gives an account 1,000 ETH if it has less than 100 and this is a
// development L1. Elsewhere it does nothing.
func (c *Client) Fund(ctx context.Context, addr common.Address) error {
	dev, err := c.isDev(ctx)
	if err != nil || !dev || addr == devAddress() {
		return err
	}
	balance, err := c.eth.BalanceAt(ctx, addr, nil)
	if err != nil {
		return wrap("read an L1 balance", err)
	}
	if balance.Cmp(ether(100)) >= 0 {
		return nil
	}
	key, err := crypto.HexToECDSA(DevKeyHex)
	if err != nil {
		return fmt.Errorf("parse the development key: %w", err)
	}
	if _, err := c.transact(ctx, key, payment{to: &addr, value: ether(1000), now: true}); err != nil {
		return fmt.Errorf("fund %s: %w", addr, err)
	}
	return nil
}

// isDev tells a development L1 by the account of DevKeyHex: nowhere else does
// it keep a fortune.
func (c *Client) isDev(ctx context.Context) (bool, error) {
	rich, err := c.eth.BalanceAt(ctx, devAddress(), nil)
	if err != nil {
		return false, wrap("read an L1 balance", err)
	}
	return rich.Cmp(ether(2000)) >= 0, nil
}

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(params.Ether)) }

// payment is a plain transaction.
type payment struct {
	to    *common.Address // nil creates a contract
	value *big.Int
	input []byte
	// now asks a development L1 not to wait for its block time.
	now bool
}

// transact sends a payment and waits until it is mined.
func (c *Client) transact(ctx context.Context, key *ecdsa.PrivateKey, p payment) (*types.Receipt, error) {
	from := crypto.PubkeyToAddress(key.PublicKey)
	prices, err := c.prices(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := c.eth.PendingNonceAt(ctx, from)
	if err != nil {
		return nil, wrap("read a nonce", err)
	}
	gas, err := c.eth.EstimateGas(ctx, ethereum.CallMsg{From: from, To: p.to, Value: p.value, Data: p.input})
	if err != nil {
		return nil, wrap("estimate gas", err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(c.chainID), &types.DynamicFeeTx{
		ChainID: c.chainID, Nonce: nonce, GasTipCap: prices.Tip, GasFeeCap: prices.feeCap(),
		Gas: gas + gas/5, To: p.to, Value: p.value, Data: p.input,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := c.eth.SendTransaction(ctx, tx); err != nil {
		return nil, wrap("send", err)
	}
	if p.now {
		// One that does not know the method builds in its own time.
		_ = c.eth.Client().CallContext(ctx, nil, "evm_mine")
	}
	receipt, err := c.waitMined(ctx, tx.Hash(), receiptPoll)
	if err != nil {
		return nil, err
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return nil, fmt.Errorf("transaction %s reverted", tx.Hash())
	}
	return receipt, nil
}
