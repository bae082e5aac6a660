package executor

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/blockstm"
)

const (
	// maxStock is how many idle memories an executor keeps, and maxCells how
	// many accounts and slots a memory may hold to be kept warm. An account
	// takes about 350 bytes, a slot about 200.
	maxStock = 2
	maxCells = 400_000
)

// holder is what a block needs to run, around its memory.
type holder interface{ mem() *memory }

// stock keeps what blocks run on for the blocks after them.
type stock[H holder] struct {
	make func() H
	warm bool

	mu   sync.Mutex
	idle []H // newest last
}

// take returns a holder whose memory is ready for a block in env: one that knows
// the state already, if there is one.
func (s *stock[H]) take(env Env) H {
	root := env.Parent.Root
	h, known := s.pick(root)
	if m := h.mem(); known {
		m.reopen(root, env.State)
	} else {
		m.reset(root, env.State)
	}
	return h
}

func (s *stock[H]) pick(root common.Hash) (h H, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warm && root != (common.Hash{}) {
		for i, h := range s.idle {
			if m := h.mem(); m.root == root || m.sealed == root {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				return h, true
			}
		}
	}
	if len(s.idle) == 0 {
		return s.make(), false
	}
	h = s.idle[0]
	s.idle = append(s.idle[:0], s.idle[1:]...)
	return h, false
}

func (s *stock[H]) giveBack(h H) {
	h.mem().reader = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) < maxStock {
		s.idle = append(s.idle, h)
	}
}

// Sealed implements Executor.
func (s *stock[H]) Sealed(out *motet.Outcome, header *types.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.idle {
		if m := h.mem(); m.outcome == out && out != nil {
			m.sealed = header.Root
		}
	}
}

// reopen turns a memory over root, or over a state whose successor has this
// root, into one of a block that changed nothing yet.
func (m *memory) reopen(root common.Hash, reader state.Reader) {
	forward := m.sealed == root
	if forward && m.wiped || m.accounts.size()+m.slots.size() > maxCells {
		m.reset(root, reader)
		return
	}
	for _, e := range m.changedAccounts {
		rebase(&e.cell.Cell, &e.cell.base, forward)
		e.cell.listed, e.cell.fresh, e.cell.wipedBelow, e.cell.own = false, false, 0, nil
		if e.cell.wiped.Load() > 0 {
			e.cell.wiped.Store(0)
		}
		e.cell.trail = accountTrail{}
	}
	for _, e := range m.changedSlots {
		rebase(&e.cell.Cell, &e.cell.base, forward)
		e.cell.listed, e.cell.fresh, e.cell.own = false, false, nil
		if e.cell.wiped.Load() > 0 {
			e.cell.wiped.Store(0)
		}
		e.cell.trail = slotTrail{}
	}
	m.start(root, reader)
}

// rebase makes the cell's committed value its value before the block, or the
// other way round, and forgets all versions.
func rebase[W, V any](c *blockstm.Cell[W, V], base *blockstm.Version[W, V], forward bool) {
	if forward {
		base.Value = c.Committed().Value
	}
	c.Reset()
	c.Load(base)
}
