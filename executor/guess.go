package executor

import "github.com/ethereum/go-ethereum/common"

// guess is how a speculative execution reads: committed values with the writes
// of earlier transactions on top that have executed but not committed. What it
// returns need not be right, since every read is compared with the committed
// value before the transaction commits.
type guess struct {
	task int
	// index is the transaction's block access index where the block runs along a
	// list, else 0.
	index  uint32
	memory *memory
}

// account sets v to the guess.
func (g *guess) account(v *accountValue, e *accountEntry) {
	if g.index > 0 {
		*v = g.memory.alongAccount(e, g.index)
		return
	}
	g.memory.step()
	committed := e.cell.Committed()
	g.memory.step()
	w := e.cell.Below(g.task, committed.Task)
	if w == nil {
		v.set(&committed.Value)
		return
	}
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
}

func (g *guess) slot(e *slotEntry) common.Hash {
	if g.index > 0 {
		return g.memory.alongSlot(e, g.index)
	}
	g.memory.step()
	committed := e.cell.Committed().Task
	g.memory.step()
	if w := e.cell.Below(g.task, committed); w != nil {
		return w.Value
	}
	return slotValue(e)
}
