package executor

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/predict"
)

const (
	// aheadReaders is how many goroutines read ahead while there is something to
	// read: they wait for the disk more than they compute.
	aheadReaders = 4
	// aheadLead is how many transactions the workers get to by themselves before
	// a reader would, and aheadStride how many batches at most lie between two
	// that are looked at where nothing has to be read.
	aheadLead   = 2 * batch
	aheadStride = 16
	// aheadWorth is how long most looks at the state have to take for it to be worth
	// reading ahead, and aheadTrial how many looks of the workers tell. Of a state in
	// memory nothing is read ahead.
	aheadWorth = 5 * time.Microsecond
	aheadTrial = 8
)

// ahead loads what coming transactions are expected to look at into the memory,
// beside the execution of those before them: senders and recipients, and the slots
// that are predicted. It changes nothing that an execution can see but the time
// that a look takes, and ends with the slice.
//
// It begins once looks at the state have taken long. Then one goroutine looks around,
// and calls for help where it finds something to read; where the memory holds everything
// it only samples.
type ahead struct {
	memory    *memory
	predictor *predict.Predictor
	txs       []*motet.Tx

	looks atomic.Int64 // at the state, whoever took them
	slow  atomic.Int64 // those of them that took aheadWorth

	begun  atomic.Bool
	ended  atomic.Bool
	next   atomic.Int64 // first transaction that nobody has looked at
	help   atomic.Int32 // readers beside the first
	loaded atomic.Int64 // accounts and slots, by readers
	wg     sync.WaitGroup

	mu      sync.Mutex
	targets map[common.Address]*predict.Target // nil where there is no code
}

// readAhead reads ahead for txs until the function that it returns is called, which
// tells how many accounts and slots were read.
func (p *parallelBlock) readAhead(txs []*motet.Tx) (end func() int) {
	if p.hints.predictor == nil || len(p.workers) < 2 || len(txs) <= aheadLead {
		return func() int { return 0 }
	}
	a := &ahead{memory: p.memory, predictor: p.hints.predictor, txs: txs, targets: make(map[common.Address]*predict.Target)}
	a.next.Store(aheadLead)
	p.memory.ahead.Store(a)
	return func() int {
		p.memory.ahead.Store(nil)
		a.mu.Lock()
		a.ended.Store(true)
		a.mu.Unlock()
		a.wg.Wait()
		p.hints.used = p.hints.used || a.worthwhile()
		return int(a.loaded.Load())
	}
}

// looked tells who reads ahead, if anybody would, how long a look at the state took.
func (m *memory) looked(start time.Time) {
	a := m.ahead.Load()
	if a == nil {
		return
	}
	if time.Since(start) >= aheadWorth {
		a.slow.Add(1)
	}
	a.looks.Add(1)
	if !a.begun.Load() && a.worthwhile() && a.begun.CompareAndSwap(false, true) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.ended.Load() {
			a.wg.Go(a.lookAround)
		}
	}
}

// worthwhile tells whether most looks at the state take as long as it would be worth;
// until that is known they do not.
func (a *ahead) worthwhile() bool {
	n := a.looks.Load()
	return n >= aheadTrial && 2*a.slow.Load() >= n
}

func (a *ahead) lookAround() {
	stride := int64(1)
	for {
		n, more := a.readBatch()
		switch {
		case !more || !a.worthwhile():
			return
		case n == 0:
			stride = min(2*stride, aheadStride)
			a.next.Add((stride - 1) * batch)
		default:
			stride = 1
			for a.help.Load() < aheadReaders-1 {
				a.help.Add(1)
				a.wg.Go(a.helpOut)
			}
		}
	}
}

// helpOut reads until there is nothing to read.
func (a *ahead) helpOut() {
	defer a.help.Add(-1)
	for {
		if n, more := a.readBatch(); n == 0 || !more {
			return
		}
	}
}

// readBatch reads for the next few transactions. It reports how much was not in the
// memory, and false at the end.
func (a *ahead) readBatch() (loaded int, more bool) {
	from := a.next.Add(batch) - batch
	if from >= int64(len(a.txs)) {
		return 0, false
	}
	for _, tx := range a.txs[from:min(from+batch, int64(len(a.txs)))] {
		n, met := a.readFor(tx)
		loaded += n
		if met {
			a.next.CompareAndSwap(from+batch, from+batch+aheadLead)
			break
		}
	}
	return loaded, !a.ended.Load()
}

// readFor reads for one transaction and tells how much was not in the memory. It
// stops where it meets somebody who is loading the same: the execution is here
// already. That of a recipient says nothing, since many share one.
func (a *ahead) readFor(tx *motet.Tx) (loaded int, met bool) {
	count := func(was readiness, err error) {
		switch {
		case err != nil:
			a.ended.Store(true) // an execution will meet it, if it matters
		case was == missing:
			loaded++
		}
	}
	_, was, err := a.ready(&tx.From)
	count(was, err)
	if was == busy || a.ended.Load() {
		return loaded, was == busy
	}
	if to := tx.Call().To; to != nil {
		_, was, err = a.ready(to)
		count(was, err)
	}
	slots, _ := a.predictor.Slots(nil, tx, a.target(tx.Call().To))
	for i := range slots {
		if a.ended.Load() {
			break
		}
		if was, err = a.readySlot(&slots[i]); was == busy && err == nil {
			return loaded, true
		}
		count(was, err)
	}
	return loaded, false
}

// readiness tells how a reader ahead found a cell.
type readiness uint8

const (
	present readiness = iota
	missing           // it is loaded now
	busy              // somebody else is loading it
)

func (c *accountCell) readiness() readiness { return readinessOf(c.Committed() != nil, &c.awaited) }
func (c *slotCell) readiness() readiness    { return readinessOf(c.Committed() != nil, &c.awaited) }

func readinessOf(loaded bool, awaited *atomic.Bool) readiness {
	switch {
	case loaded:
		return present
	case awaited.Load():
		return busy
	default:
		return missing
	}
}

// ready loads an account that nobody has loaded or begun to.
func (a *ahead) ready(addr *common.Address) (e *accountEntry, was readiness, err error) {
	m := a.memory
	hash := m.seeds.address(addr)
	e = m.accounts.intern(hash, addr)
	if was = e.cell.readiness(); was == missing {
		_, err = m.account(addr, hash)
		a.loaded.Add(1)
	}
	return e, was, err
}

// readySlot is ready for a slot and its account.
func (a *ahead) readySlot(at *predict.Access) (was readiness, err error) {
	m := a.memory
	account, _, err := a.ready(&at.Address)
	if err != nil {
		return busy, err
	}
	e := m.slots.intern(m.seeds.slot(account.hash, &at.Slot), &slotKey{account, at.Slot})
	if was = e.cell.readiness(); was == missing {
		_, err = m.slot(account, &at.Slot)
		a.loaded.Add(1)
	}
	return was, err
}

// target returns the contract at an address as it was before the block: what is
// committed meanwhile belongs to the committer.
func (a *ahead) target(to *common.Address) *predict.Target {
	if to == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.targets[*to]
	if !known {
		t = targetOf(to, a.codeAt)
		a.targets[*to] = t
	}
	return t
}

func (a *ahead) codeAt(addr *common.Address) (hash common.Hash, blob []byte) {
	acct, err := a.memory.reader.Account(*addr)
	if err != nil || acct == nil {
		return hash, nil
	}
	if hash = common.BytesToHash(acct.CodeHash); hash == types.EmptyCodeHash {
		return hash, nil
	}
	return hash, a.memory.reader.Code(*addr, hash)
}
