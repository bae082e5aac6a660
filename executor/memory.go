package executor

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
)

// beforeBlock is the position of the values that a block starts from.
const beforeBlock = -1

// code is a contract's code under its hash. An account without code has a nil
// *code.
type code struct {
	hash common.Hash
	blob atomic.Pointer[[]byte] // nil until it is read
}

func newCode(hash common.Hash, blob []byte) *code {
	c := &code{hash: hash}
	c.blob.Store(&blob)
	return c
}

// sameCode reports whether two accounts run the same code.
func sameCode(a, b *code) bool {
	return a == b || (a != nil && b != nil && a.hash == b.hash)
}

// accountValue is one complete version of an account. All that is derived from
// an account within a transaction is derived from one such value, read once:
// two reads of the same account could straddle a commit.
type accountValue struct {
	balance uint256.Int
	nonce   uint64
	code    *code
	exists  bool
}

// set is an assignment word by word. What was computed word by word a moment ago must
// be read so: a wider read would wait until the processor has written it, and all
// that it was to write before.
func (v *accountValue) set(from *accountValue) {
	v.balance.Set(&from.balance)
	v.nonce, v.code, v.exists = from.nonce, from.code, from.exists
}

func (v *accountValue) empty() bool {
	return v.nonce == 0 && v.code == nil && v.balance.IsZero()
}

// hollow tells an account from before Spurious Dragon that exists and is empty.
// From then on none is made, and the first touch destroys one (EIP-161).
func (v *accountValue) hollow() bool { return v.exists && v.empty() }

// accountWrite is what one transaction does to an account. Balances change by
// deltas modulo 2^256, so that credits to one account do not conflict.
type accountWrite struct {
	delta    uint256.Int
	nonce    uint64
	code     *code
	nonceSet bool
	codeSet  bool
}

// applyTo sets v to what from becomes by w; both may be the same. Accounts that end
// up empty do not exist, and what they stored is for the caller to wipe: it is used
// under the rules of Spurious Dragon and later only.
func (w *accountWrite) applyTo(v, from *accountValue) {
	v.balance.Add(&from.balance, &w.delta)
	v.nonce, v.code = from.nonce, from.code
	if w.nonceSet {
		v.nonce = w.nonce
	}
	if w.codeSet {
		v.code = w.code
	}
	v.exists = !v.empty()
}

type (
	accountVersion = blockstm.Version[accountWrite, accountValue]
	slotVersion    = blockstm.Version[struct{}, common.Hash]
	accountEntry   = entry[common.Address, accountCell]
	slotEntry      = entry[slotKey, slotCell]
)

type slotKey struct {
	account *accountEntry
	key     common.Hash
}

// accountCell is an account as the open block knows it.
type accountCell struct {
	blockstm.Cell[accountWrite, accountValue]

	awaited atomic.Bool // somebody has begun to load it
	claimed atomic.Bool // somebody writes base

	// These belong to the committer.
	listed     bool          // in memory.changedAccounts
	fresh      bool          // in memory.freshAccounts
	wiped      atomic.Uint32 // times that the block destroyed the account, and its storage
	wipedBelow uint32        // those that a view's layer knows of
	trail      accountTrail
	touched    uint64 // by accessLog

	told *bal.AccountAccess // by the block access list that the block runs along

	base accountVersion  // before the block; immutable once committed first
	own  *accountVersion // written in place while nothing runs concurrently
}

// slotCell is a storage slot as the open block knows it.
type slotCell struct {
	blockstm.Cell[struct{}, common.Hash]

	awaited atomic.Bool   // somebody has begun to load it
	claimed atomic.Bool   // somebody writes base
	listed  bool          // in memory.changedSlots
	fresh   bool          // in memory.freshSlots
	wiped   atomic.Uint32 // value of the account's counter when the committed value was
	trail   slotTrail
	touched uint64 // by accessLog
	told    slotTold

	base slotVersion
	own  *slotVersion
}

// memory is the state of an open block over the state before it: every account
// and slot that the block has looked at, with the value before the block and the
// committed one. Finding and loading is safe for concurrent use, committing is
// for one goroutine.
type memory struct {
	reader     state.Reader
	life       int            // grows when the memory is emptied
	generation uint64         // grows with each block
	root       common.Hash    // of the state before the block
	outcome    *motet.Outcome // of the block, once it is finished
	sealed     common.Hash    // root of the state after it, if known
	seeds      seeds
	accounts   table[common.Address, accountCell]
	slots      table[slotKey, slotCell]

	changedAccounts []*accountEntry
	changedSlots    []*slotEntry
	wiped           bool // some account with storage may have been destroyed
	trace           trace
	log             *accessLog
	fees            fees
	told            told
	sorting         sorting
	ahead           atomic.Pointer[ahead] // of the slice that is being run, if it may be of use

	// Versions that are written in place.
	ownAccounts blockstm.Arena[accountWrite, accountValue]
	ownSlots    blockstm.Arena[struct{}, common.Hash]

	// What changed since the last view of the block.
	freshAccounts []*accountEntry
	freshSlots    []*slotEntry

	yield func() // set by tests, which let other workers come between any two steps
}

// step is called before each look of a speculative execution at a cell, and before each
// change of one that others may look at.
func (m *memory) step() {
	if m.yield != nil {
		m.yield()
	}
}

func newMemory() *memory { return &memory{seeds: newSeeds(), log: new(accessLog), trace: newTrace(1)} }

// reset empties the memory for a block on the state with the given root.
func (m *memory) reset(root common.Hash, reader state.Reader) {
	m.accounts.reset()
	m.slots.reset()
	m.life++
	m.start(root, reader)
}

func (m *memory) start(root common.Hash, reader state.Reader) {
	m.generation++
	m.root, m.sealed, m.outcome = root, common.Hash{}, nil
	m.reader, m.wiped, m.fees = reader, false, fees{}
	m.ownAccounts.Reset()
	m.ownSlots.Reset()
	m.trace.start()
	m.log = newAccessLog(m.log)
	clear(m.changedAccounts)
	clear(m.changedSlots)
	clear(m.freshAccounts)
	clear(m.freshSlots)
	m.changedAccounts, m.changedSlots = m.changedAccounts[:0], m.changedSlots[:0]
	m.freshAccounts, m.freshSlots = m.freshAccounts[:0], m.freshSlots[:0]
}

// account returns the cell of addr, loaded. When the reader fails, the cell
// stays unloaded.
func (m *memory) account(addr *common.Address, hash uint64) (*accountEntry, error) {
	e := m.accounts.intern(hash, addr)
	if e.cell.Committed() != nil {
		return e, nil
	}
	e.cell.awaited.Store(true)
	var v accountValue
	begin := time.Now()
	acct, err := m.reader.Account(*addr)
	m.looked(begin)
	if err != nil {
		at := *addr // which would be put on the heap each time otherwise
		return nil, fmt.Errorf("read account %x: %w", at[:], err)
	}
	if acct != nil {
		v.exists, v.nonce, v.balance = true, acct.Nonce, *acct.Balance
		if hash := common.BytesToHash(acct.CodeHash); hash != types.EmptyCodeHash {
			v.code = &code{hash: hash}
		}
	}
	version := &e.cell.base
	if !e.cell.claimed.CompareAndSwap(false, true) {
		version = new(accountVersion) // another worker loads the cell as well
	}
	version.Task, version.Value = beforeBlock, v
	e.cell.Load(version)
	return e, nil
}

// slot returns the cell of a slot, loaded.
func (m *memory) slot(account *accountEntry, key *common.Hash) (*slotEntry, error) {
	e := m.slots.intern(m.seeds.slot(account.hash, key), &slotKey{account, *key})
	if e.cell.Committed() != nil {
		return e, nil
	}
	e.cell.awaited.Store(true)
	begin := time.Now()
	value, err := m.reader.Storage(account.key, *key)
	m.looked(begin)
	if err != nil {
		at := *key // as above
		return nil, fmt.Errorf("read slot %x of %x: %w", at[:], account.key[:], err)
	}
	version := &e.cell.base
	if !e.cell.claimed.CompareAndSwap(false, true) {
		version = new(slotVersion)
	}
	version.Task, version.Value = beforeBlock, value
	e.cell.Load(version)
	return e, nil
}

// blob returns the bytes of c, which addr runs.
func (m *memory) blob(addr common.Address, c *code) ([]byte, error) {
	if c == nil {
		return nil, nil
	}
	if blob := c.blob.Load(); blob != nil {
		return *blob, nil
	}
	blob := m.reader.Code(addr, c.hash)
	if len(blob) == 0 {
		at := addr // as above
		return nil, fmt.Errorf("read code of %x: code %x is missing", at[:], c.hash[:])
	}
	c.blob.Store(&blob)
	return blob, nil
}

// slotValue returns the committed value of a slot, which a destroyed account
// has lost.
func slotValue(e *slotEntry) common.Hash {
	if e.cell.wiped.Load() != e.key.account.cell.wiped.Load() {
		return common.Hash{}
	}
	return e.cell.Committed().Value
}

// count lets the slot's committed value count, whatever happened to the account before.
func count(e *slotEntry) {
	if wiped := e.key.account.cell.wiped.Load(); wiped != e.cell.wiped.Load() {
		e.cell.wiped.Store(wiped)
	}
}

// slotBefore returns what the slot holds before the block's changes to it: nothing,
// once the account has been destroyed.
func slotBefore(e *slotEntry) (value common.Hash) {
	if e.key.account.cell.wiped.Load() > 0 {
		return value
	}
	return e.cell.base.Value
}
