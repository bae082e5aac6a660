package predict

import (
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"
)

const (
	maxSteps    = 4096 // instructions of one analysis, over all paths
	maxForks    = 256  // paths that wait at a time
	maxTouched  = 64   // accesses found on the way, among them those that count
	maxStack    = 256
	precompiles = 0x11
)

// analyser follows the paths that a call can take through a contract. Each path
// is a machine on symbolic words. A path that reverts leaves nothing; all others
// together are the template.
type analyser struct {
	code     []byte
	dests    []uint64 // bit set of JUMPDESTs
	form     callForm
	selector uint32
	steps    int // left
	paths    []machine
	seen     map[uint64]struct{}
	found    []location
	counts   uint64 // of found, those of paths that end well
	ended    bool   // some path ended well
	doubtful bool   // some path that ended well did what the analysis cannot follow
}

// machine is the state at the end of a path so far.
type machine struct {
	pc       uint64
	stack    []symbol
	memory   scratch
	touched  uint64 // of analyser.found
	doubtful bool
	called   bool // there may be return data
}

// analyse returns the locations that calls with the selector of data touch on any
// path, and the steps that it took. ok is false if that cannot be said.
func analyse(code, data []byte, steps int) (found []location, used int, ok bool) {
	a := &analyser{code: code, steps: min(steps, maxSteps), seen: map[uint64]struct{}{}}
	a.form, a.selector = formOf(data)
	budget := a.steps
	a.dests = jumpDests(code)
	a.paths = append(a.paths, machine{})
	for len(a.paths) > 0 && !a.doubtful {
		m := a.paths[len(a.paths)-1]
		a.paths = a.paths[:len(a.paths)-1]
		a.follow(&m)
	}
	used = budget - a.steps
	if a.doubtful || !a.ended {
		return nil, used, false
	}
	found, ok = a.union()
	return found, used, ok
}

// union returns what was found on paths that ended well, each slot once.
func (a *analyser) union() (out []location, ok bool) {
	for i, l := range a.found {
		if a.counts&(1<<i) == 0 {
			continue
		}
		at := slices.IndexFunc(out, func(o location) bool { return o.slot == l.slot })
		if at < 0 {
			out = append(out, l)
		} else {
			out[at].write = out[at].write || l.write
		}
	}
	return out, len(out) <= maxLocations
}

func jumpDests(code []byte) []uint64 {
	set := make([]uint64, len(code)/64+1)
	for pc := 0; pc < len(code); pc++ {
		switch op := vm.OpCode(code[pc]); {
		case op == vm.JUMPDEST:
			set[pc/64] |= 1 << (pc % 64)
		case op >= vm.PUSH1 && op <= vm.PUSH32:
			pc += int(op - vm.PUSH0)
		}
	}
	return set
}

// verdict is how an instruction leaves its path.
type verdict uint8

const (
	goesOn verdict = iota
	fails          // reverts, or the path was followed already
	ends
	lost // the analysis cannot tell where it goes
)

func (a *analyser) follow(m *machine) {
	for {
		if a.steps--; a.steps <= 0 {
			a.doubtful = true
			return
		}
		switch a.step(m) {
		case goesOn:
			continue
		case fails:
		case ends:
			a.ended = true
			a.counts |= m.touched
			a.doubtful = a.doubtful || m.doubtful
		case lost:
			a.doubtful = true
		}
		return
	}
}

// jump continues the path at a destination.
func (a *analyser) jump(m *machine, to *symbol) verdict {
	if to.kind != number {
		return lost
	}
	n, ok := to.small()
	if !ok || n >= uint64(len(a.code)) || a.dests[n/64]&(1<<(n%64)) == 0 {
		return fails
	}
	m.pc = n
	return goesOn
}

// branch takes both ways of a JUMPI, or the one that is known.
func (a *analyser) branch(m *machine, to, condition *symbol) verdict {
	if condition.kind == number && condition.value.IsZero() {
		return goesOn
	}
	if condition.kind == number || condition.kind == size {
		return a.jump(m, to)
	}
	h := m.hash()
	if _, again := a.seen[h]; again {
		return fails
	}
	a.seen[h] = struct{}{}
	if len(a.paths) == maxForks {
		return lost
	}
	other := *m
	other.stack, other.memory = slices.Clone(m.stack), m.memory.clone()
	switch a.jump(&other, to) {
	case goesOn:
		a.paths = append(a.paths, other)
	case lost:
		return lost
	case fails, ends:
	}
	return goesOn
}

// access notes down a read or a write of a slot.
func (a *analyser) access(m *machine, at *symbol, write bool) {
	slot, ok := at.slot()
	if !ok {
		m.doubtful = true
		return
	}
	l := location{address: operand{kind: callee, width: wordSize}, slot: slot, write: write}
	i := slices.Index(a.found, l)
	if i < 0 {
		if len(a.found) == maxTouched {
			m.doubtful = true
			return
		}
		i = len(a.found)
		a.found = append(a.found, l)
	}
	m.touched |= 1 << i
}

// hash tells states apart. Two unknown words are alike.
func (m *machine) hash() uint64 {
	h := mix(m.pc+0x9e3779b97f4a7c15, m.touched^0xd6e8feb86659fd93)
	if m.doubtful {
		h++
	}
	word := func(s *symbol) {
		x := uint64(s.kind) | uint64(s.from)<<8 | uint64(s.index)<<16 | uint64(s.width)<<24
		h = mix(h^0xa0761d6478bd642f, x+0xe7037ed1a0b428db)
		switch {
		case s.kind == number:
			for _, limb := range s.value {
				h = mix(h^0x8ebc6af09c88c6e3, limb+0x589965cc75374cc3)
			}
		case s.path != nil:
			h = mix(h^0x1d8e4e27c47d124f, s.path.digest())
		}
	}
	for i := range m.stack {
		word(&m.stack[i])
	}
	for i := range m.memory.cells {
		c := &m.memory.cells[i]
		h = mix(h^0xeb44accab455d165, c.at<<32^c.size)
		word(&c.value)
	}
	return h
}

func (p *slotPath) digest() uint64 {
	h := uint64(p.depth)<<8 | uint64(p.swapped)
	part := func(o *operand, offset uint64) {
		x := uint64(o.kind) | uint64(o.index)<<8 | uint64(o.width)<<16
		h = mix(h^0xa0761d6478bd642f, x+0xe7037ed1a0b428db)
		for i := 0; i < wordSize; i += 8 {
			h = mix(h^0x8ebc6af09c88c6e3, binary.LittleEndian.Uint64(o.value[i:])+0x589965cc75374cc3)
		}
		h = mix(h^0x1d8e4e27c47d124f, offset+0xd6e8feb86659fd93)
	}
	part(&p.root, p.offsets[0])
	for i := range p.depth {
		part(&p.keys[i], p.offsets[i+1])
	}
	return h
}

// pushed returns the operand of a PUSH at pc, padded with zeros at the end of the
// code.
func (a *analyser) pushed(pc uint64, n int) symbol {
	var b [wordSize]byte
	if int(pc)+1 < len(a.code) {
		copy(b[:n], a.code[pc+1:])
	}
	return symbol{kind: number, value: *new(uint256.Int).SetBytes(b[:n])}
}

// callData returns the word of call data at a place.
func (a *analyser) callData(at *symbol) symbol {
	n, ok := at.small()
	switch {
	case a.form == noData:
		return symbol{kind: number}
	case a.form != selected || !ok:
		return symbol{}
	case n == 0:
		s := symbol{kind: head}
		s.value.Lsh(uint256.NewInt(uint64(a.selector)), 224)
		return s
	case n >= selectorSize && (n-selectorSize)%wordSize == 0 && (n-selectorSize)/wordSize < maxArguments:
		return argumentAt(uint8((n - selectorSize) / wordSize))
	}
	return symbol{}
}

func (a *analyser) codeWord(at uint64) symbol {
	var h common.Hash
	if at < uint64(len(a.code)) {
		copy(h[:], a.code[at:])
	}
	return hashNumber(h)
}
