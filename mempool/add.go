package mempool

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// appendTimeout bounds how long an Add waits for the Intake.
const appendTimeout = 15 * time.Second

// batch is what one Add makes durable.
type batch struct {
	items []*item
	done  chan struct{}
	// err is why the batch failed as a whole, errs why a transaction of it did;
	// valid once done is closed.
	err  error
	errs []error
}

// Add admits transactions and returns an error for each. Nil means that the
// transaction is durable and the pool owes it a fate. txpool.ErrAlreadyKnown
// means the same for one that came in before. An error that wraps
// motet.ErrUnavailable says nothing about the transaction; all others are
// go-ethereum's, with its texts.
//
// Once the Intake has been asked, the end of ctx does not matter any more: what
// became durable is accepted, whether or not the caller still listens.
func (p *Pool) Add(ctx context.Context, txs []*types.Transaction) []error {
	errs := make([]error, len(txs))
	items := p.screen(txs, errs)
	if err := ctx.Err(); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	b, known := p.reserve(items, errs)
	if len(b.items) > 0 {
		p.commit(context.WithoutCancel(ctx), b)
	}
	answer(items, b, errs)
	await(ctx, known, errs)
	p.remember(txs, errs)
	return errs
}

// reserve checks transactions against the state and the pool and gives each
// admitted one its place, where Take does not see it yet. known are batches that
// hold a transaction which came in twice.
func (p *Pool) reserve(items []*item, errs []error) (b *batch, known []*batch) {
	b = &batch{done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, it := range items {
		if it == nil {
			continue
		}
		if prior := p.all[it.hash]; prior != nil {
			if known == nil {
				known = make([]*batch, len(items))
			}
			errs[i], known[i] = txpool.ErrAlreadyKnown, prior.batch
			items[i] = nil
			continue
		}
		if errs[i] = p.admit(it); errs[i] != nil {
			continue
		}
		it.batch = b
		p.all[it.hash] = it
		b.items = append(b.items, it)
	}
	if len(b.items) > 0 {
		p.ledger.begin(b)
	}
	return b, known
}

// admit checks a transaction and inserts it, or lists it as a replacement.
func (p *Pool) admit(it *item) error {
	acc, err := p.check(it)
	if err != nil {
		return err
	}
	it.acc = acc
	p.arrivals++
	it.arrival = p.arrivals
	if acc.at(it.nonce) != nil {
		acc.replacing = append(acc.replacing, it)
		p.settled(acc)
		return nil
	}
	if err := p.makeRoom(it); err != nil {
		return err
	}
	p.accounts[acc.addr] = acc
	p.insert(it)
	return nil
}

// commit makes a batch durable and publishes it, or undoes it.
func (p *Pool) commit(ctx context.Context, b *batch) {
	raw := make([][]byte, len(b.items))
	for i, it := range b.items {
		raw[i], it.raw = it.raw, nil
	}
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	first, err := p.deps.Intake.AppendTxs(ctx, raw)

	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(b.done)
	p.ledger.end(b)
	if err != nil {
		b.err = fmt.Errorf("append to intake: %w", err)
		for _, it := range b.items {
			p.undo(it)
		}
		return
	}
	woken := false
	b.errs = make([]error, len(b.items))
	for i, it := range b.items {
		it.batch = nil
		it.seq = first + uint64(i)
		p.ledger.add(it)
		b.errs[i] = p.publish(it)
		woken = woken || it.acc.pos >= 0
	}
	if woken {
		signal(p.wake)
	}
}

// publish lets a transaction that has become durable take part.
func (p *Pool) publish(it *item) error {
	acc := it.acc
	for _, v := range it.victims {
		p.evict(v)
	}
	it.victims = nil
	switch {
	case it.included:
		// A block took it meanwhile.
		it.released = true
		delete(p.all, it.hash)
		return nil
	case it.gone:
		p.doom(it, it.fate)
		return it.err
	case acc.at(it.nonce) != it:
		err := p.replace(it)
		if err != nil {
			p.settled(acc)
			return err
		}
	}
	p.refusals.remove(it.hash)
	p.fates.remove(it.hash)
	p.settled(acc)
	p.metrics.admitted.Inc()
	if !it.gone {
		p.announce(Event{Tx: it.tx, Fate: it.waiting()})
	}
	return nil
}

// replace puts a durable replacement in the place of what it replaces, if that
// still makes sense.
func (p *Pool) replace(it *item) error {
	acc := it.acc
	acc.dropReplacing(it)
	old := acc.at(it.nonce)
	switch {
	case old == nil && it.nonce < acc.nonce:
		it.gone = true
		it.err = errNonceTooLow(acc.nonce, it.nonce)
		p.doom(it, motet.Fate{Hash: it.hash, State: motet.StateRejected, Reason: it.err.Error()})
		return it.err
	case old == nil:
		p.insert(it)
	case !p.outbids(it, old):
		// A later replacement was faster.
		it.gone = true
		p.doom(it, replacedBy(it, old))
	default:
		p.swap(old, it)
		p.doom(old, replacedBy(old, it))
	}
	return nil
}

func replacedBy(it, by *item) motet.Fate {
	return motet.Fate{
		Hash: it.hash, State: motet.StateReplaced, By: by.hash,
		Reason: "replaced by transaction " + by.hash.Hex(),
	}
}

// undo takes back a reservation.
func (p *Pool) undo(it *item) {
	for _, v := range it.victims {
		p.spare(v)
	}
	it.victims = nil
	delete(p.all, it.hash)
	if !it.gone {
		p.detach(it, false)
		p.settled(it.acc)
	}
}

// answer tells what the Intake decided.
func answer(items []*item, b *batch, errs []error) {
	decided := 0
	for i, it := range items {
		if it == nil || errs[i] != nil {
			continue
		}
		if b.err != nil {
			errs[i] = b.err
		} else {
			errs[i] = b.errs[decided]
		}
		decided++
	}
}

// await waits for the Adds that brought transactions first: only what is durable
// is known.
func await(ctx context.Context, known []*batch, errs []error) {
	for i, b := range known {
		if b == nil {
			continue
		}
		select {
		case <-b.done:
			if b.err != nil {
				errs[i] = b.err
			}
		case <-ctx.Done():
			errs[i] = ctx.Err()
		}
	}
}
