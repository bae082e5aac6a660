package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// fees is what the coinbase has earned since its cell was written last. Every
// transaction pays it and hardly any looks at it, so payments are summed up here,
// in the order of commit, and the cell gets the sum when somebody looks. It
// belongs to the committer.
type fees struct {
	entry   *accountEntry // the coinbase; nil where payments are not summed up
	pending bool
	task    int // of the last payment
	value   accountValue
}

// collect sums up payments to coinbase from now on.
func (m *memory) collect(coinbase common.Address) error {
	e, err := m.account(&coinbase, m.seeds.address(&coinbase))
	m.fees = fees{entry: e}
	return err
}

// payee returns the transaction's entry for a coinbase that it only pays: what
// the account holds is not looked at.
func (s *txState) payee(a *account) *account {
	a.entry = s.memory.fees.entry
	a.flags |= isLoaded | isPresent | isPaid
	return a
}

// pay makes a payment of a transaction that is being committed. One that makes the
// account exist, or exist no longer, does so for all to see.
func (m *memory) pay(amount *uint256.Int, task int) {
	f := &m.fees
	if amount.IsZero() {
		if !f.pending && f.entry.cell.Committed().Value.hollow() {
			m.wipe(f.entry)
			m.list(f.entry)
			f.entry.cell.Commit(&accountVersion{Task: task})
		}
		return
	}
	if !f.pending {
		f.value, f.pending = f.entry.cell.Committed().Value, true
		m.list(f.entry)
	}
	exists := f.value.exists
	f.task = task
	f.value.balance.Add(&f.value.balance, amount)
	f.value.exists = !f.value.empty() // which a balance that overflows can come to
	if exists && !f.value.exists {
		m.wipe(f.entry)
	}
	if exists != f.value.exists {
		m.settleFees()
	}
}

// settleFees writes the sum into the cell. It must be called before anybody
// takes what is in the cell for committed.
func (m *memory) settleFees() {
	if f := &m.fees; f.pending {
		f.pending = false
		f.entry.cell.Commit(&accountVersion{Task: f.task, Value: f.value})
	}
}

// resolve turns what the transaction paid into a credit on committed values.
func (a *account) resolve() {
	paid := a.balance
	a.flags &^= isPaid
	a.base = a.entry.cell.Committed().Value
	a.nonce, a.code = a.base.nonce, a.base.code
	a.balance.Add(&a.base.balance, &paid)
}
