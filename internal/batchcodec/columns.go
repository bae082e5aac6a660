package batchcodec

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// The columns, in the order in which they stand in the body.
const (
	colBlocks     = iota // per block: uvarints of time and origin (differences), forced, deposits, transactions
	colKinds             // per transaction: a byte
	colNonces            // uvarints
	colGas               // uvarints: places in the table of gas limits
	colGasNew            // uvarints: entries of that table, as they come
	colFees              // uvarints: places in the table of fees
	colFeesNew           // numbers: entries of that table
	colAddrs             // uvarints: places in the table of addresses, of recipients and in call data
	colAddrsNew          // 20 bytes each: entries of that table
	colValues            // numbers, of the transactions that have a value
	colDataLens          // uvarints
	colData              // bytes of call data that is not taken apart
	colSelects           // uvarints: places in the table of selectors
	colSelectsNew        // 4 bytes each: entries of that table
	colTags              // per word of call data: a byte
	colWords             // words that are nothing special
	colNumbers           // numbers in words: sizes and powers of ten
	colDigits            // numbers of every kind: their digits
	colLists             // per access list, per authorization list: RLP with its length as a uvarint
	colEscapes           // transactions that travel whole, with their length as a uvarint
	numColumns
)

// The bits of a transaction's kind.
const (
	kindTypeMask    = 0x07
	kindCreation    = 0x08 // no recipient
	kindWords       = 0x10 // call data is taken apart into words
	kindValue       = 0x20 // value is not zero
	kindUnprotected = 0x40 // legacy without a chain id
	kindEscape      = 0x07 // as type: travels whole
)

// The tags of words.
const (
	tagZero    = 0
	tagAddress = 1
	tagNumber  = 2
	tagRaw     = 3
)

// maxNumber is the largest size, in bytes, of a word that is taken for a number.
const maxNumber = 16

// table numbers values in the order of their first appearance. Place 0 announces
// a new one.
type table[T comparable] struct {
	places map[T]uint64
	values []T
}

// place returns the place of v, zero if v is new.
func (t *table[T]) place(v T) uint64 {
	if n, ok := t.places[v]; ok {
		return n
	}
	if t.places == nil {
		t.places = make(map[T]uint64)
	}
	t.values = append(t.values, v)
	t.places[v] = uint64(len(t.values))
	return 0
}

// columns is the body before it is joined.
type columns [numColumns][]byte

func (c *columns) uvarint(col int, v uint64) { c[col] = binary.AppendUvarint(c[col], v) }

func (c *columns) sized(col int, b []byte) {
	c.uvarint(col, uint64(len(b)))
	c[col] = append(c[col], b...)
}

// number writes v as a mantissa and a power of ten.
func (c *columns) number(col int, v *uint256.Int) {
	digits, exp := *v, byte(0)
	if !v.IsZero() {
		ten := uint256.NewInt(10)
		for {
			var q, r uint256.Int
			q.DivMod(&digits, ten, &r)
			if !r.IsZero() {
				break
			}
			digits, exp = q, exp+1
		}
	}
	b := digits.Bytes()
	c[col] = append(c[col], byte(len(b)), exp)
	c[colDigits] = append(c[colDigits], b...)
}

func (c *columns) join() []byte {
	size := 0
	for _, col := range c {
		size += len(col) + binary.MaxVarintLen32
	}
	out := make([]byte, 0, size)
	for _, col := range c {
		out = binary.AppendUvarint(out, uint64(len(col)))
		out = append(out, col...)
	}
	return out
}

// cursors reads the columns of a body. The first malformed read sets bad, after
// which all reads give zeros.
type cursors struct {
	cols columns
	bad  bool
}

func split(body []byte) (*cursors, bool) {
	c := new(cursors)
	for i := range c.cols {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, false
		}
		body = body[n:]
		c.cols[i], body = body[:size:size], body[size:]
	}
	return c, len(body) == 0
}

func (c *cursors) uvarint(col int) uint64 {
	v, n := binary.Uvarint(c.cols[col])
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.cols[col] = c.cols[col][n:]
	return v
}

func (c *cursors) bytes(col int, n uint64) []byte {
	if n > uint64(len(c.cols[col])) {
		c.bad = true
		return nil
	}
	b := c.cols[col][:n:n]
	c.cols[col] = c.cols[col][n:]
	return b
}

func (c *cursors) byte(col int) byte {
	if b := c.bytes(col, 1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (c *cursors) sized(col int) []byte { return c.bytes(col, c.uvarint(col)) }

func (c *cursors) number(col int) (v uint256.Int) {
	size, exp := c.byte(col), c.byte(col)
	const maxExp = 77 // 10^77 < 2^256
	if size > 32 || exp > maxExp {
		c.bad = true
		return v
	}
	v.SetBytes(c.bytes(colDigits, uint64(size)))
	if exp > 0 {
		scale := new(uint256.Int).Exp(uint256.NewInt(10), uint256.NewInt(uint64(exp)))
		if _, over := v.MulOverflow(&v, scale); over {
			c.bad = true
		}
	}
	return v
}

// done reports whether every column was read to its end without a fault.
func (c *cursors) done() bool {
	for _, col := range c.cols {
		if len(col) > 0 {
			return false
		}
	}
	return !c.bad
}

// pick reads a place and resolves it; fresh reads the entry that place 0 adds.
func pick[T comparable](c *cursors, t *table[T], col int, fresh func() T) (v T) {
	place := c.uvarint(col)
	if c.bad || place > uint64(len(t.values)) {
		c.bad = true
		return v
	}
	if place > 0 {
		return t.values[place-1]
	}
	v = fresh()
	if !c.bad {
		t.values = append(t.values, v)
	}
	return v
}

// tables are the values that repeat.
type tables struct {
	gas       table[uint64]
	fees      table[uint256.Int]
	addresses table[common.Address]
	selectors table[[4]byte]
}
