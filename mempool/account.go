package mempool

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

// item is a transaction in the pool. All fields below the first group belong to
// Pool.mu.
type item struct {
	tx    *motet.Tx
	hash  common.Hash
	nonce uint64
	gas   uint64
	size  int
	cost  uint256.Int
	// tip and fee are the caps, saturated.
	tip, fee uint64
	// auths are the EIP-7702 authorities.
	auths []common.Address
	raw   []byte

	acc     *account
	arrival int64
	seq     uint64
	// batch is the Add that is making the transaction durable; nil once it is.
	batch *batch
	// victims are held to be evicted when the transaction becomes durable.
	victims []*item

	inFlight bool // handed out, not yet settled
	parked   bool // deferred by the executor, waits for the next Settle or Reset
	held     bool // victim of a transaction that is becoming durable
	gapped   bool // an earlier nonce is missing
	gapAt    time.Time
	gone     bool // out of the account
	released bool // the Intake may forget it
	// fate is set when the transaction leaves without inclusion, included when
	// it leaves with.
	fate     motet.Fate
	err      error
	included bool
}

func (it *item) durable() bool { return it.batch == nil }

// account is a sender with transactions in the pool.
type account struct {
	addr    common.Address
	nonce   uint64 // of the first transaction that may run
	balance uint256.Int
	// code tells that the account has code; a sender's can only be an EIP-7702
	// delegation.
	code bool

	// items are sorted by nonce. The first run of them follow each other from
	// nonce on without a gap; the first head of those are in flight.
	items []*item
	run   int
	head  int
	spent uint256.Int // cost of items
	// replacing are replacements that are becoming durable.
	replacing []*item

	pos int // in the ready heap, -1 if not there
}

func (a *account) empty() bool { return len(a.items) == 0 && len(a.replacing) == 0 }

// find returns where the transaction with the given nonce is, or would be.
func (a *account) find(nonce uint64) (int, bool) {
	// The common cases are the next nonce and the first one.
	if n := len(a.items); n == 0 || a.items[n-1].nonce < nonce {
		return n, false
	}
	if a.items[0].nonce == nonce {
		return 0, true
	}
	return slices.BinarySearchFunc(a.items, nonce, func(it *item, nonce uint64) int {
		switch {
		case it.nonce < nonce:
			return -1
		case it.nonce > nonce:
			return 1
		}
		return 0
	})
}

// at returns the transaction with the given nonce, or nil.
func (a *account) at(nonce uint64) *item {
	if i, ok := a.find(nonce); ok {
		return a.items[i]
	}
	return nil
}

// isReplacing reports whether a replacement for nonce is becoming durable.
func (a *account) isReplacing(nonce uint64) bool {
	for _, it := range a.replacing {
		if it.nonce == nonce {
			return true
		}
	}
	return false
}

// expenditure is what the pooled transactions may cost at most, replacements
// that are becoming durable included.
func (a *account) expenditure() uint256.Int {
	sum := a.spent
	for _, r := range a.replacing {
		old := a.at(r.nonce)
		if old == nil {
			sum.Add(&sum, &r.cost)
		} else if r.cost.Gt(&old.cost) {
			sum.Add(&sum, new(uint256.Int).Sub(&r.cost, &old.cost))
		}
	}
	return sum
}

// skipFlight moves head behind the leading transactions in flight.
func (a *account) skipFlight() {
	for a.head < a.run && a.items[a.head].inFlight {
		a.head++
	}
}

func (a *account) dropReplacing(it *item) {
	a.replacing = slices.DeleteFunc(a.replacing, func(r *item) bool { return r == it })
}
