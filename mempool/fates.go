package mempool

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

var (
	errEvicted = errors.New("made room for a better-paying transaction")
	errExpired = errors.New("an earlier nonce of the sender did not arrive in time")
)

const (
	// maxRefusals is how many hashes refused at admission are remembered.
	maxRefusals = 1 << 15
	// maxFates is how many fates are appended to the Intake at once.
	maxFates = 4096
)

// place is where a transaction was included.
type place struct{ block, index uint64 }

// memory remembers the newest values by hash.
type memory[V any] struct {
	values map[common.Hash]V
	order  []common.Hash // ring
	next   int
	size   int
}

func newMemory[V any](size int) memory[V] {
	return memory[V]{values: make(map[common.Hash]V), size: size}
}

func (m *memory[V]) get(h common.Hash) (V, bool) {
	v, ok := m.values[h]
	return v, ok
}

func (m *memory[V]) put(h common.Hash, v V) {
	if _, ok := m.values[h]; ok {
		m.values[h] = v
		return
	}
	m.values[h] = v
	if len(m.order) < m.size {
		m.order = append(m.order, h)
		return
	}
	delete(m.values, m.order[m.next])
	m.order[m.next] = h
	m.next = (m.next + 1) % m.size
}

// remove forgets a value. Its place in the ring stays taken until its turn.
func (m *memory[V]) remove(h common.Hash) { delete(m.values, h) }

// waiting is the fate of a transaction in the pool.
func (it *item) waiting() motet.Fate {
	if it.gapped {
		return motet.Fate{Hash: it.hash, State: motet.StateQueued, Reason: "waits for an earlier nonce of the sender"}
	}
	return motet.Fate{Hash: it.hash, State: motet.StatePending}
}

// Fate returns what has become of a transaction as far as the pool remembers:
// waiting in it, preconfirmed (the chain knows what followed), or ended without
// inclusion. A refusal at admission is told as long as nothing newer is known.
func (p *Pool) Fate(hash common.Hash) (motet.Fate, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if it := p.all[hash]; it != nil && it.durable() {
		return it.waiting(), true
	}
	if at, ok := p.included.get(hash); ok {
		return motet.Fate{Hash: hash, State: motet.StatePreconfirmed, Block: at.block, Index: at.index}, true
	}
	if f, ok := p.fates.get(hash); ok {
		return f, true
	}
	if reason, ok := p.refusals.get(hash); ok {
		return motet.Fate{Hash: hash, State: motet.StateRejected, Reason: reason}, true
	}
	return motet.Fate{}, false
}

// remember keeps why transactions were refused.
func (p *Pool) remember(txs []*types.Transaction, errs []error) {
	var refused []int
	for i, err := range errs {
		if err == nil || errors.Is(err, txpool.ErrAlreadyKnown) || errors.Is(err, motet.ErrUnavailable) ||
			errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		refused = append(refused, i)
	}
	if len(refused) == 0 {
		return
	}
	p.metrics.refused.Add(float64(len(refused)))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range refused {
		p.refusals.put(txs[i].Hash(), errs[i].Error())
	}
}

// flushFates makes final fates durable and then reports them.
func (p *Pool) flushFates(ctx context.Context) error {
	for {
		p.mu.Lock()
		n := min(len(p.dying), maxFates)
		items := p.dying[:n:n]
		fates := make([]motet.Fate, 0, n)
		for _, it := range items {
			if !it.included {
				fates = append(fates, it.fate)
			}
		}
		p.mu.Unlock()
		if n == 0 {
			return nil
		}
		if err := p.deps.Intake.AppendFates(ctx, fates); err != nil {
			return fmt.Errorf("append %d fates to intake: %w", n, err)
		}
		p.mu.Lock()
		p.dying = p.dying[n:]
		for _, it := range items {
			p.bury(it)
		}
		p.mu.Unlock()
	}
}

// bury reports the final fate of a transaction.
func (p *Pool) bury(it *item) {
	it.released = true
	if it.included {
		return // told otherwise in the end
	}
	delete(p.all, it.hash)
	p.fates.put(it.hash, it.fate)
	p.metrics.fates.WithLabelValues(string(it.fate.State)).Inc()
	p.announce(Event{Tx: it.tx, Fate: it.fate})
}
