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
	receipt, err := c.transact(ctx, key, nil, nil, code)
	if err != nil {
		return Addresses{}, fmt.Errorf("deploy the Inbox: %w", err)
	}
	return Addresses{Inbox: receipt.ContractAddress}, nil
}

// Fund gives an account 1,000 ETH if it has less than 100 and this is a
// development L1, which is one where the account of DevKeyHex is that rich.
// Elsewhere it does nothing.
func (c *Client) Fund(ctx context.Context, addr common.Address) error {
	balance, err := c.eth.BalanceAt(ctx, addr, nil)
	if err != nil {
		return wrap("read an L1 balance", err)
	}
	if addr == devAddress() || balance.Cmp(ether(100)) >= 0 {
		return nil
	}
	rich, err := c.eth.BalanceAt(ctx, devAddress(), nil)
	if err != nil {
		return wrap("read an L1 balance", err)
	}
	if rich.Cmp(ether(2000)) < 0 {
		return nil
	}
	key, err := crypto.HexToECDSA(DevKeyHex)
	if err != nil {
		return fmt.Errorf("parse the development key: %w", err)
	}
	if _, err := c.transact(ctx, key, &addr, ether(1000), nil); err != nil {
		return fmt.Errorf("fund %s: %w", addr, err)
	}
	return nil
}

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(params.Ether)) }

// transact sends a plain transaction and waits until it is mined.
func (c *Client) transact(ctx context.Context, key *ecdsa.PrivateKey, to *common.Address, value *big.Int, input []byte) (*types.Receipt, error) {
	from := crypto.PubkeyToAddress(key.PublicKey)
	prices, err := c.prices(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := c.eth.PendingNonceAt(ctx, from)
	if err != nil {
		return nil, wrap("read a nonce", err)
	}
	gas, err := c.eth.EstimateGas(ctx, ethereum.CallMsg{From: from, To: to, Value: value, Data: input})
	if err != nil {
		return nil, wrap("estimate gas", err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(c.chainID), &types.DynamicFeeTx{
		ChainID: c.chainID, Nonce: nonce, GasTipCap: prices.Tip, GasFeeCap: prices.feeCap(),
		Gas: gas + gas/5, To: to, Value: value, Data: input,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := c.eth.SendTransaction(ctx, tx); err != nil {
		return nil, wrap("send", err)
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
