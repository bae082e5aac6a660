package executor

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor/predict"
)

const (
	// stretch is how many transactions are looked at together for what follows
	// what, and hintWindow how many each worker may look ahead by that.
	stretch    = 4096
	hintWindow = 64
	// minForeseen is the share of a stretch that something must be known of, and
	// minWidth how many transactions must be able to run at a time, on average:
	// with less the stretch runs serially. The first glance of them tell as a rule, and
	// to look at all of a stretch may take a tenth of its execution.
	minForeseen = 0.5
	minWidth    = 1.3
	glance      = 512
	// Of those that hold the predictor learns from one in sampleRate, of the
	// others from the first maxLost of each attempt.
	sampleRate = 512
	maxLost    = 8
	// maxSamples is how many of the newest are kept until they are of use.
	maxSamples = 64
)

// hints tells which transactions of a stretch are expected to read what an
// earlier one writes. It is kept from block to block.
type hints struct {
	predictor *predict.Predictor // nil if nothing is predicted

	rest int // transactions left to ask hints for: as long as conflicts are known

	keys    []predict.Key
	after   []int32
	depth   []int32
	writers map[uint64]int32
	samples []sample
	lost    int  // samples of transactions whose execution did not hold, in this attempt
	used    bool // predictions are of use to this block
}

// sample is a committed transaction for the predictor to learn from.
type sample struct {
	tx      *motet.Tx
	to      *predict.Target
	touched []predict.Access
}

// outlook is what the hints for a stretch amount to.
type outlook struct {
	looked   int // transactions looked at
	foreseen int // those of them of which something is known
	deepest  int // transactions in the longest chain
}

// promising reports whether the stretch is worth more than one worker.
func (o *outlook) promising() bool {
	return float64(o.foreseen) >= minForeseen*float64(o.looked) && float64(o.looked) >= minWidth*float64(o.deepest)
}

func (h *hints) next(task int) int { return int(h.after[task]) }

// target returns the contract that tx calls, nil if there is none or it cannot
// be read now.
func (m *memory) target(tx *motet.Tx) *predict.Target {
	return targetOf(tx.Call().To, func(addr *common.Address) (common.Hash, []byte) {
		c := m.peek(addr)
		blob, err := m.blob(*addr, c)
		if err != nil || c == nil {
			return common.Hash{}, nil
		}
		return c.hash, blob
	})
}

// targetOf returns the contract that a call of to runs, nil if there is none:
// codeAt gives the code of an account, if it has one, and a delegation (EIP-7702)
// is followed once.
func targetOf(to *common.Address, codeAt func(*common.Address) (common.Hash, []byte)) *predict.Target {
	if to == nil {
		return nil
	}
	hash, blob := codeAt(to)
	if delegate, ok := types.ParseDelegation(blob); ok {
		hash, blob = codeAt(&delegate)
	}
	if len(blob) == 0 {
		return nil
	}
	return &predict.Target{Address: *to, CodeHash: hash, Code: blob}
}

// peek returns the committed code of an account, nil if it has none or cannot be
// read now.
func (m *memory) peek(addr *common.Address) *code {
	e, err := m.account(addr, m.seeds.address(addr))
	if err != nil {
		return nil
	}
	return e.cell.Committed().Value.code
}

// foresee fills in after for txs; unless it is to look at all of them, as long as they are
// promising.
func (h *hints) foresee(m *memory, txs []*motet.Tx, all bool) outlook {
	h.used = true
	h.after, h.depth = h.after[:0], h.depth[:0]
	if h.writers == nil {
		h.writers = make(map[uint64]int32, stretch)
	}
	clear(h.writers)
	var (
		out    outlook
		last   common.Address
		target *predict.Target
	)
	for i, tx := range txs {
		if to := tx.Call().To; to == nil || target == nil || *to != last {
			if target = m.target(tx); target != nil {
				last = target.Address
			}
		}
		after, depth := int32(-1), int32(1)
		keys, ok := h.predictor.Keys(h.keys[:0], tx, target)
		h.keys = keys
		if ok {
			out.foreseen++
		}
		for _, k := range keys {
			if w, ok := h.writers[k.Hash]; ok {
				after, depth = max(after, w), max(depth, h.depth[w]+1)
			}
			if k.Write {
				h.writers[k.Hash] = int32(i) //nolint:gosec // a stretch is short
			}
		}
		h.after, h.depth = append(h.after, after), append(h.depth, depth)
		out.looked, out.deepest = i+1, max(out.deepest, int(depth))
		if out.looked == glance && !all && !out.promising() {
			break
		}
	}
	return out
}

// sample keeps what a committed transaction touched, now and then. place is its
// index in the block; lost tells that an execution of it did not hold.
func (h *hints) sample(m *memory, tx *motet.Tx, f *footprint, place int, lost bool) {
	switch {
	case h.predictor == nil || f.nSlots == 0 || f.nSlots > predict.MaxObserved:
		return
	case lost && h.lost < maxLost:
		h.lost++
	case place%sampleRate != 0:
		return
	}
	s := sample{tx: tx, to: m.target(tx), touched: make([]predict.Access, 0, f.nSlots)}
	for _, l := range f.slots[:f.nSlots] {
		if l.entry != nil {
			s.touched = append(s.touched, predict.Access{Address: l.account.addr, Slot: l.entry.key.key, Write: l.value != l.base})
		}
	}
	if len(h.samples) == maxSamples {
		copy(h.samples, h.samples[1:])
		h.samples[maxSamples-1] = s
		return
	}
	h.samples = append(h.samples, s)
}

// ended ends a slice. Learning from one transaction takes as long as executing several,
// so nothing is learnt until predictions are of use.
func (h *hints) ended() {
	h.lost = 0
	if h.used {
		h.learn()
	}
}

// learn hands the samples to the predictor.
func (h *hints) learn() {
	for i := range h.samples {
		s := &h.samples[i]
		h.predictor.Observe(s.tx, s.to, s.touched)
	}
	clear(h.samples)
	h.samples, h.lost = h.samples[:0], 0
}
