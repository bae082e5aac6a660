package mempool

import (
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// ErrUnprotected is go-ethereum's answer to a transaction without a chain id.
var ErrUnprotected = errors.New("only replay-protected (EIP-155) transactions allowed over RPC")

// errNotReady is the answer before the first Reset.
var errNotReady = fmt.Errorf("transaction pool is starting: %w", motet.ErrUnavailable)

// parallelFrom is the batch size from which signatures are recovered on all
// cores.
const parallelFrom = 8

// acceptedTypes is the bit map of transaction types; blobs are not for an L2.
const acceptedTypes = 1<<types.LegacyTxType | 1<<types.AccessListTxType | 1<<types.DynamicFeeTxType | 1<<types.SetCodeTxType

// screen does everything that needs neither the state nor the pool's lock. Where
// it refuses, the item is nil and the error set.
func (p *Pool) screen(txs []*types.Transaction, errs []error) []*item {
	items := make([]*item, len(txs))
	head := p.head.Load()
	if head == nil {
		for i := range errs {
			errs[i] = errNotReady
		}
		return items
	}
	p.screenKnown(txs, errs)
	opts := &txpool.ValidationOptions{
		Config: p.deps.ChainConfig, Accept: acceptedTypes, MaxSize: maxTxSize, MinTip: p.minTip.Load(),
	}
	each(len(txs), func(i int) {
		if errs[i] == nil {
			items[i], errs[i] = p.screenOne(txs[i], head, opts)
		}
	})
	return items
}

// screenKnown answers for what is in the pool, or was, without further work.
// What is becoming durable goes on, since its end must be awaited.
func (p *Pool) screenKnown(txs []*types.Transaction, errs []error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for i, tx := range txs {
		hash := tx.Hash()
		if it := p.all[hash]; it != nil && it.durable() {
			errs[i] = txpool.ErrAlreadyKnown
		} else if _, ok := p.included.get(hash); ok {
			errs[i] = txpool.ErrAlreadyKnown
		}
	}
}

// each calls f for 0 … n-1, on all cores if that is worth it.
func each(n int, f func(int)) {
	workers := min(runtime.GOMAXPROCS(0), n/(parallelFrom/2))
	if workers < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

func (p *Pool) screenOne(tx *types.Transaction, head *types.Header, opts *txpool.ValidationOptions) (*item, error) {
	if !p.config.AllowUnprotected && !tx.Protected() {
		return nil, ErrUnprotected
	}
	if err := screenCheap(tx, head, opts); err != nil {
		return nil, err
	}
	if err := txpool.ValidateTransaction(tx, head, p.signer, opts); err != nil {
		return nil, err
	}
	return p.prepare(tx)
}

// screenCheap repeats, ahead of the recovery of the sender, the checks that
// ValidateTransaction makes after it without needing it.
func screenCheap(tx *types.Transaction, head *types.Header, opts *txpool.ValidationOptions) error {
	if tx.Type() >= 8 || acceptedTypes&(1<<tx.Type()) == 0 || tx.Size() > maxTxSize {
		return nil // ValidateTransaction refuses it first of all
	}
	plain := tx.To() != nil && len(tx.Data()) == 0 && len(tx.AccessList()) == 0 && len(tx.SetCodeAuthorizations()) == 0
	if !plain || tx.Gas() < params.TxGas {
		if err := screenGas(tx, head, opts); err != nil {
			return err
		}
	}
	if tx.GasFeeCapIntCmp(tx.GasTipCap()) >= 0 && tx.GasTipCapIntCmp(opts.MinTip) < 0 {
		return fmt.Errorf("%w: gas tip cap %v, minimum needed %v", txpool.ErrTxGasPriceTooLow, tx.GasTipCap(), opts.MinTip)
	}
	return nil
}

// screenGas checks the gas against intrinsic and floor cost. Before Amsterdam
// neither depends on the sender.
func screenGas(tx *types.Transaction, head *types.Header, opts *txpool.ValidationOptions) error {
	rules := opts.Config.Rules(head.Number, true, head.Time)
	if rules.IsAmsterdam || tx.Gas() > head.GasLimit || rules.IsOsaka && tx.Gas() > params.MaxTxGas {
		return nil // not judged here
	}
	if tx.To() == nil && len(tx.Data()) > params.MaxInitCodeSize {
		return nil
	}
	value, overflow := uint256.FromBig(tx.Value())
	if overflow {
		return nil
	}
	intrinsic, err := core.IntrinsicGas(tx.Data(), tx.AccessList(), tx.SetCodeAuthorizations(), common.Address{}, tx.To(), value, rules)
	if err != nil {
		return err
	}
	if tx.Gas() < intrinsic {
		return fmt.Errorf("%w: gas %v, minimum needed %v", core.ErrIntrinsicGas, tx.Gas(), intrinsic)
	}
	if !rules.IsPrague {
		return nil
	}
	floor, err := core.FloorDataGas(rules, common.Address{}, tx.To(), value, tx.Data(), tx.AccessList())
	if err != nil {
		return err
	}
	if tx.Gas() < floor {
		return fmt.Errorf("%w: gas %v, minimum needed %v", core.ErrFloorDataGas, tx.Gas(), floor)
	}
	return nil
}

// prepare builds the item of a transaction that is valid by itself.
func (p *Pool) prepare(tx *types.Transaction) (*item, error) {
	recovered, err := motet.RecoverTx(p.signer, tx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", txpool.ErrInvalidSender, err)
	}
	it := newItem(recovered)
	if tx.Type() == types.SetCodeTxType {
		// Each authority costs a recovery, so only a sender that can pay gets it.
		p.mu.RLock()
		_, err = p.checkState(it)
		p.mu.RUnlock()
		if err != nil {
			return nil, err
		}
		it.auths = tx.SetCodeAuthorities()
	}
	if it.raw, err = tx.MarshalBinary(); err != nil {
		return nil, fmt.Errorf("encode transaction: %w", err)
	}
	return it, nil
}

func newItem(tx *motet.Tx) *item {
	it := &item{
		tx: tx, hash: tx.Hash(), nonce: tx.Nonce(), gas: tx.Gas(), size: int(tx.Size()),
		tip: saturate(tx.GasTipCap()), fee: saturate(tx.GasFeeCap()),
	}
	if it.cost.SetFromBig(tx.Cost()) {
		it.cost.SetAllOne()
	}
	return it
}

// checkState checks nonce and funds. The account it returns is not in the pool
// yet if the sender has nothing there.
func (p *Pool) checkState(it *item) (*account, error) {
	from := it.tx.From
	if p.view == nil {
		return nil, errNotReady
	}
	fresh := &account{addr: from, pos: -1}
	if err := p.read(fresh); err != nil {
		return nil, err
	}
	acc := p.accounts[from]
	if acc == nil {
		acc = fresh
	}
	if it.nonce < acc.nonce {
		return nil, errNonceTooLow(acc.nonce, it.nonce)
	}
	old := acc.at(it.nonce)
	if old != nil && old.inFlight {
		return nil, errNonceTooLow(it.nonce+1, it.nonce)
	}
	if fresh.balance.Lt(&it.cost) {
		balance, cost := fresh.balance.ToBig(), it.tx.Cost()
		return nil, fmt.Errorf("%w: balance %v, tx cost %v, overshot %v", core.ErrInsufficientFunds, balance, cost, new(big.Int).Sub(cost, balance))
	}
	spent := acc.expenditure()
	need, overflow := new(uint256.Int).AddOverflow(&spent, &it.cost)
	if old == nil && (overflow || need.Gt(&fresh.balance)) {
		return nil, errOverdraft(&fresh.balance, &spent, it.tx.Cost())
	}
	if old != nil && it.cost.Gt(&old.cost) {
		bump := new(uint256.Int).Sub(&it.cost, &old.cost)
		if need, overflow = need.AddOverflow(&spent, bump); overflow || need.Gt(&fresh.balance) {
			over := new(uint256.Int).Sub(need, &fresh.balance)
			return nil, fmt.Errorf("%w: balance %v, queued cost %v, tx bumped %v, overshot %v", core.ErrInsufficientFunds,
				fresh.balance.ToBig(), spent.ToBig(), bump.ToBig(), over.ToBig())
		}
	}
	return acc, nil
}

// check makes all checks against state and pool but that of room.
func (p *Pool) check(it *item) (*account, error) {
	acc, err := p.checkState(it)
	if err != nil {
		return nil, err
	}
	old := acc.at(it.nonce)
	if old == nil {
		if err := p.checkSlots(acc, it); err != nil {
			return nil, err
		}
	}
	if err := p.checkDelegation(acc, it); err != nil {
		return nil, err
	}
	if old == nil {
		return acc, nil
	}
	if !p.outbids(it, old) {
		return nil, txpool.ErrReplaceUnderpriced
	}
	for _, r := range acc.replacing {
		if r.nonce == it.nonce && !p.outbids(it, r) {
			return nil, txpool.ErrReplaceUnderpriced
		}
	}
	return acc, nil
}

func (p *Pool) checkSlots(acc *account, it *item) error {
	gapped := it.nonce != acc.nonce+uint64(acc.run)
	if !gapped && acc.run >= p.config.AccountSlots || gapped && len(acc.items)-acc.run >= p.config.AccountQueue {
		return fmt.Errorf("%w: pooled %d txs", txpool.ErrAccountLimitExceeded, len(acc.items))
	}
	return nil
}

// checkDelegation limits senders whose balance others may move (EIP-7702), and
// the authorities that become such, to one transaction in the pool. A sender
// with other code is none (EIP-3607).
func (p *Pool) checkDelegation(acc *account, it *item) error {
	if acc.code {
		st, err := p.view.Account(acc.addr)
		if err != nil || st == nil {
			return fmt.Errorf("read sender %s: %w", acc.addr, err)
		}
		hash := common.BytesToHash(st.CodeHash)
		if _, ok := types.ParseDelegation(p.view.Code(acc.addr, hash)); !ok {
			return fmt.Errorf("%w: address %v, codehash: %s", core.ErrSenderNoEOA, acc.addr.Hex(), hash)
		}
	}
	if acc.code || p.auths[acc.addr] > 0 {
		switch {
		case acc.run == 0 && it.nonce != acc.nonce:
			return legacypool.ErrOutOfOrderTxFromDelegated
		case acc.run > 0 && it.nonce >= acc.nonce+uint64(acc.run):
			return txpool.ErrInflightTxLimitReached
		}
	}
	for _, addr := range it.auths {
		if other := p.accounts[addr]; other != nil && len(other.items) > 1 {
			return legacypool.ErrAuthorityReserved
		}
	}
	return nil
}

// outbids reports whether it pays enough more than old to replace it.
func (p *Pool) outbids(it, old *item) bool {
	if it.tx.GasFeeCapCmp(old.tx.Transaction) <= 0 || it.tx.GasTipCapCmp(old.tx.Transaction) <= 0 {
		return false
	}
	threshold := func(cap *big.Int) *big.Int {
		t := new(big.Int).Mul(cap, new(big.Int).SetUint64(100+p.config.PriceBump))
		return t.Div(t, big.NewInt(100))
	}
	return it.tx.GasFeeCapIntCmp(threshold(old.tx.GasFeeCap())) >= 0 &&
		it.tx.GasTipCapIntCmp(threshold(old.tx.GasTipCap())) >= 0
}
