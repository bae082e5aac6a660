package predict

import (
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

const (
	// searchBudget bounds the keccaks that one observation spends on looking for
	// explanations. The next one goes on where it ends.
	searchBudget = 128
	// Once all has been tried, as many observations as there have been pass before
	// it is tried again, but so many at least and at most.
	sweepMin, sweepMax = 64, 4096

	plainBases = 32 // slots at which mappings are looked for
	maxField   = 16 // of a structure in a mapping
	nWords     = 2 + maxArguments
	perBase    = 2 * nWords // orders of hashing, and first keys
)

// firstBases returns the slots of mappings that are tried at first: small ones
// and those at which OpenZeppelin's upgradeable ERC-20 keeps balances and
// allowances (ERC-7201).
func firstBases() *[]common.Hash {
	var bases []common.Hash
	for i := range plainBases {
		bases = append(bases, common.Hash{wordSize - 1: byte(i)})
	}
	const erc20 = "0x52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace0"
	bases = append(bases, common.HexToHash(erc20+"0"), common.HexToHash(erc20+"1"))
	return &bases
}

// preferBase moves a base that explained something to the front.
func (p *Predictor) preferBase(base common.Hash) {
	old := p.bases.Load()
	at := slices.Index(*old, base)
	if at <= 0 {
		return
	}
	bases := slices.Insert(slices.Delete(slices.Clone(*old), at, at+1), 0, base)
	p.bases.CompareAndSwap(old, &bases)
}

// namedWord is a word of a call that may be the key of a mapping.
type namedWord struct {
	operand
	now common.Hash // its value in this call
}

// keyWords returns the words of a call; those that are zero are left empty.
func (c *call) keyWords() (words [nWords]namedWord) {
	kinds := [nWords]operand{{kind: callee, width: wordSize}, {kind: caller, width: wordSize}}
	for i := range maxArguments {
		kinds[2+i] = operand{kind: argument, index: uint8(i), width: wordSize}
	}
	for i, o := range kinds {
		words[i] = namedWord{o, c.word(&o)}
	}
	return words
}

// search explains touched slots as those of mappings, one or two deep, with words
// of the call as keys.
func (l *learner) search(o *observation) {
	bases := *o.predictor.bases.Load()
	end := len(bases) * perBase
	if l.cursor == end {
		if l.observed < l.nextSweep {
			return
		}
		l.cursor = 0
	}
	if !slices.ContainsFunc(o.touched, func(t touch) bool { return !t.explained }) {
		return
	}
	words := o.call.keyWords()
	o.hasher.used = 0
	for ; l.cursor < end && o.hasher.used < searchBudget; l.cursor++ {
		base, first := bases[l.cursor/perBase], &words[l.cursor%nWords]
		if first.now == (common.Hash{}) {
			continue
		}
		swapped := l.cursor/nWords%2 == 1
		path := slotPath{root: operand{kind: constant, value: base}}
		found := l.tryMapping(o, path, base, first, swapped, words[:])
		if found {
			o.predictor.preferBase(base)
		}
	}
	if l.cursor == end {
		l.nextSweep = l.observed + min(max(sweepMin, l.observed), sweepMax)
	}
}

// tryMapping looks for the slot of a key in the mapping at a base, and for slots
// in the mapping that is there.
func (l *learner) tryMapping(o *observation, path slotPath, base common.Hash, first *namedWord, swapped bool, words []namedWord) bool {
	outer := o.hasher.mapped(base, first.now, swapped)
	path = path.into(first.operand, swapped)
	found := l.match(o, &outer, path)
	for i := range words {
		if words[i].now == (common.Hash{}) {
			continue
		}
		inner := o.hasher.mapped(outer, words[i].now, swapped)
		if l.match(o, &inner, path.into(words[i].operand, swapped)) {
			found = true
		}
	}
	return found
}

// into returns the path to key in the mapping at p.
func (p slotPath) into(key operand, swapped bool) slotPath {
	p.keys[p.depth] = key
	if swapped {
		p.swapped |= 1 << p.depth
	}
	p.depth++
	return p
}

// match looks for touched slots at h or just after it.
func (l *learner) match(o *observation, h *common.Hash, path slotPath) (found bool) {
	const low = wordSize - 8
	for i := range o.touched {
		t := &o.touched[i]
		if [low]byte(t.Slot[:low]) != [low]byte(h[:low]) {
			continue
		}
		field := binary.BigEndian.Uint64(t.Slot[low:]) - binary.BigEndian.Uint64(h[low:])
		if field >= maxField {
			continue
		}
		path.offsets[path.depth] = field
		address, _ := o.call.addressed(&t.Address)
		l.suppose(o, t, location{address: address, slot: path})
		found = true
	}
	return found
}
