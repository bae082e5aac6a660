package predict

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"
)

// symbolKind says what the analysis knows of a word.
type symbolKind uint8

const (
	unknown symbolKind = iota
	number             // a constant
	given              // an operand of the transaction
	head               // the first 32 bytes of call data: the selector is on top
	size               // of the call data, at least a selector
	hashed             // the slot of a mapping
)

// symbol is a word on the stack or in memory of the analysis.
type symbol struct {
	kind  symbolKind
	from  operandKind // of a given word
	index uint8
	width uint8
	value uint256.Int // of a number
	path  *slotPath   // of a hashed word; not to be changed
}

func numberOf(n uint64) symbol {
	return symbol{kind: number, value: *uint256.NewInt(n)}
}

func givenBy(kind operandKind) symbol { return symbol{kind: given, from: kind, width: wordSize} }

func argumentAt(i uint8) symbol {
	return symbol{kind: given, from: argument, index: i, width: wordSize}
}

// small returns a number that fits 64 bits.
func (s *symbol) small() (uint64, bool) {
	return s.value.Uint64(), s.kind == number && s.value.IsUint64()
}

func (s *symbol) is(n uint64) bool {
	v, ok := s.small()
	return ok && v == n
}

// operand returns the word as one that a location can be made of.
func (s *symbol) operand() (o operand, ok bool) {
	switch s.kind {
	case number:
		return operand{kind: constant, value: s.value.Bytes32()}, true
	case given:
		return operand{kind: s.from, index: s.index, width: s.width}, true
	case unknown, head, size, hashed:
	}
	return o, false
}

// slot returns the word as a storage slot.
func (s *symbol) slot() (p slotPath, ok bool) {
	if s.kind == hashed {
		return *s.path, true
	}
	p.root, ok = s.operand()
	return p, ok
}

// mappingOf returns the keccak of two words: the slot of a mapping, which
// Solidity hashes after the key and Vyper before it.
func mappingOf(first, second *symbol) symbol {
	key, slot, swapped := first, second, false
	if first.kind == hashed || first.kind == number && second.kind == given {
		key, slot, swapped = second, first, true
	}
	k, ok := key.operand()
	if !ok {
		return symbol{}
	}
	p, ok := slot.slot()
	if !ok || p.depth == maxDepth {
		return symbol{}
	}
	p.keys[p.depth] = k
	if swapped {
		p.swapped |= 1 << p.depth
	}
	p.depth++
	return symbol{kind: hashed, path: &p}
}

// calculate returns x op y, x being the top of the stack.
func calculate(op vm.OpCode, x, y *symbol) symbol {
	if x.kind == number && y.kind == number {
		return fold(op, x.value, &y.value)
	}
	switch op { //nolint:exhaustive // what is not listed is unknown
	case vm.ADD:
		if x.kind == number {
			x, y = y, x
		}
		return offset(x, y)
	case vm.AND:
		if x.kind == number {
			x, y = y, x
		}
		return mask(x, y)
	case vm.OR, vm.XOR, vm.SUB:
		if y.is(0) {
			return *x
		}
		if x.is(0) && op != vm.SUB {
			return *y
		}
	case vm.MUL, vm.DIV:
		if y.is(1) {
			return *x
		}
		if x.is(1) && op == vm.MUL {
			return *y
		}
		if x.kind == head && op == vm.DIV {
			return shiftHead(x, y.value.BitLen()-1, y.kind == number && isPower(&y.value))
		}
	case vm.SHR, vm.SHL, vm.SAR:
		if x.is(0) {
			return *y
		}
		if n, ok := x.small(); y.kind == head && op == vm.SHR {
			return shiftHead(y, int(min(n, 256)), ok)
		}
	case vm.LT:
		return lessThanSize(y, x)
	case vm.GT:
		return lessThanSize(x, y)
	case vm.EQ:
		if x.kind == given && *x == *y {
			return numberOf(1)
		}
	}
	return symbol{}
}

// lessThanSize returns 0 for "the call data is shorter than what a selector
// takes", which it is not.
func lessThanSize(limit, of *symbol) symbol {
	if n, ok := limit.small(); ok && of.kind == size && n <= selectorSize {
		return symbol{kind: number}
	}
	return symbol{}
}

func offset(x, y *symbol) symbol {
	n, ok := y.small()
	switch {
	case !ok:
		return symbol{}
	case n == 0:
		return *x
	case x.kind != hashed:
		return symbol{}
	}
	p := *x.path
	sum := p.offsets[p.depth] + n
	if sum < n {
		return symbol{}
	}
	p.offsets[p.depth] = sum
	return symbol{kind: hashed, path: &p}
}

// mask returns x & y.
func mask(x, y *symbol) symbol {
	if y.kind != number {
		return symbol{}
	}
	if y.value.IsZero() {
		return *y
	}
	bits := y.value.BitLen()
	if x.kind == head {
		selector := uint256.NewInt(0xffffffff)
		if y.value.Eq(selector.Lsh(selector, 224)) {
			return symbol{kind: number, value: x.value}
		}
		return symbol{}
	}
	if x.kind != given || bits%8 != 0 || !isPower(new(uint256.Int).AddUint64(&y.value, 1)) && bits != 256 {
		return symbol{}
	}
	masked, width := *x, uint8(bits/8)
	switch {
	case x.from == argument:
		masked.width = min(x.width, width)
	case (x.from == caller || x.from == callee) && width >= common.AddressLength, width == wordSize:
	default:
		return symbol{}
	}
	return masked
}

// isPower reports whether v is a power of two.
func isPower(v *uint256.Int) bool {
	less := new(uint256.Int).SubUint64(v, 1)
	return !v.IsZero() && less.And(less, v).IsZero()
}

// shiftHead returns the first word of call data shifted right by n bits, if ok:
// the selector.
func shiftHead(x *symbol, n int, ok bool) symbol {
	if !ok || n < 224 {
		return symbol{}
	}
	out := symbol{kind: number}
	out.value.Rsh(&x.value, uint(n))
	return out
}

// fold computes x op y.
func fold(op vm.OpCode, x uint256.Int, y *uint256.Int) symbol {
	out := symbol{kind: number}
	z := &out.value
	truth := func(b bool) {
		if b {
			z.SetOne()
		}
	}
	switch op {
	case vm.ADD:
		z.Add(&x, y)
	case vm.MUL:
		z.Mul(&x, y)
	case vm.SUB:
		z.Sub(&x, y)
	case vm.DIV:
		z.Div(&x, y)
	case vm.SDIV:
		z.SDiv(&x, y)
	case vm.MOD:
		z.Mod(&x, y)
	case vm.SMOD:
		z.SMod(&x, y)
	case vm.EXP:
		z.Exp(&x, y)
	case vm.SIGNEXTEND:
		z.ExtendSign(y, &x)
	case vm.LT:
		truth(x.Lt(y))
	case vm.GT:
		truth(x.Gt(y))
	case vm.SLT:
		truth(x.Slt(y))
	case vm.SGT:
		truth(x.Sgt(y))
	case vm.EQ:
		truth(x.Eq(y))
	case vm.AND:
		z.And(&x, y)
	case vm.OR:
		z.Or(&x, y)
	case vm.XOR:
		z.Xor(&x, y)
	case vm.BYTE:
		*z = *y
		z.Byte(&x)
	case vm.SHL:
		z.Lsh(y, uint(min(saturated(&x), 256)))
	case vm.SHR:
		z.Rsh(y, uint(min(saturated(&x), 256)))
	case vm.SAR:
		z.SRsh(y, uint(min(saturated(&x), 256)))
	default:
		return symbol{}
	}
	return out
}

func saturated(x *uint256.Int) uint64 {
	n, wide := x.Uint64WithOverflow()
	if wide {
		return ^uint64(0)
	}
	return n
}
