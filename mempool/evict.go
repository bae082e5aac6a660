package mempool

import (
	"time"

	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"

	"github.com/motet-evm/motet"
)

// rebuildAfter is how many transactions must have come in before an exhausted
// list of victims is built anew, so that a full pool costs no scan per refusal.
const rebuildAfter = 1024

// gap notes when a transaction began to wait for an earlier nonce.
type gap struct {
	it *item
	at time.Time
}

// victims lists what can be evicted, cheapest first. It exists only while the
// pool is full.
type victims struct {
	heap    heap[victim]
	builtAt int64 // arrivals then
}

// price is what a transaction, at its place in the pool, is worth.
func (p *Pool) price(it *item) price {
	worst := price{p.effectiveTip(it), it.fee}
	acc := it.acc
	i, _ := acc.find(it.nonce)
	for _, before := range acc.items[:min(i, acc.run)] {
		if pr := (price{p.effectiveTip(before), before.fee}); pr.less(worst) {
			worst = pr
		}
	}
	return worst
}

// makeRoom picks what has to go for it and holds that until it is durable, or
// says why there is no room. A transaction behind a gap never pushes out one
// that can run.
func (p *Pool) makeRoom(it *item) error {
	acc := it.acc
	gapped := it.nonce != acc.nonce+uint64(acc.run)
	count := p.count + 1 - p.config.GlobalSlots
	bytes := p.bytes + it.size - p.config.GlobalBytes
	if gapped {
		count = max(count, p.gapped+1-p.config.GlobalQueue)
	}
	if count <= 0 && bytes <= 0 {
		return nil
	}
	worth := p.price(it)
	for count > 0 || bytes > 0 {
		v := p.pickVictim(it, worth, gapped)
		if v == nil {
			for _, v := range it.victims {
				p.spare(v)
			}
			it.victims = nil
			return p.noRoom(worth, gapped)
		}
		v.held = true
		p.settled(v.acc)
		it.victims = append(it.victims, v)
		count--
		bytes -= v.size
	}
	return nil
}

// noRoom is go-ethereum's answer for a pool that is full.
func (p *Pool) noRoom(worth price, gapped bool) error {
	if p.tails == nil || len(p.tails.heap) == 0 {
		if gapped {
			return txpool.ErrUnderpriced
		}
		return legacypool.ErrTxPoolOverflow
	}
	if gapped && p.tails.heap[0].price.less(worth) {
		return legacypool.ErrFutureReplacePending
	}
	return txpool.ErrUnderpriced
}

// pickVictim returns the cheapest transaction that is worth less than it, those
// behind a gap first, or nil.
func (p *Pool) pickVictim(it *item, worth price, gapped bool) *item {
	if p.tails == nil {
		p.tails, p.queued = new(victims), new(victims)
		p.listVictims(p.tails)
		p.listVictims(p.queued)
	}
	if v := p.popVictim(p.queued, it, worth); v != nil {
		return v
	}
	if gapped {
		return nil
	}
	return p.popVictim(p.tails, it, worth)
}

func (p *Pool) listVictims(l *victims) {
	l.heap, l.builtAt = l.heap[:0], p.arrivals
	for _, acc := range p.accounts {
		if l == p.tails {
			if n := len(acc.items); n > 0 && acc.run == n {
				l.heap = append(l.heap, victim{p.price(acc.items[n-1]), acc.items[n-1]})
			}
			continue
		}
		for _, it := range acc.items[acc.run:] {
			l.heap = append(l.heap, victim{p.price(it), it})
		}
	}
	l.heap.build()
}

// popVictim takes the cheapest valid entry that is worth less than worth. Entries
// of the sender of it are put back: its own transactions are not evicted for it.
func (p *Pool) popVictim(l *victims, it *item, worth price) *item {
	if len(l.heap) == 0 && p.arrivals-l.builtAt > rebuildAfter {
		p.listVictims(l)
	}
	var own []victim
	defer func() {
		for _, v := range own {
			l.heap.push(v)
		}
	}()
	for len(l.heap) > 0 && l.heap[0].price.less(worth) {
		v := l.heap[0]
		l.heap.remove(0)
		switch {
		case !p.evictable(v.it, l == p.queued):
		case v.it.acc == it.acc:
			own = append(own, v)
		default:
			now := p.price(v.it)
			if now == v.price {
				return v.it
			}
			l.heap.push(victim{now, v.it})
		}
	}
	return nil
}

// evictable reports whether v can go without leaving a gap.
func (p *Pool) evictable(v *item, gapped bool) bool {
	if v.gone || v.held || v.inFlight || !v.durable() || v.gapped != gapped || v.acc.isReplacing(v.nonce) {
		return false
	}
	return gapped || v.acc.items[len(v.acc.items)-1] == v
}

// offer lists a transaction as a possible victim, if there is a list.
func (p *Pool) offer(it *item) {
	if p.tails == nil || it.gone {
		return
	}
	l := p.tails
	if it.gapped {
		l = p.queued
	}
	l.heap.push(victim{p.price(it), it})
}

// evict removes a held victim, unless it has become worth keeping: executing, or
// with others behind it.
func (p *Pool) evict(v *item) {
	v.held = false
	if !p.evictable(v, v.gapped) {
		p.spare(v)
		return
	}
	acc := v.acc
	p.discard(v, motet.StateEvicted, errEvicted)
	if n := len(acc.items); n > 0 {
		p.offer(acc.items[n-1])
	}
	p.settled(acc)
}

// spare lets go of a held victim.
func (p *Pool) spare(v *item) {
	v.held = false
	if !v.gone {
		p.settled(v.acc)
		p.offer(v)
	}
}

// expire discards what has waited too long for an earlier nonce.
func (p *Pool) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.gaps) > 0 {
		g := p.gaps[0]
		if g.at.Add(p.config.GapLife).After(now) {
			return
		}
		p.gaps = p.gaps[1:]
		it := g.it
		if it.gone || !it.gapped || it.gapAt != g.at {
			continue
		}
		if it.inFlight || it.held || !it.durable() || it.acc.isReplacing(it.nonce) {
			// Not for this moment; its time starts anew.
			it.gapAt = now
			p.gaps = append(p.gaps, gap{it, now})
			continue
		}
		acc := it.acc
		p.discard(it, motet.StateExpired, errExpired)
		p.settled(acc)
	}
}
