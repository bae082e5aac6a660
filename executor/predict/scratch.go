package predict

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

const (
	maxCells  = 96
	maxOffset = 1 << 20
	endless   = 1 << 32
)

// scratch is the memory of the analysis: what was written, newest last.
type scratch struct {
	cells []cell
}

type cell struct {
	at, size uint64
	value    symbol // unknown unless the size is that of a word
}

// write puts a cell over what is there. It reports false if there are too many.
func (m *scratch) write(c cell) bool {
	m.cells = slices.DeleteFunc(m.cells, func(old cell) bool {
		return old.at >= c.at && old.at+old.size <= c.at+c.size
	})
	m.cells = append(m.cells, c)
	return len(m.cells) <= maxCells
}

func (m *scratch) store(at, value *symbol) bool {
	if n, ok := at.small(); ok && n < maxOffset {
		return m.write(cell{n, wordSize, *value})
	}
	return m.spoil(at, &symbol{})
}

// spoil forgets n bytes from at on, or all if it is not known where that is.
func (m *scratch) spoil(at, n *symbol) bool {
	c := cell{size: endless}
	if n.is(0) {
		return true
	}
	if from, ok := at.small(); ok && from < maxOffset {
		c.at = from
		if long, ok := n.small(); ok && long < maxOffset {
			c.size = long
		}
	}
	return m.write(c)
}

// load returns the word at a constant place.
func (m *scratch) load(at uint64) symbol {
	for _, c := range slices.Backward(m.cells) {
		switch {
		case c.at == at && c.size == wordSize:
			return c.value
		case c.at < at+wordSize && at < c.at+c.size:
			return symbol{}
		}
	}
	return symbol{kind: number}
}

// fill copies words to at: those of call data, of code.
func (m *scratch) fill(at, n uint64, word func(i uint64) symbol) bool {
	ok := true
	for i := uint64(0); i < n && ok; i += wordSize {
		if n-i < wordSize {
			return m.write(cell{at: at + i, size: n - i})
		}
		ok = m.write(cell{at + i, wordSize, word(i)})
	}
	return ok
}

const maxFolded = 8 // words of memory whose keccak the analysis computes

// keccak returns the keccak of a range of memory.
func (m *scratch) keccak(at, n *symbol) symbol {
	from, ok := at.small()
	long, known := n.small()
	if !ok || !known || from >= maxOffset || long%wordSize != 0 || long > maxFolded*wordSize {
		return symbol{}
	}
	if long == 2*wordSize {
		first, second := m.load(from), m.load(from+wordSize)
		return mappingOf(&first, &second)
	}
	var bytes []byte
	for i := uint64(0); i < long; i += wordSize {
		w := m.load(from + i)
		if w.kind != number {
			return symbol{}
		}
		b := w.value.Bytes32()
		bytes = append(bytes, b[:]...)
	}
	return hashNumber(crypto.Keccak256Hash(bytes))
}

func hashNumber(h common.Hash) symbol {
	return symbol{kind: number, value: *new(uint256.Int).SetBytes32(h[:])}
}

func (m *scratch) clone() scratch { return scratch{slices.Clone(m.cells)} }
