package executor

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/motet-evm/motet/executor/report"
)

// guess is how a speculative execution reads: committed values with the writes
// of earlier transactions on top that have executed but not committed. What it
// returns need not be right, since every read is compared with the committed
// value before the transaction commits.
type guess struct {
	task   int
	number uint64 // of the task among readers
	// index is the transaction's block access index where the block runs along a
	// list, else 0.
	index  uint32
	memory *memory
	worker int
	run    *speculation
	first  int  // task of the run that was not committed when the execution began
	waits  bool // in await: what panics now is not the execution
}

// account sets v to the guess, and returns the last task that is known to have changed
// the account. Nobody waits for one: most look at an account whose balance alone
// changes, and not at that.
func (g *guess) account(v *accountValue, e *accountEntry) (by int) {
	if g.index > 0 {
		*v = g.memory.alongAccount(e, g.index)
		return beforeBlock
	}
	g.memory.step()
	committed := e.cell.Committed()
	g.memory.step()
	w := e.cell.Below(g.task, committed.Task)
	if w == nil {
		v.set(&committed.Value)
		return committed.Task
	}
	by = w.Task
	var sum accountWrite
	for ; w != nil; w = w.Older(committed.Task) {
		sum.delta.Add(&sum.delta, &w.Write.delta)
		if w.Write.nonceSet && !sum.nonceSet {
			sum.nonce, sum.nonceSet = w.Write.nonce, true
		}
		if w.Write.codeSet && !sum.codeSet {
			sum.code, sum.codeSet = w.Write.code, true
		}
	}
	sum.applyTo(v, &committed.Value)
	return by
}

// turn returns what a sender's nonce becomes, from what it is seen to be and no further
// than to the given one, by his transactions that had not committed when the execution began.
func (g *guess) turn(sender *common.Address, seen, nonce uint64) uint64 {
	if g.run == nil {
		return nonce
	}
	before := g.run.txs[g.first : g.task-g.run.tasks]
	for i := 0; i < len(before) && seen < nonce; i++ {
		if tx := before[i]; tx.From == *sender && tx.Call().Nonce == seen {
			seen++
		}
	}
	return seen
}

// reads notes that the transaction depends on the account's balance or nonce.
func (g *guess) reads(e *accountEntry) {
	if e != nil && g.index == 0 {
		g.memory.step()
		e.cell.Read(g.number)
	}
}

// slot is what the transaction takes the slot to hold. It waits for what is being
// replaced, and replaces first what is still to be.
func (g *guess) slot(e *slotEntry) common.Hash {
	if g.index > 0 {
		return g.memory.alongSlot(e, g.index)
	}
	g.memory.step()
	e.cell.Read(g.number)
	for {
		value, w := g.slotNow(e)
		if w == nil || !g.await(w.Task) {
			return value
		}
	}
}

// await waits for what replaces the versions of a task, or replaces them, if they are
// known to be an estimate, and reports whether to look again.
func (g *guess) await(task int) bool {
	g.waits = true
	waited := g.run.scheduler.Await(g.worker, task-g.run.tasks)
	g.waits = false
	if waited {
		g.memory.trace.lanes[g.worker].Mark(report.Resumed)
	}
	return waited
}

// slotNow also returns the version that the value is from, unless it is the committed one.
func (g *guess) slotNow(e *slotEntry) (common.Hash, *slotVersion) {
	g.memory.step()
	committed := e.cell.Committed().Task
	g.memory.step()
	if w := e.cell.Below(g.task, committed); w != nil {
		return w.Value, w
	}
	return slotValue(e), nil
}
