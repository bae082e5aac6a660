package predict

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
)

const (
	maxLocations = 32 // of a template, and of an access list
	maxArguments = 8  // words of call data that are looked at
	maxDepth     = 3  // of nested mappings
	selectorSize = 4
	wordSize     = common.HashLength
)

// operandKind says where a word comes from.
type operandKind uint8

const (
	constant operandKind = iota
	caller
	callee
	callValue
	argument
)

// operand is a word that a transaction determines.
type operand struct {
	kind  operandKind
	index uint8 // of an argument
	width uint8 // low bytes of an argument that count; the others are masked away

	value common.Hash // of a constant
}

// slotPath is a storage slot as a contract computes it: from a word, through one
// keccak for each mapping on the way. offsets[i] is added after i mappings.
type slotPath struct {
	root    operand
	keys    [maxDepth]operand
	offsets [maxDepth + 1]uint64
	depth   uint8
	// swapped tells, for each mapping, that its slot is hashed before its key:
	// Vyper does so, Solidity hashes the key first.
	swapped uint8
}

// location is a storage slot that a template names.
type location struct {
	address operand
	slot    slotPath
	write   bool
}

// seeds make the hash of a location unpredictable, so that nobody can make up
// locations that seem to be equal.
type seeds [5]uint64

func newSeeds() (s seeds) {
	for i := range s {
		s[i] = rand.Uint64() | 1
	}
	return s
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// word hashes the 32 bytes of a word, given as it lies in memory.
func (s *seeds) word(a, b, c, d uint64) uint64 {
	return mix(a^s[0], b^s[1]) ^ mix(c^s[2], d^s[3])
}

func (s *seeds) hash(h *common.Hash) uint64 {
	le := binary.LittleEndian
	return s.word(le.Uint64(h[0:8]), le.Uint64(h[8:16]), le.Uint64(h[16:24]), le.Uint64(h[24:32]))
}

// address hashes an address as the word that holds it.
func (s *seeds) address(a *common.Address) uint64 {
	le := binary.LittleEndian
	return s.word(0, uint64(le.Uint32(a[0:4]))<<32, le.Uint64(a[4:12]), le.Uint64(a[12:20]))
}

// mapped hashes the slot of key in the mapping at slot.
func (s *seeds) mapped(slot, key uint64, swapped bool) uint64 {
	if swapped {
		slot, key = key, slot
	}
	return mix(slot^s[2], key^s[4])
}

func (s *seeds) located(address, slot uint64) uint64 { return mix(address^s[3], slot^s[0]) }

func shifted(slot, offset uint64) uint64 { return slot + offset*0x9e3779b97f4a7c15 }

// call is a transaction as templates see it.
type call struct {
	tx     *motet.Tx
	callee *common.Address
	data   []byte // after the selector
}

func newCall(tx *motet.Tx, to *Target, data []byte) call {
	return call{tx: tx, callee: &to.Address, data: data[min(selectorSize, len(data)):]}
}

// argument writes an argument word, padded with zeros as the EVM does.
func (c *call) argument(index, width uint8, out *common.Hash) {
	*out = common.Hash{}
	if at := int(index) * wordSize; at < len(c.data) {
		skip := wordSize - int(width)
		if rest := c.data[at:]; skip < len(rest) {
			copy(out[skip:], rest[skip:])
		}
	}
}

// word returns the value of o.
func (c *call) word(o *operand) (w common.Hash) {
	switch o.kind {
	case constant:
		return o.value
	case caller:
		copy(w[12:], c.tx.From[:])
	case callee:
		copy(w[12:], c.callee[:])
	case callValue:
		return c.value()
	case argument:
		c.argument(o.index, o.width, &w)
	}
	return w
}

func (c *call) value() common.Hash {
	v := new(uint256.Int)
	*v = c.tx.Call().Value
	return v.Bytes32()
}

// access returns the exact slot of the location.
func (c *call) access(h *hasher, l *location) Access {
	p := &l.slot
	slot := plus(c.word(&p.root), p.offsets[0])
	for i := range p.depth {
		slot = h.mapped(slot, c.word(&p.keys[i]), p.swapped&(1<<i) != 0)
		slot = plus(slot, p.offsets[i+1])
	}
	w := c.word(&l.address)
	return Access{Address: common.Address(w[12:]), Slot: slot, Write: l.write}
}

func plus(slot common.Hash, offset uint64) common.Hash {
	if offset == 0 {
		return slot
	}
	n := new(uint256.Int).SetBytes32(slot[:])
	n.AddUint64(n, offset)
	return n.Bytes32()
}

// hasher computes slots of mappings.
type hasher struct {
	keccak crypto.KeccakState
	in     [2 * wordSize]byte
	out    common.Hash
	used   int
}

func newHasher() *hasher { return &hasher{keccak: crypto.NewKeccakState()} }

// mapped returns the slot of key in the mapping at slot.
func (h *hasher) mapped(slot, key common.Hash, swapped bool) common.Hash {
	if swapped {
		slot, key = key, slot
	}
	copy(h.in[:wordSize], key[:])
	copy(h.in[wordSize:], slot[:])
	h.keccak.Reset()
	_, _ = h.keccak.Write(h.in[:])
	_, _ = h.keccak.Read(h.out[:])
	h.used++
	return h.out
}
