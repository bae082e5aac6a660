package report

import (
	"time"
	"unsafe"

	"github.com/ethereum/go-ethereum/common"
)

// Field is what of the state a location holds.
type Field uint8

const (
	// Slot is a storage slot of a contract.
	Slot Field = iota
	// Balance is an account's balance as a value, not as something to compare
	// with.
	Balance
	// Nonce is an account's nonce.
	Nonce
	// Code is an account's code.
	Code
	// Existence is whether there is an account.
	Existence
)

// Location is a place in the state.
type Location struct {
	Address common.Address
	Field   Field
	Slot    common.Hash // if Field is Slot
}

// Cause is why an execution did not hold.
type Cause uint8

const (
	// CauseSlot means: a slot has another value than the one read.
	CauseSlot Cause = iota
	// CauseBalance means: a balance has another value than the one read.
	CauseBalance
	// CauseFunds means: an account that was thought to be able to pay is not.
	CauseFunds
	// CauseNonce means: a nonce is not the one read or expected.
	CauseNonce
	// CauseCode means: an account has other code than the one read.
	CauseCode
	// CauseExistence means: an account exists that did not, or the other way round.
	CauseExistence
	// CauseGas means: it is not sure that the block has gas left for the transaction.
	CauseGas
	// CauseRead means: reading the state failed.
	CauseRead
)

//nolint:gochecknoglobals // constant tables
var (
	fieldNames = [...]string{"slot", "balance", "nonce", "code", "existence"}
	causeNames = [...]string{"slot", "balance", "funds", "nonce", "code", "existence", "gas", "read"}
)

func (f Field) String() string { return fieldNames[f] }

func (c Cause) String() string { return causeNames[c] }

// Nowhere is the place of what has none.
const Nowhere = -1

// Edge says that transaction Reader read what Writer wrote at a place. Both are
// indexes in the block, the place is one in Block.Places.
type Edge struct{ Reader, Writer, Place int32 }

// Abort is an execution whose result was thrown away because something that it
// read had changed.
type Abort struct {
	At     int64 // nanoseconds since the block was opened
	Task   int32 // place in the stream
	Place  int32 // in Block.Places, or Nowhere
	Writer int32 // index in the block of who changed it, or Nowhere
	Cause  Cause
}

// Gap is a part of the stream that is not in the block.
type Gap struct {
	From, To int32 // places in the stream
	// Unseen means: the slice ended before it. Otherwise the transactions cannot be
	// included.
	Unseen bool
}

// Solo counts transactions that ran one after the other, by reason.
type Solo struct {
	Reason       string
	Transactions int
}

// Block is how a block was executed. It does not change any more.
//
// The stream is all transactions that were offered to the block, in order. Those
// that it includes have an index in it besides.
type Block struct {
	// Workers is how many transactions could run at a time.
	Workers int
	// Slices is how many portions the transactions came in, and Wall the time
	// that running them took. Other work of the process between is not in it.
	Slices int
	Wall   time.Duration
	// Transactions and Gas are what the block includes.
	Transactions int
	Gas          uint64
	// CriticalGas is the gas of the costliest chain of dependent transactions.
	CriticalGas uint64

	Lanes  [][]Lap
	Edges  []Edge // by reader
	Places []Location
	Aborts []Abort
	Gaps   []Gap // ascending
	Solos  []Solo
}

// Bytes is about how much memory the report takes.
func (b *Block) Bytes() int {
	n := int(unsafe.Sizeof(*b))
	for _, lane := range b.Lanes {
		n += cap(lane) * int(unsafe.Sizeof(Lap{}))
	}
	return n + cap(b.Edges)*int(unsafe.Sizeof(Edge{})) +
		cap(b.Places)*int(unsafe.Sizeof(Location{})) +
		cap(b.Aborts)*int(unsafe.Sizeof(Abort{})) +
		cap(b.Gaps)*int(unsafe.Sizeof(Gap{})) +
		cap(b.Solos)*int(unsafe.Sizeof(Solo{}))
}
