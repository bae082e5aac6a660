package mempool

import (
	"github.com/ethereum/go-ethereum/core/state"

	"github.com/motet-evm/motet"
)

// maxAside is how many senders Take passes over because their transaction does
// not fit, before it stops looking.
const maxAside = 16

// Limit bounds what Take hands out. Zero fields do not.
type Limit struct {
	Gas   uint64 // sum of gas limits
	Bytes int    // sum of encoded sizes
	Count int
}

// Take hands out transactions in the order of the policy, each sender's in the
// order of its nonces. They are in flight until a Settle names them: no other
// Take returns them, and they can be neither replaced nor evicted.
func (p *Pool) Take(l Limit) []*motet.Tx {
	p.mu.Lock()
	defer p.mu.Unlock()
	var (
		out   []*motet.Tx
		aside []*account
		gas   uint64
		bytes int
	)
	for len(p.ready) > 0 && (l.Count == 0 || len(out) < l.Count) {
		acc := p.ready[0].acc
		it := acc.items[acc.head]
		if l.Gas > 0 && it.gas > l.Gas-gas || l.Bytes > 0 && it.size > l.Bytes-bytes {
			p.ready.remove(0)
			if aside = append(aside, acc); len(aside) == maxAside {
				break
			}
			continue
		}
		gas += it.gas
		bytes += it.size
		it.inFlight = true
		out = append(out, it.tx)
		acc.skipFlight()
		p.settled(acc)
	}
	for _, acc := range aside {
		p.settled(acc)
	}
	p.metrics.taken.Add(float64(len(out)))
	return out
}

// Settlement says what became of transactions that were handed out.
type Settlement struct {
	// Included are in a slice that the log holds. They need not have been
	// handed out, or be known to the pool.
	Included []Inclusion
	// Dropped can never be included.
	Dropped []Drop
	// Deferred go back: into the pool's order, from the next Settle or Reset on.
	// So a transaction that is deferred over and over does not keep its taker
	// busy.
	Deferred []*motet.Tx
	// View is the state after the slice, not after later ones, or nil to go on
	// with the former one; then nonces are still right and balances wait for the
	// next view. See Reset for how long it must serve.
	View state.Reader
}

// Inclusion places a transaction in a block.
type Inclusion struct {
	Tx           *motet.Tx
	Block, Index uint64
}

// Drop says why a transaction was left out for good.
type Drop struct {
	Tx     *motet.Tx
	Reason error
}

// Settle takes the outcome of a slice.
func (p *Pool) Settle(s Settlement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unpark()
	touched := make(map[*account]struct{}, len(s.Included))
	for _, in := range s.Included {
		p.settleIncluded(in, s.View == nil, touched)
	}
	for _, d := range s.Dropped {
		if it := p.all[d.Tx.Hash()]; it != nil && !it.gone {
			it.inFlight = false
			p.discard(it, motet.StateRejected, d.Reason)
			touched[it.acc] = struct{}{}
		}
	}
	for _, tx := range s.Deferred {
		if it := p.all[tx.Hash()]; it != nil && !it.gone {
			it.inFlight, it.parked = false, true
			p.parked = append(p.parked, it)
			it.acc.head = 0
			it.acc.skipFlight()
			touched[it.acc] = struct{}{}
		}
	}
	if s.View != nil {
		p.adopt(s.View)
	}
	for acc := range touched {
		if !acc.empty() && (s.View != nil || p.floors[acc.addr] > acc.nonce) {
			p.refresh(acc)
		}
		p.settled(acc)
	}
	if len(p.ready) > 0 {
		signal(p.wake)
	}
}

// settleIncluded removes an included transaction and notes the accounts to look
// at: its sender, and those whose nonce or code it may have changed.
func (p *Pool) settleIncluded(in Inclusion, floor bool, touched map[*account]struct{}) {
	hash, from := in.Tx.Hash(), in.Tx.From
	at := place{in.Block, in.Index}
	if it := p.all[hash]; it != nil {
		it.inFlight = false
		p.include(it, at)
		for _, addr := range it.auths {
			if acc := p.accounts[addr]; acc != nil {
				touched[acc] = struct{}{}
			}
		}
	} else {
		p.included.put(hash, at)
	}
	if floor {
		p.floors[from] = max(p.floors[from], in.Tx.Nonce()+1)
	}
	if acc := p.accounts[from]; acc != nil {
		touched[acc] = struct{}{}
	}
}
