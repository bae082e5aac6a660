package oracletest

import (
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
)

// operand is what an instruction of an assembled program takes from the stack.
type operand byte

const (
	anAddress operand = iota
	aSlot
	aSmall  // an amount, an index, an offset in data
	aMemory // an offset in memory
	aSize
	someGas
)

// instruction is one that observes or changes more than the stack.
type instruction struct {
	op     vm.OpCode
	since  func(*params.Rules) bool // nil: always
	result bool
	takes  []operand // the top of the stack first
}

func sinceConstantinople(r *params.Rules) bool { return r.IsConstantinople }
func sinceIstanbul(r *params.Rules) bool       { return r.IsIstanbul }
func sinceLondon(r *params.Rules) bool         { return r.IsLondon }
func sinceCancun(r *params.Rules) bool         { return r.IsCancun }
func sinceOsaka(r *params.Rules) bool          { return r.IsOsaka }

var instructions = []instruction{
	{op: vm.SLOAD, result: true, takes: []operand{aSlot}},
	{op: vm.SLOAD, result: true, takes: []operand{aSlot}},
	{op: vm.SSTORE, takes: []operand{aSlot, aSmall}},
	{op: vm.SSTORE, takes: []operand{aSlot, aSmall}},
	{op: vm.TLOAD, since: sinceCancun, result: true, takes: []operand{aSlot}},
	{op: vm.TSTORE, since: sinceCancun, takes: []operand{aSlot, aSmall}},
	{op: vm.BALANCE, result: true, takes: []operand{anAddress}},
	{op: vm.SELFBALANCE, since: sinceIstanbul, result: true},
	{op: vm.EXTCODESIZE, result: true, takes: []operand{anAddress}},
	{op: vm.EXTCODEHASH, since: sinceConstantinople, result: true, takes: []operand{anAddress}},
	{op: vm.EXTCODECOPY, takes: []operand{anAddress, aMemory, aSmall, aSize}},
	{op: vm.CALL, result: true, takes: []operand{someGas, anAddress, aSmall, aMemory, aSize, aMemory, aSize}},
	{op: vm.CALLCODE, result: true, takes: []operand{someGas, anAddress, aSmall, aMemory, aSize, aMemory, aSize}},
	{op: vm.DELEGATECALL, result: true, takes: []operand{someGas, anAddress, aMemory, aSize, aMemory, aSize}},
	{op: vm.STATICCALL, result: true, takes: []operand{someGas, anAddress, aMemory, aSize, aMemory, aSize}},
	{op: vm.CREATE, result: true, takes: []operand{aSmall, aMemory, aSize}},
	{op: vm.CREATE2, since: sinceConstantinople, result: true, takes: []operand{aSmall, aMemory, aSize, aSmall}},
	{op: vm.LOG0, takes: []operand{aMemory, aSize}},
	{op: vm.LOG3, takes: []operand{aMemory, aSize, aSmall, aSlot, anAddress}},
	{op: vm.CODECOPY, takes: []operand{aMemory, aSmall, aSize}},
	{op: vm.CALLDATACOPY, takes: []operand{aMemory, aSmall, aSize}},
	{op: vm.CALLDATALOAD, result: true, takes: []operand{aSmall}},
	{op: vm.CALLDATASIZE, result: true},
	{op: vm.RETURNDATASIZE, result: true},
	{op: vm.RETURNDATACOPY, takes: []operand{aMemory, aSmall, aSmall}},
	{op: vm.MLOAD, result: true, takes: []operand{aMemory}},
	{op: vm.MCOPY, since: sinceCancun, takes: []operand{aMemory, aMemory, aSize}},
	{op: vm.KECCAK256, result: true, takes: []operand{aMemory, aSize}},
	{op: vm.MSIZE, result: true},
	{op: vm.GAS, result: true},
	{op: vm.BLOCKHASH, result: true, takes: []operand{aSmall}},
	{op: vm.BLOBHASH, since: sinceCancun, result: true, takes: []operand{aSmall}},
	{op: vm.BLOBBASEFEE, since: sinceCancun, result: true},
	{op: vm.BASEFEE, since: sinceLondon, result: true},
	{op: vm.CHAINID, since: sinceIstanbul, result: true},
	{op: vm.PREVRANDAO, result: true},
	{op: vm.COINBASE, result: true},
	{op: vm.ORIGIN, result: true},
	{op: vm.GASPRICE, result: true},
	{op: vm.CALLER, result: true},
	{op: vm.CALLVALUE, result: true},
	{op: vm.CLZ, since: sinceOsaka, result: true, takes: []operand{aSmall}},
}

// assembly makes up a program of instructions that a knife does not use, or not
// in this order. What they yield is summed up and ends in a slot, a log, the
// code deployed or the heir of a self-destruction.
func (g *generator) assembly() []byte {
	code := []byte{byte(vm.PUSH1), 0} // the sum
	for range 1 + g.c.n(12) {
		in := pick(g.c, instructions)
		if in.since != nil && !in.since(&g.rules) {
			continue
		}
		for _, kind := range slices.Backward(in.takes) {
			code = append(code, g.push(kind)...)
		}
		if code = append(code, byte(in.op)); in.result {
			code = append(code, byte(vm.ADD))
		}
	}
	zero := []byte{byte(vm.PUSH1), 0}
	switch g.c.n(8) {
	case 0:
		return append(append(code, g.push(aSlot)...), byte(vm.SSTORE))
	case 1:
		return append(append(append(code, zero...), zero...), byte(vm.LOG1))
	case 2:
		return append(code, byte(vm.SELFDESTRUCT)) // pays whoever the sum is
	case 3:
		return append(append(code, g.push(anAddress)...), byte(vm.SELFDESTRUCT))
	case 4:
		return append(append(append(code, zero...), g.push(aSize)...), byte(vm.REVERT))
	case 5:
		return append(code, g.c.take(4)...) // whatever that is
	default:
		// Stores the sum and returns memory: as creation code it deploys that.
		code = append(append(code, zero...), byte(vm.MSTORE))
		return append(append(append(code, g.push(aSize)...), zero...), byte(vm.RETURN))
	}
}

// push makes up the instruction that puts an operand on the stack.
func (g *generator) push(kind operand) []byte {
	one := func(b byte) []byte { return []byte{byte(vm.PUSH1), b} }
	switch kind {
	case anAddress:
		if g.c.one(6) {
			return []byte{byte(vm.ADDRESS)}
		}
		addr := g.target()
		return append([]byte{byte(vm.PUSH20)}, addr[:]...)
	case aSlot:
		return one(g.slot())
	case aMemory:
		return one(pick(g.c, []byte{0, 0, 32, 77}))
	case aSize:
		return one(pick(g.c, []byte{0, 32, 64, 33}))
	case someGas:
		if g.c.one(2) {
			return []byte{byte(vm.GAS)}
		}
		return []byte{byte(vm.PUSH2), pick(g.c, []byte{0, 8, 60, 255}), 0}
	default:
		return one(g.smallValue())
	}
}

// assembled deploys an assembled program and calls it, or runs it as creation
// code.
func (g *generator) assembled() error {
	d := g.draft()
	d.value = big.NewInt(int64(g.smallValue()))
	runtime := g.assembly()
	d.data = runtime
	if g.c.n(4) > 0 {
		const prefix = 12
		d.data = append([]byte{
			byte(vm.PUSH2), byte(len(runtime) >> 8), byte(len(runtime)), byte(vm.DUP1),
			byte(vm.PUSH1), prefix, byte(vm.PUSH1), 0, byte(vm.CODECOPY),
			byte(vm.PUSH1), 0, byte(vm.RETURN),
		}, runtime...)
	}
	d.gas = params.TxGasContractCreation + d.extra() + 1_500_000 + g.forState()
	if err := g.submit(d); err != nil || g.block.cut >= 0 || len(g.block.receipts) == 0 {
		return err
	}
	at := g.block.receipts[len(g.block.receipts)-1].ContractAddress
	for range 1 + g.c.n(3) {
		if err := g.call(at, g.c.take(8)); err != nil {
			return err
		}
	}
	return nil
}
