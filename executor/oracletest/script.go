package oracletest

import (
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Operations of contracts/Knife.yul.
const (
	opSet = iota
	opIncrement
	opLoad
	opStoreTransient
	opLoadTransient
	opBalance
	opSelfBalance
	opCode
	opCall
	opDelegate
	opStatic
	opCreate
	opCreate2
	opSelfDestruct
	opRevert
	opInvalid
	opLog
	opSave
	opBlockHash
	opEnvironment
	opBaseFee
	opPayCoinbase
	opCoinbaseBalance
	opIncrementOwn
	opLoadRun
	opGas
	opPayAll
	opSkipIfEvenSlot
	opSkipIfEvenBalance
	opBlobBaseFee
	opCount
)

// maxDepth bounds programs within programs.
const maxDepth = 3

// script makes up a program for a knife.
func (g *generator) script(depth int) []byte {
	var out []byte
	for range 1 + g.c.n(8) {
		out = append(out, g.op(depth)...)
		if len(out) > 4000 {
			break
		}
	}
	return out
}

// frequent are the operations that come up more often than their share: those
// that change state that others read, and those that nest.
var frequent = [...]byte{
	opSet, opSet, opIncrement, opIncrement, opIncrementOwn, opCall, opCall, opDelegate, opCreate2,
	opSelfDestruct, opLog, opSave, opStoreTransient, opLoadTransient,
}

// op makes up one operation. Failures come more rarely than their share.
func (g *generator) op(depth int) []byte {
	op := byte(g.c.n(opCount + len(frequent)))
	if op >= opCount {
		op = frequent[op-opCount]
	}
	if (op == opRevert || op == opInvalid) && !g.c.one(3) {
		op = opIncrement
	}
	if depth == 0 && slices.Contains([]byte{opCall, opDelegate, opStatic, opCreate, opCreate2}, op) {
		op = opSave
	}
	switch op {
	case opSet, opStoreTransient:
		return []byte{op, g.slot(), byte(g.c.n(3))}
	case opIncrement, opLoad, opLoadTransient, opSave, opIncrementOwn:
		return []byte{op, g.slot()}
	case opBalance, opCode, opSelfDestruct, opPayAll:
		return append([]byte{op}, g.target().Bytes()...)
	case opCall:
		to := g.target()
		out := append([]byte{op}, to.Bytes()...)
		return sized(append(out, g.smallValue()), g.programFor(to, depth-1))
	case opDelegate, opStatic:
		to := g.target()
		return sized(append([]byte{op}, to.Bytes()...), g.programFor(to, depth-1))
	case opCreate:
		return sized([]byte{op, g.smallValue()}, g.initcode(depth-1))
	case opCreate2:
		return g.create2(depth - 1)
	case opBlockHash:
		return []byte{op, byte(pick(g.c, []int{0, 1, 2, 255}))}
	case opPayCoinbase:
		return []byte{op, g.smallValue()}
	case opLoadRun:
		return []byte{op, pick(g.c, []byte{1, 3, 6, 12, 200})}
	case opSkipIfEvenSlot:
		then := g.op(0)
		return append([]byte{op, g.slot(), byte(len(then))}, then...)
	case opSkipIfEvenBalance:
		then := g.op(0)
		return append(append(append([]byte{op}, g.target().Bytes()...), byte(len(then))), then...)
	default:
		return []byte{op}
	}
}

// create2 makes up a CREATE2 and remembers the address it leads to if the
// program runs where the transaction sent it.
func (g *generator) create2(depth int) []byte {
	salt, code := byte(g.c.n(2)), g.initcode(min(depth, 0))
	if len(g.w.targets) < maxTargets {
		g.w.targets = append(g.w.targets, crypto.CreateAddress2(g.self, common.Hash{31: salt}, crypto.Keccak256(code)))
	}
	return sized([]byte{opCreate2, g.smallValue(), salt}, code)
}

// maxTargets bounds the addresses that a world remembers, to keep them hot.
const maxTargets = 60

// programFor returns calldata for addr: a program where it may be a knife.
func (g *generator) programFor(addr common.Address, depth int) []byte {
	if g.c.one(4) {
		return nil
	}
	if addr.Big().BitLen() <= 16 {
		return g.c.take(32 * g.c.n(4)) // a precompile
	}
	return g.script(max(depth, 0))
}

func (g *generator) slot() byte { return pick(g.c, []byte{0, 0, 0, 1, 1, 2, 3, 4}) }

func (g *generator) smallValue() byte { return byte(pick(g.c, []int{0, 0, 0, 1, 2, 255})) }

// target returns an address, the coinbase among them.
func (g *generator) target() common.Address {
	if g.c.one(12) {
		return g.coinbase
	}
	if g.c.one(3) {
		return pick(g.c, g.w.knives)
	}
	return pick(g.c, g.w.targets)
}

// sized appends data with its length before it.
func sized(head, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(head, uint16(len(data))), data...)
}

// initcode makes up creation code: mostly one that leaves a knife behind,
// sometimes after running a program in its own name.
func (g *generator) initcode(depth int) []byte {
	knife := g.w.knives[0].Bytes()
	switch g.c.n(9) {
	case 0:
		return nil
	case 8:
		return g.assembly()
	case 1:
		return []byte{0xfe} // invalid
	case 2:
		return []byte{0x60, 0xef, 0x60, 0, 0x53, 0x60, 1, 0x60, 0, 0xf3} // returns 0xef
	case 3:
		return append(append([]byte{0x73}, knife...), 0xff) // destroys itself at once
	case 4, 5:
		return cloneKnife(knife)
	}
	// Copies the program that follows the code, delegates to the knife with it,
	// then goes on as a clone.
	var (
		program = g.script(max(depth, 0))
		clone   = cloneKnife(knife)
		code    = make([]byte, 0, 64)
	)
	const prefix = 46
	code = append(code, 0x61) // PUSH2 length
	code = binary.BigEndian.AppendUint16(code, uint16(len(program)))
	code = append(code, 0x61) // PUSH2 offset
	code = binary.BigEndian.AppendUint16(code, uint16(prefix+len(clone)))
	code = append(code, 0x60, 0, 0x39)    // PUSH1 0, CODECOPY
	code = append(code, 0x60, 0, 0x60, 0) // no output
	code = append(code, 0x61)             // PUSH2 length
	code = binary.BigEndian.AppendUint16(code, uint16(len(program)))
	code = append(append(code, 0x60, 0, 0x73), knife...)
	code = append(code, 0x5a, 0xf4, 0x50) // GAS, DELEGATECALL, POP
	for len(code) < prefix {
		code = append(code, 0x5b) // JUMPDEST does nothing
	}
	return append(append(code, clone...), program...)
}

// cloneKnife returns creation code that leaves a copy of a knife behind.
func cloneKnife(knife []byte) []byte {
	code := append([]byte{0x73}, knife...)
	code = append(code, 0x3b, 0x80, 0x60, 0, 0x60, 0, 0x73) // EXTCODESIZE, DUP1, 0, 0
	code = append(code, knife...)
	return append(code, 0x3c, 0x60, 0, 0xf3) // EXTCODECOPY, RETURN(0, size)
}
