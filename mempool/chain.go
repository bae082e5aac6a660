package mempool

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// read fills acc with what the view says.
func (p *Pool) read(acc *account) error {
	st, err := p.view.Account(acc.addr)
	if err != nil {
		return fmt.Errorf("read sender %s: %w", acc.addr, err)
	}
	acc.nonce, acc.code = 0, false
	acc.balance.Clear()
	if st != nil {
		acc.nonce = st.Nonce
		acc.balance.Set(st.Balance)
		acc.code = common.BytesToHash(st.CodeHash) != types.EmptyCodeHash
	}
	acc.nonce = max(acc.nonce, p.floors[acc.addr])
	return nil
}

// refresh judges a sender by the view: transactions that the chain overtook go,
// and those that the balance no longer covers, with all behind them. The caller
// calls settled.
func (p *Pool) refresh(acc *account) {
	before := acc.nonce
	if err := p.read(acc); err != nil {
		// What cannot be judged stays; the executor judges it in the end.
		acc.nonce = before
		p.deps.Log.Warn("sender not read", "err", err)
		return
	}
	for len(acc.items) > 0 && acc.items[0].nonce < acc.nonce {
		it := acc.items[0]
		if it.inFlight {
			// The view is ahead of the Settle that will judge it.
			acc.nonce = it.nonce
			p.relink(acc)
			return
		}
		p.overtaken(it, acc.nonce)
	}
	for _, r := range slices.Clone(acc.replacing) {
		if r.nonce < acc.nonce {
			p.overtaken(r, acc.nonce)
		}
	}
	p.relink(acc)
	p.checkFunds(acc)
}

// overtaken removes a transaction whose nonce the chain has consumed.
func (p *Pool) overtaken(it *item, next uint64) {
	if p.deps.Included != nil {
		if block, index, ok := p.deps.Included(it.hash); ok {
			p.include(it, place{block, index})
			return
		}
	}
	p.discard(it, motet.StateRejected, errNonceTooLow(next, it.nonce))
}

func errNonceTooLow(next, nonce uint64) error {
	return fmt.Errorf("%w: next nonce %v, tx nonce %v", core.ErrNonceTooLow, next, nonce)
}

// checkFunds drops the first transaction that the balance does not cover
// together with those before it, and everything behind.
func (p *Pool) checkFunds(acc *account) {
	if !acc.spent.Gt(&acc.balance) {
		return
	}
	var sum uint256.Int
	for i, it := range acc.items {
		before := sum
		sum.Add(&sum, &it.cost)
		if it.inFlight || !sum.Gt(&acc.balance) {
			continue
		}
		err := errOverdraft(&acc.balance, &before, it.tx.Cost())
		for _, tail := range slices.Backward(slices.Clone(acc.items[i:])) {
			if !tail.inFlight {
				p.discard(tail, motet.StateRejected, err)
			}
		}
		return
	}
}

func errOverdraft(balance, spent *uint256.Int, cost *big.Int) error {
	b, s := balance.ToBig(), spent.ToBig()
	over := new(big.Int).Add(s, cost)
	over.Sub(over, b)
	return fmt.Errorf("%w: balance %v, queued cost %v, tx cost %v, overshot %v", core.ErrInsufficientFunds, b, s, cost, over)
}

// insert puts a transaction into its account, at a nonce that is free.
func (p *Pool) insert(it *item) {
	acc := it.acc
	i, _ := acc.find(it.nonce)
	acc.items = slices.Insert(acc.items, i, it)
	acc.spent.Add(&acc.spent, &it.cost)
	p.track(it)
	if i == acc.run && i == len(acc.items)-1 && it.nonce == acc.nonce+uint64(i) {
		acc.run++
	} else {
		p.relink(acc)
	}
	p.offer(it)
}

// track counts a transaction that entered an account.
func (p *Pool) track(it *item) {
	p.count++
	p.bytes += it.size
	for _, a := range it.auths {
		p.auths[a]++
	}
}

func (p *Pool) untrack(it *item) {
	p.count--
	p.bytes -= it.size
	for _, a := range it.auths {
		if p.auths[a]--; p.auths[a] == 0 {
			delete(p.auths, a)
		}
	}
}

// detach takes a transaction out of its account. Those behind it become gapped,
// unless advance says that its nonce was consumed.
func (p *Pool) detach(it *item, advance bool) {
	acc := it.acc
	it.gone = true
	i, ok := acc.find(it.nonce)
	if !ok || acc.items[i] != it {
		acc.dropReplacing(it)
		return
	}
	p.untrack(it)
	p.setGapped(it, false)
	acc.spent.Sub(&acc.spent, &it.cost)
	if i == 0 {
		acc.items[0] = nil
		acc.items = acc.items[1:]
	} else {
		acc.items = slices.Delete(acc.items, i, i+1)
	}
	if i == 0 && advance && it.nonce == acc.nonce && acc.run > 0 {
		acc.nonce++
		acc.run--
		acc.head = max(0, acc.head-1)
		acc.skipFlight()
		return
	}
	if i <= acc.run {
		p.relink(acc)
	}
}

// swap puts a replacement where old is.
func (p *Pool) swap(old, it *item) {
	acc := it.acc
	i, _ := acc.find(it.nonce)
	acc.items[i] = it
	acc.spent.Sub(&acc.spent, &old.cost)
	acc.spent.Add(&acc.spent, &it.cost)
	gapped := old.gapped
	p.setGapped(old, false)
	old.gone = true
	p.untrack(old)
	p.track(it)
	p.setGapped(it, gapped)
	p.offer(it)
}

// relink finds anew how far the transactions follow each other.
func (p *Pool) relink(acc *account) {
	run := 0
	for run < len(acc.items) && acc.items[run].nonce == acc.nonce+uint64(run) {
		p.setGapped(acc.items[run], false)
		run++
	}
	for _, it := range acc.items[run:] {
		p.setGapped(it, true)
	}
	acc.run, acc.head = run, 0
	acc.skipFlight()
}

func (p *Pool) setGapped(it *item, gapped bool) {
	if it.gapped == gapped {
		return
	}
	it.gapped = gapped
	if gapped {
		p.gapped++
		it.gapAt = p.deps.Now()
		p.gaps = append(p.gaps, gap{it: it, at: it.gapAt})
	} else {
		p.gapped--
	}
	p.offer(it)
}

// include removes a transaction that a block holds.
func (p *Pool) include(it *item, at place) {
	it.included = true
	p.included.put(it.hash, at)
	if !it.gone {
		p.detach(it, true)
		p.metrics.included.Inc()
	}
	if it.durable() {
		it.released = true
		delete(p.all, it.hash)
	}
}

// discard removes a transaction that will not be included. Its fate is reported
// once the Intake holds it. One that is not durable yet has no fate: its Add
// answers the error.
func (p *Pool) discard(it *item, s motet.State, reason error) {
	if it.gone {
		return
	}
	p.detach(it, false)
	it.err = reason
	p.doom(it, motet.Fate{Hash: it.hash, State: s, Reason: reason.Error()})
}

// doom gives a transaction that has left its account its final fate.
func (p *Pool) doom(it *item, fate motet.Fate) {
	it.fate = fate
	if it.durable() {
		p.dying = append(p.dying, it)
		signal(p.dirty)
	}
}
