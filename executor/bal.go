package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// accessLog is what a block's access list (EIP-7928) is made from: the accounts
// and slots that its transactions and system calls touched, each under the number
// it got when it came up first, and what they changed, in order of commit. It
// holds no cells, so it outlives the memory's turn to the next block.
//
// What counts as touched is what geth's StateDB counts: a value that was looked
// at or written after Prepare, also in a call that was reverted. Whoever pays for
// a transaction is looked at before Prepare too, but is written after it, so that
// the difference is none.
type accessLog struct {
	epoch uint64 // of the block, in the upper half: what marks in cells belong to it

	accounts []common.Address
	slots    []slotAccess
	balances []balanceAccess
	nonces   []nonceAccess
	codes    []codeAccess
	values   []valueAccess
}

// In these, account and slot are numbers of the log, and index is the EIP's block
// access index: 0 for the system calls before the transactions, i+1 for
// transaction i, n+1 for what follows n transactions.
type (
	slotAccess struct {
		account uint32
		key     common.Hash
	}
	balanceAccess struct {
		account, index uint32
		balance        uint256.Int
	}
	nonceAccess struct {
		account, index uint32
		nonce          uint64
	}
	codeAccess struct {
		account, index uint32
		code           []byte
	}
	valueAccess struct {
		slot, index uint32
		value       common.Hash
	}
)

// newAccessLog starts the log of a block that is likely to be as large as the
// last one.
func newAccessLog(last *accessLog) *accessLog {
	return &accessLog{
		epoch:    last.epoch + 1<<32,
		accounts: make([]common.Address, 0, roomFor(len(last.accounts))),
		slots:    make([]slotAccess, 0, roomFor(len(last.slots))),
		balances: make([]balanceAccess, 0, roomFor(len(last.balances))),
		nonces:   make([]nonceAccess, 0, roomFor(len(last.nonces))),
		values:   make([]valueAccess, 0, roomFor(len(last.values))),
	}
}

func roomFor(n int) int { return n + n/8 }

// account returns the number of an account that is touched.
func (g *accessLog) account(e *accountEntry) uint32 {
	c := &e.cell
	if c.touched&^0xffffffff != g.epoch {
		c.touched = g.epoch | uint64(len(g.accounts))
		g.accounts = append(g.accounts, e.key)
	}
	return uint32(c.touched)
}

// slot returns the number of a slot that is touched. Its account has been.
func (g *accessLog) slot(e *slotEntry) uint32 {
	c := &e.cell
	if c.touched&^0xffffffff != g.epoch {
		c.touched = g.epoch | uint64(len(g.slots))
		g.slots = append(g.slots, slotAccess{uint32(e.key.account.cell.touched), e.key.key})
	}
	return uint32(c.touched)
}

func (g *accessLog) balance(account, index uint32, balance *uint256.Int) {
	g.balances = append(g.balances, balanceAccess{account: account, index: index})
	g.balances[len(g.balances)-1].balance.Set(balance)
}

func (g *accessLog) code(account, index uint32, c *code) {
	change := codeAccess{account: account, index: index}
	if c != nil {
		change.code = *c.blob.Load() // is there, since the code is new
	}
	g.codes = append(g.codes, change)
}

// destroyed logs that nothing is left of was.
func (g *accessLog) destroyed(account, index uint32, was *accountValue) {
	if !was.balance.IsZero() {
		g.balance(account, index, new(uint256.Int))
	}
	if was.nonce != 0 {
		g.nonces = append(g.nonces, nonceAccess{account, index, 0})
	}
	if was.code != nil {
		g.code(account, index, nil)
	}
}

// settled logs what ran on committed values and was committed in place.
func (g *accessLog) settled(f *footprint, index uint32) {
	for _, a := range f.accounts[:f.nAccounts] {
		if a.flags&isLoaded == 0 || a.entry == nil {
			continue
		}
		n := g.account(a.entry)
		if a.mutations == 0 {
			continue
		}
		is := &a.entry.cell.Committed().Value
		if !is.balance.Eq(&a.base.balance) {
			g.balance(n, index, &is.balance)
		}
		if is.nonce != a.base.nonce {
			g.nonces = append(g.nonces, nonceAccess{n, index, is.nonce})
		}
		if !sameCode(is.code, a.base.code) {
			g.code(n, index, is.code)
		}
	}
	for _, l := range f.slots[:f.nSlots] {
		if l.flags&isLoaded == 0 || l.entry == nil {
			continue
		}
		n := g.slot(l.entry)
		if l.value != l.base && l.account.flags&isDestructed == 0 {
			g.values = append(g.values, valueAccess{n, index, l.value})
		}
	}
}

// committed logs what ran speculatively and was committed by its versions. earned
// is what the coinbase has now, if it was paid.
func (g *accessLog) committed(f *footprint, index uint32, earned *uint256.Int) {
	for _, a := range f.accounts[:f.nAccounts] {
		if a.flags&isLoaded == 0 {
			continue
		}
		n := g.account(a.entry)
		if a.version == nil {
			if a.flags&isPaid != 0 && !a.balance.IsZero() {
				g.balance(n, index, earned)
			}
			continue
		}
		if a.gone() {
			g.destroyed(n, index, &a.base)
			continue
		}
		is, write := &a.version.Value, &a.version.Write
		if !write.delta.IsZero() {
			g.balance(n, index, &is.balance)
		}
		if write.nonceSet {
			g.nonces = append(g.nonces, nonceAccess{n, index, is.nonce})
		}
		if write.codeSet {
			g.code(n, index, is.code)
		}
	}
	for _, l := range f.slots[:f.nSlots] {
		if l.flags&isLoaded == 0 {
			continue
		}
		n := g.slot(l.entry)
		if l.version != nil {
			g.values = append(g.values, valueAccess{n, index, l.version.Value})
		}
	}
}
