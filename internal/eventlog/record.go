package eventlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
)

// Kind tells the records apart.
type Kind uint8

// The kinds of record. Their values are part of the wire format.
const (
	KindOpen  Kind = 1
	KindSlice Kind = 2
	KindSeal  Kind = 3
	KindEpoch Kind = 4
	KindReorg Kind = 5
)

// String returns the kind's name in the log's own spelling.
func (k Kind) String() string {
	switch k {
	case KindOpen:
		return "OPEN"
	case KindSlice:
		return "SLICE"
	case KindSeal:
		return "SEAL"
	case KindEpoch:
		return "EPOCH"
	case KindReorg:
		return "REORG"
	default:
		return "kind " + strconv.Itoa(int(k))
	}
}

// Record is an entry of the log.
type Record struct {
	Cursor
	// Prev is the hash of the record before this one. For the first record of
	// a generation it is derived from the chain's identity.
	Prev common.Hash
	Body
}

// Body is what a record says. Exactly one field is set.
type Body struct {
	Open  *motet.Open
	Slice *Slice
	Seal  *Seal
	Epoch *Epoch
	Reorg *Reorg
}

// Kind returns the kind of the field that is set, zero if none is.
func (b Body) Kind() Kind {
	switch {
	case b.Open != nil:
		return KindOpen
	case b.Slice != nil:
		return KindSlice
	case b.Seal != nil:
		return KindSeal
	case b.Epoch != nil:
		return KindEpoch
	case b.Reorg != nil:
		return KindReorg
	default:
		return 0
	}
}

// Slice adds transactions to the open block: the inputs, and a digest of what
// executing each gave.
type Slice struct {
	Number  uint64 // of the block
	Index   uint64 // of the slice within the block
	Txs     []hexutil.Bytes
	Digests []Digest
}

// Digest binds a receipt.
type Digest struct {
	Status  uint8
	GasUsed uint64
	// ReceiptHash is the Keccak-256 of the receipt's consensus encoding.
	ReceiptHash common.Hash
}

// Seal ends a block: its roots are known.
type Seal struct {
	Number uint64
	Header *types.Header
}

// Epoch announces a new writer. Its number is one above that of the last Epoch
// in the log.
type Epoch struct {
	Epoch  uint64
	Parent motet.BlockRef // the block that the writer builds on
}

// Reorg takes back every block after Fork.
type Reorg struct {
	Fork    motet.BlockRef
	Reason  string
	L1Block uint64 // the L1 block that caused it, if one did
}

// Cursor is a position in the log: that of the record with the given counter.
// The zero Cursor stands before the first record.
type Cursor struct {
	// Generation changes when a log is written anew.
	Generation uint64
	// Counter numbers the records without gaps and never goes back.
	Counter uint64
}

// String returns the form that ParseCursor reads.
func (c Cursor) String() string {
	return strconv.FormatUint(c.Generation, 10) + "-" + strconv.FormatUint(c.Counter, 10)
}

var errCursorForm = errors.New(`not of the form "generation-counter"`)

// ParseCursor reads what Cursor.String wrote.
func ParseCursor(s string) (Cursor, error) {
	g, n, ok := strings.Cut(s, "-")
	if !ok {
		return Cursor{}, fmt.Errorf("parse cursor %q: %w", s, errCursorForm)
	}
	generation, err := strconv.ParseUint(g, 10, 64)
	if err != nil {
		return Cursor{}, fmt.Errorf("parse cursor %q: %w", s, errCursorForm)
	}
	counter, err := strconv.ParseUint(n, 10, 64)
	if err != nil {
		return Cursor{}, fmt.Errorf("parse cursor %q: %w", s, errCursorForm)
	}
	return Cursor{Generation: generation, Counter: counter}, nil
}
