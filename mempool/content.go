package mempool

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet"
)

// Get returns a transaction that is in the pool, or nil.
func (p *Pool) Get(hash common.Hash) *motet.Tx {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if it := p.all[hash]; it != nil && it.durable() && !it.gone {
		return it.tx
	}
	return nil
}

// Nonce returns the nonce that the next transaction of addr needs: the state's
// plus what is pooled without a gap.
func (p *Pool) Nonce(addr common.Address) (uint64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.view == nil {
		return 0, errNotReady
	}
	acc := p.accounts[addr]
	if acc == nil {
		acc = &account{addr: addr, pos: -1}
		if err := p.read(acc); err != nil {
			return 0, err
		}
	}
	return acc.nonce + uint64(acc.run), nil
}

// Stats counts the transactions that can run in turn, and those behind a gap.
func (p *Pool) Stats() (pending, queued int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.count - p.gapped, p.gapped
}

// Content returns the transactions of all senders, by nonce: those that can run
// in turn, and those behind a gap.
func (p *Pool) Content() (pending, queued map[common.Address][]*motet.Tx) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	pending = make(map[common.Address][]*motet.Tx)
	queued = make(map[common.Address][]*motet.Tx)
	for addr, acc := range p.accounts {
		run, rest := acc.content()
		if len(run) > 0 {
			pending[addr] = run
		}
		if len(rest) > 0 {
			queued[addr] = rest
		}
	}
	return pending, queued
}

// ContentFrom returns the transactions of one sender.
func (p *Pool) ContentFrom(addr common.Address) (pending, queued []*motet.Tx) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if acc := p.accounts[addr]; acc != nil {
		return acc.content()
	}
	return nil, nil
}

// content lists what is durable.
func (a *account) content() (pending, queued []*motet.Tx) {
	for i, it := range a.items {
		switch {
		case !it.durable():
		case i < a.run:
			pending = append(pending, it.tx)
		default:
			queued = append(queued, it.tx)
		}
	}
	return pending, queued
}
