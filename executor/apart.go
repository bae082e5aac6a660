package executor

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/ethereum/go-ethereum/core/vm"
)

// seat is where an EVM has what it writes all the time: itself, and the top of its
// stack, which every instruction moves. That one has 32 bytes, and the allocator puts two of
// them, made one after the other, into one line of the processor's cache. Two workers that
// write the same line take it from each other with each instruction: where that came
// about, they took half as much time again.
type seat struct{ evm, top uintptr }

// seatOf returns where the EVM is; the collector moves nothing.
func seatOf(evm *vm.EVM) seat {
	s := seat{evm: uintptr(unsafe.Pointer(evm))}
	if top := reflect.ValueOf(evm).Elem().FieldByName("arena"); top.Kind() == reflect.Pointer {
		s.top = top.Pointer()
	}
	return s
}

// meets reports whether something of both lies in the same pair of lines, which some
// processors fetch together.
func (s seat) meets(other seat) bool {
	const pair = 128
	last := unsafe.Sizeof(vm.EVM{}) - 1
	return s.evm/pair <= (other.evm+last)/pair && other.evm/pair <= (s.evm+last)/pair ||
		s.top/pair == other.top/pair && s.top != 0
}

// apart gives the worker an EVM of its own lines: apart from those of the crew.
func (b *block) apart(w *worker, crew []*worker) {
	for made := b.equip(&w.lane); made; made = b.renew(&w.lane) {
		w.seat = seatOf(w.evm)
		if !slices.ContainsFunc(crew, func(o *worker) bool { return o != w && o.seat.meets(w.seat) }) {
			return
		}
	}
}
