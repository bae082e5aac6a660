package executor

import (
	"cmp"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/report"
)

// trace is what a block notes down for its report while it runs: a lane for each
// worker, and, in the order of commit, who read what an earlier transaction of the
// block had written. The slices are reused from block to block.
type trace struct {
	begun time.Time
	lanes []report.Lane

	wall   time.Duration
	slices int
	first  int // place in the stream of the present slice's first transaction
	next   int // of the first transaction that is neither included nor left out

	reach   []uint64 // by index: gas of the costliest chain of dependent transactions that ends there
	longest uint64   // of them
	coded   bool     // some transaction changed some account's code
	edges   []report.Edge
	places  []spot
	rare    map[spot]int32 // indexes in places of all but written slots
	losses  [][]loss       // by worker
	gaps    []report.Gap
	solos   []report.Solo
}

// spot is a location while the block is open. A slot has no field.
type spot struct {
	account *accountEntry
	slot    *slotEntry
	field   report.Field
}

// loss is an execution that did not hold.
type loss struct {
	when   int64 // in nanoseconds since the block was opened
	task   int32 // place in the stream
	cause  report.Cause
	at     spot  // what it had read; none for some causes
	writer int32 // place in the stream of who wrote it meanwhile, or Nowhere
	by     int32 // or his index in the block plus one, or 0
}

// lose notes a loss at the time that it is found. The worker goes on to run the task once
// more.
func (t *trace) lose(worker, task int, l *loss) {
	t.lanes[worker].Mark(report.Tick)
	l.when, l.task = int64(time.Since(t.begun)), int32(task) //nolint:gosec // places in a stream are small
	t.losses[worker] = append(t.losses[worker], *l)
}

// aborts returns the losses in the order of time.
func (t *trace) aborts() []report.Abort {
	var all []loss
	for _, l := range t.losses {
		all = append(all, l...)
	}
	slices.SortStableFunc(all, func(a, b loss) int { return cmp.Compare(a.when, b.when) })
	aborts := make([]report.Abort, len(all))
	for i, l := range all {
		a := &aborts[i]
		*a = report.Abort{At: l.when, Task: l.task, Cause: l.cause, Place: report.Nowhere, Writer: l.by - 1}
		if l.at != (spot{}) {
			a.Place = t.place(l.at)
		}
		if l.writer != report.Nowhere {
			a.Writer = t.index(l.writer)
		}
	}
	return aborts
}

// index returns the index in the block of a place in the stream, or Nowhere.
func (t *trace) index(place int32) int32 {
	missing := int32(0)
	for _, g := range t.gaps {
		switch {
		case place < g.From:
			return place - missing
		case place < g.To:
			return report.Nowhere
		}
		missing += g.To - g.From
	}
	return place - missing
}

// accountTrail names the transactions that wrote an account's fields last: the
// index in the block plus one, 0 for none. For the balance, which changes by
// deltas, it is the one at the end of the costliest chain.
type accountTrail [report.Existence + 1]int32

// slotTrail is the same for a slot, with the slot's index in trace.places plus
// one.
type slotTrail struct{ by, place int32 }

// maxFanIn bounds how many dependencies of one transaction are kept. The costliest
// is always among them.
const maxFanIn = 64

func newTrace(workers int) trace {
	return trace{lanes: make([]report.Lane, workers), losses: make([][]loss, workers)}
}

// start forgets the last block.
func (t *trace) start() {
	t.begun = time.Now()
	for i := range t.lanes {
		t.lanes[i].Reset(t.begun)
	}
	t.wall, t.slices, t.first, t.next, t.longest = 0, 0, 0, 0, 0
	t.reach, t.edges, t.gaps, t.solos = t.reach[:0], t.edges[:0], t.gaps[:0], t.solos[:0]
	for i := range t.losses {
		clear(t.losses[i])
		t.losses[i] = t.losses[i][:0]
	}
	clear(t.places)
	t.places = t.places[:0]
	clear(t.rare)
	t.coded = false
}

// slice begins a slice of n transactions and returns what ends it.
func (t *trace) slice(n int) (end func()) {
	begun := time.Now()
	t.slices++
	return func() {
		t.wall += time.Since(begun)
		if seen := t.next - t.first; seen < n {
			t.leave(n-seen, true)
		}
		t.first = t.next
	}
}

// alone notes that the next n transactions run one after the other.
func (t *trace) alone(reason string, n int) {
	for i := range t.solos {
		if t.solos[i].Reason == reason {
			t.solos[i].Transactions += n
			return
		}
	}
	t.solos = append(t.solos, report.Solo{Reason: reason, Transactions: n})
}

// leave notes that the next n transactions of the stream are not in the block.
func (t *trace) leave(n int, unseen bool) {
	from := int32(t.next) //nolint:gosec // a stream that long fits no block
	t.next += n
	if k := len(t.gaps); k > 0 && t.gaps[k-1].To == from && t.gaps[k-1].Unseen == unseen {
		t.gaps[k-1].To = int32(t.next) //nolint:gosec // as above
		return
	}
	t.gaps = append(t.gaps, report.Gap{From: from, To: int32(t.next), Unseen: unseen}) //nolint:gosec // as above
}

// short tells an execution that takes little more than reading the clock.
func short(r *types.Receipt) bool { return r.GasUsed <= params.TxGas }

// include notes that tx is the next one of the block, before f is committed.
func (t *trace) include(f *footprint, tx *motet.Tx, gas uint64) {
	t.next++
	for _, a := range f.accounts[:f.nAccounts] {
		if a.flags&isPaid != 0 { // the transaction did not look
			a.base.exists = a.entry.cell.Committed().Value.exists
		}
	}
	simple := gas <= params.TxGas && f.nSlots == 0
	if simple && !t.coded {
		t.includeShort(f, gas)
		return
	}
	from := len(t.edges)
	best := report.Edge{Writer: report.Nowhere}
	for _, a := range f.accounts[:f.nAccounts] {
		if a.flags&(readExist|readBalance|readNonce|readCode) != 0 && a.entry.cell.trail != (accountTrail{}) {
			t.follow(a, tx, simple, from, &best)
		}
	}
	for _, l := range f.slots[:f.nSlots] {
		if l.entry == nil {
			continue
		}
		by := l.entry.cell.trail.by
		if l.account.entry.cell.wiped.Load() > 0 { // whoever destroyed the account wrote it
			by = max(by, l.account.entry.cell.trail[report.Existence])
		}
		if by != 0 {
			t.edge(by-1, spot{slot: l.entry}, from, &best)
		}
	}
	reach := gas
	if best.Writer != report.Nowhere {
		reach += t.reach[best.Writer]
		if len(t.edges)-from == maxFanIn {
			t.edges[len(t.edges)-1] = best
		}
	}
	t.reach = append(t.reach, reach)
	t.longest = max(t.longest, reach)
	t.mark(f, int32(len(t.reach)), reach) //nolint:gosec // transactions of a block
}

// includeShort is include for what has no gas to read more than the code and the
// existence of its sender and recipient, of which the first did not change yet, and
// the second matters to nothing that a transfer does.
func (t *trace) includeShort(f *footprint, gas uint64) {
	t.reach = append(t.reach, gas)
	t.longest = max(t.longest, gas)
	by := int32(len(t.reach)) //nolint:gosec // transactions of a block
	for _, a := range f.accounts[:f.nAccounts] {
		if a.mutations == 0 || a.entry == nil {
			continue
		}
		trail := &a.entry.cell.trail
		if a.nonce != a.base.nonce {
			trail[report.Nonce] = by
		}
		// Others that changed the balance are at the end of as costly a chain.
		if trail[report.Balance] == 0 && !a.balance.Eq(&a.base.balance) {
			trail[report.Balance] = by
			if !a.base.exists {
				trail[report.Existence] = by
			}
		}
	}
}

// follow notes which fields of an account were read that the block had written.
// The sender's nonce is known beforehand, bounds on balances are no reads, and whether
// somebody exists matters to nothing that a simple transfer does.
func (t *trace) follow(a *account, tx *motet.Tx, simple bool, from int, best *report.Edge) {
	trail := &a.entry.cell.trail
	for field, flag := range [...]uint16{report.Balance: readBalance, report.Nonce: readNonce, report.Code: readCode, report.Existence: readExist} {
		if a.flags&flag == 0 || trail[field] == 0 || flag == readNonce && a.addr == tx.From || flag == readExist && simple {
			continue
		}
		t.edge(trail[field]-1, spot{account: a.entry, field: report.Field(field)}, from, best) //nolint:gosec // a few
	}
}

// edge notes that the next transaction read what writer wrote. The edges of this
// transaction start at from; best is the one on the costliest chain.
func (t *trace) edge(writer int32, at spot, from int, best *report.Edge) {
	e := report.Edge{Reader: int32(len(t.reach)), Writer: writer, Place: t.place(at)} //nolint:gosec // transactions of a block
	if best.Writer == report.Nowhere || t.reach[writer] > t.reach[best.Writer] {
		*best = e
	}
	if len(t.edges)-from < maxFanIn {
		t.edges = append(t.edges, e)
	}
}

// place returns the index of a location in places.
func (t *trace) place(at spot) int32 {
	if at.slot != nil && at.slot.cell.trail.by != 0 {
		trail := &at.slot.cell.trail
		if trail.place == 0 {
			trail.place = t.newPlace(at) + 1
		}
		return trail.place - 1
	}
	i, known := t.rare[at]
	if !known {
		if t.rare == nil {
			t.rare = make(map[spot]int32)
		}
		i = t.newPlace(at)
		t.rare[at] = i
	}
	return i
}

func (t *trace) newPlace(at spot) int32 {
	t.places = append(t.places, at)
	return int32(len(t.places)) - 1 //nolint:gosec // locations of a block
}

// mark makes the transaction with the given index, plus one, the last writer of
// what it changes. Only cells that the commit lists as changed are marked, since
// those are reset with the block.
func (t *trace) mark(f *footprint, by int32, reach uint64) {
	for _, a := range f.accounts[:f.nAccounts] {
		if a.mutations > 0 && a.flags&isPresent != 0 && a.entry != nil {
			t.markAccount(a, by, reach)
		}
	}
	for _, l := range f.slots[:f.nSlots] {
		if l.value != l.base && l.entry != nil && l.account.flags&isDestructed == 0 {
			l.entry.cell.trail.by = by
		}
	}
}

func (t *trace) markAccount(a *account, by int32, reach uint64) {
	trail := &a.entry.cell.trail
	if a.gone() {
		if a.base.exists { // otherwise it comes and goes with the transaction
			t.coded = true
			*trail = accountTrail{report.Balance: by, report.Nonce: by, report.Code: by, report.Existence: by}
		}
		return
	}
	changed := false
	if !a.balance.Eq(&a.base.balance) {
		changed = true
		if last := trail[report.Balance]; last == 0 || t.reach[last-1] <= reach {
			trail[report.Balance] = by
		}
	}
	if a.nonce != a.base.nonce {
		changed, trail[report.Nonce] = true, by
	}
	if !sameCode(a.code, a.base.code) {
		changed, trail[report.Code] = true, by
		t.coded = true
	}
	if changed && !a.entry.cell.Committed().Value.exists {
		trail[report.Existence] = by
	}
}

// report sums up the finished block. The memory may go to another one then.
func (t *trace) report(transactions int, gas uint64) *report.Block {
	aborts := t.aborts()
	b := &report.Block{
		Workers: len(t.lanes), Slices: t.slices, Wall: t.wall,
		Transactions: transactions, Gas: gas, CriticalGas: t.longest,
		Lanes:  make([][]report.Lap, len(t.lanes)),
		Edges:  copied(t.edges),
		Places: make([]report.Location, len(t.places)),
		Aborts: aborts,
		Gaps:   copied(t.gaps),
		Solos:  copied(t.solos),
	}
	for i := range t.lanes {
		b.Lanes[i] = t.lanes[i].Laps()
	}
	for i, at := range t.places {
		if at.slot != nil {
			b.Places[i] = report.Location{Address: at.slot.key.account.key, Field: report.Slot, Slot: at.slot.key.key}
		} else {
			b.Places[i] = report.Location{Address: at.account.key, Field: at.field}
		}
	}
	return b
}

// Report implements Block.
func (b *block) Report() *report.Block { return b.report }

// compare is expect for an execution on committed values: that the sender can pay
// is not for the report to take as a read of his balance.
func (l *lane) compare() {
	if s := l.state; l.message.needWithBlobs(&s.need) {
		s.sender = s.loaded(&l.message.From)
	}
}

func copied[T any](s []T) []T { return append(make([]T, 0, len(s)), s...) }
