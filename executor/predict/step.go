package predict

import (
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/holiman/uint256"
)

// shape is how many words an instruction takes from the stack and puts there.
type shape struct{ takes, gives uint8 }

// plainShape returns the shape of instructions of which nothing else is known:
// what they give is unknown.
func plainShape(op vm.OpCode) (s shape, ok bool) {
	switch op { //nolint:exhaustive // all others have effects that matter, or do not exist
	case vm.ADDMOD, vm.MULMOD:
		return shape{3, 1}, true
	case vm.BALANCE, vm.EXTCODESIZE, vm.EXTCODEHASH, vm.BLOCKHASH, vm.BLOBHASH, vm.TLOAD, 0x1e: // CLZ
		return shape{1, 1}, true
	case vm.CODESIZE, vm.GASPRICE, vm.COINBASE, vm.TIMESTAMP, vm.NUMBER, vm.DIFFICULTY, vm.GASLIMIT, vm.CHAINID,
		vm.SELFBALANCE, vm.BASEFEE, vm.BLOBBASEFEE, vm.PC, vm.MSIZE, vm.GAS:
		return shape{0, 1}, true
	case vm.POP:
		return shape{1, 0}, true
	case vm.TSTORE, vm.LOG0:
		return shape{2, 0}, true
	case vm.LOG1:
		return shape{3, 0}, true
	case vm.LOG2:
		return shape{4, 0}, true
	case vm.LOG3:
		return shape{5, 0}, true
	case vm.LOG4:
		return shape{6, 0}, true
	case vm.JUMPDEST:
		return shape{}, true
	}
	return s, false
}

// step executes one instruction.
func (a *analyser) step(m *machine) verdict {
	if m.pc >= uint64(len(a.code)) {
		return ends
	}
	op, pc := vm.OpCode(a.code[m.pc]), m.pc
	m.pc++
	switch {
	case op >= vm.PUSH0 && op <= vm.PUSH32:
		n := int(op - vm.PUSH0)
		m.pc += uint64(n)
		return m.push(a.pushed(pc, n))
	case op >= vm.DUP1 && op <= vm.DUP16:
		n := int(op-vm.DUP1) + 1
		if len(m.stack) < n {
			return fails
		}
		return m.push(m.stack[len(m.stack)-n])
	case op >= vm.SWAP1 && op <= vm.SWAP16:
		top, other := len(m.stack)-1, len(m.stack)-2-int(op-vm.SWAP1)
		if other < 0 {
			return fails
		}
		m.stack[top], m.stack[other] = m.stack[other], m.stack[top]
		return goesOn
	case op >= vm.ADD && op <= vm.SAR && op != vm.ADDMOD && op != vm.MULMOD && op != 0x1e:
		return m.arithmetic(op)
	}
	if s, ok := plainShape(op); ok {
		if len(m.stack) < int(s.takes) {
			return fails
		}
		m.stack = m.stack[:len(m.stack)-int(s.takes)]
		if s.gives == 0 {
			return goesOn
		}
		return m.push(symbol{})
	}
	return a.effect(m, op)
}

func (m *machine) push(s symbol) verdict {
	if len(m.stack) == maxStack {
		return lost
	}
	m.stack = append(m.stack, s)
	return goesOn
}

// take removes n words and returns them, the former top last.
func (m *machine) take(n int) ([]symbol, bool) {
	if len(m.stack) < n {
		return nil, false
	}
	words := m.stack[len(m.stack)-n:]
	m.stack = m.stack[:len(m.stack)-n]
	return words, true
}

func (m *machine) arithmetic(op vm.OpCode) verdict {
	if op == vm.ISZERO || op == vm.NOT {
		w, ok := m.take(1)
		if !ok {
			return fails
		}
		return m.push(invert(op, &w[0]))
	}
	w, ok := m.take(2)
	if !ok {
		return fails
	}
	return m.push(calculate(op, &w[1], &w[0]))
}

func invert(op vm.OpCode, x *symbol) symbol {
	switch {
	case x.kind == number && op == vm.NOT:
		return symbol{kind: number, value: *new(uint256.Int).Not(&x.value)}
	case x.kind == number && x.value.IsZero():
		return numberOf(1)
	case x.kind == number, x.kind == size && op == vm.ISZERO:
		return symbol{kind: number}
	}
	return symbol{}
}

// taken is how many words the instructions of effect take.
func taken(op vm.OpCode) int {
	switch op {
	case vm.CALLDATALOAD, vm.MLOAD, vm.SLOAD, vm.JUMP, vm.SELFDESTRUCT:
		return 1
	case vm.KECCAK256, vm.MSTORE, vm.MSTORE8, vm.SSTORE, vm.JUMPI, vm.RETURN, vm.REVERT:
		return 2
	case vm.CALLDATACOPY, vm.CODECOPY, vm.RETURNDATACOPY, vm.MCOPY, vm.CREATE:
		return 3
	case vm.EXTCODECOPY, vm.CREATE2:
		return 4
	case vm.DELEGATECALL, vm.STATICCALL:
		return 6
	case vm.CALL, vm.CALLCODE:
		return 7
	default:
		return 0
	}
}

// effect executes instructions that look at the transaction, memory, storage or
// other contracts, and those that end or turn the path.
func (a *analyser) effect(m *machine, op vm.OpCode) verdict {
	w, ok := m.take(taken(op))
	if !ok {
		return fails
	}
	arg := func(i int) *symbol { return &w[len(w)-1-i] }
	switch op {
	case vm.STOP, vm.RETURN:
		return ends
	case vm.SELFDESTRUCT:
		m.doubtful = true
		return ends
	case vm.JUMP:
		return a.jump(m, arg(0))
	case vm.JUMPI:
		return a.branch(m, arg(0), arg(1))
	case vm.ADDRESS:
		return m.push(givenBy(callee))
	case vm.ORIGIN, vm.CALLER:
		return m.push(givenBy(caller))
	case vm.CALLVALUE:
		return m.push(givenBy(callValue))
	case vm.CALLDATALOAD:
		return m.push(a.callData(arg(0)))
	case vm.CALLDATASIZE:
		return m.push(a.dataSize())
	case vm.RETURNDATASIZE:
		if m.called {
			return m.push(symbol{})
		}
		return m.push(symbol{kind: number})
	case vm.KECCAK256:
		return m.push(m.memory.keccak(arg(0), arg(1)))
	case vm.MLOAD:
		if at, ok := arg(0).small(); ok && at < maxOffset {
			return m.push(m.memory.load(at))
		}
		return m.push(symbol{})
	case vm.SLOAD:
		a.access(m, arg(0), false)
		return m.push(symbol{})
	case vm.SSTORE:
		a.access(m, arg(0), true)
		return goesOn
	case vm.MSTORE, vm.MSTORE8, vm.CALLDATACOPY, vm.CODECOPY, vm.RETURNDATACOPY, vm.EXTCODECOPY, vm.MCOPY:
		if !a.remember(m, op, arg) {
			return lost
		}
		return goesOn
	case vm.CREATE, vm.CREATE2, vm.CALL, vm.CALLCODE, vm.DELEGATECALL, vm.STATICCALL:
		return m.call(op, arg)
	default: // REVERT, INVALID, or no instruction
		return fails
	}
}

func (a *analyser) dataSize() symbol {
	switch a.form {
	case noData:
		return symbol{kind: number}
	case selected:
		return symbol{kind: size}
	case shortData:
	}
	return symbol{}
}

// remember executes instructions that write memory. It reports false if there is
// too much to remember.
func (a *analyser) remember(m *machine, op vm.OpCode, arg func(int) *symbol) bool {
	switch op { //nolint:exhaustive // the caller has chosen
	case vm.MSTORE:
		return m.memory.store(arg(0), arg(1))
	case vm.MSTORE8:
		one := numberOf(1)
		return m.memory.spoil(arg(0), &one)
	case vm.EXTCODECOPY:
		return m.memory.spoil(arg(1), arg(3))
	case vm.CALLDATACOPY, vm.CODECOPY:
		to, ok := arg(0).small()
		from, also := arg(1).small()
		n, too := arg(2).small()
		if !ok || !also || !too || to >= maxOffset || from >= maxOffset || n > maxFolded*wordSize {
			break
		}
		return m.memory.fill(to, n, func(i uint64) symbol {
			if op == vm.CODECOPY {
				return a.codeWord(from + i)
			}
			at := numberOf(from + i)
			if w := a.callData(&at); w.kind != head {
				return w
			}
			return symbol{}
		})
	}
	return m.memory.spoil(arg(0), arg(2))
}

// call executes calls. Precompiled contracts have no storage.
func (m *machine) call(op vm.OpCode, arg func(int) *symbol) verdict {
	var harmless bool
	if op != vm.CREATE && op != vm.CREATE2 {
		to, ok := arg(1).small()
		harmless = ok && to >= 1 && to <= precompiles
		out := 4 // place of the output's address
		if op == vm.CALL || op == vm.CALLCODE {
			out = 5
		}
		if !m.memory.spoil(arg(out), arg(out+1)) {
			return lost
		}
	}
	m.called = true
	m.doubtful = m.doubtful || !harmless
	return m.push(symbol{})
}
