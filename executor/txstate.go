package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"
)

// flags of an account or a slot within one transaction.
const (
	isLoaded  uint16 = 1 << iota // the shared cell was read
	isWarm                       // in the EIP-2929 access list
	isPresent                    // the account exists, as the transaction sees it
	isNew                        // made a contract by this transaction (EIP-6780)
	isDestructed
	isStripped // destroyed, but for its balance (EIP-8246)
	isPaid     // a coinbase that was only paid: balance is the payment, the rest is unknown

	// What the transaction relied on. A value that it never looked at may
	// change under it.
	readExist
	readBalance
	readNonce
	readCode
	readSlot
	boundBalance // the balance before the transaction is at least bound
)

// account is an account as one transaction sees it.
type account struct {
	addr  common.Address
	hash  uint64
	flags uint16
	// mutations counts the journal entries that change the account. One whose
	// changes were all reverted is left alone at the end of the transaction,
	// which matters where empty accounts exist.
	mutations int32

	entry *accountEntry
	base  accountValue // the one read of the cell

	nonce   uint64
	balance uint256.Int
	code    *code
	bound   uint256.Int

	version *accountVersion // published by a speculative execution
}

// slot is a storage slot as one transaction sees it.
type slot struct {
	account *account
	key     common.Hash
	flags   uint16
	entry   *slotEntry
	base    common.Hash // at the start of the transaction
	value   common.Hash
	version *slotVersion
}

type transientSlot struct {
	addr  common.Address
	key   common.Hash
	value common.Hash
}

type transientKey struct {
	addr common.Address
	key  common.Hash
}

// footprint is what a transaction touched: its accounts and slots in the order
// of first use, and its logs. It outlives the transaction that filled it until
// that transaction is committed.
type footprint struct {
	accounts  []*account
	slots     []*slot
	nAccounts int
	nSlots    int
	logs      []*types.Log
}

func (f *footprint) reset() {
	f.nAccounts, f.nSlots = 0, 0
	clear(f.logs)
	f.logs = f.logs[:0]
}

func (f *footprint) newAccount() *account {
	if f.nAccounts == len(f.accounts) {
		chunk := make([]account, 8)
		for i := range chunk {
			f.accounts = append(f.accounts, &chunk[i])
		}
	}
	a := f.accounts[f.nAccounts]
	f.nAccounts++
	return a
}

func (f *footprint) newSlot() *slot {
	if f.nSlots == len(f.slots) {
		chunk := make([]slot, 8)
		for i := range chunk {
			f.slots = append(f.slots, &chunk[i])
		}
	}
	s := f.slots[f.nSlots]
	f.nSlots++
	return s
}

// txState is the state that one transaction runs on: flat tables of what it
// touches over the block's memory, an undo log, and no maps on the common path.
// It implements vm.StateDB; the methods of that interface are thin faces over
// the ones that work on an *account or a *slot. It belongs to one goroutine and
// is reused for transaction after transaction.
type txState struct {
	*footprint

	memory *memory
	guess  *guess // how a speculative execution reads; nil reads committed values

	accountIndex localIndex
	slotIndex    localIndex
	lastAccount  *account
	lastSlot     *slot

	journal     []undo
	refund      uint64
	precompiles []common.Address

	transient      []transientSlot
	transientIndex map[transientKey]int

	// sender is set from the start of a speculative transaction to Prepare: its
	// balance is only compared with need until then.
	sender *account
	need   uint256.Int

	txHash      common.Hash
	txIndex     uint
	accessIndex uint32 // of the block access list

	balances    [8]uint256.Int // what GetBalance has pointed to lately
	nextBalance uint8

	err error // the first failure of the state reader

	deployed int // bytes of code that were made since the lane got its EVM
}

var _ vm.StateDB = (*txState)(nil)

func newTxState(m *memory) *txState {
	return &txState{
		footprint:      new(footprint),
		memory:         m,
		accountIndex:   newLocalIndex(),
		slotIndex:      newLocalIndex(),
		transientIndex: make(map[transientKey]int),
	}
}

// reset forgets the transaction.
func (s *txState) reset() {
	s.footprint.reset()
	s.forget()
}

// forget leaves the footprint alone and forgets all else, so that the next
// transaction may fill another one.
func (s *txState) forget() {
	s.accountIndex.reset()
	s.slotIndex.reset()
	s.lastAccount, s.lastSlot = nil, nil
	s.journal = s.journal[:0]
	s.refund = 0
	s.sender = nil
	s.err = nil
}

// localIndex finds positions in the footprint by hash. Entries carry the epoch
// that wrote them, so that emptying it is one addition.
type localIndex struct {
	entries []uint64 // epoch<<32 | position
	epoch   uint32
	used    int
}

func newLocalIndex() localIndex { return localIndex{entries: make([]uint64, 64), epoch: 1} }

func (x *localIndex) reset() {
	x.used = 0
	x.epoch++
	if x.epoch == 0 {
		clear(x.entries)
		x.epoch = 1
	}
}

// full reports whether the index must grow before the next insertion.
func (x *localIndex) full() bool { return (x.used+1)*2 > len(x.entries) }

// grow empties the index and doubles it; the caller inserts anew.
func (x *localIndex) grow() {
	x.entries = make([]uint64, 2*len(x.entries))
	x.epoch, x.used = 1, 0
}

func (x *localIndex) insert(hash uint64, position int) {
	mask := uint64(len(x.entries) - 1)
	i := hash & mask
	for uint32(x.entries[i]>>32) == x.epoch {
		i = (i + 1) & mask
	}
	x.entries[i] = uint64(x.epoch)<<32 | uint64(uint32(position))
	x.used++
}

// account returns the transaction's entry for addr, which need not be loaded.
func (s *txState) account(addr *common.Address) *account {
	if a := s.lastAccount; a != nil && a.addr == *addr {
		return a
	}
	hash := s.memory.seeds.address(addr)
	x := &s.accountIndex
	mask := uint64(len(x.entries) - 1)
	for i := hash & mask; uint32(x.entries[i]>>32) == x.epoch; i = (i + 1) & mask {
		if a := s.accounts[uint32(x.entries[i])]; a.addr == *addr {
			s.lastAccount = a
			return a
		}
	}
	if x.full() {
		x.grow()
		for i, a := range s.accounts[:s.nAccounts] {
			x.insert(a.hash, i)
		}
	}
	x.insert(hash, s.nAccounts)
	a := s.newAccount()
	*a = account{addr: *addr, hash: hash}
	s.lastAccount = a
	return a
}

// loaded returns the transaction's entry for addr with its values.
func (s *txState) loaded(addr *common.Address) *account {
	a := s.account(addr)
	if a.flags&isLoaded == 0 {
		s.load(a, addr)
	}
	return a
}

// load reads the account at addr, which is a's.
func (s *txState) load(a *account, addr *common.Address) { s.loadAs(a, addr, false) }

// loadAs is load, but that a speculative transaction may take what is committed for the
// account that it will find.
func (s *txState) loadAs(a *account, addr *common.Address, committed bool) {
	a.flags |= isLoaded
	e, err := s.memory.account(addr, a.hash)
	a.entry = e
	if err != nil {
		s.fail(err)
		return
	}
	switch {
	case s.guess == nil:
		if e == s.memory.fees.entry {
			s.memory.settleFees()
		}
		a.base.set(&e.cell.Committed().Value)
	case committed && s.guess.index == 0:
		s.memory.step()
		a.base.set(&e.cell.Committed().Value)
	default:
		s.guess.account(&a.base, e)
	}
	a.balance.Set(&a.base.balance)
	a.nonce, a.code = a.base.nonce, a.base.code
	if a.base.exists {
		a.flags |= isPresent
	}
}

// slot returns the transaction's entry for a slot, which need not be loaded.
func (s *txState) slot(a *account, key *common.Hash) *slot {
	if l := s.lastSlot; l != nil && l.account == a && l.key == *key {
		return l
	}
	hash := s.memory.seeds.slot(a.hash, key)
	x := &s.slotIndex
	mask := uint64(len(x.entries) - 1)
	for i := hash & mask; uint32(x.entries[i]>>32) == x.epoch; i = (i + 1) & mask {
		if l := s.slots[uint32(x.entries[i])]; l.account == a && l.key == *key {
			s.lastSlot = l
			return l
		}
	}
	if x.full() {
		x.grow()
		for i, l := range s.slots[:s.nSlots] {
			x.insert(s.memory.seeds.slot(l.account.hash, &l.key), i)
		}
	}
	x.insert(hash, s.nSlots)
	l := s.newSlot()
	*l = slot{account: a, key: *key}
	s.lastSlot = l
	return l
}

// loadedSlot returns the transaction's entry for a slot with its value. The
// account must be loaded and exist.
func (s *txState) loadedSlot(a *account, key *common.Hash) *slot {
	l := s.slot(a, key)
	if l.flags&isLoaded != 0 {
		return l
	}
	l.flags |= isLoaded | readSlot
	if a.entry == nil {
		return l // the reader failed
	}
	e, err := s.memory.slot(a.entry, key)
	l.entry = e
	if err != nil {
		s.fail(err)
		return l
	}
	if s.guess == nil {
		l.base = slotValue(e)
	} else {
		l.base = s.guess.slot(e)
	}
	l.value = l.base
	return l
}

// fail remembers the first failure of the state reader. Whatever the
// transaction computes from then on is thrown away.
func (s *txState) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}
