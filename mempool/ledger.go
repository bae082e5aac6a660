package mempool

// ledger knows which sequences of the Intake the pool still needs.
type ledger struct {
	// live holds entries by rising sequence, dead ones among them.
	live []entry
	next uint64
	told uint64 // newest lowest sequence that the Intake knows
	// open are appends under way, with a bound that their sequences are not
	// below.
	open map[*batch]uint64
}

type entry struct {
	seq uint64
	it  *item
}

// alive reports whether the entry still stands for its transaction.
func (e entry) alive() bool { return !e.it.released && e.it.seq == e.seq }

// begin notes an append. Its sequences will be at or above everything seen.
func (l *ledger) begin(b *batch) { l.open[b] = l.next }

func (l *ledger) end(b *batch) { delete(l.open, b) }

// add notes the sequence of a durable transaction. Appends end in nearly the
// order in which they got their sequences.
func (l *ledger) add(it *item) {
	l.next = max(l.next, it.seq+1)
	l.live = append(l.live, entry{it.seq, it})
	for i := len(l.live) - 1; i > 0 && l.live[i-1].seq > it.seq; i-- {
		l.live[i-1], l.live[i] = l.live[i], l.live[i-1]
	}
}

// lowest returns the sequence below which nothing is needed.
func (l *ledger) lowest() uint64 {
	for len(l.live) > 0 && !l.live[0].alive() {
		l.live[0] = entry{}
		l.live = l.live[1:]
	}
	low := l.next
	if len(l.live) > 0 {
		low = l.live[0].seq
	}
	for _, floor := range l.open {
		low = min(low, floor)
	}
	return low
}

// stragglers returns up to n of the oldest live entries if the oldest one lies
// more than span behind, and forgets dead entries.
func (l *ledger) stragglers(span uint64, n int) []entry {
	if l.next-l.lowest() <= span {
		return nil
	}
	kept := l.live[:0]
	for _, e := range l.live {
		if e.alive() {
			kept = append(kept, e)
		}
	}
	clear(l.live[len(kept):])
	l.live = kept
	var old []entry
	for _, e := range l.live {
		if len(old) == n || l.next-e.seq <= span/2 {
			break
		}
		old = append(old, e)
	}
	return old
}
