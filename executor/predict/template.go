package predict

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// maxWords bounds the different words that a template's locations are made of,
// apart from the constants that they start from.
const maxWords = 16

// template is what is predicted for calls of one function of a code. It does not
// change once it is published.
type template struct {
	source    Sources
	id        uint64 // for the keys of groups
	groups    []group
	needed    uint32 // features of groups
	locations []location

	// What follows computes the keys of locations.
	plans  []plan
	hashes [maxWords]uint64 // of the constants among the words
	words  []plannedWord    // the others
}

// plan is a location that refers to words by their place in template.hashes.
type plan struct {
	address uint8
	root    uint8 // unless fixed
	fixed   bool  // base is the hash of the root
	write   bool
	depth   uint8
	swapped uint8
	keys    [maxDepth]uint8
	base    uint64
	// offsets are what slotPath has, but the first is part of base if that is fixed.
	offsets [maxDepth + 1]uint64
}

type plannedWord struct {
	kind         operandKind
	index, width uint8
	to           uint8
}

// newTemplate returns a template of the first of the locations that it has room
// for.
func newTemplate(s *seeds, source Sources, id uint64, locations []location) *template {
	t := &template{source: source, id: id}
	var words []operand
	for i := range locations {
		l := &locations[i]
		p := plan{depth: l.slot.depth, swapped: l.slot.swapped, write: l.write, offsets: l.slot.offsets}
		known := words
		place := func(o operand) uint8 {
			at := slices.Index(words, o)
			if at < 0 {
				at = len(words)
				words = append(words, o)
			}
			return uint8(at)
		}
		p.address = place(l.address)
		if l.slot.root.kind == constant {
			p.fixed, p.base, p.offsets[0] = true, shifted(s.hash(&l.slot.root.value), p.offsets[0]), 0
		} else {
			p.root = place(l.slot.root)
		}
		for k := range p.depth {
			p.keys[k] = place(l.slot.keys[k])
		}
		if len(words) > maxWords {
			words = known
			continue
		}
		t.locations, t.plans = append(t.locations, *l), append(t.plans, p)
	}
	for i := range words {
		if o := &words[i]; o.kind == constant {
			t.hashes[i] = s.hash(&o.value)
		} else {
			t.words = append(t.words, plannedWord{o.kind, o.index, o.width, uint8(i)})
		}
	}
	return t
}

func (t *template) setGroups(groups []group) {
	t.groups = groups
	for _, g := range groups {
		t.needed |= g.features
	}
}

// appendKeys appends the keys of a call.
func (t *template) appendKeys(s *seeds, dst []Key, c *call) []Key {
	start := len(dst)
	hashes := t.hashes
	for i := range t.words {
		w := &t.words[i]
		hashes[w.to%maxWords] = c.hash(s, w)
	}
	for i := range t.plans {
		p := &t.plans[i]
		slot := p.base
		if !p.fixed {
			slot = shifted(hashes[p.root%maxWords], p.offsets[0])
		}
		for k := range p.depth {
			key := hashes[p.keys[k]%maxWords]
			slot = shifted(s.mapped(slot, key, p.swapped>>k&1 != 0), p.offsets[k+1])
		}
		dst = addKey(dst, start, Key{s.located(hashes[p.address%maxWords], slot), p.write})
	}
	if len(t.groups) > 0 {
		f := c.features(s, t.needed)
		for _, g := range t.groups {
			dst = addKey(dst, start, Key{g.key(t.id, &f), true})
		}
	}
	return dst
}

// hash returns the hash of a word of the call.
func (c *call) hash(s *seeds, w *plannedWord) uint64 {
	switch w.kind {
	case caller:
		return s.address(&c.tx.From)
	case callee:
		return s.address(c.callee)
	case argument:
		at := int(w.index) * wordSize
		if at+wordSize > len(c.data) {
			break
		}
		word := (*common.Hash)(c.data[at : at+wordSize])
		switch w.width {
		case wordSize:
			return s.hash(word)
		case common.AddressLength:
			return s.address((*common.Address)(word[wordSize-common.AddressLength:]))
		}
	case constant, callValue:
	}
	value := c.word(&operand{kind: w.kind, index: w.index, width: w.width})
	return s.hash(&value)
}

// appendSlots appends the slots of a call, as far as they are known.
func (t *template) appendSlots(h *hasher, dst []Access, c *call) []Access {
	start := len(dst)
	for i := range t.locations {
		dst = addAccess(dst, start, c.access(h, &t.locations[i]))
	}
	return dst
}

const nFeatures = firstPair + maxArguments - 1

// features are what a location may be determined by, each as a hash: callee,
// caller, value, the argument words, and each two neighbouring ones without
// their order, since a path of tokens leads both ways through the same pool.
type features [nFeatures]uint32

// firstArgument and firstPair are the places of those features.
const (
	firstArgument = 3
	firstPair     = firstArgument + maxArguments
	allFeatures   = 1<<nFeatures - 1
)

// features returns the features of a bit set, and zeros for the others.
func (c *call) features(s *seeds, needed uint32) (f features) {
	if needed&1 != 0 {
		f[0] = uint32(s.address(c.callee))
	}
	if needed&2 != 0 {
		f[1] = uint32(s.address(&c.tx.From))
	}
	if needed&4 != 0 {
		value := c.value()
		f[2] = uint32(s.hash(&value))
	}
	pairs := needed >> firstPair
	arguments := needed>>firstArgument | pairs | pairs<<1
	for i := range maxArguments {
		if arguments>>i&1 != 0 {
			f[firstArgument+i] = uint32(c.hash(s, &plannedWord{kind: argument, index: uint8(i), width: wordSize}))
		}
	}
	for i := range maxArguments - 1 {
		if pairs>>i&1 != 0 {
			f[firstPair+i] = f[firstArgument+i] + f[firstArgument+i+1]
		}
	}
	return f
}

// group stands for locations that nothing is known of but which features
// determine them. Calls with equal ones touch the same locations.
type group struct {
	features uint32 // bit set
}

// key names the locations of a group for a call.
func (g group) key(id uint64, f *features) uint64 {
	h := mix(id, uint64(g.features)|1<<63)
	for i := range f {
		if g.features&(1<<i) != 0 {
			h = mix(h^0xa0761d6478bd642f, uint64(f[i])+0xe7037ed1a0b428db)
		}
	}
	return h
}

// agreed returns the features that are equal in both.
func (f *features) agreed(g *features) (same uint32) {
	for i := range f {
		if f[i] == g[i] {
			same |= 1 << i
		}
	}
	return same
}
