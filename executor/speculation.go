package executor

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
	"github.com/motet-evm/motet/executor/report"
)

// record is what an execution leaves for the frontier to judge.
type record struct {
	footprint

	number    uint64    // of the task, as readers of cells have it
	before    footprint // of the task's last execution, if this one replaces it
	published bool
	last      uint64 // last reader of what was taken back, unless what replaced it is published
	withdrawn withdrawn
	lost      bool // some execution of the task did not hold
	loss      loss // why the last one would not

	receipt *types.Receipt
	taken   twoGas
	invalid error // why the transaction cannot be included
	failure error // of the state reader, or a panic
}

// withdrawn are cells whose versions were taken back. They count as changed, so that the
// versions are forgotten with the block.
type withdrawn struct {
	accounts []*accountEntry
	slots    []*slotEntry
}

// speculation is a slice as a blockstm.Program.
type speculation struct {
	*parallelBlock

	scheduler *blockstm.Scheduler

	txs    []*motet.Tx
	strict bool
	out    *Slice

	blooming *blooming // of out's receipts from the first of txs on; nil if nobody sets their blooms yet
	first    int       // place of txs[0] in the block's stream
	begin    int       // index in the block of the first one included

	// Written by the holder of the frontier.
	err error
	cut bool
}

var _ blockstm.Program = (*speculation)(nil)

func (s *speculation) record(task int) *record { return &s.records[task%len(s.records)] }

// number is what a task is known by among the readers of a cell.
func (s *speculation) number(task int) uint64 {
	return s.memory.generation<<32 | uint64(uint32(s.tasks+task+1)) //nolint:gosec // transactions of a block
}

// Prepare implements blockstm.Program.
func (s *speculation) Prepare(worker, from, to int) {
	s.workers[worker].prefetch(s.txs[from:to])
	s.memory.trace.lanes[worker].Begin()
}

// prefetch looks at the senders and recipients of a batch side by side, so that
// the processor fetches their cells at the same time and not one after the other.
func (l *lane) prefetch(txs []*motet.Tx) {
	m := l.state.memory
	var ahead [2 * batch]*accountEntry
	n := 0
	for _, tx := range txs[:min(batch, len(txs))] {
		ahead[n] = m.accounts.find(m.seeds.address(&tx.From))
		n++
		if to := tx.Call().To; to != nil {
			ahead[n] = m.accounts.find(m.seeds.address(to))
			n++
		}
	}
	var values [2 * batch]*accountVersion
	for i, e := range ahead[:n] {
		if e != nil {
			values[i] = e.cell.Committed()
		}
	}
	for _, v := range values[:n] {
		if v != nil {
			l.seen += v.Value.balance[0] + v.Value.nonce
		}
	}
}

// Execute implements blockstm.Program.
func (s *speculation) Execute(worker, task int) {
	w := s.enter(worker)
	w.guess = s.guess(worker, task)
	shown := &s.context.Coinbase
	if s.along {
		shown = nil // nobody needs to see the versions
	}
	w.state.guess = &w.guess
	w.budget = &w.fresh
	r := s.record(task)
	if r.number == w.guess.number { // once more
		s.memory.trace.lose(worker, s.first+task, &r.loss)
	}
	s.attempt(w, task, r)
	last := w.stage(r, s.tasks+task, shown)
	w.busy = false
	s.push(task, max(last, r.takeBack(&r.before, s.memory)))
	s.memory.trace.lanes[worker].Ran(s.first+task, report.Speculated, short(r.receipt))
}

// guess returns how a worker's execution of a task reads.
func (s *speculation) guess(worker, task int) guess {
	g := guess{task: s.tasks + task, number: s.number(task), memory: s.memory, worker: worker, run: s, first: s.scheduler.Frontier()}
	if s.along {
		g.index = uint32(s.begin + task + 1) //nolint:gosec // transactions of a block
	}
	return g
}

// push tells that a task has changed what the task with the given number has read, or
// some before it.
func (s *speculation) push(task int, last uint64) {
	if own := s.number(task); last > own {
		s.scheduler.Invalidate(task, task+int(last-own)) //nolint:gosec // tasks of one block
	}
}

// enter returns what the worker executes with: something else in the middle of another
// execution.
func (s *speculation) enter(worker int) *worker {
	w := s.workers[worker]
	if w.busy {
		w = w.second(s.block, s.workers)
	}
	w.busy = true
	return w
}

// Settle implements blockstm.Program.
func (s *speculation) Settle(worker, task int) {
	w := s.enter(worker)
	w.state.guess = nil
	w.budget = s.pool
	r := s.record(task)
	s.attempt(w, task, r)
	w.stage(r, s.tasks+task, nil)
	w.busy = false
	r.last = r.takeBack(&r.before, s.memory)
	s.memory.trace.lanes[worker].Ran(s.first+task, report.Settled, short(r.receipt))
}

// attempt executes a task into its record.
func (s *speculation) attempt(w *worker, task int, r *record) {
	if number := s.number(task); r.number == number {
		r.footprint, r.before = r.before, r.footprint
		r.lost = true
	} else {
		r.number, r.lost = number, false
		r.before.reset()
	}
	r.reset()
	r.published, r.last = w.state.guess != nil, 0
	w.state.footprint = &r.footprint
	w.state.forget()
	r.receipt = w.blank(r.receipt)
	r.invalid = s.guarded(&w.lane, s.txs[task], r.receipt)
	r.failure = w.state.err
	w.state.footprint = w.own
	w.state.forget()
	if s.rules.IsAmsterdam {
		r.taken = w.taken()
	}
}

// expect tells a speculative state who sends the message. Its nonce is taken to
// be right and its balance is only compared with what it must own, and both are
// tested at the frontier: so neither an earlier transaction of the sender nor
// one to it is in the way.
func (l *lane) expect() {
	m, s := &l.message, l.state
	if !m.needWithBlobs(&s.need) {
		return
	}
	s.sender = s.loaded(&m.From)
	s.assume(s.sender, m.Nonce)
}

// assume takes a sender's nonce to be what it is once his transactions that lie before
// the speculative one and could be under way have committed. With the nonce given it is
// his turn then, as a rule.
func (s *txState) assume(sender *account, nonce uint64) {
	if turn := sender.base.nonce; turn < nonce {
		turn = s.guess.turn(&sender.addr, turn, nonce)
		sender.base.nonce, sender.nonce = turn, turn
	}
}

// stage turns what the record changed into versions. With a coinbase they are
// published for other workers to guess from; credits to the coinbase are not,
// since every transaction makes one. It returns the last reader of what was published.
func (w *worker) stage(r *record, task int, coinbase *common.Address) (last uint64) {
	if r.invalid != nil || r.failure != nil {
		return 0
	}
	for _, a := range r.accounts[:r.nAccounts] {
		if a.mutations == 0 || a.flags&isPaid != 0 || a.flags&isPresent == 0 {
			continue
		}
		if a.gone() || a.base.exists && a.empty() {
			a.flags |= isDestructed // its storage goes as well
			if a.base.exists {      // otherwise it came and went
				a.version = w.accounts.New(task)
			}
			continue
		}
		nonceSet, codeSet := a.nonce != a.base.nonce, !sameCode(a.code, a.base.code)
		if a.balance.Eq(&a.base.balance) && !nonceSet && !codeSet {
			continue
		}
		a.version = w.accounts.New(task)
		write := &a.version.Write
		write.delta.Sub(&a.balance, &a.base.balance)
		write.nonce, write.nonceSet = a.nonce, nonceSet
		write.code, write.codeSet = a.code, codeSet
		if coinbase != nil && (nonceSet || codeSet || a.addr != *coinbase) {
			w.state.memory.step()
			a.entry.cell.Publish(a.version)
			last = max(last, a.entry.cell.Reader())
		}
	}
	for _, l := range r.slots[:r.nSlots] {
		if l.value == l.base || l.account.flags&isDestructed != 0 {
			continue
		}
		l.version = w.slots.New(task)
		l.version.Value = l.value
		if coinbase != nil {
			w.state.memory.step()
			l.entry.cell.Publish(l.version)
			last = max(last, l.entry.cell.Reader())
		}
	}
	return last
}

// Holds implements blockstm.Program.
func (s *speculation) Holds(worker, task int) bool {
	if s.holds(task) {
		return true
	}
	s.abort(worker, task)
	return false
}

func (s *speculation) holds(task int) bool {
	r := s.record(task)
	if r.failure != nil || !s.fits(s.txs[task].Call().Gas) {
		return false // what does not fit is judged against the block's gas
	}
	for _, a := range r.accounts[:r.nAccounts] {
		if a.entry == s.memory.fees.entry && a.flags&isPaid == 0 {
			s.memory.settleFees() // for the comparison, and for what is committed on top
		}
		if !a.holds() {
			return false
		}
	}
	for _, l := range r.slots[:r.nSlots] {
		if l.flags&readSlot != 0 && slotValue(l.entry) != l.base {
			return false
		}
	}
	return true
}

// holds compares what the transaction relied on with the committed account: all
// there is, if it destroys the account, or would by a mere touch.
func (a *account) holds() bool {
	f := a.reliedOn()
	return f == 0 || a.agrees(f)
}

// reliedOn returns the flags of what must not have changed under the transaction.
func (a *account) reliedOn() uint16 {
	f := a.flags
	if f&isLoaded == 0 || f&isPaid != 0 {
		return 0 // was not looked at; payments are for memory.pay
	}
	if f&isDestructed != 0 || a.entry.cell.Committed().Value.hollow() || a.base.hollow() {
		f |= readExist | readBalance | readNonce | readCode
	}
	return f
}

// agrees reports whether what the flags name is as the transaction took it to be.
func (a *account) agrees(f uint16) bool {
	is := &a.entry.cell.Committed().Value
	return (f&readExist == 0 || is.exists == a.base.exists) &&
		(f&readNonce == 0 || is.nonce == a.base.nonce) &&
		(f&readCode == 0 || sameCode(is.code, a.base.code)) &&
		(f&readBalance == 0 || is.balance.Eq(&a.base.balance)) &&
		(f&boundBalance == 0 || !is.balance.Lt(&a.bound))
}

// Withdraw implements blockstm.Program.
func (s *speculation) Withdraw(task int) {
	r := s.record(task)
	r.takeBack(&r.footprint, s.memory)
	r.number = 0
	s.memory.listWithdrawn(&r.withdrawn)
}

// takeBack takes the versions of a footprint back and empties it. It returns the last
// reader of any.
func (r *record) takeBack(f *footprint, m *memory) (last uint64) {
	for _, a := range f.accounts[:f.nAccounts] {
		if a.version != nil {
			m.step()
			a.version.Withdraw()
			last = max(last, a.entry.cell.Reader())
			r.withdrawn.accounts = append(r.withdrawn.accounts, a.entry)
		}
	}
	for _, l := range f.slots[:f.nSlots] {
		if l.version != nil {
			m.step()
			l.version.Withdraw()
			last = max(last, l.entry.cell.Reader())
			r.withdrawn.slots = append(r.withdrawn.slots, l.entry)
		}
	}
	f.reset()
	return last
}

// listWithdrawn lists what the record has withdrawn so far.
func (m *memory) listWithdrawn(w *withdrawn) {
	for _, e := range w.accounts {
		m.list(e)
	}
	for _, e := range w.slots {
		m.list(e.key.account)
		m.listSlot(e)
	}
	w.accounts, w.slots = w.accounts[:0], w.slots[:0]
}

// shown tells who has read what the task, now committed, has changed, unless that was
// told when it was published.
func (s *speculation) shown(task int, r *record) {
	if r.published {
		return
	}
	last := r.last
	for _, a := range r.accounts[:r.nAccounts] {
		if a.version != nil {
			last = max(last, a.entry.cell.Reader())
		}
	}
	for _, l := range r.slots[:r.nSlots] {
		if l.version != nil {
			last = max(last, l.entry.cell.Reader())
		}
	}
	s.push(task, last)
}

// Stands implements blockstm.Program. Of accounts it looks at what the transaction has
// really read; the rest is left for the frontier to judge.
func (s *speculation) Stands(worker, task int) bool {
	r, g := s.record(task), s.guess(worker, task)
	if r.failure != nil {
		return true
	}
	for _, l := range r.slots[:r.nSlots] {
		if l.flags&readSlot == 0 {
			continue
		}
		if value, w := g.slotNow(l.entry); value != l.base {
			by := l.entry.cell.Committed().Task
			if w != nil {
				by = w.Task
			}
			r.loss = loss{at: spot{slot: l.entry}, cause: report.CauseSlot, writer: s.writer(by)}
			return false
		}
	}
	for _, a := range r.accounts[:r.nAccounts] {
		const really = readBalance | readNonce | readCode | readExist
		if a.flags&really == 0 || a.flags&isPaid != 0 || a.entry == nil || a.entry == s.memory.fees.entry {
			continue
		}
		var now accountValue
		by := g.account(&now, a.entry)
		switch {
		case a.flags&readBalance != 0 && !now.balance.Eq(&a.base.balance):
			r.loss = loss{at: spot{account: a.entry, field: report.Balance}, cause: report.CauseBalance, writer: s.writer(by)}
		case a.flags&readNonce != 0 && now.nonce != a.base.nonce && (now.nonce > a.base.nonce || a.addr != s.txs[task].From): // a sender's is taken to be his turn
			r.loss = loss{at: spot{account: a.entry, field: report.Nonce}, cause: report.CauseNonce, writer: s.writer(by)}
		case a.flags&readCode != 0 && !sameCode(now.code, a.base.code):
			r.loss = loss{at: spot{account: a.entry, field: report.Code}, cause: report.CauseCode, writer: s.writer(by)}
		case a.flags&readExist != 0 && now.exists != a.base.exists:
			r.loss = loss{at: spot{account: a.entry, field: report.Existence}, cause: report.CauseExistence, writer: s.writer(by)}
		default:
			continue
		}
		return false
	}
	return true
}

// writer returns the place in the stream of a task that versions name, or Nowhere if it
// lies before the run.
func (s *speculation) writer(task int) int32 {
	if task < s.tasks {
		return report.Nowhere
	}
	return int32(s.first + task - s.tasks) //nolint:gosec // places in a stream are small
}

// Commit implements blockstm.Program.
func (s *speculation) Commit(_, task int) bool {
	r, tx := s.record(task), s.txs[task]
	r.number = 0 // it is over with this execution; if it is refused, the next run may number another so
	s.memory.listWithdrawn(&r.withdrawn)
	switch {
	case r.failure != nil:
		s.err = r.failure
	case r.invalid != nil:
		s.cut, s.err = s.refuse(tx, r.invalid, s.strict, s.out)
		if s.cut || s.err != nil {
			return false
		}
		s.shown(task, r)
		return true
	}
	if s.err != nil {
		return false
	}
	receipt := r.receipt
	r.receipt = nil
	if s.err = s.charge(tx.Call().Gas, receipt.GasUsed, r.taken); s.err != nil {
		return false
	}
	s.memory.trace.include(&r.footprint, tx, receipt.GasUsed)
	for _, a := range r.accounts[:r.nAccounts] {
		s.memory.step()
		if a.flags&isPaid != 0 {
			s.memory.pay(&a.balance, s.tasks+task)
		} else if v := a.version; v != nil {
			was := &a.entry.cell.Committed().Value
			if !a.gone() {
				v.Write.applyTo(&v.Value, was)
			}
			if was.exists && !v.Value.exists {
				s.memory.wipe(a.entry)
				s.memory.step()
			}
			a.entry.cell.Commit(v)
			s.memory.list(a.entry)
		}
	}
	for _, l := range r.slots[:r.nSlots] {
		if l.version != nil {
			s.memory.list(l.entry.key.account)
			s.memory.step()
			l.entry.cell.Commit(l.version)
			s.memory.step()
			count(l.entry)
			s.memory.listSlot(l.entry)
		}
	}
	s.memory.log.committed(&r.footprint, uint32(len(s.included)+1), &s.memory.fees.value.balance)
	s.hints.sample(s.memory, tx, &r.footprint, len(s.included), r.lost)
	s.shown(task, r)
	s.include(tx, receipt, s.out)
	if s.blooming != nil {
		s.blooming.ready.Add(1)
	}
	return true
}

// twoGas is what a transaction takes from a block whose gas has two dimensions, as from
// Amsterdam on (EIP-8037).
type twoGas struct{ execution, state uint64 }

// taken returns what the last transaction took from a copy of the budget.
func (l *lane) taken() twoGas {
	return twoGas{
		execution: l.scratch.CumulativeExecution() - l.budget.CumulativeExecution(),
		state:     l.scratch.CumulativeState() - l.budget.CumulativeState(),
	}
}

// fits reports whether the block has room for a transaction with the gas limit.
func (b *block) fits(limit uint64) bool {
	if b.rules.IsAmsterdam {
		return b.pool.CheckGasAmsterdam(min(limit, params.MaxTxGas), limit) == nil
	}
	return b.pool.Available(false) >= limit
}

// charge books a transaction that was executed against another gas pool.
func (b *block) charge(limit, used uint64, taken twoGas) error {
	var err error
	if b.rules.IsAmsterdam {
		err = b.pool.ChargeGasAmsterdam(taken.execution, taken.state, used)
	} else if err = b.pool.CheckGasLegacy(limit); err == nil {
		err = b.pool.ChargeGasLegacy(limit-used, used)
	}
	if err != nil {
		return fmt.Errorf("%w: charge %d of %d gas: %w", motet.ErrHalt, used, limit, err)
	}
	return nil
}

// needWithBlobs computes what the sender must own, as core's buyGas does: gas at
// the fee cap, the value, and what blobs may cost. It reports false on overflow.
func (m *message) needWithBlobs(out *uint256.Int) bool {
	out.SetUint64(m.GasLimit)
	if _, overflow := out.MulOverflow(out, &m.feeCap); overflow {
		return false
	}
	if _, overflow := out.AddOverflow(out, &m.value); overflow {
		return false
	}
	if len(m.BlobHashes) == 0 {
		return true
	}
	fee := uint256.NewInt(uint64(len(m.BlobHashes)) * params.BlobTxBlobGasPerBlob)
	if _, overflow := fee.MulOverflow(fee, m.BlobGasFeeCap); overflow {
		return false
	}
	_, overflow := out.AddOverflow(out, fee)
	return !overflow
}
