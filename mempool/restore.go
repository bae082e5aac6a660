package mempool

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// restoration collects what the Intake holds until the first Reset.
type restoration struct {
	txs   []restoredTx
	index map[common.Hash]int // in txs
}

type restoredTx struct {
	tx  *types.Transaction
	seq uint64
}

func newRestoration() *restoration { return &restoration{index: make(map[common.Hash]int)} }

// Restore takes a transaction from the Intake, in order of sequence, before the
// first Reset. It was accepted once, so no limit of the pool refuses it.
func (p *Pool) Restore(raw []byte, seq uint64) error {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("decode transaction %d of the intake: %w", seq, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.restored
	if r == nil {
		return fmt.Errorf("restore transaction %d: %w", seq, errServing)
	}
	p.ledger.next = max(p.ledger.next, seq+1)
	hash := tx.Hash()
	p.fates.remove(hash)
	if i, ok := r.index[hash]; ok {
		r.txs[i].tx = nil
	}
	r.index[hash] = len(r.txs)
	r.txs = append(r.txs, restoredTx{tx, seq})
	return nil
}

// RestoreFate takes a final fate from the Intake: it ends the transaction that
// Restore took before.
func (p *Pool) RestoreFate(f motet.Fate) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.restored
	if r == nil {
		return fmt.Errorf("restore fate of %s: %w", f.Hash, errServing)
	}
	if i, ok := r.index[f.Hash]; ok {
		r.txs[i].tx = nil
		delete(r.index, f.Hash)
	}
	p.fates.put(f.Hash, f)
	return nil
}

// admitRestored puts what is still owed a fate into the pool. The chain is asked
// first, since recovering a sender is what costs.
func (p *Pool) admitRestored(r *restoration) {
	var live []restoredTx
	for _, e := range r.txs {
		if e.tx == nil || p.isIncluded(e.tx.Hash()) {
			continue
		}
		live = append(live, e)
	}
	items := make([]*item, len(live))
	each(len(live), func(i int) {
		tx, err := motet.RecoverTx(p.signer, live[i].tx)
		if err != nil {
			p.deps.Log.Error("transaction of the intake has no sender", "tx", live[i].tx.Hash(), "err", err)
			return
		}
		items[i] = newItem(tx)
		items[i].auths = live[i].tx.SetCodeAuthorities()
		items[i].seq = live[i].seq
	})
	for _, it := range items {
		if it == nil {
			continue
		}
		p.arrivals++
		it.arrival = p.arrivals
		p.force(it)
		p.ledger.add(it)
	}
	p.refreshAll()
}

func (p *Pool) isIncluded(hash common.Hash) bool {
	if _, ok := p.included.get(hash); ok {
		return true
	}
	if p.deps.Included != nil {
		_, _, ok := p.deps.Included(hash)
		return ok
	}
	return false
}

// force puts a durable transaction into the pool, whatever the limits. The newer
// one of two with the same nonce wins, since it was admitted as a replacement.
func (p *Pool) force(it *item) {
	acc := p.accounts[it.tx.From]
	if acc == nil {
		acc = &account{addr: it.tx.From, pos: -1}
		if err := p.read(acc); err != nil {
			p.deps.Log.Warn("sender not read", "err", err)
		}
		p.accounts[acc.addr] = acc
	}
	it.acc = acc
	p.all[it.hash] = it
	if old := acc.at(it.nonce); old != nil {
		p.swap(old, it)
		p.doom(old, replacedBy(old, it))
	} else {
		p.insert(it)
	}
}

// Readd takes back transactions that a rollback took out of the chain, after the
// Reset to the block that follows the fork. They are made durable again and come
// before all others.
func (p *Pool) Readd(ctx context.Context, txs []*motet.Tx) error {
	p.mu.RLock()
	items := make([]*item, 0, len(txs))
	for _, tx := range txs {
		if p.all[tx.Hash()] == nil {
			items = append(items, newItem(tx))
		}
	}
	p.mu.RUnlock()
	raw := make([][]byte, len(items))
	for i, it := range items {
		var err error
		if raw[i], err = it.tx.MarshalBinary(); err != nil {
			return fmt.Errorf("encode transaction %s: %w", it.hash, err)
		}
		it.auths = it.tx.SetCodeAuthorities()
	}
	b := &batch{}
	p.mu.Lock()
	p.ledger.begin(b)
	p.mu.Unlock()
	var first uint64
	var err error
	if len(items) > 0 {
		first, err = p.deps.Intake.AppendTxs(ctx, raw)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger.end(b)
	if err != nil {
		return fmt.Errorf("append %d transactions of a rollback to intake: %w", len(items), err)
	}
	p.earliest -= int64(len(items))
	for i, it := range items {
		if p.all[it.hash] != nil {
			continue // submitted again meanwhile
		}
		it.seq = first + uint64(i)
		it.arrival = p.earliest + int64(i)
		p.ledger.add(it)
		p.included.remove(it.hash)
		p.force(it)
	}
	p.refreshAll()
	if len(p.ready) > 0 {
		signal(p.wake)
	}
	return nil
}

// Lowest returns the sequence below which the pool needs nothing of the Intake.
func (p *Pool) Lowest() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.lowest()
}

var errServing = errors.New("the pool is serving already")
